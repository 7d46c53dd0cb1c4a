"""Governance by name (M9, M18, M36): every call has a name, reads and writes its values, finds the notice it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_utils import keccak

from kana_insurance.access import ACCESS, ANYONE
from kana_insurance.backends import address_of
from kana_insurance.client import Client, Figure, Refusal
from kana_insurance.deployment import LOCAL_STAKERS, MarketConfig
from kana_insurance.governance import Governance, Misspelt, Plan, catalogue
from kana_insurance.governance.actions import Action, Unit, actions, hyphened, named, recognise
from kana_insurance.governance.current import condition, present_names
from kana_insurance.governance.meanings import EFFECTS, VALUES, VALUES_BY_CONTRACT, effect, meaning
from kana_insurance.governance.operations import NO_WORD
from kana_insurance.governance.safe import batch, write
from kana_insurance.governance.words import ROLES
from kana_insurance.kit import COIN, DAY, Kit, U, deploy_kit
from kana_insurance.measures import parse_bps
from kana_insurance.pools import LOCAL_POOL
from tests.utils.plain_calls import abi_functions, is_view

ACCOUNT = "0x00000000000000000000000000000000000000AA"
#: A value of each unit, as the ABI takes it.
SAMPLES: dict[Unit, Any] = {
    Unit.ADDRESS: ACCOUNT,
    Unit.AMOUNT: 5 * U,
    Unit.SIZE: COIN,
    Unit.BPS: 25,
    Unit.SECONDS: 5_400,
    Unit.DAYS: 9,
    Unit.MARKET: 1,
    Unit.COLLATERAL: 1,
    Unit.PLACE: 1,
    Unit.FLAG: True,
    Unit.ROLE: ROLES["guardian"],
    Unit.TEXT: "text",
    Unit.SALT: keccak(text="salt"),
    Unit.ID: keccak(text="id"),
    Unit.DATA: b"\x12\x34\x56\x78",
    Unit.MARKETS: ((ACCOUNT, 3),),
}


def sample(action: Action) -> dict[str, Any]:
    """Values for every argument of a call."""
    return {argument.name: SAMPLES[argument.unit] for argument in action.arguments}


def governance(kit: Kit, *, raw: bool = False) -> Governance:
    """The governance of a kit's system."""
    return Governance(Client(kit.system), raw=raw)


def row(plan: Plan, parameter: str) -> tuple[Any, Any]:
    """Old and new value of a parameter."""
    return next((entry["now"], entry["proposed"]) for entry in plan.rows if entry["parameter"] == parameter)


def carry_out(kit: Kit, plan: Plan) -> dict[str, Any]:
    """Propose and execute, time moved on; what is shown of the execution."""
    operator = governance(kit)
    operator.propose(plan, kit.actors.proposer)
    return operator.execute(plan.operations[-1].name, kit.actors.proposer, skip_delay=True).shown


@pytest.fixture(scope="module")
def with_stakers(kana: Kit, backend: Any, actors: Any) -> Kit:
    """A system with stakers behind the fund, and a lending pool; deployed after the one without."""
    assert kana.underwriter is None
    return deploy_kit(backend, actors, stakers=LOCAL_STAKERS, pool=LOCAL_POOL)


# ----------------------------------------------------------------------------- names


def test_actions__every_function_of_governance__has_a_name() -> None:
    """M36: whatever the access table lets governance call can be proposed, on exactly the contracts that have it."""
    wanted = set()
    for contract, entry in abi_functions():
        if not is_view(entry):
            allowed = ACCESS[contract][entry["name"]].allowed
            if "governance" in allowed and allowed != ANYONE:
                wanted.add((contract, entry["name"]))
                assert contract in {one.contract for one in named(hyphened(entry["name"]))}
    assert {(one.contract, one.function) for one in actions()} == wanted
    assert len({(one.contract, one.name) for one in actions()}) == len(wanted) > 40


