"""What lenders, borrowers, liquidators and their scripts do with a lending pool, and what they see of it (M32, M33).

Figures are exact, see :mod:`kana_insurance.client`. A loan goes by its collateral and its borrower. Prices are those of
one whole collateral in the pool's asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kana_insurance import reader
from kana_insurance.amounts import WAD, WAD_DECIMALS
from kana_insurance.backends import ZERO, address_of
from kana_insurance.client import BPS, ORDER_SECONDS, Client, Figure, Refusal, allow, check_holds, moment, push_price
from kana_insurance.pools import CollateralRecord
from kana_insurance.stakers import OFFSET
from kana_insurance.system import System

RAY = 10**27
#: Decimals of the registry's prices.
PRICE_DECIMALS = 30
#: Stands for all of a debt: the pool takes what is owed at most.
MOST = 2**256 - 1


@dataclass(frozen=True)
class Collateral:
    """A listed collateral.

    Attributes:
        number: Its id.
        name: As the record has it; its token's symbol where the record lacks it.
        symbol, decimals: Of the token.
        token: The token.
        record: Where its feed is; None for one that governance listed since.
    """

    number: int
    name: str
    symbol: str
    decimals: int
    token: Any
    record: CollateralRecord | None

    def amount(self, value: int) -> Figure:
        """An amount of it."""
        return Figure(int(value), self.decimals, self.symbol)


def collaterals(system: System) -> list[Collateral]:
    """The collaterals that the pool's registry lists now.

    Raises:
        Refusal: if the deployment has no pool.
    """
    if system.pool is None:
        raise Refusal("this deployment has no lending pool")
    backend, registry = system.backend, system.lending
    known = {one.token.lower(): one for one in system.record.collaterals}
    found = []
    for number in range(int(registry.next_collateral_id())):
        if not registry.listed(number):
            continue
        address = str(registry.collateral(number).asset)
        token, record = backend.at("FaucetToken", address), known.get(address.lower())
        symbol = str(token.symbol())
        found.append(
            Collateral(number, record.name if record else symbol, symbol, int(token.decimals()), token, record)
        )
    return found


def find_collateral(system: System, text: str) -> Collateral:
    """The collateral of a name, a token's symbol, or an id.

    Raises:
        Refusal: if there is none; with those that there are.
    """
    listed, wanted = collaterals(system), text.strip().lower()
    for one in listed:
        if wanted in (str(one.number), one.name.lower(), one.symbol.lower()):
            return one
    names = ", ".join(f"{one.name} ({one.number})" for one in listed) or "none"
    raise Refusal(f"'{text}' is no collateral of the pool: it takes {names}")


def mint_collateral(client: Client, account: Any, text: str, amount: int, receiver: Any = None) -> dict[str, Any]:
    """Mint a collateral's test tokens to ``receiver``, by default the account."""
    collateral = find_collateral(client.system, text)
    if collateral.record is None or not collateral.record.faucet:
        raise Refusal(f"{collateral.name} is {collateral.symbol}, a token without a faucet")
    target = address_of(account if receiver is None else receiver)
    collateral.token.faucet_to(target, amount, sender=account)
    return {
        "receiver": target,
        "minted": collateral.amount(amount),
        "balance": collateral.amount(collateral.token.balanceOf(target)),
    }


def set_collateral_price(client: Client, account: Any, text: str, price: int) -> dict[str, Any]:
    """Publish a collateral's price, 18 decimals, at its mock aggregator."""
    collateral, backend = find_collateral(client.system, text), client.system.backend
    record = collateral.record
    if record is None or not record.mock:
        raise Refusal(f"the price of {collateral.name} comes from a real aggregator: nobody sets it here")
    feed = backend.at("PriceFeed", record.feed)
    before = int(feed.peek())
    push_price(backend.at("MockAggregator", record.aggregator), account, price)
    return {
        "collateral": collateral.name,
        "before": client.price(before) if before else "no good price",
        "price": client.price(int(feed.price())),
    }


