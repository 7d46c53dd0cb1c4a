"""Statement coverage of contracts and modules, measured on the node that the tests use.

Every transaction, call and refused gas estimate that the test process sends through ``requests`` (Ape, web3.py, plain
JSON-RPC) is traced with a step tracer, which collects the program counters executed at each address. The code at the
address says which contract it is: its runtime code without the immutables behind it, or, while a contract is being
created, its creation code without the constructor's arguments. The compiler's source maps lead from program counters to
statements of the contract and of the modules compiled into it, reverted executions and constructors included.

Counted are the statements of functions under contracts/, without contracts/testing and interfaces. A module's statement
is covered when any contract ran it. A function that is compiled into no contract counts as missed.

Not seen: other processes, websockets, and transactions whose node is gone before their receipt was read.

Options: ``--contract-coverage`` turns it on, ``--contract-coverage-min PERCENT`` fails the run below that.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tools.build import CONTRACTS, ROOT
from tools.outputs import compile_all

# Keys: the code's address, or "create:" and the creation code while that runs. Values: the counters seen there.
TRACER = """{
  seen: {}, stack: [], now: null,
  open: function(key) {
    if (!this.seen[key]) this.seen[key] = {};
    this.now = this.seen[key];
  },
  step: function(log) {
    if (this.now === null) this.open('top');
    this.now[log.getPC()] = 1;
  },
  fault: function(log) { this.step(log); },
  enter: function(frame) {
    this.stack.push(this.now);
    if (frame.getType().indexOf('CREATE') === 0) this.open('create:' + toHex(frame.getInput()));
    else this.open(toHex(frame.getTo()));
  },
  exit: function() { this.now = this.stack.pop(); },
  result: function(context) {
    var top = context.type.indexOf('CREATE') === 0 ? 'create:' + toHex(context.input) : toHex(context.to), all = {};
    for (var key in this.seen) {
      var name = key === 'top' ? top : key;
      all[name] = (all[name] || []).concat(Object.keys(this.seen[key]).map(Number));
    }
    return all;
  }
}"""
STATEMENTS = {
    "Assign",
    "AnnAssign",
    "AugAssign",
    "Expr",
    "Log",
    "Assert",
    "Raise",
    "Return",
    "If",
    "For",
    "Break",
    "Continue",
}
NOT_CODE = {"decorator_list", "returns", "doc_string", "type", "folded_value", "variable_reads", "variable_writes"}
SENDS = {"eth_sendTransaction", "eth_sendRawTransaction", "eth_sendUnsignedTransaction"}
UNDOES = {"evm_revert", "anvil_revert", "anvil_reset", "hardhat_reset", "anvil_loadState", "anvil_rollback"}
REPLACES_CODE = UNDOES | {"anvil_setCode", "hardhat_setCode"}
REVERTED = 3
"""The JSON-RPC error code of an execution that ran and reverted."""

Statement = tuple[str, int, int]
"""Path from the project's root, line, and node id of a statement."""


@dataclass
class Code:
    """Code that may be found on the chain, and the statement behind each of its program counters."""

    head: str
    statements: dict[int, Statement]


@dataclass
class Universe:
    """All statements there are, and the codes that lead to them."""

    functions: dict[Statement, tuple[str, int]] = field(default_factory=dict)
    reachable: set[Statement] = field(default_factory=set)
    runtime: list[Code] = field(default_factory=list)
    creation: list[Code] = field(default_factory=list)

    def add(self, output: dict[str, Any]) -> None:
        """Take in one contract's compiler outputs (see ``tools.outputs``)."""
        nodes: dict[tuple[int, int], Statement] = {}
        tree = output["annotated_ast"]
        for module in [tree["ast"], *tree["imports"]]:
            path = Path(module["resolved_path"])
            if module["is_interface"] or not path.is_relative_to(CONTRACTS):
                continue
            name = str(path.relative_to(ROOT))
            for item in module["body"]:
                if item["ast_type"] == "FunctionDef":
                    self._walk(item, None, (name, item["lineno"]), module["source_id"], nodes)
        for kind, maps, codes in (
            ("bytecode_runtime", "source_map_runtime", self.runtime),
            ("bytecode", "source_map", self.creation),
        ):
            table = {}
            for counter, key in output[maps]["pc_ast_map"].items():
                if (statement := nodes.get((key[0], key[1]))) is not None:
                    table[int(counter)] = statement
            self.reachable.update(table.values())
            codes.append(Code(output[kind].removeprefix("0x"), table))

    def _walk(
        self,
        node: Any,
        inside: Statement | None,
        function: tuple[str, int],
        source_id: int,
        nodes: dict[tuple[int, int], Statement],
    ) -> None:
        """Assign every node below a function to the innermost statement around it."""
        if isinstance(node, list):
            for item in node:
                self._walk(item, inside, function, source_id, nodes)
            return
        if not isinstance(node, dict):
            return
        if node.get("ast_type") in STATEMENTS and "lineno" in node:
            inside = (function[0], node["lineno"], node["node_id"])
            self.functions[inside] = function
        if inside is not None and "node_id" in node:
            nodes.setdefault((source_id, node["node_id"]), inside)
        for key, value in node.items():
            if key not in NOT_CODE and not (key == "args" and node.get("ast_type") == "FunctionDef"):
                self._walk(value, inside, function, source_id, nodes)

    def counted(self) -> set[Statement]:
        """Statements that count: all with code, and every one of functions that no contract has in it."""
        alive = {self.functions[statement] for statement in self.reachable}
        return {s for s, function in self.functions.items() if s in self.reachable or function not in alive} - {
            s for s in self.functions if s[0].startswith("contracts/testing/")
        }