def test_actions__meanings__one_for_each_call_and_value_and_none_left_over() -> None:
    told = set()
    for action in actions():
        assert effect(action.contract, action.function).endswith(".")
        for argument in action.arguments:
            assert meaning(action.contract, argument.name)
            told.add(argument.name)
        assert set(present_names(action.contract, action.function)) <= {argument.name for argument in action.arguments}
    assert {(contract, function) for contract, found in EFFECTS.items() for function in found} == {
        (one.contract, one.function) for one in actions()
    }
    assert set(VALUES) | {argument for _, argument in VALUES_BY_CONTRACT} == told


@pytest.mark.parametrize("action", actions(), ids=lambda one: f"{one.contract}.{one.function}")
def test_encode__as_the_contract_has_it__and_back(with_stakers: Kit, action: Action) -> None:
    """The call data is that of the contract's own encoder; decoding gives the values again."""
    parts = governance(with_stakers).directory.of({action.contract})
    values = sample(action)
    payload = action.encode(values)
    nested = [
        tuple(values[part["name"]] for part in entry["components"])
        if entry["type"] == "tuple"
        else values[entry["name"]]
        for entry in action.inputs
    ]
    assert payload == with_stakers.encode(parts[0].at, action.function, *nested)
    found = recognise(payload, action.contract)
    assert found == action
    decoded = action.decode(payload)
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in decoded.items()} == {
        name: [(ACCOUNT.lower(), 3)] if name == "markets" else value for name, value in values.items()
    }


@pytest.mark.parametrize("action", actions(), ids=lambda one: f"{one.contract}.{one.function}")
def test_describe__any_call__its_name_and_values(with_stakers: Kit, action: Action) -> None:
    operator = governance(with_stakers)
    part = operator.directory.of({action.contract})[0]
    values = sample(action) | {
        name: address_of(with_stakers.asset) for name in ("token", "asset") if name in sample(action)
    }
    text = operator._describe(part.address, action.encode(values))
    assert text.startswith(f"{part.name}.{action.name}(")
    if "threshold" in values or "limit" in values:
        assert "5 KanaUSDT" in text
    assert ("guardian" in text) >= ("role" in values)


def test_describe__announcement_of_a_call__both_in_words(with_stakers: Kit) -> None:
    operator = governance(with_stakers)
    inner = with_stakers.encode(with_stakers.fund, "set_max_insurance", with_stakers.house, 1, 70_000 * U)
    outer = with_stakers.encode(with_stakers.notices, "announce", with_stakers.fund, inner)
    words = "notices.announce(fund, fund.set-max-insurance(house, 1 (ETH / USD), 70,000 KanaUSDT))"
    assert operator._describe(with_stakers.notices.address, outer) == words
    assert operator._describe(with_stakers.fund.address, b"\x00\x00\x00\x00") == "fund: 0x00000000"
    assert operator._describe(ACCOUNT, b"").startswith(ACCOUNT)
    # Cut short: a selector without its arguments.
    assert operator._describe(with_stakers.fund.address, inner[:20]).startswith("fund: 0x")


def test_catalogue__all_or_one__arguments_and_how_they_are_written() -> None:
    assert len(catalogue()) == len(actions())
    rows = {entry["argument"]: entry for entry in catalogue("setWindow")}
    assert rows["length"]["written_as"] == Unit.SECONDS.value
    with pytest.raises(Refusal, match="set-threshold"):
        catalogue("set-treshold")


