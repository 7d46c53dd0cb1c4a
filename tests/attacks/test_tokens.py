"""Attacks by the token, by ether and by extreme numbers: T70 to T72."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ape import chain, project

from kana_insurance import reader
from kana_insurance.backends import address_of
from kana_insurance.deployment import LOCAL_STAKERS, ROLES, MarketConfig
from kana_insurance.kit import deploy_kit
from kana_insurance.model import invariants
from kana_insurance.pools import LOCAL_POOL
from kana_insurance.testing import COIN, Kit, U, reverts_with
from tests.utils.plain_calls import abi_functions, call_data, is_view, signature

PRICE = 100 * COIN
SIZE = 10 * COIN
MAX_AMOUNT = 2**112 - 1
RETURNS_FALSE, REVERTS, FEE, APPROVE_RACE = 1, 2, 4, 8
NOT_RUN, SUCCEEDED, WITHOUT_REASON = 0, 1, 3
MARKET = {"name": "COIN / USD", "price": PRICE, "max_insurance": 50_000 * U}


def check_books(kit: Kit, *more: Any) -> None:
    """What is in the books is in the tokens, on both sides, and sizes cancel (I1, I9, I13, M26)."""
    accounts = [*reader.accounts_seen(kit.system), *(address_of(account) for account in more)]
    fund, venue = reader.fund_state(kit.system, accounts), reader.venue_state(kit.system, accounts)
    invariants.i1_tokens_back_the_reserve(fund)
    invariants.i13_contributions_add_up(fund)
    invariants.i9_sizes_cancel(venue)
    bad_debts = {market: kept["bad_debt"] for (_, market), kept in fund["markets"].items()}
    invariants.m26_market_sums(venue, bad_debts)
    invariants.m26_total_sum(venue, bad_debts)


def system_of(kana: Kit, deploy_system: Callable[..., Kit], token: Any) -> Kit:
    """A system of a token: four accounts with 10,000 tokens each, allowed to fund and house."""
    config = {**MARKET, "open_interest_cap": 10**6 * COIN, "position_cap": 10**6 * COIN}
    kit = deploy_system(asset=str(token.address), threshold=1_000 * U, markets=[MarketConfig(**config)])
    actors = kana.actors
    for account in (actors.trader, actors.counterparty, actors.liquidator, actors.contributor):
        token.mint(account, 20_000 * U, sender=account)
        token.approve(kit.house, 10_000 * U, sender=account)
        token.approve(kit.fund, 10_000 * U, sender=account)
    return kit


def fill_pair(kit: Kit, margin: int = 150 * U) -> None:
    """Trader long and counterparty short 10 coins at mark, the liquidator with free balance, all deposited before."""
    actors = kit.actors
    for account in (actors.trader, actors.counterparty, actors.liquidator):
        kit.house.deposit(1_000 * U, sender=account)
    buy = kit.sign_order(actors.trader, True, SIZE, PRICE, margin)
    kit.fill(kit.sign_order(actors.counterparty, False, SIZE, PRICE, 3 * margin), buy)


# ------------------------------------------------------------------------ T70


def test_t70_token_that_returns_nothing__works_at_the_house(kana: Kit, deploy_system: Callable[..., Kit]) -> None:
    kit = system_of(kana, deploy_system, kana.backend.deploy("NoReturnToken", 6, sender=kana.actors.deployer))
    actors = kit.actors
    kit.fund.contribute(500 * U, sender=actors.contributor)
    fill_pair(kit)
    kit.set_price(89 * COIN)
    kit.house.liquidate(0, actors.trader, 5 * COIN, 500 * U, sender=actors.liquidator)
    kit.set_price(70 * COIN)
    kit.house.liquidate(0, actors.trader, 5 * COIN, sender=actors.liquidator)
    kit.house.collect_fees(0, sender=actors.keeper)
    kit.house.withdraw(kit.house.free(actors.trader), sender=actors.trader)
    assert kit.fund.market(kit.house, 0).used > 0
    check_books(kit)


@pytest.mark.parametrize(
    ("quirk", "reason"),
    [(RETURNS_FALSE, "house: transfer failed"), (REVERTS, "quirky: transfers revert"), (FEE, "house: received less")],
)
def test_t70_quirky_token__deposits_refused_and_books_hold(
    kana: Kit, deploy_system: Callable[..., Kit], quirk: int, reason: str
) -> None:
    token = kana.backend.deploy("QuirkyToken", 6, sender=kana.actors.deployer)
    kit = system_of(kana, deploy_system, token)
    actors = kit.actors
    kit.fund.contribute(500 * U, sender=actors.contributor)
    fill_pair(kit)
    token.set_quirks(quirk, sender=actors.deployer)
    with reverts_with(reason):
        kit.house.deposit(U, sender=actors.trader)
    if quirk != FEE:
        with reverts_with(reason):
            kit.house.withdraw(U, sender=actors.trader)
    # A cover that arrives short is not booked either.
    kit.set_price(70 * COIN)
    with reverts_with(reason.replace("house: transfer", "fund: transfer")):
        kit.house.liquidate(0, actors.trader, SIZE, 500 * U, sender=actors.liquidator)
    token.set_quirks(0, sender=actors.deployer)
    kit.house.liquidate(0, actors.trader, SIZE, 500 * U, sender=actors.liquidator)
    check_books(kit)


def test_t70_approve_race__listing_and_replacing_a_fund_work(kana: Kit, deploy_system: Callable[..., Kit]) -> None:
    token = kana.backend.deploy("QuirkyToken", 6, sender=kana.actors.deployer)
    token.set_quirks(APPROVE_RACE, sender=kana.actors.deployer)
    kit = system_of(kana, deploy_system, token)
    assert token.allowance(kit.house, kit.fund) == 2**256 - 1
    fill_pair(kit)
    kit.set_price(89 * COIN)
    kit.house.liquidate(0, kit.actors.trader, SIZE, 500 * U, sender=kit.actors.liquidator)
    check_books(kit)


def test_t70_blacklisted_trader__is_liquidated_all_the_same(kana: Kit, deploy_system: Callable[..., Kit]) -> None:
    token = kana.backend.deploy("QuirkyToken", 6, sender=kana.actors.deployer)
    kit = system_of(kana, deploy_system, token)
    actors = kit.actors
    fill_pair(kit)
    for account in (actors.trader, actors.liquidator):
        token.set_blacklisted(account, True, sender=actors.deployer)
    kit.set_price(89 * COIN)
    kit.house.liquidate(0, actors.trader, SIZE, 500 * U, sender=actors.liquidator)
    assert kit.house.position(0, actors.trader).size == 0
    check_books(kit)


#: What runs the token's hook, and which contracts are locked meanwhile.
OUTER: dict[str, tuple[str, ...]] = {
    "contribute": ("InsuranceFund",),
    "withdraw excess": ("InsuranceFund",),
    "deposit": ("ClearingHouse",),
    "withdraw": ("ClearingHouse",),
    "liquidate with a slice": ("ClearingHouse", "InsuranceFund"),
    "liquidate with a cover": ("ClearingHouse", "InsuranceFund"),
    "collect fees": ("ClearingHouse", "InsuranceFund"),
}


def every_call(kit: Kit) -> list[tuple[str, str, str, bytes]]:
    """(contract, function, its address, call data) of every function, with arguments that can work."""
    targets = {
        "InsuranceFund": kit.fund,
        "FundFactory": kit.factory,
        "NoticeBoard": kit.notices,
        "Underwriter": kit.underwriter,
        "Backstop": kit.backstop,
        "ClearingHouse": kit.house,
        "OrderGateway": kit.gateway,
        "MarketRegistry": kit.registry,
        "LendingPool": kit.pool,
        "LendingRegistry": kit.lending,
        "Timelock": kit.timelock,
        "PriceFeed": kit.feeds[0],
        "Lens": kit.lens,
    }
    numbers = {"amount": 1, "collateral": 10 * U, "shortfall": U, "size": SIZE, "margin": U, "duration": 60}
    trader = address_of(kit.actors.trader)
    return [
        (name, signature(entry), address_of(targets[name]), call_data(entry, trader, numbers))
        for name, entry in sorted(abi_functions(), key=lambda found: is_view(found[1]))
    ]


@pytest.fixture(scope="module")
def hooked(kana: Kit, backend: Any) -> Kit:
    """A system whose token can run a script in every transfer; the script is trader, treasurer, guardian, proposer."""
    actors = kana.actors
    token = backend.deploy("HookToken", 6, sender=actors.deployer)
    parts = {"stakers": LOCAL_STAKERS, "pool": LOCAL_POOL}
    kit = system_of(kana, lambda **overrides: deploy_kit(backend, actors, **parts, **overrides), token)
    script = backend.deploy("Script", sender=actors.deployer)
    kit.fund.contribute(1_100 * U, sender=actors.contributor)
    fill_pair(kit)
    token.mint(script, 1_000 * U, sender=actors.deployer)
    for spender in (kit.house, kit.fund):
        script.execute(token, kit.encode(token, "approve", address_of(spender), 10**15), sender=actors.deployer)
    script.execute(kit.house, kit.encode(kit.house, "deposit", 500 * U), sender=actors.deployer)
    script.execute(kit.house, kit.encode(kit.house, "add_margin", 0, 100 * U), sender=actors.deployer)
    for contract, roles in ((kit.fund, ("TREASURER", "GUARDIAN")), (kit.registry, ("GUARDIAN",))):
        for role in roles:
            contract.grantRole(ROLES[role], script, sender=kit.governance)
    kit.timelock.grantRole(kit.timelock.PROPOSER_ROLE(), script, sender=kit.governance)
    calls = [(target, data) for _, _, target, data in every_call(kit)]
    for start in range(0, len(calls), 32):
        script.add(calls[start : start + 32], sender=actors.deployer)
    kit.script, kit.token = script, token  # type: ignore[attr-defined]
    return kit


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("backwards", [False, True])
def test_t70_hook_that_re_enters__every_function_of_every_contract(hooked: Kit, outer: str, backwards: bool) -> None:
    actors, house, fund = hooked.actors, hooked.house, hooked.fund
    script, token = hooked.script, hooked.token  # type: ignore[attr-defined]
    if outer == "liquidate with a slice":
        # Below its threshold the fund has room for one.
        fund.withdraw_excess(100 * U, sender=actors.treasurer)
        fund.cover_shortfall(0, 500 * U, sender=hooked.impersonate(house))
        hooked.set_price(89 * COIN)
    if outer == "liquidate with a cover":
        hooked.set_price(70 * COIN)
    run = hooked.encode(script, "run", backwards)
    token.set_hook(script, run, True, sender=actors.deployer)
    transactions: dict[str, Callable[[], Any]] = {
        "contribute": lambda: fund.contribute(U, sender=actors.contributor),
        "withdraw excess": lambda: fund.withdraw_excess(U, sender=actors.treasurer),
        "deposit": lambda: house.deposit(U, sender=actors.trader),
        "withdraw": lambda: house.withdraw(U, sender=actors.trader),
        "liquidate with a slice": lambda: house.liquidate(0, actors.trader, SIZE, 500 * U, sender=actors.liquidator),
        "liquidate with a cover": lambda: house.liquidate(0, actors.trader, SIZE, 500 * U, sender=actors.liquidator),
        "collect fees": lambda: house.collect_fees(0, sender=actors.keeper),
    }
    transactions[outer]()
    assert token.hook_calls() > 0
    calls, endings = every_call(hooked), list(script.outcome())
    views = {(name, signature(entry)) for name, entry in abi_functions() if is_view(entry)}
    for (name, function, _, _), ending in zip(calls, endings, strict=True):
        assert ending != NOT_RUN
        if name in OUTER[outer] and (name, function) not in views:
            assert ending == WITHOUT_REASON, f"{name}.{function} got past the lock"
    # Something did get through elsewhere, and still all that is booked is there.
    assert SUCCEEDED in endings
    token.set_hook("0x" + "00" * 20, b"", True, sender=actors.deployer)
    check_books(hooked, script)


# ------------------------------------------------------------------------ T71


def test_t71_ether__refused_by_every_contract_and_forced_ether_changes_nothing(
    deploy_system: Callable[..., Kit],
) -> None:
    kana = deploy_system(pool=LOCAL_POOL)
    actors = kana.actors
    kana.contribute(actors.contributor, 100 * U)
    kana.open_position(actors.trader, actors.counterparty, SIZE, margin=150 * U)
    parts = [kana.fund, kana.house, kana.gateway, kana.registry, kana.timelock, kana.feeds[0], kana.lens]
    parts += [kana.pool, kana.lending]
    before = (kana.fund.reserve(), tuple(kana.house.books(0)), kana.house.free(actors.trader))
    for part in parts:
        for data in ("0x", "0x12345678"):
            call = {"from": address_of(actors.outsider), "to": address_of(part), "value": "0x1", "data": data}
            assert "error" in chain.provider.web3.provider.make_request("eth_call", [call, "latest"])
        actors.outsider.deploy(project.ForceEther, address_of(part), value=7)
        assert chain.provider.get_balance(address_of(part)) == 7
    assert (kana.fund.reserve(), tuple(kana.house.books(0)), kana.house.free(actors.trader)) == before
    check_books(kana)


# ------------------------------------------------------------------------ T72


@pytest.fixture
def vast(kana: Kit, deploy_fund: Callable[..., Kit]) -> Kit:
    """A fund of an 18-decimals token with the widest threshold and maximum; contributor and venue are as rich."""
    actors = kana.actors
    token = kana.backend.deploy("QuirkyToken", 18, sender=actors.deployer)
    kit = deploy_fund(asset=str(token.address), threshold=MAX_AMOUNT, markets={0: MAX_AMOUNT})
    for account in (actors.contributor, kit.venue):
        token.mint(account, 2**120, sender=actors.deployer)
        token.approve(kit.fund, 2**256 - 1, sender=account)
    return kit


def test_t72_extremes_at_the_fund__the_largest_fit(vast: Kit) -> None:
    fund, venue, actors = vast.fund, vast.venue, vast.actors
    fund.contribute(MAX_AMOUNT, sender=actors.contributor)
    assert (fund.reserve(), fund.room(), fund.total_contributions()) == (MAX_AMOUNT, 0, MAX_AMOUNT)
    with reverts_with("fund: amount too large"):
        fund.contribute(1, sender=actors.contributor)
    parts = fund.settle_liquidation(0, MAX_AMOUNT, sender=venue).return_value
    assert (parts.fund, parts.liquidator) == (0, MAX_AMOUNT * 3 // 10)
    assert fund.cover_shortfall(0, MAX_AMOUNT, sender=venue).return_value == MAX_AMOUNT
    market = fund.market(venue, 0)
    assert (market.used, fund.reserve()) == (MAX_AMOUNT, 0)
    parts = fund.settle_liquidation(0, MAX_AMOUNT, sender=venue).return_value
    assert parts.fund == fund.reserve() == MAX_AMOUNT // 5
    assert fund.market(venue, 0).used == MAX_AMOUNT - MAX_AMOUNT // 5
    fund.record_bad_debt(0, MAX_AMOUNT, sender=venue)
    assert (fund.room(), fund.excess()) == (2 * MAX_AMOUNT - MAX_AMOUNT // 5, 0)
    with reverts_with("fund: amount too large"):
        fund.record_bad_debt(0, 1, sender=venue)


@pytest.mark.parametrize("amount", [MAX_AMOUNT + 1, 2**255, 2**256 - 1])
def test_t72_extremes_at_the_fund__one_more_is_refused_at_the_door(vast: Kit, amount: int) -> None:
    fund, venue, actors, governance = vast.fund, vast.venue, vast.actors, vast.governance
    with reverts_with("fund: amount too large"):
        fund.contribute(amount, sender=actors.contributor)
    for report in ("settle_liquidation", "settle_fees", "cover_shortfall", "record_bad_debt"):
        with reverts_with("fund: amount too large"):
            getattr(fund, report)(0, amount, sender=venue)
    with reverts_with("fund: amount too large"):
        fund.set_threshold(amount, sender=governance)
    with reverts_with("fund: amount too large"):
        fund.set_max_insurance(venue, 0, amount, sender=governance)
    with reverts_with("fund: amount too large"):
        fund.set_window(amount, 86_400, sender=governance)


@pytest.mark.parametrize("amount", [MAX_AMOUNT + 1, 2**255, 2**256 - 1])
def test_t72_extremes_at_the_house__refused_at_the_door(kana: Kit, amount: int) -> None:
    house, trader = kana.house, kana.actors.trader
    for call, args in (
        ("deposit", (amount,)),
        ("withdraw", (amount,)),
        ("add_margin", (0, amount)),
        ("release_margin", (0, amount)),
        ("repay_bad_debt", (0, amount)),
    ):
        with reverts_with("house: amount too large"):
            getattr(house, call)(*args, sender=trader)


def test_t72_extremes_at_the_house__largest_deposit_fits(kana: Kit, deploy_system: Callable[..., Kit]) -> None:
    token = kana.backend.deploy("QuirkyToken", 18, sender=kana.actors.deployer)
    kit = system_of(kana, deploy_system, token)
    trader = kit.actors.trader
    token.mint(trader, 2**120, sender=trader)
    token.approve(kit.house, 2**256 - 1, sender=trader)
    kit.house.deposit(MAX_AMOUNT, sender=trader)
    kit.house.add_margin(0, MAX_AMOUNT, sender=trader)
    assert (kit.house.books(0).pot, kit.house.position(0, trader).balance) == (MAX_AMOUNT, MAX_AMOUNT)
    kit.house.release_margin(0, MAX_AMOUNT, sender=trader)
    kit.house.withdraw(MAX_AMOUNT, sender=trader)
    assert token.balanceOf(kit.house) == 0
