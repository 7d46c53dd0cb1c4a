"""What tests, demos and other people's suites do with a deployed system, on any backend: mint, sign, trade, move the
price, govern through the real timelock.

Amounts are base units of the asset (``U`` is one KanaUSDT), sizes and prices have 18 decimals (``COIN``, ``WAD``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from eth_utils import keccak

from kana_insurance import orders
from kana_insurance.amounts import WAD
from kana_insurance.backends import address_of
from kana_insurance.deployment import DeploymentConfig, System, local_config
from kana_insurance.deployment import deploy as deploy_system
from kana_insurance.orders import NEVER, Order

#: One whole KanaUSDT, one whole base coin.
U = 10**6
COIN = WAD
DAY = 86_400
_NO_WORD = b"\x00" * 32


@dataclass(frozen=True)
class Actors:
    """The accounts of a test, by what they do; in the backend's terms."""

    deployer: Any
    treasurer: Any
    guardian: Any
    proposer: Any
    fee_recipient: Any
    treasury: Any
    trader: Any
    counterparty: Any
    liquidator: Any
    keeper: Any
    contributor: Any
    outsider: Any
    #: Eight more.
    others: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, accounts: Iterable[Any]) -> Actors:
        """Twenty accounts in the order of the fields."""
        everyone = list(accounts)
        names = [entry.name for entry in fields(cls)][:-1]
        return cls(others=everyone[len(names) :], **dict(zip(names, everyone, strict=False)))

    def config(self, **overrides: Any) -> DeploymentConfig:
        """The local configuration with these actors in its roles."""
        named = (self.treasurer, self.guardian, self.proposer, self.fee_recipient, self.treasury)
        return local_config([address_of(account) for account in named], **overrides)


@dataclass(frozen=True)
class SignedOrder:
    """An order and its trader's signature."""

    order: Order
    signature: bytes


