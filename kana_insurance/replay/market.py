"""Matches what traders want: resting orders first come, first served; the keeper's before all others.

Every fill is two signed orders. A resting order keeps its price for five minutes, then it is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kana_insurance.model import Fill, Refused
from kana_insurance.model.units import BPS
from kana_insurance.orders import Order
from kana_insurance.replay.book import Book, Trader, Want
from kana_insurance.replay.world import World

#: How long an order may be filled, seconds, and how far its price may be from the mark before it is written anew.
ORDER_LIFE, DRIFT_BPS = 300, 50
#: How much worse than the mark a taker accepts.
TAKER_BPS = 100


@dataclass
class Quote:
    """A want with the order that stands for it now."""

    want: Want
    order: Order
    #: Base size filled of this order.
    filled: int = 0

    @property
    def open(self) -> int:
        """What of the order can still be filled."""
        return self.order.size - self.filled

    def margin_of(self, size: int) -> int:
        """Margin that the next fill of ``size`` moves in: the order's, pro rata to all that is filled then (M27)."""
        after = self.filled + size
        return self.order.margin * after // self.order.size - self.order.margin * self.filled // self.order.size


@dataclass
class Market:
    """The order book of a replay, off the chain, as venues have it.

    Args:
        world: Where fills happen.
        book: The traders' dice, for prices.
        relayer: Who submits fills.
    """

    world: World
    book: Book
    relayer: str
    fills: int = 0
    resting: dict[str, Quote] = field(default_factory=dict)
    _nonce: int = 0

    def drop(self, account: str) -> None:
        """Forget what an account wanted."""
        self.resting.pop(account, None)

    def wants(self, account: str) -> bool:
        """Whether an account has an order waiting."""
        return account in self.resting

    def tidy(self) -> None:
        """Drop closing orders whose position is gone or turned; shrink those whose position has shrunk."""
        for account, quote in list(self.resting.items()):
            size = self.world.size(account)
            if quote.want.closing:
                if size * quote.want.size >= 0:
                    self.drop(account)
                elif abs(quote.want.size) > abs(size):
                    quote.want.size = -size

    def offer(self, trader: Trader, want: Want | None) -> None:
        """Let an account rest an order at the mark in front of all others, or withdraw it: the keeper's."""
        self.drop(trader.account)
        if want is not None:
            first = {trader.account: self._quote(want, self.world.mark)}
            self.resting = first | self.resting

    def take(self, want: Want) -> None:
        """A new want: filled against what rests on the other side; what is left of it rests."""
        mark = self.world.mark
        limit = mark * (BPS + TAKER_BPS if want.size > 0 else BPS - TAKER_BPS) // BPS
        taker = self._quote(want, limit)
        for account, maker in list(self.resting.items()):
            if taker.open == 0:
                break
            if maker.want.size * want.size > 0 or account == want.trader.account:
                continue
            maker = self._fresh(account, maker)
            size = min(taker.open, maker.open)
            if self._crosses(maker, taker) and size and not self._fill(maker, taker, size):
                # Nobody knows who of the two is to blame: both think again at a later bar.
                self.drop(account)
                return
            if maker.open == 0 and self.resting.get(account) is maker:
                self.drop(account)
        if want.size:
            self.resting[want.trader.account] = self._quote(want, self.book.slippage(mark))

    def _crosses(self, maker: Quote, taker: Quote) -> bool:
        """Whether the taker's limit allows the maker's price."""
        if taker.order.is_buy:
            return maker.order.limit_price <= taker.order.limit_price
        return maker.order.limit_price >= taker.order.limit_price

    def _quote(self, want: Want, price: int) -> Quote:
        """A want as an order at a price."""
        self._nonce += 1
        order = Order(
            trader=want.trader.account,
            market_id=self.world.market_id,
            is_buy=want.size > 0,
            size=abs(want.size),
            limit_price=price,
            margin=want.margin,
            expiry=self.world.clock.now + ORDER_LIFE,
            nonce=self._nonce,
            reduce_only=want.closing,
        )
        return Quote(want, order)

    def _fresh(self, account: str, quote: Quote) -> Quote:
        """The quote, or a new one where it has expired, has drifted from the mark, or no longer says what is wanted."""
        mark = self.world.mark
        drifted = abs(quote.order.limit_price - mark) * BPS > mark * DRIFT_BPS
        if drifted or quote.order.expiry < self.world.clock.now or quote.open != abs(quote.want.size):
            quote = self._quote(quote.want, self.book.slippage(mark))
            self.resting[account] = quote
        return quote

    def _fill(self, maker: Quote, taker: Quote, size: int) -> bool:
        """One fill at the maker's price, in the model and for the chain; False if the house refuses."""
        fill = Fill(
            self.world.market_id,
            maker.order.trader,
            taker.order.trader,
            size if taker.order.is_buy else -size,
            maker.order.limit_price,
            maker.margin_of(size),
            taker.margin_of(size),
            maker.order.reduce_only,
            taker.order.reduce_only,
        )
        keys = (maker.want.trader.key, taker.want.trader.key)
        if not submit(self.world, self.relayer, fill, (maker.order, taker.order), keys):
            return False
        self.fills += 1
        for quote, margin in ((maker, fill.maker_margin), (taker, fill.taker_margin)):
            want = quote.want
            quote.filled += size
            want.size -= size if want.size > 0 else -size
            want.margin -= margin
            account = want.trader.account
            want.trader.margin = want.trader.margin + margin if self.world.size(account) else 0
        return True


@dataclass(frozen=True)
class SignedFill:
    """The arguments of a fill that the chain needs signed: the orders and who signs them."""

    orders: tuple[Order, Order]
    keys: tuple[bytes, bytes]
    size: int


def submit(world: World, relayer: str, fill: Fill, orders: tuple[Order, Order], keys: tuple[bytes, bytes]) -> bool:
    """Execute a fill in the model and note it for the chain; False if the house refuses it."""
    try:
        world.venue.trade(world.venue.gateway, fill)
    except Refused:
        return False
    world.record("gateway", "fill", relayer, SignedFill(orders, keys, abs(fill.size)))
    return True
