"""MarketRegistry: wiring, listing, parameters and their bounds, the pause, the quote (M30, M31, M36, M37, M38)."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import keccak, to_checksum_address

from kana_insurance.backends import address_of
from kana_insurance.deployment import fund_terms
from kana_insurance.kit import COIN, DAY, Kit
from kana_insurance.testing import reverts_with
from tests.utils.funds import merge
from tests.utils.venue import MAX_AMOUNT, WAD, ZERO, event, next_block_at, trade

PRICE = 100 * WAD
GUARDIAN = keccak(text="GUARDIAN")
DEPLOYER = keccak(text="DEPLOYER")
MAX_MIN_NOTIONAL = 2**80 - 1


def fields_of(struct: Any) -> dict[str, Any]:
    """A returned struct by field."""
    return dict(struct.items())


def params_of(kit: Kit, **changes: Any) -> tuple[Any, ...]:
    """The parameters of market 0 with fields changed by name."""
    return tuple({**fields_of(kit.registry.params(0)), **changes}.values())


@pytest.fixture
def ready(kana: Kit) -> Kit:
    """The fund has registered the next market of the house, and serves it."""
    kana.govern(kana.fund, "register_market", address_of(kana.house), 2, True, notice=True)
    kana.factory.assign(kana.house, 2, kana.fund, sender=kana.governance)
    return kana


def make_fund(kana: Kit, *markets: tuple[int, bool], asset: Any = None) -> Any:
    """Another fund of the factory, isolated, that has registered markets (id, whether perpetual) of the house."""
    me = kana.actors.deployer
    token = address_of(asset or kana.asset)
    salt = keccak(text=f"fund {kana.factory.fund_count()}")
    terms = fund_terms(kana.system.config, token, address_of(me))
    kana.factory.create_fund(terms, True, salt, sender=kana.governance)
    fund = kana.backend.at("InsuranceFund", kana.factory.fund_by_salt(salt))
    for market_id, is_perp in markets:
        fund.register_market(kana.house, market_id, is_perp, sender=me)
    fund.finish_setup(sender=me)
    return fund


@pytest.fixture
def fresh(kana: Kit) -> Any:
    """A registry in setup, and a house for it."""
    actors = kana.actors
    registry = kana.backend.deploy(
        "MarketRegistry",
        kana.timelock,
        actors.guardian,
        actors.deployer,
        actors.fee_recipient,
        kana.factory,
        sender=actors.outsider,
    )
    gateway = kana.backend.deploy("OrderGateway", registry, sender=actors.outsider)
    house = kana.backend.deploy("ClearingHouse", kana.asset, registry, gateway, sender=actors.outsider)
    return registry, house


# ------------------------------------------------------------------- constructor


def test_init__roles__as_named_and_none_for_the_sender(kana: Kit, fresh: Any) -> None:
    registry, _ = fresh
    actors = kana.actors
    assert registry.governance() == kana.timelock.address
    assert registry.fee_recipient() == actors.fee_recipient.address
    assert not registry.setup_finished()
    assert registry.hasRole(GUARDIAN, actors.guardian)
    assert registry.hasRole(DEPLOYER, actors.deployer)
    for role in (b"\x00" * 32, GUARDIAN, DEPLOYER):
        assert not registry.hasRole(role, actors.outsider)
        assert registry.members(role) == 1


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (0, "roles: governor without code"),
        (1, "roles: zero address"),
        (2, "roles: zero address"),
        (3, "registry: zero address"),
        (4, "registry: factory without code"),
    ],
)
def test_init__nobody_named__refused(kana: Kit, position: int, reason: str) -> None:
    actors = kana.actors
    parts = [kana.timelock, actors.guardian, actors.deployer, actors.fee_recipient, kana.factory]
    parts[position] = ZERO
    with reverts_with(reason):
        kana.backend.deploy("MarketRegistry", *parts, sender=actors.outsider)


# ------------------------------------------------------------------------- setup


def test_connect_house__deployer__once(kana: Kit, fresh: Any) -> None:
    registry, house = fresh
    deployer = kana.actors.deployer
    with reverts_with("registry: not deployer"):
        registry.connect_house(house, sender=kana.actors.outsider)
    with reverts_with("registry: house without code"):
        registry.connect_house(kana.actors.outsider, sender=deployer)
    with reverts_with("registry: other registry"):
        registry.connect_house(kana.house, sender=deployer)
    receipt = registry.connect_house(house, sender=deployer)
    assert event(receipt, registry, "HouseConnected") == {"house": house.address}
    assert registry.house() == house.address
    with reverts_with("registry: house connected"):
        registry.connect_house(house, sender=deployer)


def test_finish_setup__deployer__ends_his_power(kana: Kit, fresh: Any) -> None:
    registry, house = fresh
    deployer = kana.actors.deployer
    with reverts_with("registry: no house"):
        registry.finish_setup(sender=deployer)
    with reverts_with("registry: no house"):
        registry.list_market(params_of(kana), sender=deployer)
    registry.connect_house(house, sender=deployer)
    with reverts_with("registry: not deployer"):
        registry.finish_setup(sender=kana.governance)
    registry.set_fee_recipient(kana.actors.treasury, sender=deployer)
    receipt = registry.finish_setup(sender=deployer)
    assert event(receipt, registry, "SetupFinished") == {}
    assert registry.setup_finished()
    assert not registry.hasRole(DEPLOYER, deployer)
    with reverts_with("registry: setup finished"):
        registry.finish_setup(sender=deployer)
    with reverts_with("registry: not governance"):
        registry.set_fee_recipient(deployer, sender=deployer)


# ------------------------------------------------------------------- list_market


def test_list_market__registered_at_the_fund__listed(ready: Kit) -> None:
    registry = ready.registry
    params = params_of(ready, feed=ready.feeds[1].address, grace=60, min_notional=MAX_MIN_NOTIONAL)
    receipt = registry.list_market(params, sender=ready.governance)
    listed = event(receipt, registry, "MarketListed")
    feed, fund, *numbers = listed["params"]
    assert (listed["market_id"], to_checksum_address(feed), to_checksum_address(fund), *numbers) == (2, *params)
    assert registry.next_market_id() == 3
    assert registry.listed(2)
    assert tuple(registry.params(2)) == params
    assert registry.mark(2) == 2_000 * WAD


def test_list_market__widest_parameters__kept_whole(ready: Kit) -> None:
    """No field of a word spills into its neighbour."""
    widest = (
        ready.feeds[0].address,
        ready.fund.address,
        10_000,
        9_999,
        9_998,
        100,
        100,
        5_000,
        3_600,
        MAX_MIN_NOTIONAL,
        MAX_AMOUNT,
        MAX_AMOUNT,
    )
    ready.registry.list_market(widest, sender=ready.governance)
    assert tuple(ready.registry.params(2)) == widest


def test_list_market__assigned_to_no_fund__refused(kana: Kit) -> None:
    """Registered at the fund or not: the factory hasn't named it."""
    with reverts_with("registry: market unassigned"):
        kana.registry.list_market(params_of(kana), sender=kana.governance)
    kana.govern(kana.fund, "register_market", address_of(kana.house), 2, True, notice=True)
    with reverts_with("registry: market unassigned"):
        kana.registry.list_market(params_of(kana), sender=kana.governance)