# ---------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("name", "texts", "words"),
    [
        ("set-threshold", ("abc",), "threshold: 'abc' is not an amount"),
        ("set-threshold", (), "needs threshold"),
        ("set-threshold", ("5", "6"), "one value too many"),
        ("set-threshold", ("limit=5",), "has no 'limit'"),
        ("set-grace", ("0", "600"), "grace: '600' is no duration"),
        ("set-factors", ("DOGE", "factor_bps=5"), "collateral_id: 'DOGE' is no collateral: write an id, or one of ETH"),
        ("set-fees", ("DOGE / USD", "taker_fee_bps=5"), "'DOGE / USD' is no market"),
        ("set-fees", ("0",), "needs taker_fee_bps"),
        ("set-layers", ("me", "none", "0"), "staked: 'me' is no address"),
        ("register-market", ("house", "2", "maybe"), "is_perp: 'maybe' is not yes or no"),
        ("resume-layer", ("2",), "place: '2' is not"),
        ("set-cooldown", ("36h",), "whole number of days"),
        ("cancel", ("fund", "0x12"), "id: '0x12' is not"),
        ("merge", ("fund", "fund", "nowhere"), "markets: 'nowhere' is no market"),
        ("cancel-notice", ("five",), "id: 'five' is not"),
    ],
)
def test_plan__misspelt__says_how_it_is_written(
    with_stakers: Kit, name: str, texts: tuple[str, ...], words: str
) -> None:
    with pytest.raises(Misspelt) as caught:
        governance(with_stakers).plan(name, texts)
    assert words in str(caught.value)


def test_plan__raw__base_units(with_stakers: Kit) -> None:
    plan = governance(with_stakers, raw=True).plan("set-window", ("2000000", "3600"))
    assert plan.values == {"cap": 2 * U, "length": 3_600}


def test_plan__value_left_out__stays_as_it_is(with_stakers: Kit) -> None:
    plan = governance(with_stakers).plan("set-fees", ("ETH / USD", "maker_fee_bps=0.03%"))
    assert plan.values == {"market_id": 1, "taker_fee_bps": 5, "maker_fee_bps": 3, "fund_fee_bps": 5_000}
    assert row(plan, "maker_fee_bps") == (Figure(2, 2, "%"), Figure(3, 2, "%"))
    assert row(plan, "taker_fee_bps") == (Figure(5, 2, "%"), Figure(5, 2, "%"))
    assert row(plan, "market_id") == ("", "1 (ETH / USD)")


#: A call of each kind that has present values, on a system with stakers: values, then old and new of one of them.
SETTERS: list[tuple[str, str | None, tuple[str, ...], str, str, str]] = [
    ("set-threshold", None, ("2000000",), "threshold", "1,000,000 KanaUSDT", "2,000,000 KanaUSDT"),
    ("set-split", None, ("20%", "10%"), "fund_bps", "20 %", "10 %"),
    ("set-window", None, ("5000", "6h"), "length", "1 day", "6 hours"),
    ("set-layers", None, ("staker_bps=40%",), "staker_bps", "50 %", "40 %"),
    ("set-max-insurance", None, ("ETH / USD", "40000"), "max_insurance", "50,000 KanaUSDT", "40,000 KanaUSDT"),
    ("set-fund", "stakers", ("fund", "limit=900000"), "limit", "1,000,000 KanaUSDT", "900,000 KanaUSDT"),
    ("set-cooldown", None, ("10d",), "cooldown_days", "14 days", "10 days"),
    ("set-stream", None, ("3d", "500"), "min_staked", "1,000 KanaUSDT", "500 KanaUSDT"),
    ("set-margins", None, ("0", "20%", "8%", "2%"), "maintenance_margin_bps", "5 %", "8 %"),
    ("set-caps", "registry", ("0", "position_cap=5"), "position_cap", "500,000", "5"),
    ("set-caps", "lending", ("ETH", "collateral_cap=7.5"), "collateral_cap", "100,000 KETH", "7.5 KETH"),
    ("set-rates", None, ("kink_bps=85%",), "kink_bps", "80 %", "85 %"),
    ("set-limits", None, ("min_debt=20",), "min_debt", "10 KanaUSDT", "20 KanaUSDT"),
    ("set-factors", None, ("btc", "premium_bps=6%"), "premium_bps", "5 %", "6 %"),
    ("remove-collateral", None, ("BTC",), "listed", "yes", "no"),
    ("set-grace", None, ("COIN / USD", "20m"), "grace", "10 minutes", "20 minutes"),
    ("update-delay", None, ("3d",), "new_delay", "2 days", "3 days"),
    ("grant-role", "registry", ("guardian", ACCOUNT), "holds the role", "no", "yes"),
    ("remove-fund", None, ("fund",), "may draw", "yes", "no"),
]


