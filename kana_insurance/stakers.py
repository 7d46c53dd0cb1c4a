"""What stakers and their scripts do: stake, request, claim, cancel, and see what one has and what it earned.

Figures are exact, see :mod:`kana_insurance.client`. A request goes by the Unix day on which it matures (M20).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from kana_insurance.backends import ZERO, address_of
from kana_insurance.client import ORDER_SECONDS, Client, Figure, Refusal, moment
from kana_insurance.config import DAY
from kana_insurance.deployment import LOCAL_CHAINS

#: Decimals that shares have more than assets (M19).
OFFSET = 6
#: The windows over which the yield is told, days.
YIELD_DAYS = (7, 30)
#: One percent has so many of these, as a Figure with 4 decimals.
_PERCENT = 10**6


def day_text(day: int) -> str:
    """A Unix day as a date: 0 is 1970-01-01."""
    return datetime.fromtimestamp(day * DAY, UTC).date().isoformat()


def parse_day(text: str) -> int:
    """A Unix day from its number or its date, such as 2026-12-05.

    Raises:
        Refusal: if it is neither.
    """
    if text.isdecimal():
        return int(text)
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        raise Refusal(f"'{text}' is no day: write a date such as 2026-12-05, or a request's number") from None


class Stakers:
    """The staked layer of a deployment in use.

    Attributes:
        client: The client of the deployment.
        backstop: The stakers' vault.
        share_decimals: Decimals of its shares.

    Raises:
        Refusal: if the deployment has no staked layer.
    """

    def __init__(self, client: Client) -> None:
        if client.system.backstop is None:
            raise Refusal("this deployment has no staked layer")
        self.client = client
        self.system = client.system
        self.backstop, self.underwriter = self.system.backstop, self.system.underwriter
        self.share_decimals = client.decimals + OFFSET
        self._symbol = str(self.backstop.symbol())

    def shares(self, value: int) -> Figure:
        """A number of shares."""
        return Figure(int(value), self.share_decimals, self._symbol)

    # ------------------------------------------------------------------ actions

    def stake(self, account: Any, amount: int, *, permit: bool = False) -> dict[str, Any]:
        """Stake assets, by approval or by a permit in the same transaction (M19)."""
        client, me = self.client, address_of(account)
        client.check_wallet(account, amount)
        before = int(self.backstop.balanceOf(me))
        if permit:
            deadline = self.system.backend.timestamp() + ORDER_SECONDS
            signature = client.permit(account, self.backstop, amount, deadline)
            self.backstop.deposit_with_permit(amount, me, deadline, *signature, sender=account)
        else:
            client.allow(account, self.backstop, amount)
            self.backstop.deposit(amount, me, sender=account)
        held = int(self.backstop.balanceOf(me))
        return {
            "staker": me,
            "amount": client.tokens(amount),
            "shares": self.shares(held - before),
            "held": self.shares(held),
            "value": client.tokens(self.backstop.convertToAssets(held)),
            "staked": client.tokens(self.backstop.totalAssets()),
        }

    def request(self, account: Any, shares: int | None = None) -> dict[str, Any]:
        """Begin the exit of shares, by default of all: they mature after the cooldown (M20)."""
        me, backend = address_of(account), self.system.backend
        held = int(self.backstop.balanceOf(me))
        wanted = held if shares is None else shares
        if wanted == 0 or wanted > held:
            raise Refusal(f"{me} holds {self.shares(held).text()}: 'ape run stakers' shows who holds what")
        block = backend.block_number() + 1
        self.backstop.requestRedeem(wanted, me, me, sender=account)
        events = backend.events(self.backstop, "RedeemRequest", block)
        day = [int(event["requestId"]) for event in events if str(event["controller"]) == me][-1]
        priced = [e for e in backend.events(self.backstop, "ExitPriced", block) if str(e["controller"]) == me][-1]
        return {
            "staker": me,
            "request": str(day),
            "shares": self.shares(wanted),
            "assets": self.client.tokens(priced["assets"]),
            "free_from": self._free_from(day),
            "held": self.shares(held - wanted),
        }

    def claim(self, account: Any, *, skip_cooldown: bool = False) -> dict[str, Any]:
        """Claim all that has matured (M20); ``skip_cooldown`` moves a local chain's time to the next day of exits."""
        me, backend, asset = address_of(account), self.system.backend, self.system.asset
        if skip_cooldown:
            if backend.chain_id() not in LOCAL_CHAINS:
                raise Refusal("only a local chain's time can be moved")
            if days := self._pending(me):
                backend.travel(max(min(days) * DAY, int(self.underwriter.held_until())) - backend.timestamp())
        before, shares = int(asset.balanceOf(me)), 0
        # One call takes the latest 64 days.
        while (claimable := int(self.backstop.maxRedeem(me))) > 0:
            self.backstop.redeem(claimable, me, me, sender=account)
            shares += claimable
        days = self._pending(me)
        if shares == 0:
            if not days:
                raise Refusal(f"{me} has no requests: 'ape run request' makes one")
            raise Refusal(f"nothing is claimable yet; the next request is free from {self._free_from(min(days))}")
        return {
            "staker": me,
            "shares": self.shares(shares),
            "received": self.client.tokens(int(asset.balanceOf(me)) - before),
            "pending": self.client.tokens(sum(int(self.backstop.request_assets(day, me)) for day in days)),
        }

    def cancel(self, account: Any, day: int | None = None) -> dict[str, Any]:
        """Restake the pending request of a day, by default the only one (M20)."""
        me = address_of(account)
        if day is None:
            days = self._pending(me)
            if len(days) != 1:
                which = ", ".join(day_text(one) for one in sorted(days))
                raise Refusal(f"name the day of a request, one of {which}" if days else f"{me} has nothing pending")
            day = days[0]
        before = int(self.backstop.balanceOf(me))
        self.backstop.cancel_request(day, me, sender=account)
        held = int(self.backstop.balanceOf(me))
        return {
            "staker": me,
            "request": str(day),
            "day": day_text(day),
            "shares": self.shares(held - before),
            "held": self.shares(held),
            "value": self.client.tokens(self.backstop.convertToAssets(held)),
        }

    # -------------------------------------------------------------------- views

    def page(self, names: tuple[str, ...] = ()) -> dict[str, Any]:
        """The layer, its stakers (by default everyone) and their exits by day: figures, ready to be shown."""
        client, vault = self.client, self.backstop
        tokens, now = client.tokens, self.system.backend.timestamp()
        held_until, stream = int(self.underwriter.held_until()), vault.stream()
        result: dict[str, Any] = {
            "layer": {
                "backstop": address_of(vault),
                "underwriter": address_of(self.underwriter),
                "deposits": "closed" if vault.closed() else "open",
                "staked": tokens(vault.totalAssets()),
                "shares": self.shares(vault.totalSupply()),
                "pending_exits": tokens(vault.exit_pool_state()[0]),
                "unvested_revenue": tokens(stream.unvested),
                "fund_may_draw": tokens(self.underwriter.capacity(address_of(self.system.fund))),
                "cooldown_days": Figure(int(vault.cooldown_days())),
                "exits": f"held until {moment(held_until)}" if held_until > now else "open",
            }
        }
        for days in YIELD_DAYS:
            result["layer"] |= self._yield(days, now)
        people = list(names) or self._everyone()
        rows = [(person, self._exits(person)) for person in people]
        result["stakers"] = [self._row(person, exits) for person, exits in rows]
        result["exits_by_day"] = [entry for _, exits in rows for entry in exits]
        return result

    def _row(self, person: str, exits: list[dict[str, Any]]) -> dict[str, Any]:
        held = int(self.backstop.balanceOf(person))
        totals = {"pending": 0, "claimable": 0}
        for entry in exits:
            totals[entry["state"]] += entry["assets"].value
        return {
            "staker": person,
            "shares": self.shares(held),
            "value": self.client.tokens(self.backstop.convertToAssets(held)),
            **{state: self.client.tokens(total) for state, total in totals.items()},
        }

    def _exits(self, person: str) -> list[dict[str, Any]]:
        """The requests of one account, the earliest day first."""
        rows = []
        for day in sorted(int(one) for one in self.backstop.request_ids(person)):
            pending = int(self.backstop.pendingRedeemRequest(day, person))
            rows.append(
                {
                    "staker": person,
                    "request": str(day),
                    "state": "pending" if pending else "claimable",
                    "free_from": self._free_from(day) if pending else "now",
                    "shares": self.shares(pending or self.backstop.claimableRedeemRequest(day, person)),
                    "assets": self.client.tokens(self.backstop.request_assets(day, person)),
                }
            )
        return rows

    def _pending(self, person: str) -> list[int]:
        """The days of an account's pending requests."""
        days = [int(day) for day in self.backstop.request_ids(person)]
        return [day for day in days if int(self.backstop.pendingRedeemRequest(day, person)) > 0]

    def _free_from(self, day: int) -> str:
        """When a pending request can be claimed, were exits held no longer than now known (M37)."""
        return moment(max(day * DAY, int(self.underwriter.held_until())))

    def _everyone(self) -> list[str]:
        """Every account with shares or requests, from the events since the deployment."""
        backend, vault, seen = self.system.backend, self.backstop, dict[str, None]()
        for event, name in (("Transfer", "receiver"), ("RedeemRequest", "controller")):
            seen.update((str(found[name]), None) for found in backend.events(vault, event, 0))
        seen.pop(ZERO, None)
        return [one for one in seen if int(vault.balanceOf(one)) > 0 or vault.request_ids(one)]

    def _yield(self, days: int, now: int) -> dict[str, Any]:
        """What the last days brought: revenue paid in, what slashes took of stake and stream, and both together in
        percent of the present stake.
        """
        backend = self.system.backend
        block = self._first_block_since(now - days * DAY)
        revenue = sum(int(event["amount"]) for event in backend.events(self.backstop, "RevenueAdded", block))
        slashes = backend.events(self.backstop, "Slashed", block)
        lost = sum(int(event["paid"]) - int(event["from_pending"]) for event in slashes)
        staked = int(self.backstop.totalAssets())
        share = Figure((revenue - lost) * _PERCENT // staked, 4, "%") if staked else "nothing staked"
        return {
            f"revenue_{days}_days": self.client.tokens(revenue),
            f"slashed_{days}_days": self.client.tokens(lost),
            f"yield_{days}_days": share,
        }

    def _first_block_since(self, since: int) -> int:
        """The first block with a timestamp of at least ``since``; the one after the latest if there is none."""
        backend = self.system.backend
        low, high = 0, backend.block_number() + 1
        while low < high:
            middle = (low + high) // 2
            if backend.timestamp(middle) < since:
                low = middle + 1
            else:
                high = middle
        return low