def test_list_market__released_by_its_fund__refused(ready: Kit) -> None:
    ready.fund.release_market(2, sender=ready.impersonate(ready.house))
    with reverts_with("registry: not at the fund"):
        ready.registry.list_market(params_of(ready), sender=ready.governance)


def test_list_market__lending_market__refused(kana: Kit) -> None:
    fund = make_fund(kana, (2, False))
    kana.factory.assign(kana.house, 2, fund, sender=kana.governance)
    with reverts_with("registry: not at the fund"):
        kana.registry.list_market(params_of(kana, fund=fund.address), sender=kana.governance)


def test_list_market__fund_that_only_pretends__gets_no_allowance(ready: Kit) -> None:
    """A contract of somebody's own; and the fund of other markets."""
    fake = ready.backend.deploy("Caller", sender=ready.actors.outsider)
    other = make_fund(ready, (2, True))
    for fund in (fake, other):
        with reverts_with("registry: other fund's market"):
            ready.registry.list_market(params_of(ready, fund=fund.address), sender=ready.governance)
        assert ready.asset.allowance(ready.house, fund) == 0


def test_list_market__fund_of_another_asset__refused(kana: Kit) -> None:
    token = kana.backend.deploy("QuirkyToken", 6, sender=kana.actors.outsider)
    fund = make_fund(kana, (2, True), asset=token)
    kana.factory.assign(kana.house, 2, fund, sender=kana.governance)
    with reverts_with("registry: other asset"):
        kana.registry.list_market(params_of(kana, fund=fund.address), sender=kana.governance)