@pytest.mark.parametrize(
    ("name", "on", "texts", "parameter", "old", "new"), SETTERS, ids=[f"{one[0]} {one[1]}" for one in SETTERS]
)
def test_propose_and_execute__a_setter__old_and_new_and_done(
    with_stakers: Kit, name: str, on: str | None, texts: tuple[str, ...], parameter: str, old: str, new: str
) -> None:
    """None of these lets more be drawn: no notice, one operation, and the new value is there afterwards."""
    plan = governance(with_stakers).plan(name, texts, on)
    assert [one.text() if isinstance(one, Figure) else one for one in row(plan, parameter)] == [old, new]
    assert (plan.notices, len(plan.operations), plan.delay) == ([], 1, 2 * DAY)
    shown = carry_out(with_stakers, plan)
    assert shown["state"] == "done"
    change = next(entry for entry in shown["changes"] if entry["parameter"] == parameter)
    assert [one.text() if isinstance(one, Figure) else one for one in (change["before"], change["now"])] == [old, new]


def test_conditions__of_pauses__as_they_are(with_stakers: Kit) -> None:
    operator = governance(with_stakers)
    fund, registry = (operator.directory.find(name) for name in ("fund", "registry"))
    assert fund is not None
    assert registry is not None
    assert condition(fund, "resume_payouts", {}) == ("payouts", "open", "open")
    assert condition(registry, "resume_trading", {}) == ("trading", "never paused", "open")
    assert condition(fund, "resume_layer", {"place": 0}) == ("layer", "never suspended", "in use")
    with_stakers.fund.pause_payouts(DAY, sender=with_stakers.actors.guardian)
    with_stakers.registry.pause_trading(DAY, sender=with_stakers.actors.guardian)
    with_stakers.fund.suspend_layer(0, DAY, sender=with_stakers.actors.guardian)
    for part, function, values in (
        (fund, "resume_payouts", {}),
        (registry, "resume_trading", {}),
        (fund, "resume_layer", {"place": 0}),
    ):
        found = condition(part, function, values)
        assert found is not None
        assert "until 20" in found[1]


# -------------------------------------------------------------------- which contract


def test_choose__several__asks_for_one(with_stakers: Kit) -> None:
    operator = governance(with_stakers)
    with pytest.raises(Refusal, match="--on: timelock, fund, registry, lending"):
        operator.plan("grant-role", ("guardian", ACCOUNT))
    with pytest.raises(Refusal, match="'house' has no grant-role"):
        operator.plan("grant-role", ("guardian", ACCOUNT), "house")
    by_address = operator.plan("grant-role", ("guardian", ACCOUNT), with_stakers.fund.address)
    assert by_address.part.name == "fund"


def test_choose__funds_of_several_markets__by_name_or_market(deploy_system: Callable[..., Kit]) -> None:
    kit = deploy_system(markets=[market("COIN / USD"), market("DOGE / USD", isolated=True, threshold=5_000 * U)])
    operator = governance(kit)
    with pytest.raises(Refusal, match="fund, 'fund of DOGE / USD'"):
        operator.plan("set-threshold", ("7000",))
    for on in ("fund of DOGE / USD", "doge / usd", kit.isolated[1].address):
        plan = operator.plan("set-threshold", ("7000",), on)
        assert (plan.part.address, row(plan, "threshold")[0].value) == (kit.isolated[1].address, 5_000 * U)
    assert operator.plan("set-threshold", ("7000000",), "COIN / USD").part.name == "fund"