class Kit:
    """A deployed system and what tests do with it.

    Attributes:
        system: The system; its parts are attributes of the kit too.
        actors: The accounts.
    """

    def __init__(self, system: System, actors: Actors) -> None:
        self.system = system
        self.actors = actors
        self.backend = system.backend
        self.asset, self.timelock, self.fund = system.asset, system.timelock, system.fund
        self.notices = system.notices
        self.registry, self.gateway, self.house, self.lens = system.registry, system.gateway, system.house, system.lens
        self.feeds, self.aggregators = system.feeds, system.aggregators
        #: What made the funds, and the funds of isolated markets by market id (M17, M18).
        self.factory, self.isolated = system.factory, system.isolated
        #: The staked layer: the stakers' vault, and what stands between it and the fund; None without one.
        self.backstop, self.underwriter = system.backstop, system.underwriter
        #: The lending pool and its registry; None without one.
        self.pool, self.lending = system.pool, system.lending
        #: Of a fund deployed by :func:`deploy_standalone`: the sender that acts as its venue.
        self.venue: Any = None
        self._nonces = itertools.count(1)
        self._salts = itertools.count(1)

    def of(self, number: int) -> Kit:
        """The kit of the deployment's fund of another asset (M16), by its number among ``config.others``."""
        return Kit(self.system.others[number], self.actors)

    # ------------------------------------------------------------------- money

    def mint(self, account: Any, amount: int) -> None:
        """Give an account tokens of the faucet."""
        self.asset.faucet_to(address_of(account), amount, sender=self.actors.keeper)

    def provide(self, account: Any, spender: Any, amount: int) -> None:
        """Give an account tokens and the spender its allowance for exactly these."""
        self.mint(account, amount)
        self.asset.approve(address_of(spender), amount, sender=account)

    def contribute(self, account: Any, amount: int) -> Any:
        """Mint and contribute to the reserve (M7)."""
        self.provide(account, self.fund, amount)
        return self.fund.contribute(amount, sender=account)

    def deposit(self, account: Any, amount: int) -> Any:
        """Mint and deposit into the account's free balance."""
        self.provide(account, self.house, amount)
        return self.house.deposit(amount, sender=account)

    def stake(self, account: Any, amount: int, backstop: Any = None) -> Any:
        """Mint and stake, with the fund's own stakers unless another backstop is named (M19)."""
        vault = self.backstop if backstop is None else backstop
        self.provide(account, vault, amount)
        return vault.deposit(amount, address_of(account), sender=account)

    def lend(self, account: Any, amount: int) -> Any:
        """Mint and lend to the pool (M32)."""
        self.provide(account, self.pool, amount)
        return self.pool.deposit(amount, address_of(account), sender=account)

    def collateral(self, collateral_id: int) -> Any:
        """The token of a collateral of the pool."""
        return self.backend.at("FaucetToken", self.system.record.collaterals[collateral_id].token)

    def add_collateral(self, account: Any, amount: int, collateral_id: int = 0) -> Any:
        """Mint and add collateral to the account's loan (M32)."""
        token = self.collateral(collateral_id)
        token.faucet_to(address_of(account), amount, sender=self.actors.keeper)
        token.approve(address_of(self.pool), amount, sender=account)
        return self.pool.add_collateral(collateral_id, amount, sender=account)

    def set_collateral_price(self, price: int, collateral_id: int = 0) -> None:
        """Publish a collateral's price, quote for a whole one with 18 decimals."""
        record = self.system.record.collaterals[collateral_id]
        self._push(self.backend.at("MockAggregator", record.aggregator), price)

    # ------------------------------------------------------------ prices and time

    def mark(self, market_id: int = 0) -> int:
        """The market's price now."""
        return int(self.feeds[market_id].price())

    def set_price(self, price: int, market_id: int = 0) -> None:
        """Publish a price, 18 decimals, as a new round.

        Raises:
            ValueError: if the aggregator's decimals can't hold it exactly.
        """
        self._push(self.aggregators[market_id], price)

    def _push(self, aggregator: Any, price: int) -> None:
        """Publish a price at an aggregator."""
        answer, rest = divmod(price, 10 ** (18 - int(aggregator.decimals())))
        if rest:
            raise ValueError(f"{price} has more decimals than the aggregator")
        aggregator.push(answer, sender=self.actors.keeper)

    def refresh_prices(self) -> None:
        """Publish every mock's last answer again, so that it isn't stale."""
        record = self.system.record
        mocks = [source for source, market in zip(self.aggregators, record.markets, strict=True) if market.mock]
        mocks += [self.backend.at("MockAggregator", one.aggregator) for one in record.collaterals if one.mock]
        for aggregator in mocks:
            aggregator.push(aggregator.latestRoundData()[1], sender=self.actors.keeper)

    def travel(self, seconds: int, *, refresh: bool = True) -> None:
        """Let time pass; prices are published anew afterwards unless ``refresh`` is False."""
        self.backend.travel(seconds)
        if refresh:
            self.refresh_prices()

    def now(self) -> int:
        """Timestamp of the latest block."""
        return self.backend.timestamp()

    # ------------------------------------------------------------------- orders

    def sign(self, order: Order, signer: Any) -> bytes:
        """A trader's signature of an order for this gateway."""
        return orders.sign_order(order, signer, self.backend.chain_id(), address_of(self.gateway))

    def sign_order(
        self,
        trader: Any,
        is_buy: bool,
        size: int,
        limit_price: int,
        margin: int = 0,
        *,
        market_id: int = 0,
        expiry: int = NEVER,
        nonce: int | None = None,
        reduce_only: bool = False,
        signer: Any = None,
    ) -> SignedOrder:
        """An order of a trader, signed by him or by ``signer``, under a nonce of its own unless one is given."""
        order = Order(
            trader=address_of(trader),
            market_id=market_id,
            is_buy=is_buy,
            size=size,
            limit_price=limit_price,
            margin=margin,
            expiry=expiry,
            nonce=next(self._nonces) if nonce is None else nonce,
            reduce_only=reduce_only,
        )
        return SignedOrder(order, self.sign(order, trader if signer is None else signer))

    def fill(self, maker: SignedOrder, taker: SignedOrder, size: int | None = None, sender: Any = None) -> Any:
        """Submit two orders; the smaller one's whole size unless ``size`` says less."""
        amount = min(maker.order.size, taker.order.size) if size is None else size
        return self.gateway.fill(
            maker.order.as_tuple(),
            maker.signature,
            taker.order.as_tuple(),
            taker.signature,
            amount,
            sender=self.actors.keeper if sender is None else sender,
        )

    def open_position(
        self,
        long: Any,
        short: Any,
        size: int,
        price: int | None = None,
        margin: int | tuple[int, int] | None = None,
        *,
        market_id: int = 0,
        maker: str = "short",
        sender: Any = None,
    ) -> Any:
        """Let ``long`` buy ``size`` from ``short`` by two signed orders.

        Args:
            long: The buyer.
            short: The seller.
            size: Base size.
            price: The maker's limit; the mark by default.
            margin: Moved into each position, or (long's, short's); half the notional by default. What an account's
                free balance lacks is minted and deposited first.
            market_id: The market.
            maker: Whose order rests, "short" or "long"; the other pays the taker fee.
            sender: Who submits; the keeper by default.
        """
        price = self.mark(market_id) if price is None else price
        if margin is None:
            margin = size * price // 10 ** (36 - int(self.asset.decimals())) // 2
        margins = margin if isinstance(margin, tuple) else (margin, margin)
        for account, needed in zip((long, short), margins, strict=True):
            lacking = needed - int(self.house.free(address_of(account)))
            if lacking > 0:
                self.deposit(account, lacking)
        buy = self.sign_order(long, True, size, price, margins[0], market_id=market_id)
        sell = self.sign_order(short, False, size, price, margins[1], market_id=market_id)
        return self.fill(*((sell, buy) if maker == "short" else (buy, sell)), sender=sender)

    # ---------------------------------------------------------------- governance

    @property
    def governance(self) -> Any:
        """A sender that acts as the timelock at once; :meth:`govern` takes the real way."""
        return self.backend.impersonate(address_of(self.timelock))

    def impersonate(self, address: Any) -> Any:
        """A sender that acts as any address, contracts too."""
        return self.backend.impersonate(address_of(address))

    def encode(self, contract: Any, function: str, *args: Any) -> bytes:
        """Call data."""
        return self.backend.encode(getattr(contract, function), *args)

    def govern(self, contract: Any, function: str, *args: Any, notice: bool = False) -> Any:
        """Make a call through the timelock: schedule, wait the delay, execute; the receipt of the execution.

        With ``notice`` notice of the call is given first, also through the timelock, and it matures (M9): at the board
        of a fund, at an underwriter itself. Prices are published anew after each wait.
        """
        payload = self.encode(contract, function, *args)
        if notice:
            self.announce(contract, payload)
        salt = next(self._salts).to_bytes(32, "big")
        call = (address_of(contract), 0, payload, _NO_WORD, salt)
        delay = int(self.timelock.get_minimum_delay())
        self.timelock.schedule(*call, delay, sender=self.actors.proposer)
        self.travel(delay)
        return self.timelock.execute(*call, sender=self.actors.proposer)

    def announce(self, contract: Any, payload: bytes) -> None:
        """Give notice of a call to a fund or an underwriter through the timelock, and let it mature (M9).

        It takes longer than the stakers' cooldown where there are any. A call of ``hand_over`` or ``adopt`` is known by
        :func:`merger_call`.
        """
        if address_of(contract) in [address_of(layer.underwriter) for layer in self.system.layers]:
            self.govern(contract, "announce", payload)
            self.travel(int(contract.notice(keccak(payload))[0]) - self.now())
            return
        fund = address_of(contract)
        board = self.backend.at("NoticeBoard", address_of(contract.notices()))
        self.govern(board, "announce", fund, payload)
        passed, length = board.notice(fund, payload)
        self.travel(int(length) - int(passed))