OUT_OF_BOUNDS = [
    ({"initial_margin_bps": 10_001}, "registry: margins out of bounds"),
    ({"initial_margin_bps": 500}, "registry: margins out of bounds"),
    ({"maintenance_margin_bps": 300}, "registry: margins out of bounds"),
    ({"fill_band_bps": 500}, "registry: margins out of bounds"),
    ({"initial_margin_bps": 2**256 - 1}, "registry: margins out of bounds"),
    ({"taker_fee_bps": 101}, "registry: fees out of bounds"),
    ({"maker_fee_bps": 101}, "registry: fees out of bounds"),
    ({"fund_fee_bps": 5_001}, "registry: fees out of bounds"),
    ({"open_interest_cap": 0}, "registry: caps out of bounds"),
    ({"open_interest_cap": MAX_AMOUNT + 1}, "registry: caps out of bounds"),
    ({"position_cap": 0}, "registry: caps out of bounds"),
    ({"position_cap": MAX_AMOUNT + 1}, "registry: caps out of bounds"),
    ({"min_notional": 0}, "registry: caps out of bounds"),
    ({"min_notional": MAX_MIN_NOTIONAL + 1}, "registry: caps out of bounds"),
    ({"grace": 59}, "registry: grace out of bounds"),
    ({"grace": 3_601}, "registry: grace out of bounds"),
]


@pytest.mark.parametrize(("changes", "reason"), OUT_OF_BOUNDS)
def test_list_market__out_of_bounds__refused(kana: Kit, changes: dict[str, int], reason: str) -> None:
    with reverts_with(reason):
        kana.registry.list_market(params_of(kana, **changes), sender=kana.governance)


def test_list_market__feed_without_code__refused(ready: Kit) -> None:
    nobody = address_of(ready.actors.outsider)
    with reverts_with("registry: feed without code"):
        ready.registry.list_market(params_of(ready, feed=nobody), sender=ready.governance)


def test_list_market__feed_without_a_price__refused(ready: Kit) -> None:
    params = params_of(ready)
    ready.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        ready.registry.list_market(params, sender=ready.governance)


# ------------------------------------------------------- remove_market, replace_fund


def test_remove_market__empty__gone_for_good(ready: Kit) -> None:
    registry, house, fund, asset = ready.registry, ready.house, ready.fund, ready.asset
    registry.list_market(params_of(ready), sender=ready.governance)
    receipt = registry.remove_market(2, sender=ready.governance)
    assert event(receipt, registry, "MarketRemoved") == {"market_id": 2}
    assert not registry.listed(2)
    assert registry.next_market_id() == 3
    assert not fund.market(house, 2).registered
    assert asset.allowance(house, fund) == 2**256 - 1
    for market_id in (0, 1):
        registry.remove_market(market_id, sender=ready.governance)
    assert asset.allowance(house, fund) == 0
    with reverts_with("registry: unknown market"):
        registry.remove_market(0, sender=ready.governance)


def test_remove_market__open_interest__refused(kana: Kit) -> None:
    """T41, M31."""
    kana.open_position(kana.actors.trader, kana.actors.counterparty, COIN)
    with reverts_with("house: market not empty"):
        kana.registry.remove_market(0, sender=kana.governance)


@pytest.fixture
def second_fund(kana: Kit) -> Any:
    """A fund that the shared one has been merged into, with market 0; the registry doesn't know yet."""
    fund = make_fund(kana)
    merge(kana, kana.fund, fund, [0])
    return fund


