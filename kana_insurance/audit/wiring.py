"""Whether the contracts name each other as they must: factory, board and funds, layers on both sides, the venues."""

from __future__ import annotations

from typing import Any

from kana_insurance.audit.findings import Checks, same
from kana_insurance.audit.lending import check_pool_wiring
from kana_insurance.audit.site import Fund, Layer, Market, Site, Venue
from kana_insurance.backends import ZERO
from kana_insurance.deployment import System
from kana_insurance.pools import POOL_MARKET


def check_wiring(site: Site, checks: Checks) -> None:
    """Factory, board, funds, venues, pools."""
    with checks.reading(site.factory.name):
        _check_factory(site, checks)
    for fund in site.funds:
        with checks.reading(fund.name):
            _check_fund(site, checks, fund)
    for venue in site.venues:
        with checks.reading(venue.house.name):
            _check_venue(site, checks, venue)
        for market in venue.markets:
            with checks.reading(market.name):
                _check_market(site, checks, venue, market)
    for pool in site.pools:
        with checks.reading(pool.registry.name):
            check_pool_wiring(site, checks, pool)
        with checks.reading(pool.pool.name):
            _check_served(site, checks, pool.pool.name, pool.pool.address, POOL_MARKET, False, pool.fund)
    for system in site.systems:
        for entry in system.config.registrations:
            name = f"market {entry.market_id} of {entry.venue}"
            with checks.reading(name):
                _check_served(site, checks, name, entry.venue, entry.market_id, entry.is_perp, system.fund)


def _check_factory(site: Site, checks: Checks) -> None:
    factory, name = site.factory.instance, site.factory.name
    checks.points_at(name, "the notice board", factory.notices(), site.notices)
    for system in site.systems:
        last = site.successors(system.fund)[-1]
        found = factory.shared_fund(str(system.asset.address))
        checks.points_at(name, f"the shared fund of {system.asset.symbol()}", found, last)


def _check_fund(site: Site, checks: Checks, fund: Fund) -> None:
    factory, contract, name = site.factory.instance, fund.instance, fund.name
    checks.points_at(name, "the factory", contract.factory(), site.factory)
    checks.points_at(name, "the notice board", contract.notices(), site.notices)
    checks.points_at(name, "the asset", contract.asset(), fund.asset)
    checks.demand(bool(factory.is_fund(fund.address)), name, "the factory did not make it")
    chain = site.successors(fund)
    successor = chain[1] if len(chain) > 1 else ZERO
    checks.points_at(name, "the successor", contract.successor(), successor)
    if fund.isolated is not None:
        kind = bool(factory.is_isolated(fund.address))
        # An isolated fund that takes a shared one's place becomes what that was (M18).
        taken_over = fund.isolated and same(factory.shared_fund(str(contract.asset())), fund)
        right = kind == fund.isolated or taken_over
        checks.demand(right, name, f"the factory has it as {'isolated' if kind else 'shared'}")
    if successor != ZERO:
        held = int(contract.reserve())
        checks.expect(False, name, f"it was merged into {site.name_of(successor)}")
        checks.demand(held == 0, name, f"it was merged, and has a reserve of {held}")


def _check_venue(site: Site, checks: Checks, venue: Venue) -> None:
    registry, gateway, house = venue.registry.instance, venue.gateway.instance, venue.house.instance
    checks.points_at(venue.registry.name, "the house", registry.house(), venue.house)
    checks.points_at(venue.registry.name, "the factory", registry.factory(), site.factory)
    checks.points_at(venue.gateway.name, "the registry", gateway.registry(), venue.registry)
    checks.points_at(venue.house.name, "the registry", house.registry(), venue.registry)
    checks.points_at(venue.house.name, "the gateway", house.gateway(), venue.gateway)
    checks.points_at(venue.house.name, "the asset", house.asset(), venue.asset)


def _check_market(site: Site, checks: Checks, venue: Venue, market: Market) -> None:
    registry, name = venue.registry.instance, market.name
    if not checks.expect(bool(registry.listed(market.number)), name, "the market was removed"):
        return
    checks.points_at(name, "the feed", registry.params(market.number).feed, market.feed)
    fund = registry.fund_of(market.number)
    checks.demand(site.fund_at(fund) is not None, name, f"its fund {fund} is not of this deployment")
    _check_served(site, checks, name, venue.house.address, market.number, True, market.fund)
    server = site.factory.instance.fund_of(venue.house.address, market.number)
    checks.points_at(name, "its fund at the registry", fund, server)