def merger_call(function: str, fund: Any) -> bytes:
    """The call that a merger is announced by: ``hand_over`` with the successor, ``adopt`` with the old fund (M18)."""
    return bytes(keccak(text=f"{function}(address)")[:4]) + bytes(12) + bytes.fromhex(address_of(fund)[2:])


def deploy_kit(backend: Any, actors: Actors, **overrides: Any) -> Kit:
    """Deploy the local configuration with fields overridden, by the same code as ``ape run deploy``."""
    return Kit(deploy_system(actors.config(**overrides), backend, actors.deployer), actors)


def deploy_standalone(
    backend: Any,
    actors: Actors,
    markets: dict[int, int] | None = None,
    lending: Iterable[int] = (),
    funds: int = 10**9 * U,
    **overrides: Any,
) -> Kit:
    """Deploy a fund alone, with a contract as its venue; ``kit.venue`` sends as that.

    Args:
        backend: Where.
        actors: The accounts.
        markets: Maximum insurance by id of perpetual market; by default markets 0 and 1 with 50,000 U each.
        lending: Ids of lending markets.
        funds: Base units that the venue holds, all of it allowed to the fund.
        overrides: Fields of the configuration.
    """
    contract = backend.deploy("Caller", sender=actors.deployer)
    venue = address_of(contract)
    limits = {0: 50_000 * U, 1: 50_000 * U} if markets is None else markets
    registrations = [
        *({"venue": venue, "market_id": number, "max_insurance": limit} for number, limit in limits.items()),
        *({"venue": venue, "market_id": number, "is_perp": False} for number in lending),
    ]
    kit = deploy_kit(backend, actors, venue=False, registrations=registrations, **overrides)
    kit.venue = backend.impersonate(venue)
    if overrides.get("asset") is None and funds:
        kit.mint(venue, funds)
        kit.asset.approve(address_of(kit.fund), 2**256 - 1, sender=kit.venue)
    return kit
