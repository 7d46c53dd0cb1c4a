"""The registry of a pool: setup, collaterals, parameters and their bounds, feeds, fund, pause (M9, M18, M30, M37)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils import is_address, keccak, to_checksum_address

from kana_insurance.backends import address_of
from kana_insurance.deployment import fund_terms
from kana_insurance.testing import DAY, U, logs, reverts_with
from tests.utils.lending import (
    BTC,
    DEFAULT_RATES,
    ETH,
    ETHER,
    MAX_AMOUNT,
    MAX_COLLATERAL,
    UNLIMITED,
    ZERO,
    Lending,
    another_fund,
    merged,
    thunks,
)

GUARDIAN = keccak(text="GUARDIAN")
FIELDS = (
    *("asset", "feed", "factor_bps", "threshold_bps", "close_factor_bps", "premium_bps", "premium_fund_bps"),
    *("collateral_cap", "borrow_cap"),
)
LAYOUT = Path(__file__).resolve().parents[3] / "docs" / "layout" / "LendingRegistry.json"


def plain(struct: Any) -> tuple[Any, ...]:
    """A struct of an event, addresses in checksum form."""
    values = struct.values() if isinstance(struct, dict) else struct
    return tuple(to_checksum_address(value) if is_address(value) else value for value in values)


def answers(value: int) -> str:
    """A contract that answers everything with this number."""
    from ape import chain

    address = "0x" + "77" * 20
    code = "0x7f" + value.to_bytes(32, "big").hex() + "60005260206000f3"
    chain.provider.make_request("anvil_setCode", [address, code])
    return address


def terms_of(lending: Lending, **changes: Any) -> tuple[Any, ...]:
    """The parameters of ether with another token, and fields changed by name."""
    values = dict(zip(FIELDS, lending.registry.collateral(ETH), strict=True))
    if "asset" not in changes:
        token = lending.backend.deploy("QuirkyToken", changes.pop("decimals", 18), sender=lending.actors.deployer)
        changes["asset"] = address_of(token)
    return tuple((values | changes).values())


def construct(lending: Lending, **changes: Any) -> Any:
    """A registry that is just deployed."""
    actors, kit = lending.actors, lending.kit
    values = {
        "asset": address_of(lending.asset),
        "governance": address_of(kit.timelock),
        "guardian": address_of(actors.guardian),
        "deployer": address_of(actors.deployer),
        "factory": address_of(kit.factory),
        "debt_feed": ZERO,
        "rates": DEFAULT_RATES,
        "supply_cap": 10**6 * U,
        "min_debt": 10 * U,
        **changes,
    }
    return lending.backend.deploy("LendingRegistry", *values.values(), sender=actors.outsider)


def pool_of(lending: Lending, registry: Any) -> Any:
    """A pool of a registry."""
    return lending.backend.deploy("LendingPool", address_of(registry), "Pool", "POOL", sender=lending.actors.outsider)


# ---------------------------------------------------------------------- setup


def test_constructor__plain__names_everyone_and_keeps_nothing(lending: Lending) -> None:
    registry, actors = construct(lending), lending.actors
    assert (registry.asset(), registry.factory()) == (address_of(lending.asset), address_of(lending.kit.factory))
    assert (registry.governance(), registry.setup_finished()) == (address_of(lending.kit.timelock), False)
    assert (registry.pool(), registry.fund(), registry.debt_feed(), registry.next_collateral_id()) == (ZERO,) * 3 + (0,)
    assert (registry.borrowing_resume_at(), registry.listed(0)) == (0, False)
    terms = registry.terms()
    assert tuple(terms.rates) == DEFAULT_RATES
    assert (terms.supply_cap, terms.min_debt, terms.borrowing_paused) == (10**6 * U, 10 * U, False)
    for role in (registry.GUARDIAN_ROLE(), registry.DEPLOYER_ROLE(), registry.DEFAULT_ADMIN_ROLE()):
        assert not registry.hasRole(role, actors.outsider)
        assert registry.members(role) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"factory": ZERO}, "lending: factory without code"),
        ({"asset": ZERO}, "lending: asset without code"),
        ({"governance": ZERO}, "roles: governor without code"),
        ({"guardian": ZERO}, "roles: zero address"),
        ({"deployer": ZERO}, "roles: zero address"),
        ({"debt_feed": "0x" + "11" * 20}, "lending: feed without code"),
        ({"supply_cap": 0}, "lending: limits out of bounds"),
        ({"min_debt": 0}, "lending: limits out of bounds"),
        ({"rates": (0, 0, 0, 0, 0)}, "lending: kink out of bounds"),
    ],
)
def test_constructor__out_of_bounds__is_refused(lending: Lending, changes: dict[str, Any], reason: str) -> None:
    with reverts_with(reason):
        construct(lending, **changes)


@pytest.mark.parametrize("decimals", [5, 19])
def test_decimals__of_asset_and_collateral__are_6_to_18(lending: Lending, decimals: int) -> None:
    token = lending.backend.deploy("QuirkyToken", decimals, sender=lending.actors.deployer)
    with reverts_with("lending: bad decimals"):
        construct(lending, asset=address_of(token))
    with reverts_with("lending: bad decimals"):
        lending.registry.list_collateral(terms_of(lending, decimals=decimals), sender=lending.governance)


def test_setup__in_order__opens_the_pool(lending: Lending) -> None:
    me, outsider, factory = lending.actors.deployer, lending.actors.outsider, lending.kit.factory
    registry = construct(lending)
    with reverts_with("pool: registry without code"):
        pool_of(lending, outsider)
    pool = pool_of(lending, registry)
    for function, args in (("connect_pool", (address_of(pool),)), ("finish_setup", ())):
        with reverts_with("lending: not deployer"):
            getattr(registry, function)(*args, sender=outsider)
    with reverts_with("lending: no pool"):
        registry.set_fund(lending.fund, sender=me)
    with reverts_with("lending: pool without code"):
        registry.connect_pool(outsider, sender=me)
    with reverts_with("lending: other registry"):
        registry.connect_pool(lending.pool, sender=me)
    # Without a pool nothing of a collateral is held.
    registry.remove_collateral(registry.list_collateral(terms_of(lending), sender=me).return_value, sender=me)
    assert not registry.listed(0)
    receipt = registry.connect_pool(pool, sender=me)
    assert logs(receipt, registry) == [("PoolConnected", {"pool": address_of(pool)})]
    with reverts_with("lending: pool connected"):
        registry.connect_pool(pool, sender=me)
    with reverts_with("lending: no fund"):
        registry.finish_setup(sender=me)
    # A fund that the factory hasn't assigned, another one's, one without the market, one with a perpetual market.
    with reverts_with("lending: pool unassigned"):
        registry.set_fund(lending.fund, sender=me)
    lending.kit.govern(lending.fund, "register_market", address_of(pool), 0, False, notice=True)
    factory.assign(pool, 0, lending.fund, sender=lending.governance)
    with reverts_with("lending: other fund's pool"):
        registry.set_fund(outsider, sender=me)
    # Before: no money, no collateral.
    lending.asset.approve(pool, UNLIMITED, sender=lending.ann)
    for function in (pool.deposit, pool.mint):
        with reverts_with("pool: setup not finished"):
            function(0, ZERO, sender=lending.ann)
    with reverts_with("pool: setup not finished"):
        pool.add_collateral(0, 1, sender=lending.borrower)
    assert (pool.maxDeposit(lending.ann), pool.maxMint(lending.ann)) == (0, 0)
    receipt = registry.set_fund(lending.fund, sender=me)
    assert logs(receipt, registry) == [("FundSet", {"old": ZERO, "new": address_of(lending.fund)})]
    assert lending.asset.allowance(pool, lending.fund) == UNLIMITED
    # The deployer sets terms until then.
    registry.set_limits(10**5 * U, 10 * U, sender=me)
    receipt = registry.finish_setup(sender=me)
    assert logs(receipt, registry)[-1] == ("SetupFinished", {})
    assert registry.members(registry.DEPLOYER_ROLE()) == 0
    with reverts_with("lending: setup finished"):
        registry.finish_setup(sender=me)
    with reverts_with("lending: not governance"):
        registry.set_limits(10**5 * U, 10 * U, sender=me)
    pool.deposit(100 * U, lending.ann, sender=lending.ann)


def test_set_fund__other_funds__are_refused(lending: Lending) -> None:
    me, factory = lending.actors.deployer, lending.kit.factory
    with reverts_with("lending: same fund"):
        lending.registry.set_fund(lending.fund, sender=lending.governance)
    with reverts_with("lending: other fund's pool"):
        lending.registry.set_fund(lending.actors.outsider, sender=lending.governance)
    token = lending.backend.deploy("QuirkyToken", 6, sender=me)
    for is_perp, asset, reason in (
        (True, None, "lending: perp market"),
        (False, token, "lending: other asset"),
        (False, None, "lending: not at the fund"),
    ):
        registry = construct(lending)
        pool = pool_of(lending, registry)
        registry.connect_pool(pool, sender=me)
        salt = int(factory.fund_count()).to_bytes(32, "big")
        terms = fund_terms(lending.kit.system.config, address_of(asset or lending.asset), address_of(me))
        factory.create_fund(terms, True, salt, sender=lending.governance)
        fund = lending.backend.at("InsuranceFund", factory.fund_by_salt(salt))
        fund.register_market(pool, 0, is_perp, sender=me)
        fund.finish_setup(sender=me)
        factory.assign(pool, 0, fund, sender=lending.governance)
        if reason == "lending: not at the fund":
            fund.release_market(0, sender=lending.kit.impersonate(pool))
        with reverts_with(reason):
            registry.set_fund(fund, sender=me)


def test_set_fund__after_a_merger__carries_on_with_the_successor(lending: Lending) -> None:
    pool, registry, old = lending.pool, lending.registry, lending.fund
    lending.kit.contribute(lending.actors.contributor, 50 * U)
    stranger = another_fund(lending)
    with reverts_with("lending: other fund's pool"):
        registry.set_fund(stranger, sender=lending.governance)
    successor = merged(lending)
    receipt = registry.set_fund(successor, sender=lending.governance)
    assert logs(receipt, registry) == [("FundSet", {"old": address_of(old), "new": address_of(successor)})]
    allowances = (lending.asset.allowance(pool, old), lending.asset.allowance(pool, successor))
    assert allowances == (0, UNLIMITED)
    assert registry.terms().fund == address_of(successor)
    # Fees reach it.
    lending.lend(lending.ann, 2_000 * U)
    lending.open(lending.borrower, ETHER, 1_500 * U)
    lending.price(1_850 * 10**8)
    lending.liquidate(lending.borrower)
    pool.collect_fees(sender=lending.ann)
    assert successor.reserve() == 50 * U + 7_500_000


def test_change_fund__asset_that_does_not_approve__is_refused(lending: Lending) -> None:
    from ape import chain

    code = "0x60006000526020" + "6000f3"
    chain.provider.make_request("anvil_setCode", [address_of(lending.asset), code])
    registry = lending.kit.impersonate(lending.registry)
    with reverts_with("pool: approve failed"):
        lending.pool.change_fund(ZERO, lending.actors.outsider, sender=registry)


# ---------------------------------------------------------------- collaterals


def test_list_collateral__plain__gets_the_next_id(lending: Lending) -> None:
    registry = lending.registry
    wanted = terms_of(lending, decimals=6)
    receipt = registry.list_collateral(wanted, sender=lending.governance)
    assert (receipt.return_value, registry.next_collateral_id()) == (2, 3)
    (name, args), *more = logs(receipt, registry)
    assert (name, args["collateral_id"], more) == ("CollateralListed", 2, [])
    assert plain(args["collateral"]) == wanted
    assert tuple(registry.collateral(2)) == wanted
    assert (registry.listed(2), registry.listed(3)) == (True, False)
    # 2,000 U a whole one of six decimals.
    assert registry.price(2) == registry.quote(2).price == 2_000 * 10**30
    with reverts_with("lending: unknown collateral"):
        registry.price(3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"factor_bps": 0}, "lending: factor out of bounds"),
        ({"factor_bps": 8_000}, "lending: factor out of bounds"),
        ({"factor_bps": 2**16}, "lending: factor out of bounds"),
        ({"premium_bps": 0}, "lending: premium out of bounds"),
        ({"premium_bps": 2_001}, "lending: premium out of bounds"),
        ({"premium_fund_bps": 5_001}, "lending: premium out of bounds"),
        ({"threshold_bps": 9_524}, "lending: threshold too high"),
        ({"threshold_bps": 2**200}, "lending: threshold too high"),
        ({"close_factor_bps": 999}, "lending: bad close factor"),
        ({"close_factor_bps": 10_001}, "lending: bad close factor"),
        ({"collateral_cap": 0}, "lending: caps out of bounds"),
        ({"collateral_cap": MAX_COLLATERAL + 1}, "lending: caps out of bounds"),
        ({"borrow_cap": 0}, "lending: caps out of bounds"),
        ({"borrow_cap": MAX_AMOUNT + 1}, "lending: caps out of bounds"),
    ],
)
def test_terms__out_of_bounds__are_refused(lending: Lending, changes: dict[str, int], reason: str) -> None:
    with reverts_with(reason):
        lending.registry.list_collateral(terms_of(lending, **changes), sender=lending.governance)
    with reverts_with(reason):
        lending.set_terms(**changes)


def test_terms__at_the_bounds__are_taken(lending: Lending) -> None:
    for changes in (
        {"factor_bps": 1, "threshold_bps": 2, "close_factor_bps": 1_000, "premium_bps": 1, "premium_fund_bps": 0},
        {"factor_bps": 9_522, "threshold_bps": 9_523, "close_factor_bps": 10_000, "premium_fund_bps": 5_000},
        {"factor_bps": 8_332, "threshold_bps": 8_333, "premium_bps": 2_000},
        {"collateral_cap": MAX_COLLATERAL, "borrow_cap": MAX_AMOUNT},
        {"collateral_cap": 1, "borrow_cap": 1},
    ):
        lending.set_terms(**({"premium_bps": 500} | changes if "factor_bps" in changes else changes))
        found = dict(lending.registry.collateral(ETH).items())
        assert found | changes == found


def test_list_collateral__refused__in_this_order(lending: Lending) -> None:
    registry, governance = lending.registry, lending.governance
    listed = address_of(lending.tokens[ETH])
    for changes, reason in (
        ({"asset": address_of(lending.asset), "feed": ZERO, "factor_bps": 0}, "lending: debt asset"),
        ({"asset": listed, "feed": ZERO, "factor_bps": 0}, "lending: listed already"),
        ({"feed": ZERO, "factor_bps": 0}, "lending: factor out of bounds"),
        ({"feed": ZERO, "borrow_cap": 0}, "lending: caps out of bounds"),
        ({"feed": ZERO, "asset": ZERO}, "lending: feed without code"),
        ({"feed": answers(0)}, "lending: no price"),
        ({"asset": address_of(lending.actors.outsider)}, "lending: asset without code"),
    ):
        with reverts_with(reason):
            registry.list_collateral(terms_of(lending, **changes), sender=governance)
    lending.kit.travel(3_700, refresh=False)
    with reverts_with("feed: stale price"):
        registry.list_collateral(terms_of(lending), sender=governance)


def test_price__out_of_range__is_refused(lending: Lending) -> None:
    registry, governance = lending.registry, lending.governance
    # 2**160 exactly fits; the quote is that of a whole one, 10**18 units.
    registry.set_feed(ETH, answers(2**160), sender=governance)
    assert registry.price(ETH) == 2**160
    feed = answers(2**160 + 1)
    with reverts_with("lending: price out of range"):
        registry.price(ETH)
    with reverts_with("lending: price out of range"):
        registry.list_collateral(terms_of(lending, feed=feed), sender=governance)
    with reverts_with("lending: price out of range"):
        registry.set_feed(BTC, feed, sender=governance)
    registry.set_debt_feed(feed, sender=governance)
    answers(2**255)
    with reverts_with("lending: price out of range"):
        registry.price(BTC)


def test_list_collateral__more_than_ids__is_refused(lending: Lending) -> None:
    from ape import chain

    layout = json.loads(LAYOUT.read_text(encoding="utf-8"))
    storage = layout.get("storage_layout", layout)
    slot = hex(storage["next_collateral_id"]["slot"])
    words = ["0x" + number.to_bytes(32, "big").hex() for number in (63, 64)]
    chain.provider.make_request("anvil_setStorageAt", [address_of(lending.registry), slot, words[0]])
    assert lending.registry.next_collateral_id() == 63
    lending.registry.list_collateral(terms_of(lending), sender=lending.governance)
    with reverts_with("lending: too many collaterals"):
        lending.registry.list_collateral(terms_of(lending), sender=lending.governance)


def test_remove_collateral__empty__is_gone_and_its_id_never_used_again(lending: Lending) -> None:
    registry, governance, pool = lending.registry, lending.governance, lending.pool
    wanted = tuple(registry.collateral(ETH))
    with reverts_with("lending: unknown collateral"):
        registry.remove_collateral(2, sender=governance)
    pool.add_collateral(ETH, 1, sender=lending.borrower)
    with reverts_with("lending: collateral in use"):
        registry.remove_collateral(ETH, sender=governance)
    pool.withdraw_collateral(ETH, 1, sender=lending.borrower)
    # Tokens that were only sent are nobody's.
    lending.tokens[ETH].transfer(pool, 5, sender=lending.borrower)
    receipt = registry.remove_collateral(ETH, sender=governance)
    assert logs(receipt, registry) == [("CollateralRemoved", {"collateral_id": ETH})]
    assert not registry.listed(ETH)
    for call in thunks(
        lambda: registry.collateral(ETH),
        lambda: registry.quote(ETH),
        lambda: pool.add_collateral(ETH, 1, sender=lending.borrower),
        lambda: registry.set_caps(ETH, 1, 1, sender=governance),
        lambda: registry.set_feed(ETH, lending.feeds[ETH], sender=governance),
        lambda: registry.set_factors(ETH, *wanted[2:7], sender=governance),
        lambda: registry.remove_collateral(ETH, sender=governance),
    ):
        with reverts_with("lending: unknown collateral"):
            call()
    assert registry.list_collateral(wanted, sender=governance).return_value == 2
    pool.add_collateral(2, 1, sender=lending.borrower)


# ------------------------------------------------------------------ the setters


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        ((0, 0, 0, 0, 0), "lending: kink out of bounds"),
        ((0, 0, 0, 10_000, 0), "lending: kink out of bounds"),
        ((30_001, 0, 0, 1, 0), "lending: rates out of bounds"),
        ((10_000, 10_000, 10_001, 1, 0), "lending: rates out of bounds"),
        ((2**255, 2**255, 0, 1, 0), "lending: rates out of bounds"),
        ((0, 0, 0, 1, 5_001), "lending: reserve factor too high"),
    ],
)
def test_set_rates__out_of_bounds__is_refused(lending: Lending, rates: tuple[int, ...], reason: str) -> None:
    with reverts_with(reason):
        lending.set_rates(*rates)


@pytest.mark.parametrize("rates", [(30_000, 0, 0, 1, 5_000), (10_000, 10_000, 10_000, 9_999, 0)])
def test_set_rates__at_the_bounds__tells_old_and_new(lending: Lending, rates: tuple[int, ...]) -> None:
    old = tuple(lending.registry.terms().rates)
    receipt = lending.set_rates(*rates)
    ((name, args),) = logs(receipt, lending.registry)
    assert (name, plain(args["old"]), plain(args["new"])) == ("RatesSet", old, rates)
    assert tuple(lending.registry.terms().rates) == rates
    assert lending.registry.terms().min_debt == 10 * U


def test_set_limits__within_the_bounds__tells_old_and_new(lending: Lending) -> None:
    registry, governance = lending.registry, lending.governance
    for limits in ((0, 1), (1, 0), (MAX_AMOUNT + 1, 1), (1, MAX_AMOUNT + 1)):
        with reverts_with("lending: limits out of bounds"):
            registry.set_limits(*limits, sender=governance)
    lending.pause(60)
    until = registry.borrowing_resume_at()
    receipt = registry.set_limits(MAX_AMOUNT, 1, sender=governance)
    values = {"old_supply_cap": 10**7 * U, "old_min_debt": 10 * U, "supply_cap": MAX_AMOUNT, "min_debt": 1}
    assert logs(receipt, registry) == [("LimitsSet", values)]
    assert (registry.terms().supply_cap, registry.terms().min_debt) == (MAX_AMOUNT, 1)
    registry.set_limits(1, MAX_AMOUNT, sender=governance)
    assert (registry.terms().supply_cap, registry.terms().min_debt) == (1, MAX_AMOUNT)
    # What shares words with them stays.
    assert (tuple(registry.terms().rates)[3:], registry.borrowing_resume_at()) == ((8_000, 1_000), until)


def test_set_factors_caps_and_feed__tell_old_and_new(lending: Lending) -> None:
    registry, governance = lending.registry, lending.governance
    old = tuple(registry.collateral(BTC))
    receipt = registry.set_factors(BTC, 6_000, 7_000, 4_000, 600, 100, sender=governance)
    ((name, args),) = logs(receipt, registry)
    assert (name, args["collateral_id"]) == ("FactorsSet", BTC)
    for key, wanted in (("old", old), ("new", (*old[:2], 6_000, 7_000, 4_000, 600, 100, *old[7:]))):
        assert plain(args[key]) == wanted
    receipt = registry.set_caps(BTC, 5, 6, sender=governance)
    values = {"collateral_id": BTC, "old_collateral_cap": old[7], "old_borrow_cap": old[8]}
    assert logs(receipt, registry) == [("CapsSet", values | {"collateral_cap": 5, "borrow_cap": 6})]
    receipt = registry.set_feed(BTC, lending.feeds[ETH], sender=governance)
    feeds = {"old": old[1], "new": address_of(lending.feeds[ETH])}
    assert logs(receipt, registry) == [("FeedSet", {"collateral_id": BTC, **feeds})]
    assert tuple(registry.collateral(BTC)) == (old[0], feeds["new"], 6_000, 7_000, 4_000, 600, 100, 5, 6)
    assert registry.price(BTC) == 2_000 * 10**28
    for feed, reason in ((ZERO, "lending: feed without code"), (answers(0), "lending: no price")):
        with reverts_with(reason):
            registry.set_feed(BTC, feed, sender=governance)
        if feed != ZERO:
            with reverts_with(reason):
                registry.set_debt_feed(feed, sender=governance)
    # The other collateral has kept its own.
    assert registry.collateral(ETH).collateral_cap == 100_000 * ETHER


def test_set_debt_feed__price_of_the_asset__divides(lending: Lending) -> None:
    registry = lending.registry
    receipt = registry.set_debt_feed(answers(3 * 10**18), sender=lending.governance)
    assert logs(receipt, registry) == [("DebtFeedSet", {"old": ZERO, "new": "0x" + "77" * 20})]
    assert registry.price(ETH) == 2_000 * 10**18 // 3
    registry.set_debt_feed(ZERO, sender=lending.governance)
    assert registry.price(ETH) == 2_000 * 10**18


# ------------------------------------------------------------------- the pause


def test_pause_borrowing__ends_by_itself_and_cannot_be_chained(lending: Lending) -> None:
    registry, guardian = lending.registry, lending.actors.guardian
    with reverts_with("lending: not guardian"):
        registry.pause_borrowing(0, sender=lending.governance)
    with reverts_with("lending: zero duration"):
        registry.pause_borrowing(0, sender=guardian)
    with reverts_with("lending: pause too long"):
        registry.pause_borrowing(7 * DAY + 1, sender=guardian)
    for sender in (lending.ann, guardian):
        with reverts_with("lending: not guardian" if sender == lending.ann else "lending: not paused"):
            registry.resume_borrowing(sender=sender)
    until = lending.kit.now() + 1 + 7 * DAY
    receipt = registry.pause_borrowing(7 * DAY, sender=guardian)
    assert logs(receipt, registry) == [("BorrowingPaused", {"guardian": address_of(guardian), "resume_at": until})]
    assert (registry.terms().borrowing_paused, registry.borrowing_resume_at()) == (True, until)
    with reverts_with("lending: paused too recently"):
        registry.pause_borrowing(1, sender=guardian)
    lending.wait(7 * DAY)
    assert not registry.terms().borrowing_paused
    with reverts_with("lending: paused too recently"):
        registry.pause_borrowing(1, sender=guardian)
    lending.wait(7 * DAY)
    registry.pause_borrowing(DAY, sender=guardian)
    # Governance ends it early; it counts as over from then.
    receipt = registry.resume_borrowing(sender=lending.governance)
    assert logs(receipt, registry) == [("BorrowingResumed", {"account": address_of(lending.kit.timelock)})]
    assert (registry.terms().borrowing_paused, registry.borrowing_resume_at()) == (False, lending.kit.now())


def test_roles__governance_names_guardians(lending: Lending) -> None:
    registry, ann, governance = lending.registry, lending.ann, lending.governance
    registry.grantRole(GUARDIAN, ann, sender=governance)
    registry.pause_borrowing(60, sender=ann)
    registry.renounceRole(GUARDIAN, ann, sender=ann)
    with reverts_with("lending: not guardian"):
        registry.resume_borrowing(sender=ann)
    with reverts_with("roles: last holder"):
        registry.renounceRole(GUARDIAN, lending.actors.guardian, sender=lending.actors.guardian)
    registry.revokeRole(GUARDIAN, lending.actors.guardian, sender=governance)
    assert registry.members(GUARDIAN) == 0
    new = lending.backend.deploy("Timelock", 2 * DAY, 2 * DAY, [ann], [ann], sender=lending.actors.deployer)
    receipt = registry.set_governance(new, sender=governance)
    transferred = {"old": address_of(lending.kit.timelock), "new": address_of(new)}
    assert dict(logs(receipt, registry))["GovernanceTransferred"] == transferred
    with reverts_with("lending: not governance"):
        registry.set_governance(new, sender=governance)