def _find(codes: list[Code], code: str) -> Code | None:
    """The code that begins as what was found: the longest, should one be the beginning of another."""
    fitting = [known for known in codes if code.startswith(known.head)]
    return max(fitting, key=lambda known: len(known.head), default=None)


class ContractCoverage:
    """The pytest plugin: listens at ``requests``, traces, and reports."""

    def __init__(self, minimum: float) -> None:
        self.minimum = minimum
        self.universe = Universe()
        self.covered: set[Statement] = set()
        self.pending: dict[str, dict[str, bool]] = defaultdict(dict)
        self.known: dict[tuple[str, str], Code | None] = {}
        self.failed: list[str] = []
        self.send = requests.Session.send
        self.session = requests.Session()
        self.traces = 0

    def pytest_sessionstart(self) -> None:
        """Read the source maps and start to listen."""
        for output in compile_all().values():
            self.universe.add(output)
        plugin = self

        def send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            return plugin.intercept(session, request, options)

        requests.Session.send = send  # type: ignore[method-assign, assignment]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Trace what is left and fail the run when coverage is below the minimum."""
        requests.Session.send = self.send  # type: ignore[method-assign]
        for url in list(self.pending):
            self.flush(url)
        if session.exitstatus == 0 and (self.percentage() < self.minimum or self.failed):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def intercept(
        self, session: requests.Session, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        """Pass a request on; trace what it ran, before a later one can undo it."""
        calls = list(_calls(request.body)) if request.method == "POST" else []
        url = str(request.url)
        if any(call["method"] in UNDOES for call in calls):
            self.flush(url)
        response = self.send(session, request, **options)
        if calls:
            answers = {answer.get("id"): answer for answer in _answers(response)}
            for call in calls:
                self.observe(url, call, answers.get(call.get("id"), {}))
        return response

    def observe(self, url: str, call: dict[str, Any], answer: dict[str, Any]) -> None:
        """Take note of one JSON-RPC call and its answer."""
        method, params = call["method"], call.get("params") or []
        if method in SENDS and isinstance(answer.get("result"), str):
            self.pending[url][answer["result"]] = True
        elif method == "eth_getTransactionReceipt" and answer.get("result") and params[0] in self.pending[url]:
            del self.pending[url][params[0]]
            self.trace(url, "debug_traceTransaction", [params[0], {"tracer": TRACER}])
        elif method == "eth_call" or (method == "eth_estimateGas" and "error" in answer):
            block = params[1] if len(params) > 1 else "latest"
            tracing: dict[str, Any] = {"tracer": TRACER}
            if len(params) > 2 and params[2]:
                tracing["stateOverrides"] = params[2]
            refused = "error" in answer and answer["error"].get("code") != REVERTED
            self.trace(url, "debug_traceCall", [params[0], block, tracing], must=not refused)
        elif method in REPLACES_CODE:
            self.known = {key: code for key, code in self.known.items() if key[0] != url}

    def flush(self, url: str) -> None:
        """Trace the transactions whose receipts nobody asked for."""
        waiting = self.pending.pop(url, {})
        for transaction in waiting:
            if self.ask(url, "eth_getTransactionReceipt", [transaction]).get("result"):
                self.trace(url, "debug_traceTransaction", [transaction, {"tracer": TRACER}])

    def ask(self, url: str, method: str, params: list[Any]) -> dict[str, Any]:
        """One JSON-RPC call of our own, unseen by the hook; an unreachable node answers with an error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = self.session.prepare_request(requests.Request("POST", url, json=body))
        try:
            answer: dict[str, Any] = self.send(self.session, request, timeout=120).json()
        except (requests.RequestException, ValueError) as error:
            return {"error": {"message": str(error)}}
        return answer

    def trace(self, url: str, method: str, params: list[Any], must: bool = True) -> None:
        """Trace one execution and mark its statements; a failure counts unless the node refused the call itself."""
        answer = self.ask(url, method, params)
        self.traces += 1
        result = answer.get("result")
        if not isinstance(result, dict):
            if not must:
                return
            self.failed.append(f"{method}: {json.dumps(answer.get('error', answer))[:200]}")
            return
        for key, counters in result.items():
            code = self.identify(url, key, params[1] if method == "debug_traceCall" else "latest")
            if code is not None:
                self.covered.update(code.statements[pc] for pc in counters if pc in code.statements)

    def identify(self, url: str, key: str, block: Any) -> Code | None:
        """The contract that a tracer's key stands for."""
        if key.startswith("create:"):
            return _find(self.universe.creation, key[7:].removeprefix("0x"))
        if (url, key) not in self.known:
            code = self.ask(url, "eth_getCode", [key, block]).get("result")
            if not code or code == "0x":
                return None
            self.known[url, key] = _find(self.universe.runtime, code.removeprefix("0x"))
        return self.known[url, key]

    def percentage(self) -> float:
        """Covered statements of all that count, in per cent."""
        counted = self.universe.counted()
        return 100 * len(counted & self.covered) / len(counted) if counted else 0.0

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table: statements, missed ones, coverage, lines missed."""
        write = terminalreporter.write_line
        terminalreporter.section("statement coverage of contracts")
        counted = self.universe.counted()
        by_file: dict[str, set[Statement]] = defaultdict(set)
        for statement in counted:
            by_file[statement[0]].add(statement)
        width = max((len(name) for name in by_file), default=8)
        write(f"{'file':<{width}} {'statements':>10} {'missed':>7} {'covered':>8}  missed lines")
        for name, statements in sorted(by_file.items()):
            missed = statements - self.covered
            share = 100 * (1 - len(missed) / len(statements))
            lines = _ranges(sorted({statement[1] for statement in missed}))
            write(f"{name:<{width}} {len(statements):>10} {len(missed):>7} {share:>7.1f}%  {lines}")
        missed_count = len(counted - self.covered)
        write(f"{'total':<{width}} {len(counted):>10} {missed_count:>7} {self.percentage():>7.1f}%")
        write(f"{self.traces} executions traced")
        for failure in self.failed[:5]:
            write(f"not traced: {failure}", red=True)
        if self.failed:
            write(f"{len(self.failed)} executions could not be traced", red=True)
        if self.percentage() < self.minimum:
            write(f"statement coverage {self.percentage():.1f} % is below {self.minimum:g} %", red=True)


def _calls(body: bytes | str | None) -> Iterator[dict[str, Any]]:
    """The JSON-RPC calls of a request's body, single or batch; none when it is something else."""
    if not body:
        return
    try:
        content = json.loads(body)
    except ValueError:
        return
    for call in content if isinstance(content, list) else [content]:
        if isinstance(call, dict) and isinstance(call.get("method"), str):
            yield call


def _answers(response: requests.Response) -> list[dict[str, Any]]:
    """The JSON-RPC answers of a response."""
    try:
        content = response.json()
    except ValueError:
        return []
    return [answer for answer in (content if isinstance(content, list) else [content]) if isinstance(answer, dict)]


def _ranges(lines: list[int]) -> str:
    """Line numbers, neighbours joined: 3, 7-9."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in parts)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("contract coverage")
    group.addoption("--contract-coverage", action="store_true", help="measure statement coverage of contracts")
    group.addoption("--contract-coverage-min", type=float, default=0.0, metavar="PERCENT", help="fail below this")


def pytest_configure(config: pytest.Config) -> None:
    """Turn it on when asked."""
    if config.getoption("--contract-coverage"):
        if not config.pluginmanager.hasplugin("ape_test"):
            sys.exit("--contract-coverage measures what runs on a node: use it with ape test")
        config.pluginmanager.register(
            ContractCoverage(config.getoption("--contract-coverage-min")), "contract-coverage"
        )
