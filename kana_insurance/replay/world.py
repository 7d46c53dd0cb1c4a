"""The model of one venue with one market, and the list of what the chain has to do to keep up with it.

Everything is decided and done in the model first; what it refuses never becomes a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kana_insurance.mirror import LayerMirror
from kana_insurance.model import Clock, FeedModel, FundModel, Params, Refused, RegistryModel, TokenLedger, VenueModel
from kana_insurance.model.units import margin_up, notional_down, quote_scale
from kana_insurance.replay.book import Standing
from kana_insurance.replay.prices import FEED_DECIMALS

WAD_OF_FEED = 10 ** (18 - FEED_DECIMALS)
#: The vaults of the layers, as a call and a deployment name them.
PART_OF_LAYER = {"stakers": "backstop", "reinsurance": "reinsurance_backstop"}


@dataclass(frozen=True)
class Call:
    """A transaction to send: ``contract`` is token, feed, fund, house, gateway, or a layer's vault."""

    contract: str
    function: str
    sender: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Addresses:
    """Where the contracts are; without a chain any distinct names do."""

    token: str = "token"
    feed: str = "feed"
    fund: str = "fund"
    house: str = "house"
    gateway: str = "gateway"
    treasury: str = "treasury"
    fee_recipient: str = "fee recipient"
    chain_id: int = 31_337
    #: Underwriter and backstop by layer.
    layers: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {name: (f"{name}, underwriter", f"{name}, vault") for name in PART_OF_LAYER}
    )


@dataclass
class World:
    """The model and the calls that were made on it since :meth:`take_calls`."""

    clock: Clock
    token: TokenLedger
    feed: FeedModel
    fund: FundModel
    registry: RegistryModel
    venue: VenueModel
    addresses: Addresses
    #: The layers behind the reserve, in the order of drawing.
    layers: tuple[LayerMirror, ...] = ()
    market_id: int = 0
    calls: list[Call] = field(default_factory=list)

    @property
    def mark(self) -> int:
        """The price now, WAD."""
        return self.feed.price()

    @property
    def scale(self) -> int:
        """Quote scale of the asset."""
        return quote_scale(self.token.decimals)

    @property
    def params(self) -> Params:
        """The market's parameters."""
        return self.registry.params(self.market_id)

    @property
    def limit_left(self) -> int:
        """What the market may still cost the fund, base units (M11, M31)."""
        market = self.fund.markets[self.venue.address, self.market_id]
        return max(market.max_insurance - market.used, 0)

    def layer(self, name: str) -> LayerMirror:
        """A layer that this fund has."""
        return next(layer for layer in self.layers if layer.name == name)

    def left_in(self, name: str) -> int:
        """What the fund could draw from a layer now, base units (M21, M23); 0 without it."""
        return sum(layer.underwriter.capacity(self.fund.address) for layer in self.layers if layer.name == name)

    def push(self, time: int, price: int) -> None:
        """A new bar: the time of its block and its price in feed units."""
        self.clock.now = time
        self.feed.push(price * WAD_OF_FEED)

    def record(self, contract: str, function: str, sender: str, *args: Any) -> None:
        """Note a call for the chain alone."""
        self.calls.append(Call(contract, function, sender, args))

    def house(self, function: str, sender: str, *args: Any) -> str:
        """Call the house in the model and note the call for the chain; returns the reason of a refusal, or nothing."""
        try:
            getattr(self.venue, function)(sender, *args)
        except Refused as refusal:
            return refusal.reason
        self.record("house", function, sender, *args)
        return ""

    def must(self, function: str, sender: str, *args: Any) -> None:
        """Call the house where a refusal would be a fault of the replay.

        Raises:
            RuntimeError: with the reason of a refusal.
        """
        if reason := self.house(function, sender, *args):
            raise RuntimeError(f"{function} by {sender} was refused: {reason}")

    def mint(self, account: str, amount: int, sender: str) -> None:
        """Let the token's faucet give an account base units."""
        self.token.mint(account, amount)
        self.record("token", "faucet_to", sender, account, amount)

    def contribute(self, sender: str, amount: int) -> None:
        """Contribute to the reserve."""
        self.fund.contribute(sender, amount)
        self.record("fund", "contribute", sender, amount)

    def take_calls(self) -> list[Call]:
        """The calls noted so far, in order; the list starts anew."""
        taken, self.calls = self.calls, []
        return taken

    # ------------------------------------------------------------------ where accounts stand

    def size(self, account: str) -> int:
        """Signed base size of an account's position."""
        return self.venue.size[self.market_id, account]

    def equity(self, account: str) -> int:
        """Equity at mark after the pending charge."""
        return self.venue.equity(self.market_id, account)

    def standing(self, account: str) -> Standing:
        """Size, equity and free balance of an account."""
        size = self.size(account)
        return Standing(size, self.equity(account) if size else 0, self.free(account))

    def free(self, account: str) -> int:
        """Free balance of an account."""
        return self.venue.free[account]

    def notional(self, size: int) -> int:
        """What a base size is worth at mark, its sign aside."""
        return notional_down(size, self.mark, self.scale)

    def requirement(self, size: int, bps: int) -> int:
        """A margin of so many basis points on a base size at mark."""
        return margin_up(size, self.mark, bps, self.scale)

    def holders(self) -> list[str]:
        """The accounts with a position, in a fixed order."""
        return [account for (market, account), size in self.venue.size.items() if size and market == self.market_id]
