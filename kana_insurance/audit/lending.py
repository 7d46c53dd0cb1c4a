"""A lending pool under audit: its wiring, the bounds of its terms, its tokens against its books (M15, M30 to M33)."""

from __future__ import annotations

from typing import Any

from kana_insurance.amounts import MAX_AMOUNT
from kana_insurance.audit.findings import Checks
from kana_insurance.audit.site import Pool, PoolCollateral, Site
from kana_insurance.backends import ZERO
from kana_insurance.client import moment
from kana_insurance.pools import POOL_MARKET
from kana_insurance.values import MAX_COLLATERAL

BPS = 10_000
MAX_RATES_BPS, MAX_RESERVE_FACTOR_BPS = 30_000, 5_000
MAX_PREMIUM_BPS, MAX_PREMIUM_FUND_BPS = 2_000, 5_000
_RATES = ("base_bps", "slope1_bps", "slope2_bps", "kink_bps", "reserve_factor_bps")
_COLLATERAL = (
    "factor_bps",
    "threshold_bps",
    "close_factor_bps",
    "premium_bps",
    "premium_fund_bps",
    "collateral_cap",
    "borrow_cap",
)


def check_pool_wiring(site: Site, checks: Checks, pool: Pool) -> None:
    """Pool and registry each other's, the asset, the feeds; that it is served is checked with the markets."""
    registry, contract, name = pool.registry.instance, pool.pool.instance, pool.registry.name
    checks.points_at(name, "the pool", registry.pool(), pool.pool)
    checks.points_at(name, "the factory", registry.factory(), site.factory)
    checks.points_at(name, "the asset", registry.asset(), pool.asset)
    checks.points_at(pool.pool.name, "the registry", contract.registry(), pool.registry)
    checks.points_at(pool.pool.name, "the asset", contract.asset(), pool.asset)
    checks.points_at(name, "the feed of the asset", registry.debt_feed(), pool.debt_feed or ZERO)
    fund = registry.fund()
    checks.demand(site.fund_at(fund) is not None, name, f"its fund {fund} is not of this deployment")
    server = site.factory.instance.fund_of(pool.pool.address, POOL_MARKET)
    checks.points_at(name, "its fund", fund, server)
    for collateral in pool.collaterals:
        if not checks.expect(bool(registry.listed(collateral.number)), collateral.name, "it was removed"):
            continue
        terms = registry.collateral(collateral.number)
        checks.points_at(collateral.name, "the token", terms.asset, collateral.token)
        checks.points_at(collateral.name, "the feed", terms.feed, collateral.feed)


def check_pool_parameters(site: Site, checks: Checks, pool: Pool) -> None:
    """Rates, caps and collaterals within their bounds, and which of them aren't the deployment's any more."""
    registry, name = pool.registry.instance, pool.registry.name
    terms = registry.terms()
    rates = {rate: int(getattr(terms.rates, rate)) for rate in _RATES}
    highest = rates["base_bps"] + rates["slope1_bps"] + rates["slope2_bps"]
    checks.within(name, "base, slope1 and slope2 together", highest, 0, MAX_RATES_BPS)
    checks.within(name, "kink_bps", rates["kink_bps"], 1, BPS - 1)
    checks.within(name, "reserve_factor_bps", rates["reserve_factor_bps"], 0, MAX_RESERVE_FACTOR_BPS)
    supply_cap, min_debt = int(terms.supply_cap), int(terms.min_debt)
    checks.within(name, "supply_cap", supply_cap, 1, MAX_AMOUNT)
    checks.within(name, "min_debt", min_debt, 1, MAX_AMOUNT)
    config = pool.config
    for rate, value in rates.items():
        checks.recorded(name, rate, value, getattr(config, rate))
    checks.recorded(name, "supply_cap", supply_cap, config.supply_cap)
    least = 10 * 10 ** int(pool.asset.decimals()) if config.min_debt is None else config.min_debt
    checks.recorded(name, "min_debt", min_debt, least)
    until = int(registry.borrowing_resume_at())
    checks.expect(until <= site.backend.timestamp(), name, f"borrowing is paused until {moment(until)}")
    contract = pool.pool.instance
    stopped = bool(contract.withdrawals_stopped())
    checks.expect(not stopped, pool.pool.name, "a flagged loan stops the lenders' withdrawals")
    owed = int(contract.books().bad_debt)
    checks.expect(owed == 0, pool.pool.name, f"it has bad debt of {owed}")
    for collateral in pool.collaterals:
        if registry.listed(collateral.number):
            _check_collateral(checks, collateral, registry.collateral(collateral.number))


def _check_collateral(checks: Checks, collateral: PoolCollateral, terms: Any) -> None:
    name, values = collateral.name, {term: int(getattr(terms, term)) for term in _COLLATERAL}
    factor, threshold, premium = (values[term] for term in ("factor_bps", "threshold_bps", "premium_bps"))
    what = f"factor_bps is {factor}, must be above 0 and below the threshold's {threshold}"
    checks.demand(0 < factor < threshold, name, what)
    what = f"a threshold of {threshold} bps and a premium of {premium} leave nothing to liquidate with"
    checks.demand(threshold * (BPS + premium) < BPS * BPS, name, what)
    checks.within(name, "close_factor_bps", values["close_factor_bps"], 1_000, BPS)
    checks.within(name, "premium_bps", premium, 1, MAX_PREMIUM_BPS)
    checks.within(name, "premium_fund_bps", values["premium_fund_bps"], 0, MAX_PREMIUM_FUND_BPS)
    checks.within(name, "collateral_cap", values["collateral_cap"], 1, MAX_COLLATERAL)
    checks.within(name, "borrow_cap", values["borrow_cap"], 1, MAX_AMOUNT)
    if collateral.config is not None:
        for term, value in values.items():
            checks.recorded(name, term, value, getattr(collateral.config, term))


def pool_bookings(pool: Pool) -> list[tuple[Any, int]]:
    """Each token that a pool must hold, and how much of it: its cash, and the collateral of its loans."""
    contract = pool.pool.instance
    held = [(one.token, int(contract.totals(one.number).collateral)) for one in pool.collaterals]
    return [(pool.asset, int(contract.books().cash)), *held]
