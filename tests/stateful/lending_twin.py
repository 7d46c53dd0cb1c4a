"""The lending pool's contracts beside its model: every call goes to both and must do the same to the unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boa
from boa.contracts.event_decoder import RawLogEntry

from kana_insurance import reader
from kana_insurance.kit import Kit
from kana_insurance.model import Refused
from kana_insurance.model.lending_books import MARKET_ID, LoanKey
from kana_insurance.model.lending_formulas import Loan
from kana_insurance.pools import CollateralConfig, PoolConfig
from kana_insurance.testing import boa_standalone
from kana_insurance.values import FaucetConfig
from tests.stateful.chain import Cached, Chain
from tests.stateful.lending_side import (
    DECIMALS,
    MIN_DEBT,
    PRICES,
    RATES,
    RICHES,
    START,
    SUPPLY_CAP,
    TERMS,
    THRESHOLD,
    LendingSide,
    Names,
)
from tests.stateful.twins import DifferentError

# The share token's own.
UNCOMPARED = frozenset({"Transfer", "Approval"})
ANYTHING = 2**256 - 1
# Views of the pool and its registry that depend on the time.
TIMED = frozenset(
    {
        *("books", "loan", "totals", "totalAssets", "withdrawals_stopped", "terms"),
        *("maxDeposit", "maxMint", "maxWithdraw", "maxRedeem"),
    }
)
# All loans are read after so many steps, between those what the model has changed and one more.
ALL_LOANS = 8


def deploy() -> tuple[Kit, Any]:
    """A fund and its pool, by the code of ``ape run deploy``, and another fund of the same asset (M17)."""
    boa.env.evm.patch.timestamp = START
    collaterals = [
        CollateralConfig(
            name=f"coin {number}",
            token=FaucetConfig(name=f"Coin {number}", symbol=f"C{number}", decimals=decimals),
            price=price,
            **terms,
        )
        for number, (decimals, price, terms) in enumerate(zip(DECIMALS, PRICES, TERMS, strict=True))
    ]
    pool = PoolConfig(**RATES._asdict(), supply_cap=SUPPLY_CAP, min_debt=MIN_DEBT, collaterals=collaterals)
    kit = boa_standalone(markets={}, funds=0, stakers=None, threshold=THRESHOLD, pool=pool)
    actors, factory, governance = kit.actors, kit.factory, kit.timelock.address
    salt = (9).to_bytes(32, "big")
    terms = (kit.asset.address, *(str(one) for one in (actors.treasurer, actors.guardian, actors.deployer)))
    terms = (*terms, str(actors.treasury), THRESHOLD, 3_000, 2_000)
    other = kit.backend.at("InsuranceFund", str(factory.fund_address(terms, salt)))
    factory.create_fund(terms, True, salt, sender=governance)
    other.finish_setup(sender=actors.deployer)
    tokens = (kit.asset, *coins_of(kit))
    for person in names_of(kit, other).people:
        for token, decimals in zip(tokens, (6, *DECIMALS), strict=True):
            token.faucet_to(person, RICHES * 10**decimals, sender=person)
            for spender in (kit.system.pool, kit.fund, other):
                token.approve(spender.address, ANYTHING, sender=person)
    return kit, other


def coins_of(kit: Kit) -> list[Any]:
    """The tokens of the collaterals."""
    return [kit.backend.at("FaucetToken", record.token) for record in kit.system.record.collaterals]


def names_of(kit: Kit, other: Any) -> Names:
    """The model's names: addresses."""
    actors, records = kit.actors, kit.system.record.collaterals
    return Names(
        lenders=tuple(str(one) for one in actors.others[:4]),
        borrowers=tuple(str(one) for one in (actors.trader, actors.counterparty, actors.others[4])),
        keeper=str(actors.keeper),
        treasury=str(actors.treasury),
        guardian=str(actors.guardian),
        governance=str(kit.timelock.address),
        pool=str(kit.system.pool.address),
        funds=(str(kit.fund.address), str(other.address)),
        coins=tuple(str(record.token) for record in records),
        feeds=tuple(str(record.feed) for record in records),
    )