def test_replace_fund__after_a_merger__moved_with_its_allowance(kana: Kit, second_fund: Any) -> None:
    registry, house, asset = kana.registry, kana.house, kana.asset
    before = fields_of(registry.params(0))
    receipt = registry.replace_fund(0, second_fund, sender=kana.governance)
    assert event(receipt, registry, "FundReplaced") == {
        "market_id": 0,
        "old": kana.fund.address,
        "new": second_fund.address,
    }
    assert fields_of(registry.params(0)) == {**before, "fund": second_fund.address}
    assert registry.fund_of(0) == second_fund.address
    assert asset.allowance(house, second_fund) == asset.allowance(house, kana.fund) == 2**256 - 1
    with reverts_with("registry: same fund"):
        registry.replace_fund(0, second_fund, sender=kana.governance)
    with reverts_with("registry: other fund's market"):
        registry.replace_fund(0, kana.fund, sender=kana.governance)


def test_replace_fund__last_market__allowance_revoked(kana: Kit, second_fund: Any) -> None:
    kana.registry.replace_fund(0, second_fund, sender=kana.governance)
    kana.factory.merge(kana.fund, second_fund, [(kana.house.address, 1)], sender=kana.governance)
    kana.registry.replace_fund(1, second_fund, sender=kana.governance)
    assert kana.asset.allowance(kana.house, kana.fund) == 0


def test_replace_fund__without_a_merger__refused(kana: Kit) -> None:
    """T41, M18: what a market has used can't be shaken off by a change of funds."""
    registry, governance, other = kana.registry, kana.governance, make_fund(kana, (0, True))
    with reverts_with("registry: other fund's market"):
        registry.replace_fund(0, other, sender=governance)
    with reverts_with("factory: market has a fund"):
        kana.factory.assign(kana.house, 0, other, sender=governance)
    with reverts_with("registry: other fund's market"):
        registry.replace_fund(0, kana.actors.outsider, sender=governance)
    with reverts_with("registry: unknown market"):
        registry.replace_fund(9, other, sender=governance)


# ----------------------------------------------------------------------- setters


def test_set_feed__gives_a_price__replaced(kana: Kit) -> None:
    registry, feed = kana.registry, kana.feeds[1]
    receipt = registry.set_feed(0, feed, sender=kana.governance)
    assert event(receipt, registry, "FeedSet") == {"market_id": 0, "old": kana.feeds[0].address, "new": feed.address}
    assert registry.mark(0) == registry.quote(0).mark == 2_000 * WAD


def test_set_feed__unfit__refused(kana: Kit) -> None:
    with reverts_with("registry: feed without code"):
        kana.registry.set_feed(0, kana.actors.outsider, sender=kana.governance)
    kana.travel(3_601, refresh=False)
    with reverts_with("feed: stale price"):
        kana.registry.set_feed(0, kana.feeds[1], sender=kana.governance)


SETTERS = [
    (
        "set_margins",
        "MarginsSet",
        {"initial_margin_bps": 2_000, "maintenance_margin_bps": 900, "fill_band_bps": 0},
    ),
    ("set_fees", "FeesSet", {"taker_fee_bps": 100, "maker_fee_bps": 0, "fund_fee_bps": 1}),
    ("set_caps", "CapsSet", {"open_interest_cap": 7 * COIN, "position_cap": MAX_AMOUNT, "min_notional": 1}),
]


@pytest.mark.parametrize(("function", "name", "values"), SETTERS)
def test_setters__within_bounds__set_with_old_and_new(
    kana: Kit, function: str, name: str, values: dict[str, int]
) -> None:
    registry = kana.registry
    before = fields_of(registry.params(0))
    receipt = getattr(registry, function)(0, *values.values(), sender=kana.governance)
    old = {f"old_{field}": before[field] for field in values}
    assert event(receipt, registry, name) == {"market_id": 0, **old, **values}
    assert fields_of(registry.params(0)) == {**before, **values}
    assert fields_of(registry.params(1))["initial_margin_bps"] == 1_000


