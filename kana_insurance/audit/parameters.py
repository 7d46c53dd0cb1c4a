"""Whether parameters are within the bounds of docs/mechanics.md, and which ones aren't the deployment's any more."""

from __future__ import annotations

from typing import Any

from kana_insurance.amounts import MAX_AMOUNT
from kana_insurance.audit.findings import Checks
from kana_insurance.audit.lending import check_pool_parameters
from kana_insurance.audit.site import Fund, Layer, Market, Site, Venue
from kana_insurance.backends import ZERO
from kana_insurance.client import moment
from kana_insurance.config import DAY, MAX_STAKE, StakersConfig

BPS = 10_000
MAX_LIQUIDATOR_BPS, MAX_FUND_BPS, MAX_SPLIT_BPS = 5_000, 3_000, 8_000
MIN_WINDOW, MAX_WINDOW = 3_600, 30 * DAY
MAX_PREMIUM_BPS = 3_000
MIN_COOLDOWN, MAX_COOLDOWN = 7, 30
MAX_FEE_BPS, MAX_FUND_FEE_BPS = 100, 5_000
MIN_GRACE, MAX_GRACE = 60, 3_600
MIN_DECIMALS, MAX_DECIMALS = 6, 18


def check_parameters(site: Site, checks: Checks) -> None:
    """Funds, layers, markets, pools, tokens."""
    for token in site.assets().values():
        with checks.reading("asset"):
            checks.within("asset", f"decimals of {token.symbol()}", int(token.decimals()), MIN_DECIMALS, MAX_DECIMALS)
    for fund in site.funds:
        with checks.reading(fund.name):
            _check_fund(site, checks, fund)
    for layer in site.layers:
        with checks.reading(layer.underwriter.name):
            _check_layer(site, checks, layer)
    for venue in site.venues:
        for market in venue.markets:
            with checks.reading(market.name):
                if venue.registry.instance.listed(market.number):
                    _check_market(site, checks, venue, market)
        with checks.reading(venue.registry.name):
            until = int(venue.registry.instance.trading_resume_at())
            paused = until > site.backend.timestamp()
            checks.expect(not paused, venue.registry.name, f"trading is paused until {moment(until)}")
    for pool in site.pools:
        with checks.reading(pool.registry.name):
            check_pool_parameters(site, checks, pool)


def _check_fund(site: Site, checks: Checks, fund: Fund) -> None:
    name, contract = fund.name, fund.instance
    threshold = int(contract.threshold())
    checks.within(name, "threshold", threshold, 1, MAX_AMOUNT)
    liquidator_bps, fund_bps = (int(part) for part in contract.split_bps())
    checks.within(name, "liquidator_bps", liquidator_bps, 0, MAX_LIQUIDATOR_BPS)
    checks.within(name, "fund_bps", fund_bps, 0, MAX_FUND_BPS)
    checks.within(name, "liquidator_bps + fund_bps", liquidator_bps + fund_bps, 0, MAX_SPLIT_BPS)
    window = contract.window()
    checks.within(name, "window_cap", int(window.cap), 0, MAX_AMOUNT)
    checks.within(name, "window", int(window.length), MIN_WINDOW, MAX_WINDOW)
    checks.within(name, "staker_bps", int(contract.layers().staker_bps), 0, BPS)
    owed = int(contract.total_bad_debt())
    checks.expect(owed == 0, name, f"it owes bad debt of {owed}")
    if str(contract.successor()) != ZERO:
        return
    checks.expect(
        not contract.payouts_paused(), name, f"payouts are paused until {moment(contract.payouts_resume_at())}"
    )
    if (config := fund.config) is None:
        return
    wanted = config.threshold
    if fund.isolated:
        number = next(kept.market_id for kept in _markets(site) if kept.fund == fund.address)
        wanted = config.markets[number].threshold or config.threshold
    checks.recorded(name, "threshold", threshold, wanted)
    checks.recorded(name, "liquidator_bps", liquidator_bps, config.liquidator_bps)
    checks.recorded(name, "fund_bps", fund_bps, config.fund_bps)
    if not fund.isolated:
        checks.recorded(name, "window_cap", int(window.cap), config.window_cap)
    for entry in config.registrations:
        if not fund.isolated and entry.is_perp:
            kept = contract.market(entry.venue, entry.market_id)
            what = f"max_insurance of market {entry.market_id} of {entry.venue}"
            checks.recorded(name, what, int(kept.max_insurance), entry.max_insurance)