def test_choose__fund_made_later__by_its_number(kana: Kit) -> None:
    config = kana.system.config
    terms = (kana.asset, config.treasurer, config.guardian, kana.actors.deployer, config.treasury, U, 3_000, 2_000)
    kana.factory.create_fund(terms, True, keccak(text="later"), sender=kana.governance)
    plan = governance(kana).plan("set-threshold", ("3",), "fund 1")
    assert row(plan, "threshold") == (Figure(U, 6, "KanaUSDT"), Figure(3 * U, 6, "KanaUSDT"))


def test_choose__layer_without_a_fund__by_its_address(kana: Kit) -> None:
    terms = (kana.asset, kana.actors.deployer, "Kana Backstop", "KBACK", 14, 7 * DAY, 1_000 * U)
    values = [f"{name}={value}" for name, value in zip(("name", "symbol"), terms[2:4], strict=True)]
    values += ["asset=asset", f"deployer={kana.actors.deployer.address}", "cooldown_days=14d", "stream_length=7d"]
    plan = governance(kana).plan("create-layer", (*values, "min_staked=1000", "salt=later"))
    assert carry_out(kana, plan)["state"] == "done"
    layer = kana.factory.layer_by_salt(keccak(text="later"))
    assert layer == kana.factory.layer_addresses(terms, keccak(text="later"))[0]
    underwriter = kana.backend.at("Underwriter", layer)
    underwriter.connect_backstop(kana.factory.backstop_of(layer), sender=kana.actors.deployer)
    plan = governance(kana).plan("set-cooldown", ("9d",), layer)
    assert row(plan, "cooldown_days") == (Figure(14, 0, "days"), Figure(9, 0, "days"))
    with pytest.raises(Refusal, match="has no set-cooldown"):
        governance(kana).plan("set-cooldown", ("9d",), kana.house.address)


def market(name: str, **options: Any) -> MarketConfig:
    """A market's configuration."""
    caps = {"open_interest_cap": 1_000 * COIN, "position_cap": 500 * COIN}
    return MarketConfig(name=name, max_insurance=4_000 * U, **caps, **options)


# ------------------------------------------------------------------- notices (M9)


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("set-threshold", ("1000001",), ("999999",)),
        ("set-max-insurance", ("COIN / USD", "49999"), ("COIN / USD", "50001")),
        ("set-fund", ("fund", "999999"), ("fund", "1000001")),
        ("set-layers", ("none", "none", "0"), ("none", "stakers", "0")),
    ],
)
def test_plan__more_may_be_drawn__notice_first(
    with_stakers: Kit, name: str, less: tuple[str, ...], more: tuple[str, ...]
) -> None:
    operator = governance(with_stakers)
    on = "stakers" if name == "set-fund" else None
    assert operator.plan(name, less, on).notices == []
    plan = operator.plan(name, more, on)
    assert [one.state for one in plan.notices] == ["none"]
    first, last = plan.operations
    assert (first.predecessor, last.predecessor) == (NO_WORD, first.id)
    assert operator.notices.takes(plan.notices[0]) == 17 * DAY
    assert "17 days" in operator.page_of(plan)["notice"]
    shown = carry_out(with_stakers, plan)
    assert shown["state"] == "done"
    assert operator.page()["operations"] == operator.page()["notices"] == []


def test_plan__no_stakers__notice_of_two_days(kana: Kit) -> None:
    operator = governance(kana)
    plan = operator.plan("set-threshold", ("5",))
    assert operator.notices.takes(plan.notices[0]) == 2 * DAY
    carry_out(kana, plan)
    assert kana.fund.threshold() == 5 * U