@pytest.mark.parametrize(("changes", "reason"), OUT_OF_BOUNDS)
def test_setters__out_of_bounds__refused(kana: Kit, changes: dict[str, int], reason: str) -> None:
    before = fields_of(kana.registry.params(0))
    (field,) = changes
    if field == "grace":
        call, fields = kana.registry.set_grace, ["grace"]
    else:
        function, _, values = next(entry for entry in SETTERS if field in entry[2])
        call, fields = getattr(kana.registry, function), list(values)
    with reverts_with(reason):
        call(0, *({**before, **changes}[name] for name in fields), sender=kana.governance)


@pytest.mark.parametrize("grace", [60, 3_600])
def test_set_grace__within_bounds__set(kana: Kit, grace: int) -> None:
    receipt = kana.registry.set_grace(0, grace, sender=kana.governance)
    assert event(receipt, kana.registry, "GraceSet") == {"market_id": 0, "old": 600, "new": grace}
    assert kana.registry.quote(0).grace == grace


def test_set_fee_recipient__somebody__set(kana: Kit) -> None:
    registry, old, new = kana.registry, kana.actors.fee_recipient, kana.actors.outsider
    receipt = registry.set_fee_recipient(new, sender=kana.governance)
    assert event(receipt, registry, "FeeRecipientSet") == {"old": old.address, "new": new.address}
    assert registry.fee_terms(0) == (kana.fund.address, 5_000, new.address)
    with reverts_with("registry: zero address"):
        registry.set_fee_recipient(ZERO, sender=kana.governance)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("remove_market", ()),
        ("set_feed", (ZERO,)),
        ("set_margins", (1, 1, 1)),
        ("set_fees", (1, 1, 1)),
        ("set_caps", (1, 1, 1)),
        ("set_grace", (60,)),
    ],
)
def test_setters__unknown_market__refused(kana: Kit, function: str, args: tuple[Any, ...]) -> None:
    with reverts_with("registry: unknown market"):
        getattr(kana.registry, function)(9, *args, sender=kana.governance)


def test_setters__through_the_timelock__work(kana: Kit) -> None:
    kana.govern(kana.registry, "set_grace", 0, 120)
    assert kana.registry.params(0).grace == 120


# ------------------------------------------------------------------------- roles


def test_set_governance__another_timelock__handed_over(kana: Kit) -> None:
    actors, registry = kana.actors, kana.registry
    holders = [[address_of(actors.proposer)]] * 2
    new = kana.backend.deploy("Timelock", 2 * DAY, 2 * DAY, *holders, sender=actors.outsider)
    receipt = registry.set_governance(new, sender=kana.governance)
    assert event(receipt, registry, "GovernanceTransferred") == {"old": kana.timelock.address, "new": new.address}
    assert registry.governance() == new.address
    with reverts_with("registry: not governance"):
        registry.set_grace(0, 60, sender=kana.governance)
    registry.set_grace(0, 60, sender=kana.impersonate(new))
    with reverts_with("roles: governor without code"):
        registry.set_governance(actors.outsider, sender=kana.impersonate(new))


def test_roles__guardian__granted_revoked_and_not_renounced_into_nothing(kana: Kit) -> None:
    registry, guardian, second = kana.registry, kana.actors.guardian, kana.actors.outsider
    with reverts_with("roles: last holder"):
        registry.renounceRole(GUARDIAN, guardian, sender=guardian)
    registry.grantRole(GUARDIAN, second, sender=kana.governance)
    assert registry.members(GUARDIAN) == 2
    registry.renounceRole(GUARDIAN, guardian, sender=guardian)
    assert not registry.hasRole(GUARDIAN, guardian)
    registry.revokeRole(GUARDIAN, second, sender=kana.governance)
    assert registry.members(GUARDIAN) == 0
    with reverts_with("roles: use set_governance"):
        registry.grantRole(b"\x00" * 32, second, sender=kana.governance)
    with reverts_with("roles: deployer is fixed"):
        registry.grantRole(DEPLOYER, second, sender=kana.governance)


# ------------------------------------------------------------------------- pause


