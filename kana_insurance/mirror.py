"""The reference model of a deployed system, as its deployment left it: what is moved beside the chain.

Of a deployment with several assets each is mirrored by itself; the factory's books are in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.deployment import Layer, MarketConfig, System
from kana_insurance.model import Clock, FeedModel, FundModel, Params, RegistryModel, TokenLedger, VenueModel
from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.underwriter import UnderwriterModel
from kana_insurance.pools import POOL_MARKET

#: Parameters that a market's configuration and the model name alike.
_SHARED = tuple(name for name in Params._fields if name in MarketConfig.model_fields and name != "min_notional")


@dataclass(frozen=True)
class LayerMirror:
    """A layer behind the reserve in the model: what the fund draws on, and the stakers' vault."""

    #: "stakers" or "reinsurance", as in the configuration.
    name: str
    underwriter: UnderwriterModel
    backstop: BackstopModel

    def state(self) -> dict[str, Any]:
        """Both states at the model's time."""
        return {"underwriter": self.underwriter.state(), "backstop": self.backstop.state()}


@dataclass(frozen=True)
class Mirror:
    """Token, fund, layers, registry and house of the model, on one clock; accounts are addresses."""

    clock: Clock
    token: TokenLedger
    fund: FundModel
    registry: RegistryModel
    venue: VenueModel
    #: In the order in which the fund draws on them.
    layers: tuple[LayerMirror, ...] = ()
    #: The funds of isolated markets, by market id (M17).
    isolated: dict[int, FundModel] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """Everything that ``reader.system_state`` reads from the chain. Streams and exits depend on the time: set the
        clock to that of the block read first.
        """
        return {
            "fund": self.fund.state(),
            "house": self.venue.state(),
            "registry": self.registry.state(),
            "layers": {layer.name: layer.state() for layer in self.layers},
            "isolated": {number: fund.state() for number, fund in self.isolated.items()},
        }


def layer_of(layer: Layer, fund: FundModel, token: TokenLedger, clock: Clock) -> LayerMirror:
    """A layer with the terms of its configuration, open for money."""
    config = layer.config
    backstop = BackstopModel(
        address_of(layer.backstop),
        token,
        clock,
        cooldown_days=config.cooldown_days,
        stream_length=config.stream_length,
        min_staked=1_000 * 10**token.decimals if config.min_staked is None else config.min_staked,
    )
    underwriter = UnderwriterModel(address_of(layer.underwriter), backstop, clock)
    underwriter.set_fund("deployer", fund.address, config.limit, config.window_cap, config.window, config.premium_bps)
    underwriter.finish_setup("deployer")
    return LayerMirror(layer.name, underwriter, backstop)


def mirror_of(system: System, clock: Clock | None = None) -> Mirror:
    """The model of a system that nobody has used yet, on a clock of its own; money that was minted is not in it."""
    config = system.config
    clock = clock or Clock(system.backend.timestamp())
    token = TokenLedger(int(system.asset.decimals()))
    terms: dict[str, Any] = {
        "treasury": config.treasury,
        "liquidator_bps": config.liquidator_bps,
        "fund_bps": config.fund_bps,
    }
    fund = FundModel(address_of(system.fund), token, clock, threshold=config.threshold, **terms)
    isolated = {
        number: FundModel(
            address_of(contract),
            token,
            clock,
            threshold=config.markets[number].threshold or config.threshold,
            **terms,
        )
        for number, contract in system.isolated.items()
    }
    layers = tuple(layer_of(layer, fund, token, clock) for layer in system.layers)
    if layers:
        drawn = {layer.name: layer.underwriter for layer in layers}
        fund.set_layers("deployer", drawn.get("stakers"), drawn.get("reinsurance"), config.staker_bps)
    if config.window_cap > 0:
        fund.set_window("deployer", config.window_cap, config.window)
    registry = RegistryModel(clock, fee_recipient=config.fee_recipient)
    venue = VenueModel(address_of(system.house), token, clock, registry, gateway=address_of(system.gateway))
    registry.connect_house("deployer", venue)
    for number, market in enumerate(config.markets):
        feed = address_of(system.feeds[number])
        insurer = isolated.get(number, fund)
        registry.know(fund=insurer, feed=(feed, FeedModel(clock, market.price, market.max_age)))
        insurer.register_market("deployer", venue.address, number, True)
        insurer.set_max_insurance("deployer", venue.address, number, market.max_insurance)
        least = 10 * 10**token.decimals if market.min_notional is None else market.min_notional
        shared = {name: getattr(market, name) for name in _SHARED}
        registry.list_market("deployer", Params(feed, insurer.address, min_notional=least, **shared))
    registry.finish_setup("deployer")
    if system.pool is not None:
        fund.register_market("deployer", address_of(system.pool), POOL_MARKET, False)
    for one in (fund, *isolated.values()):
        one.finish_setup("deployer")
    return Mirror(clock, token, fund, registry, venue, layers, isolated)