class LendingTwins(LendingSide):
    """Both, moved together."""

    def __init__(self, kit: Kit, other: Any, chain: Chain) -> None:
        self.chain = chain
        self.kit = kit
        self.parts = {"pool": kit.system.pool, "registry": kit.system.lending, "fund 0": kit.fund, "fund 1": other}
        self.tokens = [kit.asset, *coins_of(kit)]
        records = kit.system.record.collaterals
        self.aggregators = [kit.backend.at("MockAggregator", record.aggregator) for record in records]
        self.views = {name: Cached(chain, part) for name, part in self.parts.items()}
        self.token_views = [Cached(chain, token) for token in self.tokens]
        self.system = replace(kit.system, asset=self.token_views[0])
        super().__init__(names_of(kit, other))

    def begin(self) -> None:
        """The chain is at its beginning; so is the model."""
        self.chain.forget()
        self._seen: dict[LoanKey, Loan] = {}
        super().begin()
        self._look()

    @contextmanager
    def played(self) -> Iterator[None]:
        """A run of its own, from the beginning, undone afterwards."""
        with boa.env.anchor():
            boa.env.evm.patch.timestamp = START
            self.begin()
            yield

    # ------------------------------------------------------------------ steps

    def price(self, number: int, price: int) -> None:
        """Publish a price on both sides."""
        super().price(number, price)
        self._must(self.aggregators[number].push, price // 10**10)

    def donate(self, number: int | None, amount: int) -> None:
        """A plain transfer on both sides."""
        token = self.tokens[0 if number is None else number + 1]
        self._must(token.transfer, self.names.pool, amount)
        super().donate(number, amount)

    def _must(self, function: Any, *args: Any) -> None:
        went, reason, _ = self.chain.execute(function, *args, sender=self.names.keeper)
        assert went, reason

    def _advance(self, seconds: int) -> None:
        super()._advance(seconds)
        boa.env.evm.patch.timestamp = self.clock.now
        self.chain.forget_views(TIMED)

    def _take(self, part: str, model: Callable[..., Any], sender: str, *args: Any) -> Any:
        """Run both sides, compare outcome, events and whole states, check the invariants on the chain's state."""
        expected = self._model(model, sender, *args)
        function = getattr(self.parts[part], model.__name__)
        went, found, raw = self.chain.execute(function, *args, sender=sender)
        wanted = expected.reason if isinstance(expected, Refused) else expected
        if model.__name__ in ("transfer", "approve") and went:
            found = None
        if went == isinstance(expected, Refused) or found != wanted:
            raise DifferentError(f"{model.__name__}{args}: chain {found!r}, model {wanted!r}")
        if went:
            self._compare_events(raw)
        self._look()
        self._check_step(changed=went)
        return expected

    # ------------------------------------------------------------------ comparisons

    def _look(self) -> None:
        self.before, self.state = self.state, self.chain_state()
        expected = self.model_state()
        if self.state != expected:
            raise DifferentError("; ".join(_differences(self.state, expected)))
        self._compare_limits()

    def _compare_limits(self) -> None:
        """What may be deposited, or what one lender may take out, at most: one after the other."""
        pool, name = self.views["pool"], self.names.lenders[self.steps // 4 % len(self.names.lenders)]
        pairs = (
            (pool.maxDeposit, self.pool.max_deposit()),
            (pool.maxMint, self.pool.max_mint()),
            (pool.maxWithdraw, self.pool.max_withdraw(name)),
            (pool.maxRedeem, self.pool.max_redeem(name)),
        )
        view, expected = pairs[self.steps % 4]
        if view(name) != expected:
            raise DifferentError(f"limit {self.steps % 4}: chain {view(name)}, model {expected}")
        assert pool.withdrawals_stopped() == self.pool.withdrawals_stopped()

    def chain_state(self) -> dict[str, Any]:
        """What ``model_state`` gives, from the contracts' views."""
        names, people = self.names, self.names.people
        funds = {
            address: reader.fund_state(self.system, people, self.views[f"fund {number}"])
            for number, address in enumerate(names.funds)
        }
        market = self.views["fund 0"].market(names.pool, MARKET_ID)
        fields = ("is_perp", "max_insurance", "used", "bad_debt")
        funds[names.funds[0]]["markets"][names.pool, MARKET_ID] = {name: getattr(market, name) for name in fields}
        return {
            "pool": self._pool_state(),
            "registry": self._registry_state(),
            "wallets": {person: tuple(token.balanceOf(person) for token in self.token_views) for person in people},
            **funds,
        }

    def _pool_state(self) -> dict[str, Any]:
        pool, names = self.views["pool"], self.names
        numbers = range(len(DECIMALS))
        loans = self.pool.state()["loans"]
        loans.update({key: pool.loan(*key)._asdict() for key in self._loans_to_read()})
        totals = {number: pool.totals(number)._asdict() for number in numbers}
        shares = {name: pool.balanceOf(name) for name in names.lenders}
        stop = pool.stop()
        books = pool.books()._asdict()
        assert books["assets"] == pool.totalAssets()
        return {
            "books": books,
            "loans": {key: loan for key, loan in loans.items() if loan["scaled"] or loan["collateral"]},
            "totals": {key: total for key, total in totals.items() if total["scaled"] or total["collateral"]},
            "total_shares": pool.totalSupply(),
            "shares": {name: amount for name, amount in shares.items() if amount},
            "stop": {**stop._asdict(), "borrower": str(stop.borrower)},
            "tokens": self.token_views[0].balanceOf(names.pool),
            "collateral_tokens": {number: self.token_views[number + 1].balanceOf(names.pool) for number in numbers},
        }

    def _loans_to_read(self) -> list[LoanKey]:
        """All of them, or those that the model has changed since it was last looked at, and one more."""
        keys = [(number, name) for number in range(len(DECIMALS)) for name in self.names.borrowers]
        seen, self._seen = self._seen, dict(self.pool.loans)
        if self.steps % ALL_LOANS == 0:
            return keys
        changed = [key for key in keys if self.pool.loans.get(key) != seen.get(key)]
        return [*changed, keys[self.steps % len(keys)]]

    def _registry_state(self) -> dict[str, Any]:
        registry = self.views["registry"]
        terms = registry.terms()
        listed = {number: registry.collateral(number)._asdict() for number in range(registry.next_collateral_id())}
        return {
            "collaterals": {
                number: {**terms, "asset": str(terms["asset"]), "feed": str(terms["feed"])}
                for number, terms in listed.items()
            },
            "next_collateral_id": registry.next_collateral_id(),
            "rates": terms.rates._asdict(),
            "supply_cap": terms.supply_cap,
            "min_debt": terms.min_debt,
            "borrowing_resume_at": registry.borrowing_resume_at(),
            "setup_finished": terms.setup_finished,
        }

    def _compare_events(self, raw: list[tuple[Any, ...]]) -> None:
        sides = {"pool": self.pool.log, "fund 0": self.funds[0].log, "fund 1": self.funds[1].log}
        found: dict[str, list[Any]] = {part: [] for part in sides}
        by_address = {self.parts[part].address.canonical_address: part for part in sides}
        for entry in sorted(raw):
            log = RawLogEntry(*entry)
            part = by_address.get(log.address)
            if part is None:
                continue
            event = self.parts[part].decode_log(log)
            if type(event).__name__ not in UNCOMPARED:
                fields = {key: _plain(value) for key, value in event._asdict().items() if key != "address"}
                found[part].append((type(event).__name__, fields))
        for part, log_of_model in sides.items():
            expected = [(event.name, event.fields) for event in log_of_model]
            if _counted(found[part]) != _counted(expected):
                raise DifferentError(f"events: chain {found[part]}, model {expected}")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _counted(events: list[tuple[str, dict[str, Any]]]) -> Counter[Any]:
    return Counter((name, tuple(sorted(fields.items()))) for name, fields in events)


def _differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys(), key=str):
            yield from _differences(found.get(key), expected.get(key), f"{path}/{key}")
    elif found != expected:
        yield f"{path}: chain {found!r}, model {expected!r}"
