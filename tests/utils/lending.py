"""A lending pool as tests see it: who lends and borrows, and all that one call changes, to the unit.

Rates are zero at first, so that nothing changes but by calls; tests of interest set them. Amounts are base units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.deployment import fund_terms
from kana_insurance.kit import DAY, Actors, Kit, U, deploy_kit
from kana_insurance.orders import permit_data, sign_typed, split_signature
from kana_insurance.pools import LOCAL_POOL, POOL_MARKET, PoolConfig
from tests.utils.funds import announce_merger

ETH, BTC = 0, 1
NAMES = ("ETH", "BTC", "COIN")
ETHER, COIN_8 = 10**18, 10**8
RAY = 10**27
YEAR = 31_536_000
BPS = 10_000
SHARE = 10**6
MAX_AMOUNT = 2**112 - 1
MAX_COLLATERAL = 2**96 - 1
UNLIMITED = 2**256 - 1
ZERO = "0x" + "00" * 20
FOREVER = 2**255
#: The local pool without interest.
CALM = LOCAL_POOL.model_copy(update={"slope1_bps": 0, "slope2_bps": 0})
#: Rates of the default configuration.
DEFAULT_RATES = (0, 400, 7_500, 8_000, 1_000)


def thunks(*calls: Callable[[], Any]) -> tuple[Callable[[], Any], ...]:
    """Calls to be made one by one."""
    return calls


class Lending:
    """A fund with a pool, three lenders, two borrowers and a liquidator, all of whom have tokens.

    Args:
        backend: Ape's chain.
        actors: The accounts.
        pool: The pool's configuration.
        money: What each has of the pool's asset.
        token: The pool's asset, if it is none of the faucet's.
        overrides: Of the deployment.
    """

    def __init__(
        self,
        backend: Any,
        actors: Actors,
        pool: PoolConfig = CALM,
        money: int = 100_000 * U,
        token: Any = None,
        **overrides: Any,
    ) -> None:
        from ape import chain

        if token is not None:
            overrides["asset"] = address_of(token)
        self.kit: Kit = deploy_kit(backend, actors, venue=False, pool=pool, **overrides)
        kit = self.kit
        self.backend, self.actors = backend, actors
        self.pool, self.registry, self.fund, self.asset = kit.pool, kit.lending, kit.fund, token or kit.asset
        self.governance = kit.governance
        records = kit.system.record.collaterals
        self.tokens = [backend.at("FaucetToken", record.token) for record in records]
        self.aggregators = [backend.at("MockAggregator", record.aggregator) for record in records]
        self.feeds = [backend.at("PriceFeed", record.feed) for record in records]
        self.ann, self.bob, self.cid = actors.others[:3]
        self.borrower, self.other, self.liquidator = actors.trader, actors.counterparty, actors.liquidator
        self.people = {
            "ann": self.ann,
            "bob": self.bob,
            "cid": self.cid,
            "borrower": self.borrower,
            "other": self.other,
            "liquidator": self.liquidator,
        }
        for account in self.people.values():
            self.give(account, money)
            for number, token in enumerate(self.tokens):
                self.give_collateral(account, 100 * 10 ** int(token.decimals()), number)
        # From the start the pool charges as it will: it first takes its rates with the first money.
        self.set_rates(*pool.rates())
        self._reader = RpcBackend(str(chain.provider.web3.provider.endpoint_uri))
        self._pool = self._reader.at("LendingPool", address_of(self.pool))
        self._asset = self._reader.at("KanaUSDT", address_of(self.asset))
        self._fund = self._reader.at("InsuranceFund", address_of(self.fund))
        self._tokens = [self._reader.at("FaucetToken", address_of(token)) for token in self.tokens]

    def watch(self, token: Any) -> None:
        """One more collateral, "COIN", was listed: :meth:`figures` are to show it."""
        self.tokens.append(token)
        self._tokens.append(self._reader.at("FaucetToken", address_of(token)))

    # ------------------------------------------------------------------- tokens

    def mint(self, token: Any, account: Any, amount: int) -> None:
        """Tokens of a faucet or of a test token."""
        if hasattr(token, "faucet_to"):
            token.faucet_to(account, amount, sender=self.actors.keeper)
        else:
            token.mint(account, amount, sender=self.actors.keeper)

    def give(self, account: Any, amount: int) -> None:
        """The pool's asset, all of which the pool may take."""
        self.mint(self.asset, account, amount)
        self.asset.approve(self.pool, UNLIMITED, sender=account)

    def give_collateral(self, account: Any, amount: int, number: int = ETH) -> None:
        """A collateral, all of which the pool may take."""
        self.mint(self.tokens[number], account, amount)
        self.tokens[number].approve(self.pool, UNLIMITED, sender=account)

    # ------------------------------------------------------------------ actions

    def lend(self, account: Any, amount: int) -> Any:
        """A deposit for oneself; the receipt."""
        return self.pool.deposit(amount, account, sender=account)

    def open(self, account: Any, collateral: int, debt: int, number: int = ETH) -> None:
        """Collateral into a loan, and a debt against it."""
        self.pool.add_collateral(number, collateral, sender=account)
        self.pool.borrow(number, debt, sender=account)

    def price(self, answer: int, number: int = ETH) -> None:
        """A collateral's price, in whole units of the quote with 8 decimals."""
        self.aggregators[number].push(answer, sender=self.actors.keeper)

    def liquidate(self, account: Any, debt: int = UNLIMITED, number: int = ETH, *more: int) -> Any:
        """By the liquidator; the receipt."""
        return self.pool.liquidate(number, account, debt, *more, sender=self.liquidator)

    def set_rates(self, *rates: int) -> Any:
        """Rates from now on."""
        return self.registry.set_rates(rates or DEFAULT_RATES, sender=self.governance)

    def set_terms(self, number: int = ETH, **changes: int) -> None:
        """Parameters of a collateral, by name."""
        now = dict(self.registry.collateral(number).items()) | changes
        if set(changes) & {"collateral_cap", "borrow_cap"}:
            self.registry.set_caps(number, now["collateral_cap"], now["borrow_cap"], sender=self.governance)
        names = ("factor_bps", "threshold_bps", "close_factor_bps", "premium_bps", "premium_fund_bps")
        if set(changes) & set(names):
            self.registry.set_factors(number, *(now[name] for name in names), sender=self.governance)

    def set_limits(self, supply_cap: int | None = None, min_debt: int | None = None) -> None:
        """Supply cap and least debt."""
        terms = self.registry.terms()
        wanted = (terms.supply_cap if supply_cap is None else supply_cap, min_debt or terms.min_debt)
        self.registry.set_limits(*wanted, sender=self.governance)

    def pause(self, duration: int = 3_600) -> None:
        """Stop borrowing."""
        self.registry.pause_borrowing(duration, sender=self.actors.guardian)

    def wait(self, seconds: int) -> None:
        """Let time pass, prices published anew."""
        self.kit.travel(seconds)

    def permit(self, owner: Any, amount: int, deadline: int = FOREVER) -> tuple[int, bytes, bytes]:
        """The owner's permit of an amount of KanaUSDT to the pool, split."""
        data = permit_data(
            address_of(self.asset),
            "Kana USDT",
            "1",
            self.backend.chain_id(),
            address_of(owner),
            address_of(self.pool),
            amount,
            int(self.asset.nonces(owner)),
            deadline,
        )
        return split_signature(sign_typed(data, owner))

    # ------------------------------------------------------------------- looking

    def worth(self, account: Any) -> int:
        """What an account's shares are worth."""
        return int(self.pool.convertToAssets(self.pool.balanceOf(account)))

    def debt(self, account: Any, number: int = ETH) -> int:
        """What a loan owes."""
        return int(self.pool.loan(number, account).debt)

    def figures(self) -> dict[str, int]:
        """Everything that calls of the pool can change, by name; the sums in it are checked."""
        pool, asset, fund = self._pool, self._asset, self._fund
        me = address_of(self.pool)
        wanted: list[tuple[str, Any, tuple[Any, ...]]] = [
            ("books", pool.books, ()),
            ("stop", pool.stop, ()),
            ("supply", pool.totalSupply, ()),
            ("money of pool", asset.balanceOf, (me,)),
            ("money of fund", asset.balanceOf, (address_of(self.fund),)),
            ("reserve", fund.reserve, ()),
            ("market", fund.market, (me, POOL_MARKET)),
        ]
        for number, token in enumerate(self._tokens):
            wanted.append((f"totals {NAMES[number]}", pool.totals, (number,)))
            wanted.append((f"{NAMES[number]} of pool", token.balanceOf, (me,)))
        for name, account in self.people.items():
            address = address_of(account)
            wanted.append((f"shares of {name}", pool.balanceOf, (address,)))
            wanted.append((f"money of {name}", asset.balanceOf, (address,)))
            for number, token in enumerate(self._tokens):
                wanted.append((f"{NAMES[number]} of {name}", token.balanceOf, (address,)))
                wanted.append((f"loan {NAMES[number]} {name}", pool.loan, (number, address)))
        with self._reader.as_of(self._reader.block_number()):
            values = self._reader.read_many([(function, args) for _, function, args in wanted])
        found: dict[str, Any] = {name: value for (name, _, _), value in zip(wanted, values, strict=True)}
        return self._checked(found)

    def _checked(self, found: dict[str, Any]) -> dict[str, int]:
        books, market, stop = found.pop("books"), found.pop("market"), found.pop("stop")
        assert books.cash + books.total_debt + books.bad_debt == books.assets + books.fees
        assert books.bad_debt == market.bad_debt
        assert found["money of pool"] >= books.cash
        result = {name: int(getattr(books, name)) for name in ("cash", "total_debt", "bad_debt", "fees", "assets")}
        result |= {"index": books.index, "rate": books.rate, "reserve factor": books.reserve_factor_bps}
        result |= {"used": market.used, "until": stop.until, "flagged": int(stop.borrower, 16)}
        owed = 0
        for coin in NAMES[: len(self._tokens)]:
            totals = found.pop(f"totals {coin}")
            loans = {name: found.pop(f"loan {coin} {name}") for name in self.people}
            for part in ("scaled", "collateral"):
                total = sum(int(getattr(loan, part)) for loan in loans.values())
                assert getattr(totals, part) == total, f"the sum of {part} of {coin}"
            for name, loan in loans.items():
                assert loan.debt == -(-loan.scaled * books.index // RAY)
                result[f"{coin} debt of {name}"], result[f"{coin} loan of {name}"] = loan.debt, loan.collateral
            assert found[f"{coin} of pool"] >= totals.collateral
            result[f"{coin} debts"], result[f"{coin} in loans"] = totals.debt, totals.collateral
            owed += totals.scaled
        assert books.total_debt == owed * books.index // RAY
        shares = sum(found[f"shares of {name}"] for name in self.people)
        assert shares == found["supply"]
        return result | {name: int(value) for name, value in found.items()}

    @contextmanager
    def moves(self, changes: Mapping[str, int]) -> Iterator[None]:
        """What a call changes, and that it changes nothing else."""
        before = self.figures()
        yield
        after = self.figures()
        found = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        wanted = {name: change for name, change in changes.items() if change != 0}
        differ = {name: (found.get(name, 0), wanted.get(name, 0)) for name in found | wanted}
        assert found == wanted, {name: pair for name, pair in differ.items() if pair[0] != pair[1]}


def joined(*parts: Mapping[str, int]) -> dict[str, int]:
    """Changes added up."""
    result: dict[str, int] = {}
    for part in parts:
        for name, change in part.items():
            result[name] = result.get(name, 0) + change
    return result


def paid(payer: str, receiver: str, amount: int, token: str = "money") -> dict[str, int]:
    """A transfer."""
    return {f"{token} of {payer}": -amount, f"{token} of {receiver}": amount}


def another_fund(lending: Lending, *, asset: Any = None, is_perp: bool | None = False) -> Any:
    """One more fund of the factory, isolated; it has registered the pool, unless told not to."""
    kit, me = lending.kit, lending.actors.deployer
    salt = int(kit.factory.fund_count()).to_bytes(32, "big")
    terms = fund_terms(kit.system.config, address_of(asset or lending.asset), address_of(me))
    kit.factory.create_fund(terms, True, salt, sender=lending.governance)
    fund = lending.backend.at("InsuranceFund", kit.factory.fund_by_salt(salt))
    if is_perp is not None:
        fund.register_market(lending.pool, POOL_MARKET, is_perp, sender=me)
    fund.finish_setup(sender=me)
    return fund


def merged(lending: Lending) -> Any:
    """The pool's fund merged into a new one, which the registry doesn't name yet; the new fund."""
    kit = lending.kit
    successor = another_fund(lending, is_perp=None)
    announce_merger(kit, lending.fund, successor)
    kit.travel(2 * DAY)
    kit.factory.merge(lending.fund, successor, [(address_of(lending.pool), POOL_MARKET)], sender=lending.governance)
    return successor