class Lending:
    """The lending pool of a deployment in use.

    Attributes:
        client: The client of the deployment.
        pool, registry: The pool, and its terms.
        share_decimals: Decimals of the lenders' shares.

    Raises:
        Refusal: if the deployment has no pool.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.system = client.system
        self.collaterals = collaterals(client.system)
        self.pool, self.registry = self.system.pool, self.system.lending
        self.share_decimals = client.decimals + OFFSET
        self._symbol = str(self.pool.symbol())

    def shares(self, value: int) -> Figure:
        """A number of lenders' shares."""
        return Figure(int(value), self.share_decimals, self._symbol)

    def collateral(self, text: str) -> Collateral:
        """The collateral of a name, a token's symbol, or an id."""
        return find_collateral(self.system, text)

    # ------------------------------------------------------------------ lenders

    def lend(self, account: Any, amount: int, *, permit: bool = False) -> dict[str, Any]:
        """Lend to the pool, by approval or by a permit in the same transaction (M32)."""
        client, me = self.client, address_of(account)
        client.check_wallet(account, amount)
        before = int(self.pool.balanceOf(me))
        if permit:
            self.pool.deposit_with_permit(amount, me, *self._permit(account, amount), sender=account)
        else:
            client.allow(account, self.pool, amount)
            self.pool.deposit(amount, me, sender=account)
        shares = int(self.pool.balanceOf(me)) - before
        return {"lender": me, "lent": client.tokens(amount), "shares": self.shares(shares), **self._held(me)}

    def withdraw(self, account: Any, amount: int | None) -> dict[str, Any]:
        """Take assets out, by default all that the account's shares are worth (M33)."""
        if amount is None:
            return self.redeem(account, None)
        me = address_of(account)
        before = self._holding(me)
        self.pool.withdraw(amount, me, me, sender=account)
        return self._taken(me, before, amount)

    def redeem(self, account: Any, shares: int | None) -> dict[str, Any]:
        """Redeem shares, by default all (M33)."""
        me = address_of(account)
        before = self._holding(me)
        asset, wanted = self.system.asset, before if shares is None else shares
        had = int(asset.balanceOf(me))
        if wanted > before:
            raise Refusal(f"{me} holds {self.shares(before).text()}: 'ape run loans' shows who lends what")
        self.pool.redeem(wanted, me, me, sender=account)
        return self._taken(me, before, int(asset.balanceOf(me)) - had)

    def _holding(self, me: str) -> int:
        """An account's shares; refuses without any."""
        held = int(self.pool.balanceOf(me))
        if held == 0:
            raise Refusal(f"{me} lends nothing: 'ape run loans' shows who lends what")
        return held

    def _taken(self, me: str, before: int, received: int) -> dict[str, Any]:
        burned = before - int(self.pool.balanceOf(me))
        return {
            "lender": me,
            "received": self.client.tokens(received),
            "shares": self.shares(burned),
            **self._held(me),
        }

    def _held(self, me: str) -> dict[str, Any]:
        held = int(self.pool.balanceOf(me))
        return {"held": self.shares(held), "value": self.client.tokens(self.pool.convertToAssets(held))}

    # ---------------------------------------------------------------- borrowers

    def add_collateral(
        self, account: Any, collateral: Collateral, amount: int, borrower: str | None = None
    ) -> dict[str, Any]:
        """Put collateral into a loan, by default the account's own (M32)."""
        whose = address_of(account) if borrower is None else borrower
        faucet = collateral.record is not None and collateral.record.faucet
        hint = f": 'ape run faucet --token {collateral.name}' mints some" if faucet else ""
        check_holds(collateral.token, account, amount, collateral.amount, hint)
        allow(collateral.token, account, self.pool, amount)
        self.pool.add_collateral(collateral.number, amount, whose, sender=account)
        return {"added": collateral.amount(amount), **self.loan(collateral, whose)}

    def withdraw_collateral(self, account: Any, collateral: Collateral, amount: int | None) -> dict[str, Any]:
        """Take collateral out of the account's loan, by default all of it (M32)."""
        me = address_of(account)
        # Of nothing one unit is asked for, so that the contract says why not.
        wanted = max(int(self.pool.loan(collateral.number, me).collateral), 1) if amount is None else amount
        self.pool.withdraw_collateral(collateral.number, wanted, sender=account)
        return {"withdrawn": collateral.amount(wanted), **self.loan(collateral, me)}

    def borrow(self, account: Any, collateral: Collateral, amount: int) -> dict[str, Any]:
        """Borrow against the account's collateral (M32)."""
        self.pool.borrow(collateral.number, amount, sender=account)
        return {"borrowed": self.client.tokens(amount), **self.loan(collateral, address_of(account))}

    def repay(
        self,
        account: Any,
        collateral: Collateral,
        amount: int | None,
        borrower: str | None = None,
        *,
        permit: bool = False,
    ) -> dict[str, Any]:
        """Repay a loan, by default all of the account's own (M32).

        All of it grows until the transaction: ten minutes' interest more is allowed, no more than is owed is taken.
        """
        whose = address_of(account) if borrower is None else borrower
        debt = int(self.pool.loan(collateral.number, whose).debt)
        if amount is None:
            amount = self._later(debt)
        self.client.check_wallet(account, min(amount, debt))
        block = self.system.backend.block_number() + 1
        if permit:
            terms = self._permit(account, amount)
            self.pool.repay_with_permit(collateral.number, amount, whose, *terms, sender=account)
        else:
            self.client.allow(account, self.pool, amount)
            self.pool.repay(collateral.number, amount, whose, sender=account)
        paid = sum(int(event["amount"]) for event in self._events("Repaid", block, whose))
        return {"repaid": self.client.tokens(paid), **self.loan(collateral, whose)}

    # ------------------------------------------------------------------ keepers

    def liquidate(
        self, account: Any, collateral: Collateral, borrower: str, debt: int | None = None, min_seized: int = 0
    ) -> dict[str, Any]:
        """Liquidate as much of a loan as can be, or up to ``debt`` of it (M32, M33)."""
        state = self._state(collateral, borrower)
        if state.liquidatable:
            price = int(state.repayable) + int(state.to_fund)
            if debt is not None and debt < int(state.repayable):
                price = -(-price * debt // int(state.repayable))
            self.client.check_wallet(account, price)
            self.client.allow(account, self.pool, self._later(price))
        block = self.system.backend.block_number() + 1
        wanted = MOST if debt is None else debt
        self.pool.liquidate(collateral.number, borrower, wanted, min_seized, sender=account)
        done = self._events("Liquidated", block, borrower)[-1]
        resolved = self._events("LoanResolved", block, borrower)
        tokens, paid = self.client.tokens, int(done["repaid"]) + int(done["to_fund"])
        worth = int(done["seized"]) * int(state.price) // 10**PRICE_DECIMALS
        result = {
            "liquidator": address_of(account),
            "repaid": tokens(done["repaid"]),
            "to_the_fund": tokens(done["to_fund"]),
            "seized": collateral.amount(done["seized"]),
            "worth": tokens(worth),
            "gain": tokens(worth - paid),
        }
        if resolved:
            names = ("shortfall", "covered", "lenders_loss", "bad_debt")
            result |= {name: tokens(resolved[-1][name]) for name in names}
        return {**result, **self.loan(collateral, borrower)}

    def flag(self, account: Any, collateral: Collateral, borrower: str) -> dict[str, Any]:
        """Stop lenders' withdrawals because of an insolvent loan, for at most an hour (M33)."""
        self.pool.flag(collateral.number, borrower, sender=account)
        return {"withdrawals": self._stop_text(), **self.loan(collateral, borrower)}

    def unflag(self, account: Any, collateral: Collateral, borrower: str) -> dict[str, Any]:
        """End that, when the loan is solvent again (M33)."""
        self.pool.unflag(collateral.number, borrower, sender=account)
        return {"withdrawals": self._stop_text(), **self.loan(collateral, borrower)}

    def collect_fees(self, account: Any) -> dict[str, Any]:
        """Send the fund what it is owed of interest and premiums, as far as there is cash (M24)."""
        block = self.system.backend.block_number() + 1
        self.pool.collect_fees(sender=account)
        (done,) = self.system.backend.events(self.pool, "FeesCollected", block)
        books = self.pool.books()
        return {
            "paid": self.client.tokens(done["paid"]),
            "of_it_for_bad_debt": self.client.tokens(done["repaid"]),
            "still_owed": self.client.tokens(books.fees),
            "reserve": self.client.tokens(self.system.fund.reserve()),
        }

    def repay_bad_debt(self, account: Any, amount: int) -> dict[str, Any]:
        """Pay for what the pool lost and nobody bore (M14)."""
        self.client.check_wallet(account, amount)
        self.client.allow(account, self.pool, amount)
        self.pool.repay_bad_debt(amount, sender=account)
        return {"repaid": self.client.tokens(amount), "bad_debt": self.client.tokens(self.pool.books().bad_debt)}

    # -------------------------------------------------------------------- views

    def summary(self) -> dict[str, Any]:
        """The pool and its collaterals: figures, ready to be shown."""
        state = self.system.lens.pool_state(address_of(self.pool))
        prices = {int(one.collateral_id): int(one.price) for one in state.collaterals}
        rows = [self._collateral_row(one, prices[one.number]) for one in self.collaterals]
        return {"pool": self._pool(state), "collaterals": rows}

    def page(self, names: Sequence[str] = (), only: str | None = None) -> dict[str, Any]:
        """The pool, its loans and its lenders, of ``names`` or of everyone: figures, ready to be shown."""
        wanted = self.collaterals if only is None else [self.collateral(only)]
        if names:
            keys = [(one, name) for name in names for one in wanted]
        else:
            found = self.system.backend.events(self.pool, "CollateralAdded")
            seen = dict.fromkeys((int(event["collateral_id"]), str(event["borrower"])) for event in found)
            keys = [(one, whose) for number, whose in seen for one in wanted if one.number == number]
        calls = [(self.system.lens.loan_state, (address_of(self.pool), one.number, whose)) for one, whose in keys]
        states = reader.read_many(self.system, calls)
        loans = [self._row(one, state) for (one, _), state in zip(keys, states, strict=True) if state.collateral > 0]
        return {**self.summary(), "loans": loans, "lenders": self._lenders(names)}

    def loan(self, collateral: Collateral, borrower: str) -> dict[str, Any]:
        """One loan, ready to be shown."""
        return self._row(collateral, self._state(collateral, borrower))

    def _state(self, collateral: Collateral, borrower: str) -> Any:
        return self.system.lens.loan_state(address_of(self.pool), collateral.number, borrower)

    def _row(self, collateral: Collateral, state: Any) -> dict[str, Any]:
        tokens, owes, priced = self.client.tokens, int(state.debt) > 0, int(state.price) > 0
        return {
            "borrower": str(state.borrower),
            "collateral": collateral.amount(state.collateral),
            "value": tokens(state.value) if priced else "no good price",
            "debt": tokens(state.debt),
            # Rounded down, so that 1 is healthy.
            "health": Figure(int(state.health) * 10**4 // WAD, 4) if owes and priced else "",
            "liquidation_price": self._price(collateral, state.liquidation_price) if owes else "",
            "can_borrow": tokens(state.max_borrow),
            "state": loan_state_text(state),
        }

    def _price(self, collateral: Collateral, price: int) -> Figure:
        """A price of the registry as that of one whole collateral; beyond 18 decimals rounded up."""
        places = PRICE_DECIMALS + self.client.decimals - collateral.decimals
        shown = min(places, WAD_DECIMALS)
        return Figure(-(-int(price) // 10 ** (places - shown)), shown, self.client.symbol)

    def _pool(self, state: Any) -> dict[str, Any]:
        tokens, books, now = self.client.tokens, state.books, self.system.backend.timestamp()
        resume_at = int(state.borrowing_resume_at)
        return {
            "address": str(state.pool),
            "registry": str(state.registry),
            "fund": str(state.terms.fund),
            "lenders_assets": tokens(books.assets),
            "shares": self.shares(state.shares),
            "share_value": tokens(state.share_value),
            "cash": tokens(books.cash),
            "debt": tokens(books.total_debt),
            "utilisation": _percent(state.utilisation),
            "borrowers_pay_a_year": _percent(state.borrow_rate),
            "lenders_get_a_year": _percent(state.supply_rate),
            "fund_part_of_interest": self.client.percent(books.reserve_factor_bps),
            "owed_to_the_fund": tokens(books.fees),
            "bad_debt": tokens(books.bad_debt),
            "fund_would_pay": tokens(state.coverage),
            "supply_cap": tokens(state.terms.supply_cap),
            "least_debt": tokens(state.terms.min_debt),
            "withdrawals": self._stop_text(),
            "borrowing": f"paused until {moment(resume_at)}" if resume_at > now else "open",
        }

    def _stop_text(self) -> str:
        """Whether lenders can withdraw, or until when which loan stops them."""
        if not self.pool.withdrawals_stopped():
            return "open"
        stop = self.pool.stop()
        which = next(one.name for one in self.collaterals if one.number == int(stop.collateral_id))
        return f"stopped until {moment(int(stop.until))} by the loan of {stop.borrower} against {which}"

    def _collateral_row(self, collateral: Collateral, price: int) -> dict[str, Any]:
        tokens, percent = self.client.tokens, self.client.percent
        terms, totals = self.registry.collateral(collateral.number), self.pool.totals(collateral.number)
        return {
            "id": Figure(collateral.number),
            "collateral": collateral.name,
            "price": self._price(collateral, price) if price else "no good price",
            "borrow_up_to": percent(terms.factor_bps),
            "liquidated_above": percent(terms.threshold_bps),
            "close_factor": percent(terms.close_factor_bps),
            "premium": percent(terms.premium_bps),
            "fund_part": percent(terms.premium_fund_bps),
            "held": collateral.amount(totals.collateral),
            "cap": collateral.amount(terms.collateral_cap),
            "debt": tokens(totals.debt),
            "borrow_cap": tokens(terms.borrow_cap),
        }

    def _lenders(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Who holds shares, of ``names`` or of everyone since the deployment."""
        people = list(names)
        if not people:
            found = self.system.backend.events(self.pool, "Transfer")
            people = [one for one in dict.fromkeys(str(event["receiver"]) for event in found) if one != ZERO]
        held = reader.read_many(self.system, [(self.pool.balanceOf, (one,)) for one in people])
        return [{"lender": one, **self._held(one)} for one, shares in zip(people, held, strict=True) if shares]

    def _events(self, name: str, block: int, borrower: str) -> list[dict[str, Any]]:
        """The pool's events of one borrower since a block."""
        found = self.system.backend.events(self.pool, name, block)
        return [event for event in found if str(event["borrower"]) == borrower]

    def _later(self, amount: int) -> int:
        """What a debt may have grown to when a transaction of now is in a block."""
        return amount + amount * int(self.pool.books().rate) * ORDER_SECONDS // RAY + 2

    def _permit(self, account: Any, amount: int) -> tuple[Any, ...]:
        """Deadline, v, r, s of the account's permit to the pool."""
        deadline = self.system.backend.timestamp() + ORDER_SECONDS
        return deadline, *self.client.permit(account, self.pool, amount, deadline)


def loan_state_text(state: Any) -> str:
    """What the lens says of a loan, in words."""
    if state.flagged:
        return "flagged"
    if state.debt == 0:
        return "no debt" if state.collateral else "none"
    if state.price == 0:
        return "no good price"
    return "insolvent" if state.insolvent else "liquidatable" if state.liquidatable else "healthy"


def _percent(wad: int) -> Figure:
    """A part of one with 18 decimals as percent, four decimals, rounded down."""
    return Figure(int(wad) * 100 * BPS // WAD, 4, "%")
