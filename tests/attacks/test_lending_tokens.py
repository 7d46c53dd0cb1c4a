"""Attacks on a lending pool by the tokens that it lends or holds: hooks, fees, false answers (T88, T89)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kana_insurance.backends import address_of
from kana_insurance.testing import Actors, U, reverts_with
from tests.utils.lending import ETH, ETHER, UNLIMITED, ZERO, Lending, thunks
from tests.utils.plain_calls import abi_functions, call_data, signature

SUCCEEDED, WITH_REASON, WITHOUT_REASON = 1, 2, 3
RETURNS_FALSE, REVERTS, FEE = 1, 2, 4
#: What needs no lock: getters of stored words, the allowance and its permit.
OPEN = {
    *("name", "symbol", "decimals", "totalSupply", "balanceOf", "allowance", "nonces", "DOMAIN_SEPARATOR"),
    *("eip712Domain", "approve", "permit"),
}
HOOKED = 2


def every_call(lending: Lending) -> list[tuple[str, str, bytes]]:
    """(name, address, call data) of each function of pool and registry, with arguments that could do something."""
    targets = {"LendingPool": lending.pool, "LendingRegistry": lending.registry}
    numbers = {"amount": U, "assets": U, "shares": U * 10**6, "debt": U, "collateral_id": HOOKED, "duration": 60}
    me = address_of(lending.script)  # type: ignore[attr-defined]
    return [
        (f"{name}.{signature(entry)}", address_of(targets[name]), call_data(entry, me, numbers))
        for name, entry in abi_functions()
        if name in targets
    ]


def arm(lending: Lending, backend: Any, actors: Actors) -> None:
    """A script that will make all these calls, as somebody with shares, a loan, tokens and allowances."""
    script = backend.deploy("Script", sender=actors.deployer)
    lending.script = script  # type: ignore[attr-defined]
    calls = [(target, data) for _, target, data in every_call(lending)]
    for start in range(0, len(calls), 32):
        script.add(calls[start : start + 32], sender=actors.deployer)
    for token, amount in ((lending.asset, 10_000 * U), (lending.hook, 10 * ETHER)):  # type: ignore[attr-defined]
        lending.mint(token, script, amount)
        approval = lending.kit.encode(token, "approve", address_of(lending.pool), UNLIMITED)
        script.execute(token, approval, sender=actors.deployer)
    deposit = lending.kit.encode(lending.pool, "deposit", 5_000 * U, address_of(script))
    script.execute(lending.pool, deposit, sender=actors.deployer)
    add = lending.kit.encode(lending.pool, "add_collateral", HOOKED, 5 * ETHER, address_of(script))
    script.execute(lending.pool, add, sender=actors.deployer)


def list_hooked(lending: Lending, token: Any) -> None:
    """List a token as collateral with the feed and terms of ether, and give it to everybody."""
    terms = tuple(lending.registry.collateral(ETH))
    lending.registry.list_collateral((address_of(token), *terms[1:]), sender=lending.governance)
    for account in lending.people.values():
        lending.mint(token, account, 100 * ETHER)
        token.approve(lending.pool, UNLIMITED, sender=account)
    lending.watch(token)


@pytest.fixture(scope="module")
def hooked_collateral(backend: Any, actors: Actors) -> Lending:
    """A pool with a collateral that calls out in every transfer."""
    lending = Lending(backend, actors)
    lending.hook = backend.deploy("HookToken", 18, sender=actors.deployer)  # type: ignore[attr-defined]
    list_hooked(lending, lending.hook)  # type: ignore[attr-defined]
    arm(lending, backend, actors)
    return lending


@pytest.fixture(scope="module")
def hooked_asset(backend: Any, actors: Actors) -> Lending:
    """A pool of an asset that calls out in every transfer."""
    token = backend.deploy("HookToken", 6, sender=actors.deployer)
    lending = Lending(backend, actors, token=token)
    plain = backend.deploy("QuirkyToken", 18, sender=actors.deployer)
    list_hooked(lending, plain)
    lending.hook = plain  # type: ignore[attr-defined]
    arm(lending, backend, actors)
    return lending


def attack(lending: Lending, token: Any, transaction: Callable[[], Any], before: bool) -> None:
    """Run a transaction in whose transfers everything is called; nothing that needs the lock gets past it."""
    script = lending.script  # type: ignore[attr-defined]
    token.set_hook(script, lending.kit.encode(script, "run", False), before, sender=lending.actors.deployer)
    shares, loan = lending.pool.balanceOf(script), tuple(lending.pool.loan(HOOKED, script))
    transaction()
    assert token.hook_calls() > 0
    endings = list(script.outcome())
    for (name, _, _), ending in zip(every_call(lending), endings, strict=True):
        contract, _, function = name.partition(".")
        if contract == "LendingPool" and function.partition("(")[0] not in OPEN:
            assert ending == WITHOUT_REASON, f"{name} got past the lock"
    assert SUCCEEDED in endings
    token.set_hook(ZERO, b"", True, sender=lending.actors.deployer)
    assert (lending.pool.balanceOf(script), tuple(lending.pool.loan(HOOKED, script))) == (shares, loan)


@pytest.mark.parametrize("before", [True, False])
def test_t88_hook_of_a_collateral__re_enters_nothing_and_reads_nothing_half_done(
    hooked_collateral: Lending, before: bool
) -> None:
    lending, pool, borrower = hooked_collateral, hooked_collateral.pool, hooked_collateral.borrower
    token = lending.hook  # type: ignore[attr-defined]
    lending.lend(lending.ann, 5_000 * U)
    attack(lending, token, lambda: pool.add_collateral(HOOKED, ETHER, sender=borrower), before)
    pool.borrow(HOOKED, 1_500 * U, sender=borrower)
    pool.add_collateral(HOOKED, ETHER, sender=lending.other)
    attack(lending, token, lambda: pool.withdraw_collateral(HOOKED, 1, sender=lending.other), before)
    lending.price(1_850 * 10**8)
    attack(lending, token, lambda: lending.liquidate(borrower, 100 * U, HOOKED), before)
    lending.price(500 * 10**8)
    attack(lending, token, lambda: lending.liquidate(borrower, UNLIMITED, HOOKED), before)
    assert pool.loan(HOOKED, borrower).scaled == 0
    assert token.balanceOf(pool) == pool.totals(HOOKED).collateral
    assert lending.asset.balanceOf(pool) == pool.books().cash


@pytest.mark.parametrize("before", [True, False])
def test_t88_hook_of_the_asset__re_enters_nothing_and_reads_nothing_half_done(
    hooked_asset: Lending, before: bool
) -> None:
    lending, pool, borrower, ann = hooked_asset, hooked_asset.pool, hooked_asset.borrower, hooked_asset.ann
    token = lending.asset
    token.mint(lending.actors.contributor, 50 * U, sender=ann)
    token.approve(lending.fund, 50 * U, sender=lending.actors.contributor)
    lending.fund.contribute(50 * U, sender=lending.actors.contributor)
    attack(lending, token, lambda: lending.lend(ann, 5_000 * U), before)
    attack(lending, token, lambda: pool.mint(10**12, ann, sender=ann), before)
    attack(lending, token, lambda: pool.withdraw(U, ann, ann, sender=ann), before)
    attack(lending, token, lambda: pool.redeem(10**12, ann, ann, sender=ann), before)
    pool.add_collateral(ETH, ETHER, sender=borrower)
    attack(lending, token, lambda: pool.borrow(ETH, 1_500 * U, sender=borrower), before)
    attack(lending, token, lambda: pool.repay(ETH, 10 * U, sender=borrower), before)
    # A bankruptcy: the fund pays in the middle of the call, and the liquidator afterwards.
    lending.price(500 * 10**8)
    attack(lending, token, lambda: lending.liquidate(borrower), before)
    books = pool.books()
    assert (books.total_debt, lending.fund.reserve()) == (0, 0)
    assert token.balanceOf(pool) == books.cash


# ------------------------------------------------------------------------- T89


@pytest.fixture(scope="module")
def quirky_venue(backend: Any, actors: Actors) -> Lending:
    """A pool whose asset and third collateral can be told to misbehave."""
    lending = Lending(backend, actors, token=backend.deploy("QuirkyToken", 6, sender=actors.deployer))
    lending.hook = backend.deploy("QuirkyToken", 18, sender=actors.deployer)  # type: ignore[attr-defined]
    list_hooked(lending, lending.hook)  # type: ignore[attr-defined]
    return lending


QUIRKS = [
    (RETURNS_FALSE, "pool: transfer failed", "pool: transfer failed"),
    (REVERTS, "quirky: transfers revert", "quirky: transfers revert"),
    (FEE, "pool: received less", ""),
]


@pytest.mark.parametrize(("quirk", "pulled", "sent"), QUIRKS)
def test_t89_quirky_asset__is_refused_and_changes_nothing(
    quirky_venue: Lending, quirk: int, pulled: str, sent: str
) -> None:
    lending, pool, ann, borrower = quirky_venue, quirky_venue.pool, quirky_venue.ann, quirky_venue.borrower
    lending.lend(ann, 5_000 * U)
    lending.open(borrower, ETHER, 1_500 * U)
    lending.price(1_850 * 10**8)
    lending.asset.set_quirks(quirk, sender=ann)
    with lending.moves({}):
        for call in thunks(
            lambda: lending.lend(ann, U),
            lambda: pool.mint(10**12, ann, sender=ann),
            lambda: pool.repay(ETH, U, sender=borrower),
            lambda: lending.liquidate(borrower, U),
        ):
            with reverts_with(pulled):
                call()
        if sent:
            with reverts_with(sent):
                pool.withdraw(U, ann, ann, sender=ann)
            with reverts_with(sent):
                pool.redeem(10**12, ann, ann, sender=ann)


@pytest.mark.parametrize(("quirk", "pulled", "sent"), QUIRKS)
def test_t89_quirky_collateral__harms_its_own_loans_alone(
    quirky_venue: Lending, quirk: int, pulled: str, sent: str
) -> None:
    lending, pool, borrower, other = quirky_venue, quirky_venue.pool, quirky_venue.borrower, quirky_venue.other
    token = lending.hook  # type: ignore[attr-defined]
    lending.lend(lending.ann, 5_000 * U)
    lending.open(borrower, ETHER, 1_500 * U, HOOKED)
    lending.open(other, ETHER, 1_500 * U)
    lending.price(1_850 * 10**8)
    token.set_quirks(quirk, sender=other)
    with lending.moves({}), reverts_with(pulled):
        pool.add_collateral(HOOKED, 1, sender=borrower)
    if sent:
        with reverts_with(sent):
            lending.liquidate(borrower, U, HOOKED)
    # The debt is still owed and can be repaid; the loans against others live on.
    lending.liquidate(other, 10 * U)
    pool.repay(HOOKED, UNLIMITED, sender=borrower)
    pool.withdraw(100 * U, lending.ann, lending.ann, sender=lending.ann)
    token.set_quirks(0, sender=other)
    pool.withdraw_collateral(HOOKED, ETHER, sender=borrower)


def test_t89_blacklisted_borrower__is_liquidated_all_the_same(quirky_venue: Lending) -> None:
    lending, borrower = quirky_venue, quirky_venue.borrower
    lending.lend(lending.ann, 5_000 * U)
    lending.open(borrower, ETHER, 1_500 * U, HOOKED)
    for token in (lending.hook, lending.asset):  # type: ignore[attr-defined]
        token.set_blacklisted(borrower, True, sender=lending.ann)
    lending.price(1_050 * 10**8)
    lending.liquidate(borrower, UNLIMITED, HOOKED)
    assert lending.debt(borrower, HOOKED) == 0
