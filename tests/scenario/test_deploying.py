"""Deployments to real networks: checked first, rehearsed, broken off at every point and resumed, verifiable."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eth_account import Account

from kana_insurance.anvil import Anvil
from kana_insurance.audit import audit
from kana_insurance.backends import ROOT
from kana_insurance.backends.artifacts import artifact
from kana_insurance.backends.rpc import Key, NodeError, RpcBackend
from kana_insurance.deploying import Options, Target, carry_out, prepare, steps
from kana_insurance.deploying.journal import Journal, journal_path, locked
from kana_insurance.deploying.preflight import check_balance, check_chain
from kana_insurance.deploying.sources import encode_arguments, standard_json
from kana_insurance.deploying.steps import key_signer
from kana_insurance.deployment import DeploymentRecord, System, attach, read_record
from kana_insurance.networks import Plan, read_plan
from kana_insurance.system import DeploymentError, find_record
from tests.scenario.conftest import MNEMONIC
from tests.scenario.line import BREAKS, SENDING, Line, end_state
from tests.scenario.running import Run, figures, load, refused

DEEP = bool(os.environ.get("KANA_DEEP"))
SEPOLIA, ARBITRUM = 11155111, 42161
SILENT = Options(rehearse=False)


def key_of(number: int) -> Key:
    """One of Anvil's accounts."""
    Account.enable_unaudited_hdwallet_features()
    return Key(bytes(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}").key))


DEPLOYER, OTHER = key_of(0), key_of(1)
#: The last transaction of the testnet's example.
LAST = 44


@pytest.fixture(scope="module")
def testnet() -> Iterator[Anvil]:
    """A chain with Sepolia's id, with nothing on it."""
    with Anvil(arguments=("--chain-id", str(SEPOLIA), "--accounts", "20")) as running:
        yield running


@pytest.fixture(scope="module")
def rollup() -> Iterator[Anvil]:
    """A chain with Arbitrum One's id, and at the addresses of the example a token and feeds of the project's code."""
    with Anvil(arguments=("--chain-id", str(ARBITRUM), "--accounts", "20")) as running:
        plant(running)
        yield running


def plant(node: Anvil) -> None:
    """Put token and feeds where the example says that Arbitrum One has them."""
    backend, plan = RpcBackend(node.url), read_plan(ROOT / "networks" / "arbitrum-one.yaml")
    now = backend.timestamp()

    def copy(contract: str, address: str, *args: Any) -> Any:
        made = backend.deploy(contract, *args, sender=OTHER)
        backend.rpc("anvil_setCode", address, "0x" + backend.code(made.address).hex())
        return backend.at(contract, address)

    copy("FaucetToken", str(plan.config.token), "USD Coin", "USDC", 6)
    for market in plan.config.markets:
        copy("MockAggregator", str(market.aggregator), 8, market.name, 1).push(3_000 * 10**8, sender=OTHER)
    uptime = copy("MockAggregator", plan.config.markets[0].sequencer, 0, "L2 Sequencer Uptime Status Feed", 0)
    uptime.push_round(1, 0, now - 2 * 3_600, now - 2 * 3_600, 1, sender=OTHER)


@pytest.fixture
def undone(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Anvil]:
    """The testnet, or the chain that a test names; what happens on it is undone, its records are the test's own."""
    node: Anvil = request.getfixturevalue(getattr(request, "param", "testnet"))
    monkeypatch.setenv("KANA_DEPLOYMENTS", str(tmp_path))
    chain = RpcBackend(node.url)
    snapshot = chain.rpc("evm_snapshot")
    yield node
    chain.rpc("evm_revert", snapshot)
    chain.rpc("evm_setAutomine", True)


@pytest.fixture
def on_rollup(undone: Anvil) -> RpcBackend:
    """The chain of a test on the rollup."""
    return RpcBackend(undone.url)


def file_of_testnet(folder: Path) -> Path:
    """The testnet's example without the feed that a fresh chain hasn't."""
    path = folder / "testnet.yaml"
    text = (ROOT / "networks" / "sepolia.yaml").read_text()
    path.write_text(re.sub("    aggregator: .*\n    feed_description: .*\n", "    price: 2_000\n", text))
    return path


def resume(plan: Plan, line: Line, options: Options = SILENT) -> System:
    """Deploy, or go on."""
    prepared = prepare(plan, Target(line.chain.url, request=line), DEPLOYER, options)
    return carry_out(prepared, key_signer(DEPLOYER))[0]


def broken_off(plan: Plan, line: Line) -> Journal:
    """Deploy until the line breaks; what the journal says then."""
    with pytest.raises(NodeError):
        resume(plan, line)
    return Journal.model_validate_json(journal_path("sepolia").read_text())


@pytest.fixture(scope="module")
def whole(testnet: Anvil, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end of a deployment that nothing breaks off; with how many transactions it took."""
    folder = tmp_path_factory.mktemp("whole")
    chain, line = RpcBackend(testnet.url), Line(testnet.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANA_DEPLOYMENTS", str(folder))
        snapshot = chain.rpc("evm_snapshot")
        state = end_state(resume(read_plan(file_of_testnet(folder)), line))
        chain.rpc("evm_revert", snapshot)
    return {"state": state, "count": line.sent}


def sound(system: System) -> bool:
    """Whether an audit of the system is silent, read anew from its record."""
    record = read_record(system.record.network)
    assert record == system.record
    report = audit(attach(RpcBackend(system.backend.url), record), from_block=0)  # type: ignore[attr-defined]
    assert report.checks.findings == []
    assert not journal_path(record.network).exists()
    return True


# ---------------------------------------------------------------------- resumed


@pytest.mark.parametrize(
    ("step", "how"), [(1, "before"), (6, "after"), (10, "receipt"), (18, "dropped"), (37, "pending"), (LAST, "after")]
)
def test_deployment__broken_off_and_resumed__same_end(
    undone: Anvil, whole: dict[str, Any], tmp_path: Path, step: int, how: str
) -> None:
    """M36: nothing is deployed twice: as many transactions as without a break, one more where the node lost one."""
    plan, line = read_plan(file_of_testnet(tmp_path)), Line(undone.url, step, how)
    journal = broken_off(plan, line)
    assert [one.number for one in journal.steps] == list(range(1, step + 1))
    assert [one.mined is not None for one in journal.steps] == [True] * (step - 1) + [False]
    assert len(journal.steps[-1].hashes) == 1
    again = Line(undone.url)
    system = resume(plan, again)
    lost = how in ("before", "dropped")
    assert whole["count"] == LAST
    assert line.sent + again.sent == whole["count"] + lost
    assert end_state(system) == whole["state"]
    assert sound(system)
    assert again.chain.rpc("eth_getTransactionCount", DEPLOYER, "latest") == hex(whole["count"])


@pytest.mark.skipif(not DEEP, reason="make test-deep")
@pytest.mark.parametrize("how", BREAKS[:3])
def test_deployment__broken_off_at_every_transaction__same_end(
    undone: Anvil, whole: dict[str, Any], tmp_path: Path, how: str
) -> None:
    plan, chain = read_plan(file_of_testnet(tmp_path)), RpcBackend(undone.url)
    for step in range(1, whole["count"] + 1):
        snapshot = chain.rpc("evm_snapshot")
        assert len(broken_off(plan, Line(undone.url, step, how)).steps) == step
        system = resume(plan, Line(undone.url))
        assert end_state(system) == whole["state"], step
        assert sound(system), step
        chain.rpc("evm_revert", snapshot)


@pytest.mark.skipif(not DEEP, reason="make test-deep")
def test_deployment__line_breaks_at_every_transaction__still_one_deployment(
    undone: Anvil, whole: dict[str, Any], tmp_path: Path
) -> None:
    plan, runs = read_plan(file_of_testnet(tmp_path)), 0
    while True:
        try:
            system = resume(plan, Line(undone.url, 1, "after"))
            break
        except NodeError:
            runs += 1
    assert runs == whole["count"]
    assert end_state(system) == whole["state"]


class Dying(Line):
    """Waits at one transaction until the node has written its state, and kills it at a later one."""

    def __init__(self, node: Anvil, state: Path, written: int, killed: int) -> None:
        super().__init__(node.url)
        self.node, self.state, self.written, self.killed = node, state, written, killed

    def __call__(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == SENDING and self.sent + 1 == self.written:
            begun, end = time.time(), time.monotonic() + 20
            while (not self.state.exists() or self.state.stat().st_mtime < begun) and time.monotonic() < end:
                time.sleep(0.02)
        if method == SENDING and self.sent + 1 == self.killed:
            os.killpg(self.node.pid, signal.SIGKILL)
        return super().__call__(method, params)


def test_deployment__node_killed_in_the_middle__ends_well(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is killed outright, and comes back with what it had last written: the latest transactions are lost."""
    monkeypatch.setenv("KANA_DEPLOYMENTS", str(tmp_path))
    plan, state = read_plan(file_of_testnet(tmp_path)), tmp_path / "state.json"
    arguments = ("--chain-id", str(SEPOLIA), "--accounts", "20", "--state", str(state), "--state-interval", "1")
    with Anvil(arguments=arguments) as node:
        journal = broken_off(plan, Dying(node, state, 12, 16))
        assert len(journal.steps) == 16
    with Anvil(arguments=arguments) as back:
        chain = RpcBackend(back.url)
        found = int(chain.rpc("eth_getTransactionCount", DEPLOYER, "latest"), 16)
        assert 0 < found < 16
        system = resume(plan, Line(back.url))
        assert end_state(system) == whole["state"]
        assert sound(system)


def test_resume__another_configuration__refused_until_restarted(undone: Anvil, tmp_path: Path) -> None:
    path = file_of_testnet(tmp_path)
    broken_off(read_plan(path), Line(undone.url, 3))
    path.write_text(path.read_text().replace("threshold: 100_000", "threshold: 90_000"))
    other = read_plan(path)
    with pytest.raises(DeploymentError, match=r"with another file .* has 2 of its transactions on the chain"):
        resume(other, Line(undone.url))
    with pytest.raises(NodeError):
        resume(other, Line(undone.url, 1), Options(rehearse=False, restart=True))
    journal = Journal.model_validate_json(journal_path("sepolia").read_text())
    assert [(step.number, step.nonce) for step in journal.steps] == [(1, 2)]


def test_resume__changed_sources__refused(undone: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(file_of_testnet(tmp_path))
    broken_off(plan, Line(undone.url, 4))
    compiled = artifact("NoticeBoard")
    monkeypatch.setitem(compiled, "bytecode", compiled["bytecode"] + "00")
    with pytest.raises(DeploymentError, match=r"step 2 was 'NoticeBoard.__init__' when it was sent and is another now"):
        resume(plan, Line(undone.url))


def test_resume__nonce_used_by_another_transaction__told_then_sent_anew(
    undone: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "KNOWN_SECONDS", 0.1)
    plan = read_plan(file_of_testnet(tmp_path))
    journal = broken_off(plan, Line(undone.url, 5))
    chain = RpcBackend(undone.url)
    foreign = chain.send(DEPLOYER, OTHER, b"", 21_000)
    with pytest.raises(DeploymentError) as refusal:
        resume(plan, Line(undone.url))
    assert f"nonce 4 of {DEPLOYER}, meant for step 5 (Backstop as a blueprint), was used by" in str(refusal.value)
    assert f"transaction {foreign.hash} in block" in str(refusal.value)
    assert "add --resend" in str(refusal.value)
    system = resume(plan, Line(undone.url), Options(rehearse=False, resend=True))
    assert sound(system)
    assert journal.steps[-1].address not in system.record.constructor_args["factory"]


@pytest.mark.parametrize(("gas", "fails"), [(3_000_000, False), (600_000, True)])
def test_resume__sent_again_by_hand__taken_for_its_own(
    undone: Anvil, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gas: int, fails: bool
) -> None:
    """A wallet that sends the same with another fee: another hash, the same nonce, addressee and data.

    With too little gas it is mined and reverts: the step is sent anew, with a new nonce.
    """
    monkeypatch.setattr(steps, "KNOWN_SECONDS", 0.1)
    plan = read_plan(file_of_testnet(tmp_path))
    line = Line(undone.url, 8)
    broken_off(plan, line)
    fees = steps.fees_of(line.chain)
    journal = Journal.model_validate_json(journal_path("sepolia").read_text())
    step = journal.steps[7]
    data = bytes.fromhex(artifact("FaucetToken")["bytecode"][2:])
    data += bytes.fromhex(encode_arguments("FaucetToken", ["Kana USDT", "KUSDT", "6"]))
    draft = steps.Draft(SEPOLIA, step.nonce, None, data, gas, steps.Fees(2 * fees.base, 2 * fees.tip))
    name = line.chain.rpc("eth_sendRawTransaction", "0x" + key_signer(DEPLOYER)(draft).hex())
    assert name not in step.hashes
    system = resume(plan, Line(undone.url))
    assert sound(system)
    assert (end_state(system) == whole["state"]) is not fails
    used = int(line.chain.rpc("eth_getTransactionCount", DEPLOYER, "latest"), 16)
    assert used == whole["count"] + fails


def test_journal__lost_chain_or_second_run__refused(undone: Anvil, tmp_path: Path) -> None:
    plan = read_plan(file_of_testnet(tmp_path))
    chain = RpcBackend(undone.url)
    snapshot = chain.rpc("evm_snapshot")
    chain.send(DEPLOYER, OTHER, b"", 21_000)
    broken_off(plan, Line(undone.url, 2))
    with locked("sepolia"), pytest.raises(DeploymentError, match="another deployment to 'sepolia' is running"):
        resume(plan, Line(undone.url))
    chain.rpc("evm_revert", snapshot)
    with pytest.raises(DeploymentError, match=r"step 1 has nonce 1, .* this isn't the chain that it was begun on"):
        resume(plan, Line(undone.url))
    journal_path("sepolia").write_text("{")
    with pytest.raises(DeploymentError, match="can't be read"):
        resume(plan, Line(undone.url))


# -------------------------------------------------------------------- the chain


def told(plan: Plan, backend: RpcBackend) -> list[str]:
    """What the checks say, line by line."""
    with pytest.raises(DeploymentError) as refusal:
        check_chain(backend, plan, DEPLOYER)
    return str(refusal.value).splitlines()


def changed(folder: Path, *changes: tuple[str, str]) -> Plan:
    """The rollup's example with changes."""
    text = (ROOT / "networks" / "arbitrum-one.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "rollup.yaml"
    path.write_text(text)
    return read_plan(path)


def test_check_chain__nothing_there__every_address_named(undone: Anvil, tmp_path: Path) -> None:
    backend = RpcBackend(undone.url)
    plan = changed(tmp_path, ("chain_id: 42161", f"chain_id: {SEPOLIA}"), ("treasurer: ", f"treasurer: '{DEPLOYER}' #"))
    path = tmp_path / "rollup.yaml"
    written = path.read_text().splitlines()
    places = [(line.split(":")[1], line.partition(": ")[2]) for line in told(plan, backend)]
    nothing = "there is no {} at {} on this chain"
    usdc, uptime = plan.config.token, plan.config.markets[0].sequencer
    eth, btc = (market.aggregator for market in plan.config.markets)
    assert [(written[int(number) - 1].strip()[:20], words) for number, words in places] == [
        (
            "treasurer: '" + DEPLOYER[:8],
            f"treasurer: the deployer {DEPLOYER} can't be among treasurer: it keeps no role (M9)",
        ),
        ("asset:", "asset: " + nothing.format("token", usdc)),
        ('sequencer: "0xFdB631', "sequencer: " + nothing.format("sequencer feed", uptime)),
        ('aggregator: "0x639Fe', "markets[0].aggregator: " + nothing.format("aggregator", eth)),
        ('aggregator: "0x6ce18', "markets[1].aggregator: " + nothing.format("aggregator", btc)),
    ]
    (line,) = told(changed(tmp_path), backend)
    assert line == f"{path}:8: chain_id: the file is for chain 42161, the node is chain {SEPOLIA}: " + (
        "name the right --network or the right --config"
    )


@pytest.mark.parametrize("undone", ["rollup"], indirect=True)
def test_check_chain__planted_faults__each_told(on_rollup: RpcBackend, tmp_path: Path) -> None:
    backend, plan = on_rollup, changed(tmp_path)
    check_chain(backend, plan, DEPLOYER)
    eth = backend.at("MockAggregator", str(plan.config.markets[0].aggregator))
    btc = backend.at("MockAggregator", str(plan.config.markets[1].aggregator))
    now = backend.timestamp()
    eth.push_round(7, 3 * 10**11, now - 30 * 3_600, now - 30 * 3_600, 7, sender=OTHER)
    btc.push(-1, sender=OTHER)
    wrong = changed(
        tmp_path,
        ("decimals: 6", "decimals: 8"),
        ("symbol: USDC", "symbol: USDT"),
        ("feed_description: BTC / USD", "feed_description: XBT / USD"),
        ("sequencer: ", "# "),
    )
    words = [line.partition(": ")[2] for line in told(wrong, backend)]
    assert words[0] == "asset.decimals: the token has 6, the file says 8"
    assert words[1] == "asset.symbol: the token is 'USDC', the file says 'USDT'"
    assert words[2].startswith("sequencer: ETH / USD: chain 42161 has a sequencer: name the feed")
    assert words[3].startswith("markets[0].max_age: the aggregator's answer is 1 day 6 hours old, at most 1 day 1 hour")
    assert words[5] == "markets[1].aggregator: the aggregator answers -1, no price"
    assert words[6].endswith("the aggregator calls itself 'BTC / USD', the file says 'XBT / USD'")
    uptime = backend.at("MockAggregator", plan.config.markets[0].sequencer)
    uptime.push(1, sender=OTHER)
    assert "the sequencer is down" in "\n".join(told(plan, backend))
    uptime.push(0, sender=OTHER)
    assert "the grace runs for another" in "\n".join(told(plan, backend))


def test_check_chain__old_evm__refused(tmp_path: Path) -> None:
    arguments = ("--chain-id", str(SEPOLIA), "--hardfork", "shanghai", "--accounts", "1")
    with Anvil(arguments=arguments) as old:
        lines = told(read_plan(file_of_testnet(tmp_path)), RpcBackend(old.url))
    assert len(lines) == 1
    assert "evm: the chain doesn't run transient storage (EIP-1153)" in lines[0]


def test_check_balance__too_little__told_with_what_is_needed(undone: Anvil) -> None:
    backend, poor = RpcBackend(undone.url), "0x" + "99" * 20
    backend.rpc("anvil_setBalance", poor, hex(10**17))
    check_balance(backend, poor, 8 * 10**16, "ETH")
    with pytest.raises(DeploymentError, match=r"holds 0.1000 ETH, the deployment costs about 0.0900 ETH: have 0.1080"):
        check_balance(backend, poor, 9 * 10**16, "ETH")


# ------------------------------------------------------------------ the command


def invoke(node: Anvil, *arguments: str) -> Result:
    """`ape run deploy` on a node."""
    result = CliRunner().invoke(load("deploy"), [*arguments, "--network", node.url])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("undone", ["rollup"], indirect=True)
def test_deploy__rollup__rehearsed_then_deployed(undone: Anvil, on_rollup: RpcBackend, tmp_path: Path) -> None:
    """The example as it is; what the rehearsal foretold happens, and its sources give the code on the chain."""
    config = str(ROOT / "networks" / "arbitrum-one.yaml")
    before = on_rollup.rpc("eth_getTransactionCount", DEPLOYER, "latest")
    foretold = figures(invoke(undone, "--dry-run", "--deployer", DEPLOYER, "--config", config, "--json"))
    assert on_rollup.rpc("eth_getTransactionCount", DEPLOYER, "latest") == before
    assert not list(tmp_path.iterdir())
    refused(invoke(undone, "--account", "TEST::0", "--config", config), "nobody is there to agree: add --yes")
    result = invoke(undone, "--account", "TEST::0", "--config", config, "--yes")
    assert result.exit_code == 0, result.output
    record = read_record("arbitrum-one")
    assert find_record(ARBITRUM, "chain-42161") == tmp_path / "arbitrum-one.json"
    assert (record.chain_id, record.network) == (ARBITRUM, "arbitrum-one")
    rows = foretold["transactions"]
    used = re.findall(r"mined in block \d+, ([\d,]+) gas", result.output)
    assert [row["gas"] for row in rows] == [gas.replace(",", "") for gas in used]
    assert rows[0]["function"] == "Timelock.__init__"
    assert rows[0]["arguments"]["delay_seconds"] == str(3 * 86_400)
    assert rows[0]["to"] == f"create {record.addresses['timelock']}"
    assert int(foretold["gas"]) == sum(int(row["gas"]) for row in rows)
    report = audit(attach(on_rollup, record))
    assert report.checks.findings == []
    assert_sources(on_rollup, record, tmp_path / "arbitrum-one.verify", alone=("PriceFeed", "NoticeBoard"))


def assert_sources(chain: RpcBackend, record: DeploymentRecord, folder: Path, alone: tuple[str, ...] = ()) -> None:
    """Every contract is there, with the code and arguments that created it; some are compiled from their file alone."""
    listed = json.loads((folder / "contracts.json").read_text())
    found = {entry["address"]: entry for entry in listed["contracts"]}
    assert set(found) == (set(record.addresses.values()) - {str(record.config.token)}) | {
        *(market.feed for market in record.markets),
        *(market.aggregator for market in record.markets if market.mock),
        *(address for one in record.collaterals for address in (one.token, one.feed, one.aggregator)),
        *record.constructor_args["factory"][3:],
    }
    creations = {}
    for number in range(chain.block_number() + 1):
        for sent in chain.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            receipt = chain.rpc("eth_getTransactionReceipt", sent["hash"])
            if receipt["contractAddress"]:
                creations[receipt["contractAddress"].lower()] = sent["input"]
    compiled = {}
    for entry in found.values():
        contract = entry["contract"].partition(":")[2]
        kept = json.loads((folder / entry["standard_json"]).read_text())
        assert not any(name.startswith(("/", ".")) for name in kept["sources"])
        assert kept == standard_json(contract)
        if contract in alone:
            compiled[contract] = compile_alone(folder / entry["standard_json"], entry["contract"])
        code = compiled.get(contract, artifact(contract)["bytecode"])
        if entry["address"].lower() in creations and not entry.get("blueprint"):
            assert creations[entry["address"].lower()] == code + entry["constructor_arguments"], entry["part"]


def compile_alone(path: Path, name: str) -> str:
    """The creation code that the compiler makes of a standard JSON, in an empty folder."""
    folder = path.parent / "alone"
    folder.mkdir(exist_ok=True)
    compiler = Path(sys.executable).with_name("vyper-json")
    command = [str(compiler), str(path), "-o", "out.json"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    source, _, contract = name.partition(":")
    output = json.loads((folder / "out.json").read_text())
    return "0x" + str(output["contracts"][source][contract]["evm"]["bytecode"]["object"]).removeprefix("0x")


@pytest.mark.skipif(not DEEP, reason="make test-deep")
@pytest.mark.parametrize("contract", ["InsuranceFund", "Backstop", "ClearingHouse", "FundFactory", "Timelock"])
def test_standard_json__compiled_alone__same_code(tmp_path: Path, contract: str) -> None:
    path = tmp_path / f"{contract}.json"
    path.write_text(json.dumps(standard_json(contract)))
    assert compile_alone(path, f"contracts/{contract}.vy:{contract}") == artifact(contract)["bytecode"]


def test_deploy__broken_off__command_goes_on(undone: Anvil, whole: dict[str, Any], tmp_path: Path) -> None:
    """An Ape account signs the rest; the rehearsal knows what is on the chain already."""
    path = file_of_testnet(tmp_path)
    broken_off(read_plan(path), Line(undone.url, 30, "after"))
    foretold = invoke(undone, "--dry-run", "--account", "TEST::0", "--config", str(path))
    assert foretold.exit_code == 0, foretold.output
    left = whole["count"] - 30
    assert f"total: {left} transactions (30 are on the chain already)" in foretold.stdout
    assert foretold.stdout.count("gas, on the chain") == 30
    result = invoke(undone, "--account", "TEST::0", "--config", str(path), "--yes", "--no-rehearsal")
    assert result.exit_code == 0, result.output
    assert (result.output.count(": found in block"), result.output.count(": mined in block")) == (30, left)
    record = read_record("sepolia")
    assert end_state(attach(RpcBackend(undone.url), record)) == whole["state"]
    assert_sources(RpcBackend(undone.url), record, tmp_path / "sepolia.verify")
    refused(invoke(undone, "--account", "TEST::0", "--config", str(path)), "records a deployment already: add --force")


def test_deploy__command_lines_that_make_no_sense__refused(run_any: Run) -> None:
    refused(run_any("deploy"), "name the --account that deploys", 2)
    refused(run_any("deploy", "--dry-run"), "or a --deployer", 2)
    refused(run_any("deploy", "--deployer", OTHER), "--deployer is for --dry-run", 2)
    refused(run_any("deploy", "--dry-run", "--no-rehearsal", "--deployer", OTHER), "--dry-run is the rehearsal", 2)


def test_deploy__local_file__deployed_without_questions(run_any: Run, folder: Path) -> None:
    config = str(ROOT / "networks" / "local.yaml")
    result = run_any("deploy", "--account", "TEST::0", "--config", config)
    assert result.exit_code == 0, result.output
    assert read_record("local").config == read_plan(Path(config)).config
    assert (folder / "local.verify" / "contracts.json").is_file()
