"""What guardians do: pause payouts, trading, borrowing, one layer, for a while, and end that early (M10, M37).

Works on any backend. What can't be done comes as ``Refusal``, what the chain refuses as the backend's error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.client import Client, Refusal, moment
from kana_insurance.governance.directory import Directory, Part
from kana_insurance.governance.safe import Transaction
from kana_insurance.governance.words import Duration, until
from kana_insurance.measures import DAY, duration_text

#: Longest pause, and the rest after the end of one before the next (M37), seconds.
MAX_PAUSE, REST = 7 * DAY, 7 * DAY
#: How much longer notices and exits stand still (M37), seconds.
AFTER_PAUSE = DAY
PLACES = ("stakers", "reinsurance")


@dataclass(frozen=True)
class Act:
    """Something a guardian may do.

    Attributes:
        function: The call.
        contract: Whose.
        stops, goes_on: What it stops and what not; of an end, what works again.
        besides: What else comes with it, at once and until a day after its end.
    """

    function: str
    contract: str
    stops: str = ""
    goes_on: str = ""
    besides: str = ""

    @property
    def is_pause(self) -> bool:
        """Whether it begins something that ends by itself."""
        return bool(self.stops)


ACTS = {
    "pause-payouts": Act(
        "pause_payouts",
        "InsuranceFund",
        stops="covers, so that no insolvent position of the fund's markets is resolved; withdrawals of excess; mergers",
        goes_on="contributions, deposits, margin, withdrawals, trades, liquidations of solvent positions",
        besides="the fund's notices stand still, and no exit of its stakers matures",
    ),
    "resume-payouts": Act("resume_payouts", "InsuranceFund", goes_on="covers, withdrawals of excess"),
    "suspend-layer": Act(
        "suspend_layer",
        "InsuranceFund",
        stops="draws on the layer and revenue to it: it counts as empty, so that losses go on to the next",
        goes_on="everything else, the stakers' exits too",
    ),
    "resume-layer": Act("resume_layer", "InsuranceFund", goes_on="draws on the layer and revenue to it"),
    "pause-trading": Act(
        "pause_trading",
        "MarketRegistry",
        stops="fills that make a side's risk grow, in all markets of the venue",
        goes_on="reductions, margin, withdrawals, liquidations, deleveraging",
    ),
    "resume-trading": Act("resume_trading", "MarketRegistry", goes_on="all fills"),
    "pause-borrowing": Act(
        "pause_borrowing",
        "LendingRegistry",
        stops="loans and withdrawals of collateral from loans with debt, in the whole pool",
        goes_on="deposits and withdrawals of lenders, repayments, collateral added, liquidations",
    ),
    "resume-borrowing": Act("resume_borrowing", "LendingRegistry", goes_on="loans, withdrawals of collateral"),
}


@dataclass(frozen=True)
class Move:
    """What is about to be done.

    Attributes:
        name: Of the act.
        part: The contract.
        place: Which layer it is about; None: none.
        arguments: Of the call.
        page: Ready to be shown.
        transaction: What a guardian sends.
    """

    name: str
    part: Part
    place: str | None
    arguments: tuple[int, ...]
    page: dict[str, Any]
    transaction: Transaction


class Guardian:
    """The guardians' side of a deployment.

    Args:
        client: The client of the deployment.
    """

    def __init__(self, client: Client) -> None:
        self.system = client.system
        self.backend = client.system.backend
        self.directory = Directory(client.system)

    def plan(self, name: str, *, on: str | None = None, place: str | None = None, duration: int = 0) -> Move:
        """What an act would do.

        Args:
            name: One of ``ACTS``.
            on: The contract, by name or address, where there are several; a market's name: its fund.
            place: Of a layer's: which.
            duration: Of a pause's: seconds.

        Raises:
            Refusal: if it can't be done.
        """
        act = ACTS[name]
        if on is None:
            # The shared fund of the first asset, or its venue's or pool's registry: the ones that most commands mean.
            shared = {
                "InsuranceFund": self.system.fund,
                "MarketRegistry": self.system.registry,
                "LendingRegistry": self.system.lending,
            }[act.contract]
            on = None if shared is None else address_of(shared)
        part = self.directory.choose({act.contract}, on, name)
        arguments = () if place is None else (PLACES.index(place),)
        told = () if place is None else (place,)
        if act.is_pause:
            arguments, told = (*arguments, duration), (*told, duration_text(duration))
        data = self.backend.encode(getattr(part.at, act.function), *arguments)
        page = self._page(name, act, part, place, duration)
        transaction = Transaction(part.address, data, f"{part.name}.{name}({', '.join(told)})")
        return Move(name, part, place, arguments, page, transaction)

    def _page(self, name: str, act: Act, part: Part, place: str | None, duration: int) -> dict[str, Any]:
        now = self.backend.timestamp()
        page: dict[str, Any] = {"act": name, "contract": f"{part.name} {part.address}"}
        if place is not None:
            page["layer"] = self._layer(part, place)
        page["now"] = self._state(act, part, place, now)
        if not act.is_pause:
            return {**page, "works_again": act.goes_on}
        end = now + duration
        page |= {"stops": act.stops, "goes_on": act.goes_on, "for": Duration(duration), "until": until(end, now)}
        if act.besides:
            page["besides"] = f"{act.besides} until {moment(end + AFTER_PAUSE)}"
        page["again_from"] = f"{moment(end + REST)}, or {duration_text(REST)} after it was ended"
        return page

    def _layer(self, part: Part, place: str) -> str:
        placed = part.at.layers()
        address = str((placed.staked, placed.reinsurance)[PLACES.index(place)])
        if int(address, 16) == 0:
            raise Refusal(f"{part.name} has no {place}: 'ape run status' shows its layers")
        return f"{self.directory.name_of(address)} {address}"

    @staticmethod
    def _end(act: Act, part: Part, place: str | None) -> int:
        """When what the act is about ends or ended; 0: it was never begun."""
        if act.contract == "MarketRegistry":
            return int(part.at.trading_resume_at())
        if act.contract == "LendingRegistry":
            return int(part.at.borrowing_resume_at())
        if place is None:
            return int(part.at.payouts_resume_at())
        placed = part.at.layers()
        return int((placed.staked_suspended_until, placed.reinsurance_suspended_until)[PLACES.index(place)])

    def _state(self, act: Act, part: Part, place: str | None, now: int) -> str:
        end = self._end(act, part, place)
        if end > now:
            return f"{'suspended' if place else 'paused'} until {until(end, now)}"
        rested = end + REST
        if end and rested > now and act.is_pause:
            return f"open; it ended at {moment(end)}, so the next may begin at {until(rested, now)}"
        return "open"

    def check(self, move: Move, account: Any = None) -> None:
        """Try the act, without changing anything, as the account or as the recorded guardian.

        Raises:
            Reverted: with the contract's reason.
        """
        who = self.system.config.guardian if account is None else address_of(account)
        self.backend.simulate(who, move.part.address, move.transaction.data)

    def carry_out(self, move: Move, account: Any) -> dict[str, Any]:
        """Do it; what has come of it, ready to be shown."""
        act = ACTS[move.name]
        getattr(move.part.at, act.function)(*move.arguments, sender=account)
        return {
            "act": move.name,
            "contract": move.page["contract"],
            "by": address_of(account),
            "now": self._state(act, move.part, move.place, self.backend.timestamp()),
        }
