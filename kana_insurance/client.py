"""What people and scripts do with a deployed system: one method a task, figures as exact numbers with their unit.

A :class:`Client` works on any backend. What the chain refuses comes as the backend's error (see ``revert_reason``);
what can't be tried at all as :class:`Refusal`, whose message says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kana_insurance import orders, reader
from kana_insurance.amounts import WAD_DECIMALS, format_amount, quote_scale
from kana_insurance.backends import ZERO, address_of
from kana_insurance.deployment import LOCAL_CHAINS, System

BPS = 10_000
#: Names a deleveraging can take, and how long after its grace a flag holds, seconds (M28a).
MAX_NAMES = 64
FLAG_SECONDS = 3_600
#: Longest time that a signed order of a script stays open, seconds.
ORDER_SECONDS = 600


class Refusal(Exception):  # noqa: N818
    """What can't be done, and what to do about it."""


class Figure(NamedTuple):
    """A number with its decimals and its unit: 1500000, 6, "KanaUSDT" is 1.5 KanaUSDT."""

    value: int
    decimals: int = 0
    unit: str = ""

    def text(self) -> str:
        """For people."""
        return f"{format_amount(self.value, self.decimals)}{' ' if self.unit else ''}{self.unit}"

    def plain(self, raw: bool = False) -> str:
        """For machines: whole units, or base units, without grouping."""
        return str(self.value) if raw else format_amount(self.value, self.decimals, group=False)


