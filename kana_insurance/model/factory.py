"""The factory of funds: which there are, which serves which market, how one is merged into another (M16 to M18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kana_insurance.model.clock import Clock
from kana_insurance.model.errors import require
from kana_insurance.model.fund import FundModel, MarketKey
from kana_insurance.model.state import Account, Log, Stateful, atomic


class FundEntry(NamedTuple):
    """What the factory knows of a fund."""

    fund: Account
    is_isolated: bool
    market_count: int
    successor: Account | None


class FactoryModel(Stateful):
    """Creates funds and knows what each of them serves; the funds' governor is its own."""

    def __init__(self, address: Account, clock: Clock) -> None:
        self.address = address
        self.clock = clock
        self.log = Log()
        #: In the order of their creation.
        self.funds: dict[Account, FundModel] = {}
        self.isolated: dict[Account, bool] = {}
        self.successors: dict[Account, Account] = {}
        #: The shared fund of an asset, which is known by its ledger.
        self.shared: dict[int, Account] = {}
        self.salts: dict[Any, Account] = {}
        self.served_by: dict[MarketKey, Account] = {}

    def _touched(self) -> tuple[Stateful, ...]:
        return self, *(part for fund in self.funds.values() for part in fund._touched())

    # ------------------------------------------------------------------ governance

    @atomic
    def create_fund(self, caller: Account, fund: FundModel, is_isolated: bool, salt: Any) -> Account:  # noqa: ARG002
        """Take a new fund in; return its address. An asset has one shared fund, a salt makes one (T41)."""
        require(salt not in self.salts, "factory: salt used")
        if not is_isolated:
            require(id(fund.token) not in self.shared, "factory: asset has a fund")
            self.shared[id(fund.token)] = fund.address
        self.funds[fund.address] = fund
        self.isolated[fund.address] = is_isolated
        self.salts[salt] = fund.address
        self.log("FundCreated", fund=fund.address, salt=salt, is_isolated=is_isolated)
        return fund.address

    @atomic
    def assign(self, caller: Account, venue: Account, market_id: int, fund: Account) -> None:  # noqa: ARG002
        """Name the fund that serves a market, which has it registered; an isolated one serves one (M17)."""
        self._check_fund(fund)
        require(fund not in self.successors, "factory: fund is merged")
        require((venue, market_id) in self.funds[fund].markets, "factory: not at the fund")
        old = self.served_by.get((venue, market_id))
        if old is not None:
            require((venue, market_id) not in self.funds[old].markets, "factory: market has a fund")
        self._move((venue, market_id), fund)
        require(not self.isolated[fund] or self.market_count(fund) == 1, "factory: isolated fund taken")

    @atomic
    def merge(self, caller: Account, old: Account, successor: Account, markets: Sequence[MarketKey]) -> None:  # noqa: ARG002
        """Carry a fund over to another of its asset and governance, or move further markets of one that was (M18)."""
        self._check_fund(old)
        self._check_fund(successor)
        require(old != successor, "factory: same fund")
        require(successor not in self.successors, "factory: successor is merged")
        if old not in self.successors:
            self._succeed(old, successor)
            self._carry(old, successor, None)
        require(self.successors[old] == successor, "factory: other successor")
        for key in markets:
            require(self.served_by.get(key, old) == old, "factory: other fund")
            self._move(key, successor)
            self._carry(old, successor, key)
        require(not self.isolated[successor] or self.market_count(successor) <= 1, "factory: too many markets")

    # ------------------------------------------------------------------ views

    def market_count(self, fund: Account) -> int:
        """How many markets a fund serves (M17)."""
        return list(self.served_by.values()).count(fund)

    def fund_of(self, venue: Account, market_id: int) -> Account | None:
        """The fund that serves a market (M18)."""
        return self.served_by.get((venue, market_id))

    def entries(self) -> list[FundEntry]:
        """All funds, in the order of their creation."""
        return [
            FundEntry(fund, self.isolated[fund], self.market_count(fund), self.successors.get(fund))
            for fund in self.funds
        ]

    # ------------------------------------------------------------------ internals

    def _check_fund(self, fund: Account) -> None:
        """The factory made it (M18)."""
        require(fund in self.funds, "factory: unknown fund")

    def _move(self, key: MarketKey, fund: Account) -> None:
        """Let a market be served by another fund."""
        old = self.served_by.get(key)
        self.served_by[key] = fund
        self.log("MarketAssigned", venue=key[0], market_id=key[1], old=old, new=fund)

    def _succeed(self, old: Account, successor: Account) -> None:
        """Begin a merger; an isolated successor serves nothing yet, and takes a shared fund's place (M18)."""
        token = self.funds[old].token
        require(token is self.funds[successor].token, "factory: other asset")
        if self.isolated[successor]:
            require(self.market_count(successor) == 0, "factory: successor in use")
            if not self.isolated[old]:
                self.isolated[successor] = False
                self.shared[id(token)] = successor
        self.successors[old] = successor
        self.log("FundsMerged", old=old, successor=successor, is_isolated=self.isolated[successor])

    def _carry(self, old: Account, successor: Account, key: MarketKey | None) -> None:
        """One fund hands over, the other adopts: the first time reserve and contributions, and a market if named."""
        handed = self.funds[old].hand_over(self.address, successor, key)
        self.funds[successor].adopt(self.address, old, handed)