def _markets(site: Site) -> list[Any]:
    return [market for system in site.systems for market in system.record.markets]


def _check_layer(site: Site, checks: Checks, layer: Layer) -> None:
    name, contract = layer.underwriter.name, layer.underwriter.instance
    for address in contract.funds():
        terms = contract.terms(address)
        whom = f"of {site.name_of(address)}"
        checks.within(name, f"limit {whom}", int(terms.limit), 0, MAX_AMOUNT)
        checks.within(name, f"window_cap {whom}", int(terms.window_cap), 0, MAX_AMOUNT)
        checks.within(name, f"window {whom}", int(terms.window_length), MIN_WINDOW, MAX_WINDOW)
        checks.within(name, f"premium_bps {whom}", int(terms.premium_bps), 0, MAX_PREMIUM_BPS)
        if layer.terms is not None and layer.fund is not None and str(address) == layer.fund.address:
            _compare_terms(checks, name, terms, layer.terms)
    backstop, vault = layer.backstop.name, layer.backstop.instance
    days, stream = int(vault.cooldown_days()), vault.stream()
    checks.within(backstop, "cooldown_days", days, MIN_COOLDOWN, MAX_COOLDOWN)
    checks.within(backstop, "stream_length", int(stream.length), DAY, 30 * DAY)
    checks.within(backstop, "min_staked", int(stream.min_staked), 0, MAX_STAKE)
    checks.expect(not vault.closed(), backstop, "a slash has closed its deposits for good")
    if layer.terms is not None:
        checks.recorded(backstop, "cooldown_days", days, layer.terms.cooldown_days)
        checks.recorded(backstop, "stream_length", int(stream.length), layer.terms.stream_length)


def _compare_terms(checks: Checks, name: str, terms: Any, wanted: StakersConfig) -> None:
    checks.recorded(name, "limit", int(terms.limit), wanted.limit)
    checks.recorded(name, "window_cap", int(terms.window_cap), wanted.window_cap)
    checks.recorded(name, "window", int(terms.window_length), wanted.window)
    checks.recorded(name, "premium_bps", int(terms.premium_bps), wanted.premium_bps)


def _check_market(site: Site, checks: Checks, venue: Venue, market: Market) -> None:
    name, params = market.name, venue.registry.instance.params(market.number)
    initial, maintenance = int(params.initial_margin_bps), int(params.maintenance_margin_bps)
    checks.within(name, "initial_margin_bps", initial, 1, BPS)
    what = f"maintenance_margin_bps is {maintenance}, must be below the initial margin's {initial}"
    checks.demand(maintenance < initial, name, what)
    band = int(params.fill_band_bps)
    what = f"fill_band_bps is {band}, must be below the maintenance margin's {maintenance}"
    checks.demand(band < maintenance, name, what)
    checks.within(name, "taker_fee_bps", int(params.taker_fee_bps), 0, MAX_FEE_BPS)
    checks.within(name, "maker_fee_bps", int(params.maker_fee_bps), 0, MAX_FEE_BPS)
    checks.within(name, "fund_fee_bps", int(params.fund_fee_bps), 0, MAX_FUND_FEE_BPS)
    checks.within(name, "grace", int(params.grace), MIN_GRACE, MAX_GRACE)
    for cap in ("min_notional", "open_interest_cap", "position_cap"):
        checks.within(name, cap, int(getattr(params, cap)), 1, MAX_AMOUNT)
    kept = site.backend.at("InsuranceFund", str(params.fund)).market(venue.house.address, market.number)
    checks.within(name, "max_insurance", int(kept.max_insurance), 0, MAX_AMOUNT)
    config = market.config
    if config is None:
        return
    checks.recorded(name, "max_insurance", int(kept.max_insurance), config.max_insurance)
    terms = (
        "initial_margin_bps",
        "maintenance_margin_bps",
        "fill_band_bps",
        "taker_fee_bps",
        "maker_fee_bps",
        "fund_fee_bps",
        "grace",
        "open_interest_cap",
        "position_cap",
    )
    for term in terms:
        checks.recorded(name, term, int(getattr(params, term)), getattr(config, term))
    least = 10 * 10 ** int(venue.asset.decimals()) if config.min_notional is None else config.min_notional
    checks.recorded(name, "min_notional", int(params.min_notional), least)