def test_pause_trading__guardian__until_its_end(kana: Kit) -> None:
    registry, guardian = kana.registry, kana.actors.guardian
    assert registry.trading_resume_at() == 0
    receipt = registry.pause_trading(7 * DAY, sender=guardian)
    end = kana.now() + 7 * DAY
    assert event(receipt, registry, "TradingPaused") == {"guardian": guardian.address, "resume_at": end}
    assert registry.trading_resume_at() == end
    assert registry.quote(0).trading_paused
    kana.travel(7 * DAY)
    assert not registry.quote(0).trading_paused


@pytest.mark.parametrize(
    ("duration", "reason"), [(0, "registry: zero duration"), (7 * DAY + 1, "registry: pause too long")]
)
def test_pause_trading__out_of_bounds__refused(kana: Kit, duration: int, reason: str) -> None:
    with reverts_with(reason):
        kana.registry.pause_trading(duration, sender=kana.actors.guardian)


def test_pause_trading__within_a_week_of_the_last__refused(kana: Kit) -> None:
    """T40: the rest counts from the end, early or not."""
    registry, guardian = kana.registry, kana.actors.guardian
    registry.pause_trading(DAY, sender=guardian)
    with reverts_with("registry: paused too recently"):
        registry.pause_trading(DAY, sender=guardian)
    registry.resume_trading(sender=guardian)
    end = registry.trading_resume_at()
    next_block_at(end + 7 * DAY - 1)
    with reverts_with("registry: paused too recently"):
        registry.pause_trading(DAY, sender=guardian)
    next_block_at(end + 7 * DAY)
    registry.pause_trading(DAY, sender=guardian)


@pytest.mark.parametrize("who", ["guardian", "governance"])
def test_resume_trading__guardian_or_governance__resumed(kana: Kit, who: str) -> None:
    registry = kana.registry
    account = kana.actors.guardian if who == "guardian" else kana.governance
    registry.pause_trading(DAY, sender=kana.actors.guardian)
    receipt = registry.resume_trading(sender=account)
    assert event(receipt, registry, "TradingResumed") == {"account": account.address}
    assert registry.trading_resume_at() == kana.now()
    assert not registry.quote(0).trading_paused
    with reverts_with("registry: not paused"):
        registry.resume_trading(sender=account)


def test_pause_trading__anyone_else__refused(kana: Kit) -> None:
    for account in (kana.actors.outsider, kana.governance):
        with reverts_with("registry: not guardian"):
            kana.registry.pause_trading(DAY, sender=account)
    with reverts_with("registry: not guardian"):
        kana.registry.resume_trading(sender=kana.actors.outsider)


# ------------------------------------------------------------------------- views


def test_quote__listed__mark_and_parameters(kana: Kit) -> None:
    params, quote = fields_of(kana.registry.params(0)), fields_of(kana.registry.quote(0))
    assert quote.pop("mark") == PRICE
    assert quote.pop("trading_paused") is False
    assert quote == {name: params[name] for name in quote}
    assert len(quote) == 10


@pytest.mark.parametrize("view", ["params", "fund_of", "mark", "quote", "fee_terms"])
def test_views__unknown_market__refused(kana: Kit, view: str) -> None:
    assert not kana.registry.listed(9)
    with reverts_with("registry: unknown market"):
        getattr(kana.registry, view)(9)


def test_quote__no_good_price__refused_but_parameters_told(kana: Kit) -> None:
    kana.travel(3_601, refresh=False)
    for view in (kana.registry.quote, kana.registry.mark):
        with reverts_with("feed: stale price"):
            view(0)
    assert kana.registry.fund_of(0) == kana.fund.address


def test_quote__used_by_the_house__no_trade_moves_the_mark(kana: Kit) -> None:
    """M30: the mark is the feed's alone."""
    kana.open_position(kana.actors.trader, kana.actors.counterparty, COIN, 103 * WAD)
    assert kana.registry.mark(0) == PRICE
    trade(kana, kana.actors.trader, kana.actors.counterparty, COIN, 97 * WAD)
    assert kana.registry.mark(0) == PRICE