def _check_served(
    site: Site, checks: Checks, name: str, venue: str, market_id: int, is_perp: bool, recorded: Any
) -> None:
    """The factory names one fund for a market: the recorded one or its successor, where the market is registered."""
    server = str(site.factory.instance.fund_of(venue, market_id))
    if not checks.demand(server != ZERO, name, "no fund serves it"):
        return
    if recorded is not None:
        right = any(same(server, one) for one in site.successors(recorded))
        checks.demand(right, name, f"{server} serves it, neither its recorded fund nor a successor of that")
    kept = site.backend.at("InsuranceFund", server).market(venue, market_id)
    checks.demand(bool(kept.registered), name, f"it is not registered at its fund {server}")
    checks.demand(bool(kept.is_perp) == is_perp, name, "its fund has it as of the other kind")
    for fund in site.funds:
        if not same(fund, server) and str(fund.instance.successor()) == ZERO:
            other = fund.instance.market(venue, market_id)
            checks.demand(not other.registered, name, f"{fund.name} also takes reports of it")


# ----------------------------------------------------------------------- layers


def check_layers(site: Site, checks: Checks) -> None:
    """Layers: in their places at the fund, the fund registered with them, backstop and underwriter each other's."""
    for system in site.systems:
        fund = next(fund for fund in site.funds if same(fund, system.fund))
        with checks.reading(fund.name):
            _check_places(site, checks, fund, system)
    for layer in site.layers:
        with checks.reading(layer.underwriter.name):
            _check_layer(site, checks, layer)
    for fund in site.funds:
        with checks.reading(fund.name):
            _check_named_layers(site, checks, fund)


def _check_places(site: Site, checks: Checks, fund: Fund, system: System) -> None:
    """The recorded layers are where they were put; a merged fund's are its successor's business."""
    if len(site.successors(fund)) > 1:
        return
    placed = fund.instance.layers()
    must = {"staked": ZERO, "reinsurance": ZERO}
    must |= {layer.place: layer.underwriter.address for layer in site.layers if layer.fund is fund}
    words = {"staked": "the staked layer", "reinsurance": "the reinsurance"}
    for place, underwriter in must.items():
        checks.points_at(fund.name, words[place], getattr(placed, place), underwriter)
    if any(address != ZERO for address in must.values()):
        checks.recorded(fund.name, "the stakers' share in bps", int(placed.staker_bps), system.config.staker_bps)


def _check_layer(site: Site, checks: Checks, layer: Layer) -> None:
    underwriter, backstop = layer.underwriter, layer.backstop
    checks.points_at(underwriter.name, "the backstop", underwriter.instance.backstop(), backstop)
    checks.points_at(backstop.name, "the underwriter", backstop.instance.underwriter(), underwriter)
    made = str(site.factory.instance.backstop_of(underwriter.address))
    checks.demand(same(made, backstop), underwriter.name, "the factory did not make it with its backstop")
    checks.points_at(underwriter.name, "the asset", underwriter.instance.asset(), layer.asset)
    checks.points_at(backstop.name, "the asset", backstop.instance.asset(), layer.asset)
    for address in underwriter.instance.funds():
        fund = site.fund_at(address)
        what = f"{address} is no fund of this deployment, and may draw on its stakers"
        if not checks.demand(fund is not None, underwriter.name, what) or fund is None:
            continue
        placed = fund.instance.layers()
        uses = any(same(one, underwriter) for one in (placed.staked, placed.reinsurance))
        checks.demand(uses, underwriter.name, f"{fund.name} is registered with it, and does not name it as a layer")


def _check_named_layers(site: Site, checks: Checks, fund: Fund) -> None:
    """Each layer that a fund names has the fund registered, pays it something, and counts; a merged fund needs none."""
    if len(site.successors(fund)) > 1:
        return
    placed = fund.instance.layers()
    now = site.backend.timestamp()
    for place in ("staked", "reinsurance"):
        address = str(getattr(placed, place))
        if address == ZERO:
            continue
        name = site.name_of(address)
        terms = site.backend.at("Underwriter", address).terms(fund.address)
        if checks.demand(bool(terms.registered), name, f"{fund.name} is not registered with it, so it pays nothing"):
            checks.expect(int(terms.limit) > 0, name, f"{fund.name} may draw nothing: its limit is 0")
        until = int(getattr(placed, f"{place}_suspended_until"))
        checks.expect(until <= now, name, f"{fund.name} has suspended it until {until}")