def test_page__from_proposal_to_lapse__states_and_progress(with_stakers: Kit) -> None:
    operator, proposer = governance(with_stakers), with_stakers.actors.proposer
    plan = operator.plan("set-threshold", ("5",))
    operator.propose(plan, proposer)
    first, last = plan.operations
    assert states(operator) == ["waiting", f"after {first.name[:10]}"]
    with pytest.raises(Refusal, match="it is proposed already"):
        operator.plan("set-threshold", ("5",))
    with pytest.raises(Refusal, match="comes first"):
        operator.execute(last.name, proposer)
    with pytest.raises(Refusal, match="its delay runs"):
        operator.execute(first.name[:9], proposer)
    with_stakers.travel(2 * DAY)
    assert states(operator)[0] == "ready"
    assert operator.execute(None, proposer).shown["state"] == "done"
    assert states(operator) == ["notice running"]
    with_stakers.travel(3 * DAY)
    (notice,) = operator.page()["notices"]
    assert (notice["of"], notice["state"]) == ("fund", "running")
    assert has_come(notice["progress"], "3 days", "17 days")
    assert notice["call"] == "fund.set-threshold(5 KanaUSDT)"
    with pytest.raises(Refusal, match=r"notice of fund: 3 days .*of 17 days"):
        operator.execute(last.name, proposer)
    with_stakers.travel(14 * DAY)
    assert (states(operator), operator.page()["notices"][0]["state"]) == (["ready"], "may be made")
    with_stakers.travel(7 * DAY)
    assert states(operator) == ["notice lapsed: propose it again"]
    with pytest.raises(Refusal, match="propose it again"):
        operator.execute(last.name, proposer)
    # The call waits still: only its announcement is scheduled anew.
    again = operator.plan("set-threshold", ("5",))
    assert [one.calls for one in again.operations] == [first.calls]
    operator.propose(again, proposer)
    operator.execute(again.operations[0].name, proposer, skip_delay=True)
    assert operator.execute(last.name, proposer, skip_delay=True).shown["state"] == "done"
    assert with_stakers.fund.threshold() == 5 * U
    assert [entry["state"] for entry in operator.page(every=True)["operations"]] == ["done"] * 3


def states(operator: Governance) -> list[str]:
    """The states of the operations that aren't over."""
    return [entry["state"] for entry in operator.page()["operations"]]


def has_come(progress: str, passed: str, length: str) -> bool:
    """Whether a notice has come so far, within the seconds that the blocks of a test take."""
    return progress.startswith(passed) and progress.endswith(f" of {length}") and "hour" not in progress


def test_page__notice_of_an_underwriter__progress(with_stakers: Kit) -> None:
    operator, proposer = governance(with_stakers), with_stakers.actors.proposer
    plan = operator.plan("set-fund", ("fund", "limit=2000000"), "stakers")
    operator.propose(plan, proposer)
    operator.execute(plan.operations[0].name, proposer, skip_delay=True)
    with_stakers.travel(5 * DAY)
    (notice,) = operator.page()["notices"]
    assert notice["of"] == "stakers"
    assert has_come(notice["progress"], "5 days", "17 days")
    assert 12 * DAY - 9 <= notice["time_left"].value <= 12 * DAY
    # Withdrawn by name.
    carry_out(with_stakers, operator.plan("cancel-notice", (notice["id"],)))
    assert operator.page()["notices"] == []
    assert states(operator) == ["needs a notice: propose it again"]


def test_cancel__announcement__void_with_it_and_proposed_anew(with_stakers: Kit) -> None:
    operator, proposer = governance(with_stakers), with_stakers.actors.proposer
    plan = operator.plan("set-threshold", ("5",))
    operator.propose(plan, proposer)
    first, last = plan.operations
    shown = operator.cancel(first.name, proposer).shown
    assert (shown["state"], shown["void_with_it"]) == ("cancelled", last.name)
    assert states(operator) == [f"void: {first.name[:10]} was cancelled"]
    with pytest.raises(Refusal, match="propose it anew"):
        operator.execute(last.name, proposer, skip_delay=True)
    with pytest.raises(Refusal, match="is cancelled already"):
        operator.cancel(first.name, proposer)
    again = operator.plan("set-threshold", ("5",))
    assert [one.calls for one in again.operations] == [first.calls, last.calls]
    carry_out(with_stakers, again)
    assert with_stakers.fund.threshold() == 5 * U


