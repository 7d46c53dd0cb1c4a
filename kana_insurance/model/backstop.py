"""The backstop: the vault of the stakers (M19 to M22).

Stake, exits and revenue are three pots: the stake has the price of the shares, the exit pool (``exits``) its rate, and
revenue moves from the stream to the stake as time passes. Who draws on it, pays and holds is the underwriter
(``underwriter``). Allowances are not modelled, operators are.
"""

from __future__ import annotations

from typing import Any

from kana_insurance.model.clock import DAY, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.exits import MAX_ASSETS, ExitPoolModel
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.state import Account, Log, Stateful, atomic
from kana_insurance.model.units import MAX_DECIMALS, MIN_DECIMALS, ceil_div

MAX_SHARES = 2**136 - 1
OFFSET = 6  # decimals that shares have more than assets (M19)
MIN_COOLDOWN, MAX_COOLDOWN = 7, 30  # days
MIN_STREAM, MAX_STREAM = DAY, 30 * DAY
COLLAPSE = 10**6  # deposits close when a share is worth less than that part of its first price (M21)


class BackstopModel(Stateful):
    """A backstop at ``address``; with ``offset`` 0 there are no virtual shares and no virtual asset."""

    def __init__(
        self,
        address: Account,
        token: TokenLedger,
        clock: Clock,
        *,
        cooldown_days: int = 14,
        stream_length: int = 7 * DAY,
        min_staked: int = 0,
        offset: int = OFFSET,
    ) -> None:
        require(MIN_DECIMALS <= token.decimals <= MAX_DECIMALS, "backstop: bad decimals")
        self.address = address
        self.token = token
        self.clock = clock
        self.virtual_shares: int = 10**offset if offset else 0
        self.virtual_assets: int = 1 if offset else 0
        self.first_price = 10**offset  # shares for one asset at first
        self.unit = 10**token.decimals
        self.log = Log()
        self.exits = ExitPoolModel(clock, self.log)
        self.opened = self.closed = False
        self.assets = 0  # stake and unvested revenue
        self.total_shares = 0
        self.shares: dict[Account, int] = {}
        self.operators: dict[tuple[Account, Account], bool] = {}
        # The stream: ``stream_from`` 0 says that it stands still with ``stream_until`` seconds to go.
        self.stream_amount = self.stream_from = self.stream_until = 0
        self.stream_length = self.min_staked = self.cooldown_days = 0
        self.set_cooldown(cooldown_days)
        self.set_stream(stream_length, min_staked)

    def _touched(self) -> tuple[Stateful, ...]:
        return self, self.exits, self.token

    # ------------------------------------------------------------------ stakers

    @atomic
    def deposit(self, caller: Account, assets: int, receiver: Account) -> int:
        """Stake ``assets`` for ``receiver``; the shares are rounded down (M19)."""
        self._check_taking(assets)
        require(assets <= MAX_ASSETS, "backstop: amount too large")
        shares = self.to_shares_down(assets)
        self._stake(caller, receiver, assets, shares)
        return shares

    @atomic
    def mint(self, caller: Account, shares: int, receiver: Account) -> int:
        """Stake what exactly ``shares`` cost, rounded up (M19)."""
        self._check_taking(shares)
        require(shares <= MAX_SHARES, "backstop: amount too large")
        assets = self.to_assets_up(shares)
        self._stake(caller, receiver, assets, shares)
        return assets

    @atomic
    def transfer(self, caller: Account, receiver: Account, shares: int) -> None:
        """Move shares."""
        require(self.shares_of(caller) >= shares, "erc20: transfer amount exceeds balance")
        self.shares[caller] = self.shares_of(caller) - shares
        self.shares[receiver] = self.shares_of(receiver) + shares

    @atomic
    def set_operator(self, caller: Account, operator: Account, approved: bool) -> None:
        """Let somebody request, cancel and claim for the caller."""
        self.operators[caller, operator] = approved

    @atomic
    def request_redeem(self, caller: Account, shares: int, controller: Account, owner: Account) -> int:
        """Move shares into the exit pool at the present price; return the day on which they mature (M20)."""
        require(shares > 0, "backstop: zero amount")
        require(self._acts_for(owner, caller), "erc20: insufficient allowance")
        require(self.shares_of(owner) >= shares, "backstop: balance too low")
        self._roll()
        assets = self.to_assets_down(shares)
        require(assets > 0, "backstop: zero assets")
        day = ceil_div(self.clock.now, DAY) + self.cooldown_days
        self.exits.enter(controller, day, assets, shares)
        self.shares[owner] -= shares
        self.total_shares -= shares
        self.assets -= assets
        self.log("RedeemRequest", controller=controller, owner=owner, requestId=day, sender=caller, shares=shares)
        self.log("ExitPriced", controller=controller, assets=assets)
        self._switch()
        return day

    @atomic
    def cancel_request(self, caller: Account, request_id: int, controller: Account) -> int:
        """Restake at the present price what a pending request is now worth (M20)."""
        require(self._acts_for(controller, caller), "backstop: not operator")
        self._roll()
        require(not self.closed, "backstop: deposits closed")
        requested, assets, rest = self.exits.leave(controller, request_id)
        shares = self.to_shares_down(assets)
        require(shares > 0, "backstop: zero shares")
        require(self.assets + assets + rest <= MAX_ASSETS, "backstop: amount too large")
        self.assets += assets + rest
        self.total_shares += shares
        self.shares[controller] = self.shares_of(controller) + shares
        self.log(
            "RequestCancelled",
            controller=controller,
            request_id=request_id,
            requested=requested,
            assets=assets,
            shares=shares,
        )
        self._switch()
        return shares

    @atomic
    def redeem(self, caller: Account, shares: int, receiver: Account, controller: Account) -> int:
        """Claim matured requests by the shares that they took, the latest day first (M20)."""
        return self._claim(caller, receiver, controller, shares, by_assets=False)[1]

    @atomic
    def withdraw(self, caller: Account, assets: int, receiver: Account, controller: Account) -> int:
        """Claim exactly ``assets`` of matured requests, the latest day first; return the shares they took (M20)."""
        return self._claim(caller, receiver, controller, assets, by_assets=True)[0]

    @atomic
    def roll(self, caller: Account) -> None:  # noqa: ARG002 - anyone may
        """Let the days that are due mature (M20)."""
        self._roll()

    # ------------------------------------------------------------------ underwriter

    @atomic
    def open(self) -> None:
        """Take money from now on (M9)."""
        self.opened = True

    @atomic
    def slash(self, amount: int, receiver: Account) -> int:
        """Pay at the cost of unvested revenue, then of stake and pending exits at one rate (M21)."""
        self._roll()
        unvested, pending = self.unvested(), self.exits.assets
        at_risk = self.staked() + pending
        paid = min(amount, unvested + max(at_risk - self.unit, 0))
        if paid == 0:
            return 0
        from_unvested = min(paid, unvested)
        if from_unvested > 0:
            self._restart(unvested - from_unvested, self._remaining(unvested), running=self.stream_from > 0)
        from_pending = ceil_div((paid - from_unvested) * pending, at_risk) if pending > 0 else 0
        self.exits.slash(from_pending)
        self.assets -= paid - from_pending
        worth = (self.staked() + self.virtual_assets) * COLLAPSE * self.first_price
        if not self.closed and worth < self.total_shares + self.virtual_shares:
            self.closed = True
            self.log("DepositsClosed")
        self._switch()
        self.log(
            "Slashed",
            receiver=receiver,
            paid=paid,
            from_unvested=from_unvested,
            from_pending=from_pending,
            staked=self.staked(),
            pending=self.exits.assets,
        )
        self.token.transfer(self.address, receiver, paid)
        return paid

    @atomic
    def book_revenue(self, amount: int) -> None:
        """Stream revenue, which the underwriter sends, to the stakers present (M22)."""
        require(self.takes_revenue(), "backstop: takes no revenue")
        require(self.assets + amount <= MAX_ASSETS, "backstop: amount too large")
        unvested = self.unvested()
        total = unvested + amount
        remaining = max((unvested * self._remaining(unvested) + amount * self.stream_length) // total, 1)
        self.assets += amount
        self._restart(total, remaining, running=True)
        self.log("RevenueAdded", amount=amount, unvested=total, remaining=remaining)

    @atomic
    def hold(self, began: int, until: int) -> None:
        """Let no day of exits mature from ``began`` until ``until`` (M37)."""
        self._roll()
        self.exits.hold(began, until)

    @atomic
    def set_cooldown(self, cooldown_days: int) -> None:
        """Set the cooldown of new requests."""
        require(MIN_COOLDOWN <= cooldown_days <= MAX_COOLDOWN, "backstop: cooldown out of bounds")
        self.cooldown_days = cooldown_days

    @atomic
    def set_stream(self, length: int, min_staked: int) -> None:
        """Set how later payments are spread, and below what stake nothing streams (M22)."""
        require(MIN_STREAM <= length <= MAX_STREAM, "backstop: stream out of bounds")
        require(min_staked <= MAX_ASSETS, "backstop: amount too large")
        self.stream_length, self.min_staked = length, min_staked
        self._switch()

    # ------------------------------------------------------------------ views

    def shares_of(self, account: Account) -> int:
        """Balance of shares."""
        return self.shares.get(account, 0)

    def unvested(self) -> int:
        """Revenue that isn't the stakers' yet, rounded up (M22)."""
        if self.stream_from == 0:
            return self.stream_amount
        left = max(self.stream_until - self.clock.now, 0)
        return ceil_div(self.stream_amount * left, self.stream_until - self.stream_from)

    def staked(self) -> int:
        """The stake, without unvested revenue and without exits: the contract's ``totalAssets`` (M19)."""
        return self.assets - self.unvested()

    def to_shares_down(self, assets: int) -> int:
        """Shares for assets at the present price (M19)."""
        supply, value = self._price()
        return assets * supply // value

    def to_assets_down(self, shares: int) -> int:
        """Assets for shares at the present price (M19)."""
        supply, value = self._price()
        return shares * value // supply

    def to_assets_up(self, shares: int) -> int:
        """What shares cost (M19)."""
        supply, value = self._price()
        return ceil_div(shares * value, supply)

    def max_deposit(self) -> int:
        """The most that one deposit takes now."""
        return MAX_ASSETS - self.assets if self.opened and not self.closed else 0

    def max_mint(self) -> int:
        """The most shares that one mint gives now."""
        supply, value = self._price()
        return self.max_deposit() * supply // value

    def pending(self, request_id: int, controller: Account) -> int:
        """Shares of a request that hasn't matured (M20)."""
        return self._request_shares(request_id, controller, matured=False)

    def claimable(self, request_id: int, controller: Account) -> int:
        """Shares of a request that has matured (M20)."""
        return self._request_shares(request_id, controller, matured=True)

    def max_redeem(self, controller: Account) -> int:
        """Shares that one redeem can claim."""
        return sum(self.claimable(day, controller) for day in self.exits.reached(controller))

    def max_withdraw(self, controller: Account) -> int:
        """Assets that one withdraw can claim."""
        return sum(self.exits.request_assets(day, controller) for day in self.exits.reached(controller))

    def takes_revenue(self) -> bool:
        """Whether a payment of revenue is taken now (M22, M24)."""
        return self.staked() >= max(self.min_staked, 1)

    def total_capacity(self) -> int:
        """What could be taken now, whoever asks (M21)."""
        # What an empty pool leaves is staked: its assets count either way.
        return self.unvested() + max(self.staked() + self.exits.rolled()[0] - self.unit, 0)

    def stream(self) -> dict[str, Any]:
        """Revenue on its way (M22)."""
        unvested = self.unvested()
        return {
            "unvested": unvested,
            "remaining": self._remaining(unvested),
            "running": unvested > 0 and self.stream_from > 0,
            "length": self.stream_length,
            "min_staked": self.min_staked,
        }

    def state(self) -> dict[str, Any]:
        """Everything that a reader of the chain sees too, zeros left out."""
        assets, units = self.exits.rolled()
        return {
            "closed": self.closed,
            "staked": self.staked(),
            "total_shares": self.total_shares,
            "shares": {name: amount for name, amount in self.shares.items() if amount},
            "stream": self.stream(),
            "exit_pool": (assets if units else 0, units),
            "days": {day: self.exits.day(day) for day in self.exits.days},
            "requests": {
                (name, day): (self.pending(day, name), self.claimable(day, name), self.exits.request_assets(day, name))
                for name, day in self.exits.requests
            },
            "cooldown_days": self.cooldown_days,
            "tokens": self.token.balances[self.address],
        }

    # ------------------------------------------------------------------ internals

    def _price(self) -> tuple[int, int]:
        """Shares, and the assets that they are worth together; par when there is nothing (M19)."""
        supply, value = self.total_shares + self.virtual_shares, self.staked() + self.virtual_assets
        return (supply, value) if supply else (self.first_price, 1)

    def _acts_for(self, account: Account, caller: Account) -> bool:
        return caller == account or self.operators.get((account, caller), False)

    def _check_taking(self, amount: int) -> None:
        require(self.opened, "backstop: not open")
        require(not self.closed, "backstop: deposits closed")
        require(amount > 0, "backstop: zero amount")

    def _stake(self, caller: Account, receiver: Account, assets: int, shares: int) -> None:
        require(self.assets + assets <= MAX_ASSETS, "backstop: amount too large")
        require(shares > 0, "backstop: zero shares")
        self.assets += assets
        self.total_shares += shares
        self.shares[receiver] = self.shares_of(receiver) + shares
        self._switch()
        self.log("Deposit", sender=caller, owner=receiver, assets=assets, shares=shares)
        self.token.transfer(caller, self.address, assets)

    def _claim(
        self, caller: Account, receiver: Account, controller: Account, amount: int, *, by_assets: bool
    ) -> tuple[int, int]:
        require(amount > 0, "backstop: zero amount")
        require(self._acts_for(controller, caller), "backstop: not operator")
        self._roll()
        shares, assets = self.exits.claim(controller, amount, by_assets=by_assets)
        self.log("Withdraw", sender=caller, receiver=receiver, owner=controller, assets=assets, shares=shares)
        self.token.transfer(self.address, receiver, assets)
        return shares, assets

    def _request_shares(self, request_id: int, controller: Account, *, matured: bool) -> int:
        request = self.exits.requests.get((controller, request_id))
        if request is None or (request_id <= self.exits.due_day()) != matured:
            return 0
        return request.shares

    def _roll(self) -> None:
        """Let the days that are due mature; what rounding left in an empty pool is staked (M20)."""
        rest = self.exits.roll()
        if rest > 0:
            self.assets += rest
            self._switch()

    def _remaining(self, unvested: int) -> int:
        """Seconds that what is unvested takes from now on, or once it runs again."""
        if unvested == 0:
            return 0
        return self.stream_until - self.clock.now if self.stream_from > 0 else self.stream_until

    def _restart(self, unvested: int, remaining: int, *, running: bool) -> None:
        """Let ``unvested`` stream from now on within ``remaining`` seconds, or wait (M22)."""
        self.stream_amount = unvested
        self.stream_from = self.clock.now if running else 0
        self.stream_until = self.clock.now + remaining if running else remaining

    def _switch(self) -> None:
        """Stop or start the stream as the stake passes ``min_staked`` (M22)."""
        unvested = self.unvested()
        enough = self.staked() >= self.min_staked
        if unvested == 0 or enough == (self.stream_from > 0):
            return
        remaining = self._remaining(unvested)
        self._restart(unvested, remaining, running=enough)
        self.log("StreamSwitched", running=enough, unvested=unvested, remaining=remaining)
