"""What a mined transaction did, opcode by opcode, from the node's own trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from kana_insurance.backends.rpc import RpcBackend
from tools.gasbench.costs import Work, calldata, total, work

# Costs come from the gas that is left before and after, since the tracer's own figure is that of the opcode before.
# A call costs what it took less what its callee used. Reports [contract, opcode, cost, size or callee] of the opcodes
# that have a kind, the gas of every contract, and the refund.
_TRACER = """{
  kept: [], gas: {}, calls: [], last: null, refund: 0,
  wanted: /^(SLOAD|SSTORE|TLOAD|TSTORE|KECCAK256|SHA3|LOG\\d|(STATIC|DELEGATE)?CALL|EXTCODE(SIZE|HASH)|BALANCE)$/,
  spend: function(done, cost) {
    this.gas[done.at] = (this.gas[done.at] || 0) + cost;
    if (this.wanted.test(done.op)) this.kept.push([done.at, done.op, cost, done.note]);
  },
  step: function(log) {
    var gas = log.getGas(), depth = log.getDepth(), last = this.last, op = log.op.toString(), note = 0;
    if (last !== null) {
      if (depth > last.depth) { last.first = gas; this.calls.push(last); }
      else if (depth === last.depth) this.spend(last, last.gas - gas);
      else {
        var call = this.calls.pop();
        this.spend(last, 0);
        this.spend(call, call.gas - gas - (call.first - last.gas));
      }
    }
    if (/^(LOG|KECCAK|SHA3|STATICC|DELEGATEC|CALL$)/.test(op)) note = log.stack.peek(1).toString(16);
    this.refund = log.getRefund();
    this.last = {op: op, gas: gas, depth: depth, at: toHex(log.contract.getAddress()), note: note};
  },
  fault: function(log) {},
  result: function() { return {kept: this.kept, gas: this.gas, refund: this.refund}; }
}"""

_STORE = {20_000: "slot set", 2_900: "slot update", 100: "slot rewrite"}


class TraceError(RuntimeError):
    """A trace that doesn't add up to the receipt's gas."""


@dataclass
class Trace:
    """What a transaction did.

    Attributes:
        gas: Of the receipt.
        gross: Before the refund.
        refund: The refund the transaction earned, before its cap of a fifth of `gross`.
        call: The transaction's own work: 21,000 and its call data.
        work: Counts of priced work by contract address in lower case.
        spent: Gas that each contract spent itself, that of its calls apart.
    """

    gas: int
    gross: int
    refund: int
    call: Work
    work: dict[str, Work] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)

    def rest(self, address: str) -> int:
        """Gas that a contract spent on all that has no kind: arithmetic, memory, jumps."""
        return self.spent.get(address, 0) - total(self.work.get(address, Counter()))


def _slot(cost: int) -> Work:
    """A storage read or write by its cost."""
    if cost in (2_100, 100):
        return work(cold_slot=1) if cost == 2_100 else work(warm_slot=1)
    raise TraceError(f"a storage read cost {cost}")


def _store(cost: int) -> Work:
    for kind in (work(), work(cold_slot=1)):
        rest = cost - total(kind)
        if rest in _STORE:
            return kind + Counter({_STORE[rest]: 1})
    raise TraceError(f"a storage write cost {cost}")


def _classify(op: str, cost: int, note: int) -> Work:
    """The priced work in one opcode; what memory it grew by isn't."""
    if op == "SLOAD":
        return _slot(cost)
    if op == "SSTORE":
        return _store(cost)
    if op in ("TLOAD", "TSTORE"):
        return work(transient=1)
    if op in ("KECCAK256", "SHA3"):
        return work(keccak=1, keccak_word=(note + 31) // 32)
    if op.startswith("LOG"):
        return work(log=1, log_topic=int(op[3:]), log_word=(note + 31) // 32)
    if op.endswith("CALL") and note == 1:
        return work(warm_account=1, ecrecover=1)
    return work(cold_account=1) if cost >= 2_600 else work(warm_account=1)


def trace(backend: RpcBackend, transaction: str) -> Trace:
    """The trace of a mined transaction.

    Raises:
        TraceError: if its parts don't add up to the receipt.
    """
    receipt, sent, raw = backend.rpc_batch(
        [
            ("eth_getTransactionReceipt", [transaction]),
            ("eth_getTransactionByHash", [transaction]),
            ("debug_traceTransaction", [transaction, {"tracer": _TRACER}]),
        ]
    )
    call = calldata(bytes.fromhex(sent["input"][2:]))
    result = Trace(int(receipt["gasUsed"], 16), 0, int(raw["refund"]), call)
    for address, op, cost, note in raw["kept"]:
        done = result.work.setdefault(address, Counter())
        done.update(_classify(op, int(cost), int(str(note), 16)))
    result.spent = {address: int(gas) for address, gas in raw["gas"].items()}
    result.gross = total(call) + sum(result.spent.values())
    if result.gas != net(result.gross, result.refund):
        raise TraceError(f"{transaction}: the trace sums to {result.gross}, the receipt says {result.gas}")
    return result


def net(gross: int, refund: int) -> int:
    """Gas after a refund, which is at most a fifth."""
    return gross - min(refund, gross // 5)


def summary(done: dict[str, Any]) -> dict[str, int]:
    """Counts by kind in the order of the prices, without zeros."""
    from tools.gasbench.costs import COST

    return {kind: int(done[kind]) for kind in COST if done.get(kind)}