def test_propose__the_same_again_after_it_was_done__another_operation(kana: Kit) -> None:
    """No notice tells the two apart: their salts do."""
    for fund_share in ("10%", "20%", "10%"):
        carry_out(kana, governance(kana).plan("set-split", ("30%", fund_share)))
        assert kana.fund.split_bps()[1] == parse_bps(fund_share)
    assert len(governance(kana).page(every=True)["operations"]) == 3


# --------------------------------------------------------------------- mergers (M18)


def test_merge__notices_of_other_lengths__the_shorter_given_later(deploy_system: Callable[..., Kit]) -> None:
    """Nobody is staked behind the isolated fund: its notice of 2 days would lapse before the other's of 17 matures."""
    kit = deploy_system(
        markets=[market("COIN / USD"), market("DOGE / USD", isolated=True, threshold=5_000 * U)], stakers=LOCAL_STAKERS
    )
    old = kit.isolated[1]
    kit.mint(kit.actors.contributor, 70 * U)
    kit.asset.approve(old.address, 70 * U, sender=kit.actors.contributor)
    old.contribute(70 * U, sender=kit.actors.contributor)
    operator = governance(kit)
    plan = operator.plan("merge", ("fund of DOGE / USD", "fund", "DOGE / USD"))
    assert [(one.keeper.name, one.state) for one in plan.notices] == [("fund of DOGE / USD", "none"), ("fund", "none")]
    longer, shorter, merged = plan.operations
    assert [operator._calls_text(one) for one in (longer, shorter)] == [
        "notices.announce(fund, fund.adopt(fund of DOGE / USD))",
        "notices.announce(fund of DOGE / USD, fund of DOGE / USD.hand-over(fund))",
    ]
    assert (shorter.predecessor, merged.predecessor) == (longer.id, shorter.id)
    assert [operator._describe(one.target, one.payload) for one in merged.calls] == [
        "factory.merge(fund of DOGE / USD, fund, DOGE / USD)",
        "registry.replace-fund(1 (DOGE / USD), fund)",
    ]
    operator.propose(plan, kit.actors.proposer)
    operator.execute(longer.name, kit.actors.proposer, skip_delay=True)
    kit.travel(DAY)
    with pytest.raises(Refusal, match=r"too early: .* execute it in 13 days 23 hours"):
        operator.execute(shorter.name, kit.actors.proposer)
    assert operator.execute(merged.name, kit.actors.proposer, skip_delay=True).shown["state"] == "done"
    assert (old.successor(), kit.registry.fund_of(1)) == (kit.fund.address, kit.fund.address)
    assert kit.fund.reserve() == 70 * U


def test_merge__notices_alike__given_together(deploy_system: Callable[..., Kit]) -> None:
    kit = deploy_system(markets=[market("COIN / USD"), market("DOGE / USD", isolated=True, threshold=5_000 * U)])
    with pytest.raises(Refusal, match="DOGE / USD would be left without a fund"):
        governance(kit).plan("merge", ("fund of DOGE / USD", "fund", ""))
    plan = governance(kit).plan("merge", ("fund of DOGE / USD", "fund", "DOGE / USD"))
    assert [len(one.calls) for one in plan.operations] == [2, 2]
    assert carry_out(kit, plan)["state"] == "done"
    assert kit.registry.fund_of(1) == kit.fund.address


def test_merge__lending_pool__follows_in_the_same_batch(deploy_system: Callable[..., Kit]) -> None:
    """M18, M38: the pool's registry names the successor, and the allowance moves with it."""
    kit = deploy_system(markets=[], pool=LOCAL_POOL)
    config, deployer = kit.system.config, kit.actors.deployer
    terms = (kit.asset, config.treasurer, config.guardian, deployer, config.treasury, U, 3_000, 2_000)
    kit.factory.create_fund(terms, True, keccak(text="successor"), sender=kit.governance)
    successor = kit.backend.at("InsuranceFund", kit.factory.fund_by_salt(keccak(text="successor")))
    successor.finish_setup(sender=deployer)
    with pytest.raises(Refusal, match="lending of KanaUSDT would be left without a fund"):
        governance(kit).plan("merge", ("fund", "fund 1", ""))
    plan = governance(kit).plan("merge", ("fund", "fund 1", "lending of KanaUSDT"))
    assert [governance(kit)._describe(one.target, one.payload) for one in plan.operations[-1].calls] == [
        "factory.merge(fund, fund 1, lending of KanaUSDT)",
        "lending.set-fund(fund 1)",
    ]
    assert carry_out(kit, plan)["state"] == "done"
    assert kit.lending.fund() == successor.address
    assert [kit.asset.allowance(kit.pool, fund) for fund in (kit.fund, successor)] == [0, 2**256 - 1]


