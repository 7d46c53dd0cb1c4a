"""Where the attacks on the venue take place: the deployed system on Anvil and the model beside it, call for call.

A call goes to the chain first, then to the model; where one refuses, the other must refuse with the same words. So a
test states what an attack may gain, and :meth:`Stage.check` compares the whole state. Amounts are base units of
KanaUSDT (``U`` is one token), sizes and prices have 18 decimals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from eth_utils import keccak

from kana_insurance.backends import Reverted, address_of
from kana_insurance.backends.rpc import DEPLOY_GAS, GAS, Key, Receipt, RpcBackend, RpcContract
from kana_insurance.deployment import MarketConfig, attach
from kana_insurance.kit import COIN, Kit, U
from kana_insurance.mirror import mirror_of
from kana_insurance.model import (
    Event,
    Fill,
    Refused,
    invariants,
)
from kana_insurance.orders import Order

#: The markets of the stage: limit 50,000 U; 4,000 U; none; a small one of 4,000 U; one as wide as sizes go.
FULL, SMALL, NONE, CAPPED, WIDE = range(5)
MAX_AMOUNT = 2**112 - 1
#: Initial margin of 10 % and the fee of 5 bps for 1,000 coins at 100 U.
FUNDS = 10_050 * U


def _market(name: str, limit: int, price: int = 100 * COIN, open_interest: int = 10**6, position: int = 10**6) -> Any:
    """A market with fees of 5 bps on both sides; limit in U, caps in coins."""
    return MarketConfig(
        name=name,
        price=price,
        max_insurance=limit * U,
        maker_fee_bps=5,
        open_interest_cap=open_interest * COIN,
        position_cap=position * COIN,
    )


MARKETS = [
    _market("FULL", 50_000),
    _market("SMALL", 4_000),
    _market("NONE", 0),
    _market("CAPPED", 4_000, open_interest=4_000, position=40),
    _market("WIDE", 0, price=COIN // 100, open_interest=MAX_AMOUNT // COIN, position=MAX_AMOUNT // COIN),
]


class ApeNode(RpcBackend):
    """The node that Ape runs, over plain JSON-RPC, with the contracts as Ape compiled them."""

    def __init__(self, url: str, ape_backend: Any) -> None:
        super().__init__(url)
        self._ape = ape_backend

    def at(self, contract: str, address: str) -> RpcContract:
        """The contract of that name at an address."""
        kind = self._ape.container(contract).contract_type
        return RpcContract(self, contract, address, kind.model_dump(mode="json", by_alias=True)["abi"])

    def deploy(self, contract: str, *args: Any, sender: Any) -> RpcContract:
        """Deploy a contract without constructor arguments, or with addresses and numbers alone."""
        kind = self._ape.container(contract)
        data = bytes(kind.constructor.serialize_transaction(*args).data)
        receipt = self.send(sender, None, data, DEPLOY_GAS, contract)
        assert receipt.contract_address is not None
        return self.at(contract, receipt.contract_address)


class Stage:
    """A deployed system, its model, and what attackers and keepers do in both."""

    def __init__(self, kit: Kit, ape_backend: Any, token: str = "KanaUSDT") -> None:
        self.node = ApeNode(self._url(ape_backend), ape_backend)
        system = attach(self.node, kit.system.record)
        self.kit = Kit(system, kit.actors)
        self.house, self.fund, self.gateway = system.house, system.fund, system.gateway
        self.asset = self.node.at(token, system.asset.address)
        self._accounts = itertools.count(1)
        self._nonces = itertools.count(1)
        #: Deposited so far by account, base units.
        self.paid_in: dict[str, int] = {}
        #: Who signs for a contract that trades, by the contract's address.
        self.signers: dict[str, Any] = {}
        self.last: Receipt = Receipt("")
        self._queue: list[tuple[Receipt, Callable[[], None]]] | None = None
        #: What was sent since :meth:`begin`.
        self.sent: list[Receipt] = []
        mirror = mirror_of(system)
        self.clock, self.token, self.pool = mirror.clock, mirror.token, mirror.fund
        self.registry, self.model = mirror.registry, mirror.venue
        self.bank = self.wallet()
        self.keeper = self.wallet()
        for spender in (self.house, self.fund):
            self.asset.approve(spender.address, 2**256 - 1, sender=self.bank)
        self._issue(10**9 * U)
        self.begin()

    @staticmethod
    def _url(ape_backend: Any) -> str:
        from ape import chain

        assert ape_backend.chain_id() == chain.provider.chain_id
        return str(chain.provider.http_uri)

    def begin(self) -> None:
        """From here on events are followed."""
        self.sent.clear()
        self._before = self.pool.state(), self.model.state()

    # ---------------------------------------------------------------- accounts

    def wallets(self, count: int) -> list[Key]:
        """New accounts with gas and nothing else."""
        keys = [Key(keccak(text=f"wallet {next(self._accounts)}")) for _ in range(count)]
        self.node.rpc_batch([("anvil_setBalance", [str(key), hex(10**21)]) for key in keys])
        return keys

    def wallet(self) -> Key:
        """A new account with gas and nothing else."""
        return self.wallets(1)[0]

    def _issue(self, amount: int) -> None:
        """Give the bank tokens."""
        mint = self.asset.faucet_to if self.asset.name == "KanaUSDT" else self.asset.mint
        mint(str(self.bank), amount, sender=self.bank)
        self.token.mint(self.bank, amount)

    def credit(self, amount: int, *accounts: Any) -> None:
        """Deposit into the free balance of each account, out of the bank's pocket."""
        for account in accounts:
            name = address_of(account)
            self.call(self.bank, "deposit", amount, name)
            self.paid_in[name] = self.paid_in.get(name, 0) + amount

    def contribute(self, amount: int) -> None:
        """Contribute to the reserve, out of the bank's pocket."""
        self.sent.append(self.fund.contribute(amount, sender=self.bank))
        self._tick()
        self.pool.contribute(self.bank, amount)

    # ------------------------------------------------------------------- calls

    def _tick(self) -> None:
        self.clock.now = self.node.timestamp()

    def _mirrored(self, receipt: Receipt, name: str, *args: Any) -> Receipt:
        """Make in the model what the chain has done, or once the batch is sent will have done."""
        self.last = receipt
        self.sent.append(receipt)

        def apply() -> None:
            getattr(self.model, name)(*args)

        if self._queue is not None:
            self._queue.append((receipt, apply))
        else:
            self._tick()
            apply()
        return receipt

    def call(self, sender: Any, name: str, *args: Any, gas: int = GAS, at: int = 0) -> Receipt:
        """A call of the house, on the chain and in the model, now or in a block of another time; the receipt."""
        if at:
            self.node.rpc("evm_setNextBlockTimestamp", at)
        receipt = getattr(self.house, name)(*args, sender=sender, gas=gas)
        return self._mirrored(receipt, name, address_of(sender), *args)

    def refuse(self, reason: str, sender: Any, name: str, *args: Any, at: int = 0) -> None:
        """A call of the house that chain and model must refuse with these words, now or in a block of another time."""
        if at:
            self.node.rpc("evm_setNextBlockTimestamp", at)
        self._chain_refuses(reason, lambda: getattr(self.house, name).call(*args, sender=sender))
        self._model_refuses(reason, name, address_of(sender), *args, at=at)

    def _chain_refuses(self, reason: str, call: Callable[[], Any]) -> None:
        with pytest.raises(Reverted) as caught:
            call()
        assert caught.value.reason == reason

    def _model_refuses(self, reason: str, name: str, *args: Any, at: int = 0) -> None:
        self._tick()
        self.clock.now = at or self.clock.now
        with pytest.raises(Refused) as caught:
            getattr(self.model, name)(*args)
        assert caught.value.reason == reason

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send the calls within in few requests; the model follows, each call at the time of its block."""
        self._queue = []
        try:
            with self.node.batch():
                yield
            queue = self._queue
        finally:
            self._queue = None
        blocks = [("eth_getBlockByNumber", [hex(receipt.block_number), False]) for receipt, _ in queue]
        for block, (_, apply) in zip(self.node.rpc_batch(blocks), queue, strict=True):
            self.clock.now = int(block["timestamp"], 16)
            apply()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Take back what happens within, on the chain and in the model."""
        snapshot = self.node.rpc("evm_snapshot")
        parts = [(part, part.snapshot()) for part in (self.model, self.pool, self.token)]
        marks = [(feed, feed.latest, feed.updated_at) for feed in self.registry.feeds.values()]
        paid_in, sent = dict(self.paid_in), len(self.sent)
        try:
            yield
        finally:
            self.node.rpc("evm_revert", snapshot)
            self.node.forget_nonces()
            for part, saved in parts:
                part.restore(saved)
            for feed, latest, updated_at in marks:
                feed.latest, feed.updated_at = latest, updated_at
            self.paid_in = paid_in
            del self.sent[sent:]
            self._tick()

    # --------------------------------------------------------- prices and time

    def price(self, price: int, market: int = FULL) -> None:
        """Set a market's mark."""
        self.kit.set_price(price, market)
        self._tick()
        self.registry.feeds[self.kit.feeds[market].address].push(price)

    def mark(self, market: int = FULL) -> int:
        """A market's mark."""
        return self.registry.quote(market).mark

    def travel(self, seconds: int) -> None:
        """Let time pass; the prices stay good."""
        marks = {market: self.registry.feeds[feed.address].latest for market, feed in enumerate(self.kit.feeds)}
        self.node.travel(seconds)
        for market, price in marks.items():
            self.price(price, market)

    # ------------------------------------------------------------------ trades

    def _orders(self, fill: Fill) -> tuple[Any, ...]:
        """The two signed orders of a fill, as the gateway takes them."""
        result: list[Any] = []
        sides = ((fill.maker, fill.size < 0, fill.maker_margin), (fill.taker, fill.size > 0, fill.taker_margin))
        for trader, is_buy, margin in sides:
            order = Order(
                str(trader), fill.market_id, is_buy, abs(fill.size), fill.price, margin, nonce=next(self._nonces)
            )
            result += [order.as_tuple(), self.kit.sign(order, self.signers.get(str(trader), trader))]
        return (*result, abs(fill.size))

    def _fill(self, maker: Any, taker: Any, size: int, price: int, margins: tuple[int, int], market: int) -> Fill:
        return Fill(market, maker, taker, size, price or self.mark(market), *margins)

    def trade(
        self, maker: Any, taker: Any, size: int, price: int = 0, margins: tuple[int, int] = (0, 0), market: int = FULL
    ) -> Receipt:
        """Two signed orders through the gateway: ``size`` is the taker's change, > 0 buys; at mark unless priced."""
        fill = self._fill(maker, taker, size, price, margins, market)
        receipt = self.gateway.fill(*self._orders(fill), sender=self.keeper)
        return self._mirrored(receipt, "trade", self.gateway.address, fill)

    def refuse_trade(
        self,
        reason: str,
        maker: Any,
        taker: Any,
        size: int,
        price: int = 0,
        margins: tuple[int, int] = (0, 0),
        market: int = FULL,
    ) -> None:
        """A trade that chain and model must refuse with these words."""
        fill = self._fill(maker, taker, size, price, margins, market)
        self._chain_refuses(reason, lambda: self.gateway.fill.call(*self._orders(fill), sender=self.keeper))
        self._model_refuses(reason, "trade", self.gateway.address, fill)

    def open(
        self, long: Any, short: Any, coins: int = 1_000, funds: int | tuple[int, int] = FUNDS, market: int = FULL
    ) -> None:
        """Deposit ``funds`` for each side (or long's and short's) and let long buy from short at mark."""
        both = funds if isinstance(funds, tuple) else (funds, funds)
        for account, amount in zip((long, short), both, strict=True):
            self.credit(amount, account)
        self.trade(short, long, coins * COIN, margins=(both[1], both[0]), market=market)

    # ------------------------------------------------------------------- reads

    def free(self, account: Any) -> int:
        """An account's free balance."""
        return int(self.house.free(address_of(account)))

    def tokens(self, account: Any) -> int:
        """An account's tokens."""
        return int(self.asset.balanceOf(address_of(account)))

    def position(self, account: Any, market: int = FULL) -> Any:
        """A position as stored."""
        return self.house.position(market, address_of(account))

    def equity(self, account: Any, market: int = FULL) -> int:
        """A position's equity at mark after what is pending."""
        return int(self.house.equity(market, address_of(account)))

    def pending(self, account: Any, market: int = FULL) -> int:
        """What the loss index asks of a position."""
        return int(self.house.pending_charge(market, address_of(account)))

    def books(self, market: int = FULL) -> Any:
        """A market's books."""
        return self.house.books(market)

    def used(self, market: int = FULL) -> int:
        """What a market has cost the fund."""
        return int(self.fund.market(self.house.address, market).used)

    def reserve(self) -> int:
        """The fund's reserve."""
        return int(self.fund.reserve())

    def room(self) -> int:
        """What the reserve lacks to its threshold."""
        return int(self.fund.room())

    def cash_gain(self, *accounts: Any) -> int:
        """What accounts have in hand and free over what they brought."""
        return sum(
            self.tokens(account) + self.free(account) - self.paid_in.get(address_of(account), 0) for account in accounts
        )

    def gain(self, *accounts: Any, market: int = FULL) -> int:
        """What accounts have in hand, free and in positions at mark, over what they brought."""
        return self.cash_gain(*accounts) + sum(self.equity(account, market) for account in accounts)

    def cash_out(self, *accounts: Any) -> None:
        """Withdraw all that is free."""
        for account in accounts:
            if amount := self.free(account):
                self.call(account, "withdraw", amount)

    def events(self, name: str, receipt: Receipt | None = None) -> list[dict[str, Any]]:
        """The house's events of one name in the last receipt."""
        return [event.args for event in self.house.events(receipt or self.last) if event.name == name]

    # ------------------------------------------------------------------ keeping

    def deleverage(self, trader: Any, counterparties: Sequence[Any], market: int = FULL) -> None:
        """Flag, wait out the grace, deleverage; prices stay."""
        self.call(self.keeper, "flag", market, address_of(trader))
        self.travel(600)
        self.call(self.keeper, "deleverage", market, address_of(trader), [address_of(one) for one in counterparties])

    def settle_all(self, market: int = FULL) -> None:
        """Let every position of a market pay what the loss index asks."""
        for (number, trader), size in list(self.model.size.items()):
            if number == market and size:
                self.call(self.keeper, "settle", market, trader)

    # ------------------------------------------------------------------- checks

    def check(self) -> None:
        """The chain's whole state is the model's, to the unit; state and events keep the invariants.

        I1, I2, I3, I4, I5, I9, I10, I13, M14, M26.
        """
        fund, venue = self.fund_state(), self.venue_state()
        assert fund == self.pool.state(), (fund, self.pool.state())
        assert venue == self.model.state()
        invariants.check_fund(fund, donations=0)
        bad_debts = {market: kept["bad_debt"] for (_, market), kept in fund["markets"].items()}
        invariants.check_venue(venue, bad_debts, donations=0, roundings=self.model.roundings)
        fund_before, venue_before = self._before
        invariants.i2_i4_i5_trace(fund_before, fund, self._logged(self.fund))
        invariants.i3_shortfall_conserved(self._logged(self.house))
        invariants.i10_index_never_falls(venue_before, venue)

    def _logged(self, contract: RpcContract) -> list[Event]:
        """What a contract has logged since :meth:`begin`."""
        return [Event(event.name, event.args) for event in contract.events(*self.sent)]

    def fund_state(self) -> dict[str, Any]:
        """The fund as the chain has it, in the form of ``FundModel.state``."""
        fund, house = self.fund, self.house.address
        numbers = range(len(self.kit.feeds))
        contributors = list(self.pool.contributions)
        names = ("reserve", "threshold", "total_contributions", "total_bad_debt", "payouts_resume_at")
        wanted: list[Any] = [(getattr(fund, name), ()) for name in names]
        wanted += [(fund.split_bps, ()), (fund.window, ()), (self.asset.balanceOf, (fund.address,))]
        wanted += [(fund.market, (house, number)) for number in numbers]
        wanted += [(fund.contributions, (account,)) for account in contributors]
        found = self.node.read_many(wanted)
        split, window, tokens = found[5:8]
        markets = dict(zip(numbers, found[8:], strict=False))
        contributed = zip(contributors, found[8 + len(markets) :], strict=True)
        return {
            **dict(zip(names, found, strict=False)),
            "liquidator_bps": split[0],
            "fund_bps": split[1],
            "contributions": {account: amount for account, amount in contributed if amount},
            "markets": {
                (house, number): {key: getattr(kept, key) for key in ("is_perp", "max_insurance", "used", "bad_debt")}
                for number, kept in markets.items()
            },
            "window": {key: getattr(window, key) for key in ("cap", "length", "spent", "last")},
            "tokens": tokens,
        }

    def venue_state(self) -> dict[str, Any]:
        """The house as the chain has it, in the form of ``VenueModel.state``."""
        house, numbers = self.house, range(len(self.kit.feeds))
        accounts = sorted(
            {
                self.kit.system.config.fee_recipient,
                *self.model.free,
                *(name for _, name in self.model.size),
                *self.paid_in,
            }
        )
        places = [(number, account) for number in numbers for account in accounts]
        wanted: list[Any] = [(house.free, (account,)) for account in accounts]
        wanted += [(house.books, (number,)) for number in numbers]
        wanted += [(house.position, place) for place in places]
        wanted += [(self.asset.balanceOf, (house.address,))]
        found = iter(self.node.read_many(wanted))
        free = {account: next(found) for account in accounts}
        books = {number: next(found)._asdict() for number in numbers}
        positions = {place: next(found)._asdict() for place in places}
        for position in positions.values():
            # A flat position's index means nothing.
            position["index"] = position["index"] if position["size"] else 0
        return {
            "free": {account: amount for account, amount in free.items() if amount},
            "positions": {place: kept for place, kept in positions.items() if kept["size"] or kept["balance"]},
            "books": books,
            "tokens": next(found),
        }