def moment(timestamp: int) -> str:
    """Unix seconds as a date and time, UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@dataclass(frozen=True)
class Candidate:
    """An account that a deleveraging could name."""

    trader: str
    size: int


def pick_counterparties(candidates: Iterable[Candidate], size: int) -> list[str]:
    """The largest positions of the other side until they cover ``abs(size)``, at most 64 (M28a).

    Args:
        candidates: Accounts of the market; those on the same side are left out.
        size: Size of the position to close, long > 0.
    """
    opposite = sorted((c for c in candidates if c.size * size < 0), key=lambda c: (-abs(c.size), c.trader))
    chosen, total = [], 0
    for candidate in opposite[:MAX_NAMES]:
        if total >= abs(size):
            break
        chosen.append(candidate.trader)
        total += abs(candidate.size)
    return chosen


def in_use(system: System) -> System:
    """The system with each fund that was merged replaced by its successor, as the factory says (M18)."""
    if system.factory is None:
        return system

    def last(fund: Any) -> Any:
        address = address_of(fund)
        while (following := str(system.factory.successor(address))) != ZERO:
            address = following
        return fund if address == address_of(fund) else system.backend.at("InsuranceFund", address)

    return replace(
        system,
        fund=last(system.fund),
        isolated={number: last(fund) for number, fund in system.isolated.items()},
        others=[in_use(other) for other in system.others],
    )


def check_holds(token: Any, account: Any, needed: int, figure: Callable[[int], Figure], hint: str = "") -> None:
    """Refuse unless an account holds so many of a token; ``hint`` says where to get some."""
    held = int(token.balanceOf(address_of(account)))
    if held < needed:
        raise Refusal(f"{address_of(account)} holds {figure(held).text()}, {figure(needed).text()} are needed{hint}")


def allow(token: Any, account: Any, spender: Any, needed: int) -> None:
    """Approve a spender of a token where its allowance is short."""
    if int(token.allowance(address_of(account), address_of(spender))) < needed:
        token.approve(address_of(spender), needed, sender=account)


def push_price(aggregator: Any, account: Any, price: int) -> None:
    """Publish a price, 18 decimals, at a mock aggregator."""
    places = int(aggregator.decimals())
    answer, rest = divmod(price, 10 ** (WAD_DECIMALS - places))
    if rest:
        raise Refusal(f"the aggregator holds {places} decimals only")
    aggregator.push(answer, sender=account)


class Client:
    """A deployed system in use.

    Attributes:
        system: The system, with the funds that serve now: not those that were merged into others (M18).
        decimals: Decimals of the asset.
        symbol: Its symbol.
    """

    def __init__(self, system: System) -> None:
        self.system = in_use(system)
        self.decimals = int(system.asset.decimals())
        self.symbol = str(system.asset.symbol())

    # ------------------------------------------------------------------ figures

    def tokens(self, value: int) -> Figure:
        """An amount of the asset."""
        return Figure(int(value), self.decimals, self.symbol)

    @staticmethod
    def price(value: int) -> Figure:
        """A price."""
        return Figure(int(value), WAD_DECIMALS)

    @staticmethod
    def size(value: int) -> Figure:
        """A base size."""
        return Figure(int(value), WAD_DECIMALS)

    @staticmethod
    def percent(bps: int) -> Figure:
        """A ratio."""
        return Figure(int(bps), 2, "%")

    def _check_market(self, market_id: int) -> None:
        if self.system.house is None:
            raise Refusal("this deployment is a fund alone: it has no markets")
        if not self.system.registry.listed(market_id):
            count = int(self.system.registry.next_market_id())
            raise Refusal(f"there is no market {market_id}: ids run from 0 to {count - 1}")

    # ------------------------------------------------------------------ the fund

    def status(self) -> dict[str, Any]:
        """The fund, its layers and every market: figures, ready to be shown."""
        system, fund = self.system, self.system.fund
        threshold, reserve = int(fund.threshold()), int(fund.reserve())
        liquidator_bps, fund_bps = fund.split_bps()
        window = fund.window()
        off = int(window.cap) == 0
        result: dict[str, Any] = {
            "network": system.record.network,
            "chain_id": str(system.record.chain_id),
            "fund": {
                "address": address_of(fund),
                "asset": address_of(system.asset),
                "treasury": str(fund.treasury()),
                "reserve": self.tokens(reserve),
                "threshold": self.tokens(threshold),
                "room": self.tokens(fund.room()),
                "excess": self.tokens(fund.excess()),
                "total_contributions": self.tokens(fund.total_contributions()),
                "total_bad_debt": self.tokens(fund.total_bad_debt()),
                "liquidator_share": self.percent(liquidator_bps),
                "fund_share": self.percent(fund_bps),
                "window_cap": "off" if off else self.tokens(window.cap),
                "window_left": "off" if off else self.tokens(window.left),
                "payouts": "paused" if fund.payouts_paused() else "open",
            },
            "layers": self._layers(),
        }
        if system.house is not None:
            result["markets"] = [self._market(market.market_id, market.name) for market in system.record.markets]
        return result

    def _layers(self) -> list[dict[str, Any]]:
        """The layers that the fund has now, in the order in which it draws on them (M10)."""
        placed = self.system.fund.layers()
        places = (
            ("stakers", str(placed.staked), int(placed.staked_suspended_until)),
            ("reinsurance", str(placed.reinsurance), int(placed.reinsurance_suspended_until)),
        )
        return [self._layer(name, at, until) for name, at, until in places if at != ZERO]

    def _layer(self, name: str, address: str, suspended_until: int) -> dict[str, Any]:
        """One layer; a suspended one counts as empty, so its capacity is 0 (M10)."""
        backend, fund = self.system.backend, address_of(self.system.fund)
        underwriter = backend.at("Underwriter", address)
        vault = backend.at("Backstop", str(underwriter.backstop()))
        now, terms = backend.timestamp(), underwriter.terms(fund)
        held_until, suspended = int(underwriter.held_until()), suspended_until > now
        return {
            "layer": name,
            "staked": self.tokens(vault.totalAssets()),
            "capacity": self.tokens(0 if suspended else underwriter.capacity(fund)),
            "limit": self.tokens(terms.limit),
            "used": self.tokens(terms.used),
            "premium": self.percent(terms.premium_bps),
            "exits_held_until": moment(held_until) if held_until > now else "not held",
            "suspended_until": moment(suspended_until) if suspended else "not suspended",
            "underwriter": address,
        }

    def _market(self, market_id: int, name: str) -> dict[str, Any]:
        system = self.system
        fund = system.fund_of(market_id)
        kept = fund.market(address_of(system.house), market_id)
        books = system.house.books(market_id)
        mark = int(system.feeds[market_id].peek())
        return {
            "market": Figure(market_id),
            "name": name,
            "mark": self.price(mark) if mark else "no good price",
            "open_interest": self.size(books.open_interest),
            "pot": self.tokens(books.pot),
            "fees": self.tokens(books.fees),
            "max_insurance": self.tokens(kept.max_insurance),
            "used": self.tokens(kept.used),
            "bad_debt": self.tokens(kept.bad_debt),
            "coverage": self.tokens(fund.coverage(address_of(system.house), market_id)),
        }

    def faucet(self, account: Any, amount: int, receiver: Any = None) -> dict[str, Any]:
        """Mint test tokens to ``receiver``, by default the account."""
        if self.system.config.asset != "KanaUSDT":
            raise Refusal(f"the asset of this deployment is {self.symbol}, a token without a faucet")
        target = address_of(account if receiver is None else receiver)
        self.system.asset.faucet_to(target, amount, sender=account)
        return {
            "receiver": target,
            "minted": self.tokens(amount),
            "balance": self.tokens(self.system.asset.balanceOf(target)),
        }

    def check_wallet(self, account: Any, needed: int) -> None:
        """Refuse unless the account holds so many tokens."""
        local = self.system.config.asset == "KanaUSDT"
        hint = ": 'ape run faucet' mints some" if local else ""
        check_holds(self.system.asset, account, needed, self.tokens, hint)

    def allow(self, account: Any, spender: Any, needed: int) -> None:
        """Approve the spender where its allowance is short."""
        allow(self.system.asset, account, spender, needed)

    def contribute(self, account: Any, amount: int, *, permit: bool = False) -> dict[str, Any]:
        """Contribute to the reserve, by approval or by a permit in the same transaction (M7)."""
        fund = self.system.fund
        self.check_wallet(account, amount)
        if permit:
            deadline = self.system.backend.timestamp() + ORDER_SECONDS
            fund.contribute_with_permit(amount, deadline, *self.permit(account, fund, amount, deadline), sender=account)
        else:
            self.allow(account, fund, amount)
            fund.contribute(amount, sender=account)
        return {
            "contributor": address_of(account),
            "amount": self.tokens(amount),
            "contributed": self.tokens(fund.contributions(address_of(account))),
            "reserve": self.tokens(fund.reserve()),
            "room": self.tokens(fund.room()),
        }

    def permit(self, account: Any, spender: Any, amount: int, deadline: int) -> tuple[int, bytes, bytes]:
        """The account's signature of an ERC-2612 permit of the asset: v, r, s."""
        asset, owner = self.system.asset, address_of(account)
        domain = asset.eip712Domain()
        data = orders.permit_data(
            address_of(asset),
            str(domain[1]),
            str(domain[2]),
            self.system.backend.chain_id(),
            owner,
            address_of(spender),
            amount,
            int(asset.nonces(owner)),
            deadline,
        )
        return orders.split_signature(orders.sign_typed(data, account))

    def withdraw_excess(self, account: Any, amount: int | None = None) -> dict[str, Any]:
        """Send ``amount``, by default the whole excess, to the treasury (M8)."""
        fund = self.system.fund
        # With no excess the contract is asked for one unit, so that it says why not.
        wanted = max(int(fund.excess()), 1) if amount is None else amount
        fund.withdraw_excess(wanted, sender=account)
        return {
            "treasury": str(fund.treasury()),
            "amount": self.tokens(wanted),
            "reserve": self.tokens(fund.reserve()),
            "excess": self.tokens(fund.excess()),
        }

    # ------------------------------------------------------------------- trading

    def withdraw(self, account: Any, amount: int | None = None) -> dict[str, Any]:
        """Take ``amount``, by default all, of the account's free balance out of the house; never paused (M37).

        Raises:
            Refusal: if the account has none.
        """
        house, me = self.system.house, address_of(account)
        if house is None:
            raise Refusal("this deployment is a fund alone: it has no free balances")
        wanted = int(house.free(me)) if amount is None else amount
        if wanted == 0:
            raise Refusal(f"{me} has no free balance: what is in a position is free once that is closed")
        house.withdraw(wanted, me, sender=account)
        return {
            "account": me,
            "amount": self.tokens(wanted),
            "free": self.tokens(house.free(me)),
            "wallet": self.tokens(self.system.asset.balanceOf(me)),
        }

    def mark(self, market_id: int) -> int:
        """A market's price now, 18 decimals; reverts without a good one."""
        self._check_market(market_id)
        return int(self.system.registry.mark(market_id))

    def set_price(self, account: Any, market_id: int, price: int) -> dict[str, Any]:
        """Publish a price at the market's mock aggregator."""
        self._check_market(market_id)
        if not self.system.record.markets[market_id].mock:
            raise Refusal(f"the price of market {market_id} comes from a real aggregator: nobody sets it here")
        before = int(self.system.feeds[market_id].peek())
        push_price(self.system.aggregators[market_id], account, price)
        return {
            "market": Figure(market_id),
            "before": self.price(before) if before else "no good price",
            "mark": self.price(self.mark(market_id)),
        }

    def _fund_account(self, account: Any, needed: int) -> int:
        """Deposit what the account's free balance lacks, from its wallet; the amount deposited."""
        lacking = needed - int(self.system.house.free(address_of(account)))
        if lacking <= 0:
            return 0
        self.check_wallet(account, lacking)
        self.allow(account, self.system.house, lacking)
        self.system.house.deposit(lacking, sender=account)
        return lacking

    def notional(self, size: int, price: int) -> int:
        """Notional of a base size, base units, rounded up."""
        return -(-abs(size) * price // quote_scale(self.decimals))

    def _sign(
        self, account: Any, market_id: int, is_buy: bool, size: int, price: int, margin: int, reduce_only: bool
    ) -> tuple[orders.Order, bytes]:
        order = orders.Order(
            trader=address_of(account),
            market_id=market_id,
            is_buy=is_buy,
            size=size,
            limit_price=price,
            margin=margin,
            expiry=self.system.backend.timestamp() + ORDER_SECONDS,
            nonce=orders.new_nonce(),
            reduce_only=reduce_only,
        )
        backend = self.system.backend
        return order, orders.sign_order(order, account, backend.chain_id(), address_of(self.system.gateway))

    def trade(
        self,
        taker: Any,
        maker: Any,
        market_id: int,
        is_buy: bool,
        size: int,
        *,
        price: int | None = None,
        margins: tuple[int, int] = (0, 0),
        reduce_only: bool = False,
    ) -> dict[str, Any]:
        """Sign an order of each side and submit both as the taker.

        Args:
            taker: The account that trades and submits.
            maker: The account on the other side.
            market_id: The market.
            is_buy: Whether the taker buys.
            size: Base size.
            price: Limit of both orders; the mark by default.
            margins: Moved into (taker's, maker's) position; deposited from the wallets where free balance lacks it.
            reduce_only: Whether the taker's order may only reduce.
        """
        self._check_market(market_id)
        if address_of(taker) == address_of(maker):
            raise Refusal("a trade needs two different accounts")
        limit = self.mark(market_id) if price is None else price
        for account, margin in zip((taker, maker), margins, strict=True):
            self._fund_account(account, margin)
        taken = self._sign(taker, market_id, is_buy, size, limit, margins[0], reduce_only)
        made = self._sign(maker, market_id, not is_buy, size, limit, margins[1], False)
        self.system.gateway.fill(made[0].as_tuple(), made[1], taken[0].as_tuple(), taken[1], size, sender=taker)
        return {
            "market": Figure(market_id),
            "price": self.price(limit),
            "size": self.size(size if is_buy else -size),
            "taker": self.position(market_id, address_of(taker)),
            "maker": self.position(market_id, address_of(maker)),
        }

    def default_margin(self, market_id: int, size: int, price: int | None, leverage: int) -> int:
        """Margin of a new position at a leverage, base units: its share of the notional and both sides' highest fee."""
        self._check_market(market_id)
        params = self.system.registry.params(market_id)
        notional = self.notional(size, self.mark(market_id) if price is None else price)
        fee = -(-notional * max(int(params.taker_fee_bps), int(params.maker_fee_bps)) // BPS)
        return -(-notional // leverage) + fee

    def close(
        self,
        taker: Any,
        maker: Any,
        market_id: int,
        *,
        size: int | None = None,
        price: int | None = None,
        margin: int = 0,
    ) -> dict[str, Any]:
        """Reduce the taker's position by ``size``, by default to nothing, against the maker.

        ``margin`` is the maker's, whose position may grow by it.
        """
        self._check_market(market_id)
        held = int(self.system.house.position(market_id, address_of(taker)).size)
        if held == 0:
            raise Refusal(f"{address_of(taker)} has no position in market {market_id}")
        amount = abs(held) if size is None else min(size, abs(held))
        return self.trade(taker, maker, market_id, held < 0, amount, price=price, margins=(0, margin), reduce_only=True)

    # ------------------------------------------------------------------ positions

    def position(self, market_id: int, trader: str) -> dict[str, Any]:
        """One position, with its price levels where there is a good price."""
        state = self.system.lens.trader_state(address_of(self.system.house), trader)
        for held in state.positions:
            if int(held.market_id) == market_id:
                return self._position(trader, held)
        return {"trader": trader, "market": Figure(market_id), "size": self.size(0), "state": "flat"}

    def _position(self, trader: str, held: Any) -> dict[str, Any]:
        priced = bool(held.mark)
        if held.size == 0:
            state = "flat"
        elif not priced:
            state = "no good price"
        else:
            state = "insolvent" if held.insolvent else "liquidatable" if held.liquidatable else "healthy"
        return {
            "trader": trader,
            "market": Figure(int(held.market_id)),
            "size": self.size(held.size),
            "balance": self.tokens(held.balance),
            "equity": self.tokens(held.equity) if priced else "?",
            "margin_ratio": self.percent(held.margin_ratio_bps) if priced and held.size else "-",
            "liquidation_price": self.price(held.liquidation_price) if priced and held.size else "-",
            "bankruptcy_price": self.price(held.bankruptcy_price) if priced and held.size else "-",
            "state": state + (", flagged" if held.flagged_at else ""),
        }

    def positions(self, traders: Sequence[str] = (), market_id: int | None = None) -> list[dict[str, Any]]:
        """Positions and claims of traders, by default of everyone who ever held one."""
        if self.system.house is None:
            raise Refusal("this deployment is a fund alone: it has no positions")
        if market_id is not None:
            self._check_market(market_id)
        found = []
        for trader in traders or reader.accounts_seen(self.system):
            state = self.system.lens.trader_state(address_of(self.system.house), trader)
            for held in state.positions:
                if market_id is None or int(held.market_id) == market_id:
                    found.append(self._position(trader, held))
        return found

    # ------------------------------------------------------------------- keepers

    def liquidate(
        self, account: Any, market_id: int, trader: str, *, size: int | None = None, margin: int | None = None
    ) -> dict[str, Any]:
        """Take over a liquidatable position at mark, by default whole.

        ``margin`` is moved into the liquidator's own position first, by default the initial margin of what is taken
        over; what the free balance lacks of it is deposited from the wallet.
        """
        self._check_market(market_id)
        house = self.system.house
        held = abs(int(house.position(market_id, trader).size))
        amount = held if size is None else min(size, held)
        if margin is None:
            bps = int(self.system.registry.params(market_id).initial_margin_bps)
            margin = -(-self.notional(amount, self.mark(market_id)) * bps // BPS) + 1
        self._fund_account(account, margin)
        fund = self.system.fund_of(market_id)
        reserve = int(fund.reserve())
        free = int(house.free(address_of(account)))
        house.liquidate(market_id, trader, amount, margin, sender=account)
        return {
            "market": Figure(market_id),
            "taken_over": self.size(amount),
            "liquidator_free_change": self.tokens(int(house.free(address_of(account))) - free),
            "reserve_change": self.tokens(int(fund.reserve()) - reserve),
            "liquidator": self.position(market_id, address_of(account)),
            "trader": self.position(market_id, trader),
        }

    def candidates(self, market_id: int) -> list[Candidate]:
        """Everyone with a position in a market."""
        house = self.system.house
        people = reader.accounts_seen(self.system)
        held = reader.read_many(self.system, [(house.position, (market_id, trader)) for trader in people])
        return [Candidate(trader, int(one.size)) for trader, one in zip(people, held, strict=True) if one.size]

    def deleverage(
        self,
        account: Any,
        market_id: int,
        trader: str,
        counterparties: Sequence[str] = (),
        *,
        skip_grace: bool = False,
    ) -> dict[str, Any]:
        """Flag an insolvent position or, once its grace has passed, close it against others (M28a).

        Counterparties are picked when none is named. ``skip_grace`` moves a local chain's time.
        """
        self._check_market(market_id)
        house, backend = self.system.house, self.system.backend
        if skip_grace and backend.chain_id() not in LOCAL_CHAINS:
            raise Refusal("only a local chain's time can be moved")
        grace = int(self.system.registry.params(market_id).grace)
        flagged_at = int(house.position(market_id, trader).flagged_at)
        flagged_now = flagged_at == 0 or backend.timestamp() > flagged_at + grace + FLAG_SECONDS
        if flagged_now:
            house.flag(market_id, trader, sender=account)
            flagged_at = int(house.position(market_id, trader).flagged_at)
        wait = flagged_at + grace - backend.timestamp()
        if wait > 0 and skip_grace:
            backend.travel(wait)
        elif flagged_now or wait > 0:
            return {
                "market": Figure(market_id),
                "trader": trader,
                "state": "flagged",
                "deleverage_from": moment(flagged_at + grace),
                "deleverage_until": moment(flagged_at + grace + FLAG_SECONDS),
                "seconds_to_wait": Figure(max(wait, 0)),
            }
        size = int(house.position(market_id, trader).size)
        names = list(counterparties) or pick_counterparties(self.candidates(market_id), size)
        fund, block = self.system.fund_of(market_id), backend.block_number() + 1
        house.deleverage(market_id, trader, names, sender=account)
        covers, layers = backend.events(fund, "ShortfallCovered", block), backend.events(fund, "LayerPaid", block)
        left = int(house.position(market_id, trader).size)
        return {
            "market": Figure(market_id),
            "trader": trader,
            "state": "closed" if left == 0 else "closed in part",
            "closed": self.size(size - left),
            "paid_by_fund": self.tokens(sum(int(event["covered"]) for event in covers)),
            "of_it_by_layers": self.tokens(sum(int(event["amount"]) for event in layers)),
            "counterparties": [self.position(market_id, name) for name in names],
        }