# ------------------------------------------------------------------------ refusals


def test_plan__would_be_refused__told_before_the_delay(kana: Kit) -> None:
    operator = governance(kana)
    with pytest.raises(Refusal, match="fund: zero threshold"):
        operator.plan("set-threshold", ("0",))
    plan = operator.plan("resume-payouts", (), anyway=True)
    assert plan.problem == "fund: not paused"
    assert operator.page_of(plan)["refused_now"] == "fund: not paused"


def test_propose_cancel_execute__without_the_role__refused(kana: Kit) -> None:
    operator, outsider = governance(kana), kana.actors.outsider
    plan = operator.plan("set-threshold", ("2000000",))
    with pytest.raises(Refusal, match="is no proposer"):
        operator.propose(plan, outsider)
    operator.propose(plan, kana.actors.proposer)
    name = plan.operations[0].name
    with pytest.raises(Refusal, match="is no canceller"):
        operator.cancel(name, outsider)
    with pytest.raises(Refusal, match="is no executor"):
        operator.execute(name, outsider, skip_delay=True)
    with pytest.raises(Refusal, match="no operation was announced"):
        operator.cancel("0xffff", outsider)
    with pytest.raises(Refusal, match="nothing is ready"):
        operator.execute(None, kana.actors.proposer)


def test_execute__open_to_all__anyone(kana: Kit) -> None:
    zero = "0x" + "00" * 20
    carry_out(kana, governance(kana).plan("grant-role", ("executor", zero), "timelock"))
    plan = governance(kana).plan("set-threshold", ("2000000",))
    governance(kana).propose(plan, kana.actors.proposer)
    kana.travel(2 * DAY)
    assert governance(kana).execute(None, kana.actors.outsider).shown["state"] == "done"


def test_merge__too_many_markets_for_one_call__refused(kana: Kit) -> None:
    markets = ",".join(f"{kana.house.address}:{number}" for number in range(14))
    with pytest.raises(Refusal, match="longer than 1024 bytes"):
        governance(kana).plan("merge", ("fund", "fund", markets))


# ---------------------------------------------------------------------------- a Safe


def test_schedule_steps__sent_by_a_multisig__the_proposal(kana: Kit, tmp_path: Path) -> None:
    """What is written for a Safe schedules what the plan says, when the Safe sends it."""
    operator = governance(kana)
    plan = operator.plan("set-threshold", ("5",))
    path = tmp_path / "safe.json"
    write(path, batch(kana.backend.chain_id(), "propose", "", operator.schedule_steps(plan)))
    for entry in json.loads(path.read_text())["transactions"]:
        assert entry["to"] == kana.timelock.address
        kana.actors.proposer.transfer(entry["to"], 0, data=entry["data"])
    assert states(operator) == ["waiting", f"after {plan.operations[0].name[:10]}"]
    cancelled = operator.cancel(plan.operations[1].name).transaction
    kana.actors.proposer.transfer(cancelled.to, 0, data="0x" + cancelled.data.hex())
    kana.travel(2 * DAY)
    executed = operator.execute(plan.operations[0].name).transaction
    kana.actors.proposer.transfer(executed.to, 0, data="0x" + executed.data.hex())
    assert [entry["state"] for entry in operator.page(every=True)["operations"]] == ["done", "cancelled"]
