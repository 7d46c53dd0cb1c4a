"""The ledgers of a perpetuals venue: free balances, positions, markets; settling, moving, paying losses (M26, M29).

A market's books are a handful of ledgers, one dictionary each; a position is (size, balance, index seen, flag) under
the key (market id, trader).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from kana_insurance.model.clock import Clock
from kana_insurance.model.errors import require
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.registry import Quote, RegistryModel
from kana_insurance.model.state import Account, Log, Stateful
from kana_insurance.model.units import (
    MAX_AMOUNT,
    MAX_PACKED,
    charge_up,
    index_step_up,
    margin_up,
    quote_scale,
    value_down,
)

PositionKey = tuple[int, Account]


class VenueBooks(Stateful):
    """Money and positions of the clearing house at ``address``; what may happen to them is ``VenueModel``'s."""

    def __init__(
        self, address: Account, token: TokenLedger, clock: Clock, registry: RegistryModel, *, gateway: Account
    ) -> None:
        self.address = address
        self.token = token
        self.clock = clock
        self.registry = registry
        self.gateway = gateway
        self.scale = quote_scale(token.decimals)
        self.log = Log()
        self.free: dict[Account, int] = defaultdict(int)
        # Positions: base size, margin minus cost, loss index seen, time of the flag (0: none).
        self.size: dict[PositionKey, int] = defaultdict(int)
        self.balance: dict[PositionKey, int] = defaultdict(int)
        self.index: dict[PositionKey, int] = defaultdict(int)
        self.flagged_at: dict[PositionKey, int] = defaultdict(int)
        # Books: sum of abs(size), what the market may pay out (M26a), fees, the fund's own dust, charges - losses.
        self.open_interest: dict[int, int] = defaultdict(int)
        self.pot: dict[int, int] = defaultdict(int)
        self.fees: dict[int, int] = defaultdict(int)
        self.dust_fees: dict[int, int] = defaultdict(int)
        self.dust: dict[int, int] = defaultdict(int)
        self.loss_index: dict[int, int] = defaultdict(int)
        # How many roundings the dust of a market may hold (I9); not on chain.
        self.roundings: dict[int, int] = defaultdict(int)

    def _touched(self) -> tuple[Stateful, ...]:
        return (self, self.token, *self.registry.funds.values())

    # ------------------------------------------------------------------ views

    def pending_charge(self, market_id: int, trader: Account) -> int:
        """What the loss index still asks of a position (M29)."""
        key = (market_id, trader)
        return charge_up(self.size[key], self.loss_index[market_id] - self.index[key])

    def equity(self, market_id: int, trader: Account) -> int:
        """Equity at mark after the pending charge (M26).

        Raises:
            Refused: without a good price.
        """
        return self._settled_equity((market_id, trader), self.registry.quote(market_id).mark)

    def is_liquidatable(self, market_id: int, trader: Account) -> bool:
        """Whether equity is below maintenance margin at mark (M28)."""
        return self._is_liquidatable((market_id, trader), self.registry.quote(market_id))

    def accounted(self) -> int:
        """Tokens that the books say the house holds (M26)."""
        books = (self.free, self.pot, self.fees, self.dust_fees)
        return sum(sum(book.values()) for book in books)

    def state(self) -> dict[str, Any]:
        """All of M26's quantities, as a reader of the chain sees them; empty positions and zero balances left out."""
        held = {key for ledger in (self.size, self.balance) for key, amount in ledger.items() if amount}
        return {
            "free": {account: amount for account, amount in self.free.items() if amount},
            "positions": {
                key: {
                    "size": self.size[key],
                    "balance": self.balance[key],
                    "index": self.index[key] if self.size[key] else 0,
                    "flagged_at": self.flagged_at[key],
                }
                for key in held
            },
            "books": {
                market_id: {
                    "open_interest": self.open_interest[market_id],
                    "pot": self.pot[market_id],
                    "fees": self.fees[market_id],
                    "dust_fees": self.dust_fees[market_id],
                    "dust": self.dust[market_id],
                    "loss_index": self.loss_index[market_id],
                }
                for market_id in range(self.registry.next_market_id)
            },
            "tokens": self.token.balances[self.address],
        }

    # ------------------------------------------------------------------ internals: positions

    def _check_packed(self, market_id: int, trader: Account) -> None:
        """Size and balance fit the word that they share on chain; beyond it a call is refused."""
        key = (market_id, trader)
        require(max(abs(self.size[key]), abs(self.balance[key])) <= MAX_PACKED, "house: amount too large")

    def _equity(self, key: PositionKey, mark: int) -> int:
        """Balance and value at mark, as stored (M26)."""
        return self.balance[key] + value_down(self.size[key], mark, self.scale)

    def _settled_equity(self, key: PositionKey, mark: int) -> int:
        """Equity as it will be once the pending charge is paid (M26, M29)."""
        return self._equity(key, mark) - self.pending_charge(*key)

    def _initial_margin(self, key: PositionKey, quote: Quote) -> int:
        """What a position needs when its risk grows (M27)."""
        return margin_up(self.size[key], quote.mark, quote.params.initial_margin_bps, self.scale)

    def _maintenance_margin(self, key: PositionKey, quote: Quote) -> int:
        """Below it a position may be liquidated (M28)."""
        return margin_up(self.size[key], quote.mark, quote.params.maintenance_margin_bps, self.scale)

    def _is_liquidatable(self, key: PositionKey, quote: Quote) -> bool:
        """Whether equity is below maintenance margin; a flat position's never is (M28)."""
        return self._settled_equity(key, quote.mark) < self._maintenance_margin(key, quote)

    def _settle(self, market_id: int, trader: Account) -> None:
        """Charge what is pending, before anything else happens to a position (M29)."""
        key = (market_id, trader)
        charge = self.pending_charge(market_id, trader)
        self.index[key] = self.loss_index[market_id]
        if charge == 0:
            return
        self.balance[key] -= charge
        self.dust[market_id] += charge
        self.roundings[market_id] += 1
        self.log(
            "ChargeSettled",
            market_id=market_id,
            trader=trader,
            charge=charge,
            balance=self.balance[key],
            dust=self.dust[market_id],
        )

    def _change_size(self, key: PositionKey, size: int, cost: int) -> None:
        """Add a signed size to a position and take its signed cost from the balance (M26)."""
        self.open_interest[key[0]] += abs(self.size[key] + size) - abs(self.size[key])
        self.size[key] += size
        self.balance[key] -= cost

    def _move_in(self, market_id: int, trader: Account, amount: int) -> None:
        """Free balance becomes margin, and the market's to pay out (M26a)."""
        if amount == 0:
            return
        require(amount <= MAX_AMOUNT, "house: amount too large")
        require(amount <= self.free[trader], "house: free balance too low")
        self.free[trader] -= amount
        self.balance[market_id, trader] += amount
        self.pot[market_id] += amount
        self._log_margin(market_id, trader, amount)

    def _move_out(self, market_id: int, trader: Account, amount: int) -> None:
        """Margin, proceeds or a claim become free balance, out of the market's pot (M26a)."""
        if amount == 0:
            return
        self.free[trader] += amount
        self.balance[market_id, trader] -= amount
        self.pot[market_id] -= amount
        self._log_margin(market_id, trader, -amount)

    def _log_margin(self, market_id: int, trader: Account, amount: int) -> None:
        """Margin > 0 went into the position (M26a)."""
        self.log(
            "MarginMoved",
            market_id=market_id,
            trader=trader,
            amount=amount,
            balance=self.balance[market_id, trader],
            free=self.free[trader],
        )

    def _unflag(self, key: PositionKey) -> None:
        """Take the flag off, if there is one (M28a)."""
        if self.flagged_at[key] > 0:
            self.flagged_at[key] = 0
            self.log("Unflagged", market_id=key[0], trader=key[1])

    def _see(self, key: PositionKey, mark: int) -> None:
        """A flag lapses when the position is seen solvent (M28a)."""
        if self._equity(key, mark) >= 0:
            self._unflag(key)

    def _leave_if_flat(self, key: PositionKey) -> None:
        """Resolve a flat position below zero as a shortfall of its own (M29), pay out another from the pot (M26a)."""
        if self.size[key] != 0:
            return
        if self.balance[key] < 0:
            self._pay_shortfall(key, -self.balance[key])
        self._unflag(key)
        market_id, trader = key
        self._move_out(market_id, trader, min(self.balance[key], self.pot[market_id]))

    # ------------------------------------------------------------------ internals: waterfall

    def _pay_shortfall(self, key: PositionKey, shortfall: int) -> None:
        """Fund, then the other positions of the market, then bad debt (M10, M13, M14, M29).

        The position's size is already out of the open interest.
        """
        market_id, trader = key
        fund = self.registry.fund_of(market_id)
        covered = fund.cover_shortfall(self.address, market_id, shortfall)
        self.pot[market_id] += covered
        rest = shortfall - covered
        socialised = bad_debt = 0
        if rest > 0 and self.open_interest[market_id] > 0:
            socialised = rest
            self.loss_index[market_id] += index_step_up(rest, self.open_interest[market_id])
            self.dust[market_id] -= rest
            self.roundings[market_id] += 1
        elif rest > 0:
            bad_debt = rest
            fund.record_bad_debt(self.address, market_id, rest)
        assert covered + socialised + bad_debt == shortfall
        self.balance[key] += shortfall
        self.log(
            "ShortfallResolved",
            market_id=market_id,
            trader=trader,
            shortfall=shortfall,
            covered=covered,
            socialised=socialised,
            bad_debt=bad_debt,
            loss_index=self.loss_index[market_id],
        )

    def _check_no_bad_debt(self, market_id: int) -> None:
        """Let nothing new into a market that owes its winners: it would be paid out to them (M14, M26a, M31).

        Bad debt arises where nobody is left, so only an empty market can have any.
        """
        if self.open_interest[market_id] == 0:
            bad_debt = self.registry.fund_of(market_id).bad_debt(self.address, market_id)
            require(bad_debt == 0, "house: market has bad debt")

    def _book_dust(self, market_id: int) -> None:
        """With nobody and no balance left in the market, its dust becomes the fund's (M26).

        Balances sum to pot + bad debt - dust, so none is left when the pot is the dust and there is no bad debt.
        """
        dust = self.dust[market_id]
        if dust <= 0 or self.open_interest[market_id] > 0 or dust != self.pot[market_id]:
            return
        if self.registry.fund_of(market_id).bad_debt(self.address, market_id) > 0:
            return
        self.dust_fees[market_id] += dust
        self.pot[market_id] = self.dust[market_id] = self.roundings[market_id] = 0
        self.log("DustBooked", market_id=market_id, amount=dust)
