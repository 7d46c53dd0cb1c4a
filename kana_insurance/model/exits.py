"""The exit pool of a backstop: pending by day, slashed at one rate, fixed at maturity (M20, M21, M37).

Pending assets are held in units. A unit is worth the pool's rate, which only a slash lowers; so nobody's exit touches
another's, and no claim pays more than its request was worth. What flooring leaves goes to the stake when the pool is
empty. A pool slashed to 0 is dead; the next one has another epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kana_insurance.model.clock import DAY, Clock
from kana_insurance.model.errors import require
from kana_insurance.model.state import Account, Log, Stateful
from kana_insurance.model.units import ceil_div

MAX_ASSETS = MAX_UNITS = 2**96 - 1  # of stake, stream and pool
MAX_REQUEST = 2**120 - 1  # shares that the requests of one controller for one day take
MAX_CLAIMS = 64  # matured days that one claim reaches
EPOCHS = 256

Worth = Callable[[int], int]


class Request(NamedTuple):
    """What one controller gets on one day: units of the pool of that epoch, and the shares that it took."""

    units: int
    shares: int
    epoch: int


class ExitDay(NamedTuple):
    """The requests of all controllers for one day; from maturity on ``assets`` is what they get (M20)."""

    units: int = 0
    assets: int = 0
    epoch: int = 0
    matured: bool = False


class ExitPoolModel(Stateful):
    """Everything that has left the stake and isn't claimed."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self.clock = clock
        self.log = log
        self.assets = self.units = self.next_day = self.epoch = 0
        self.rate_assets = self.rate_units = 1  # what a unit is worth
        self.days: dict[int, ExitDay] = {}
        self.requests: dict[tuple[Account, int], Request] = {}
        self.held_from = self.held_until = 0

    # ------------------------------------------------------------------ time

    def due_day(self) -> int:
        """The last day that is due; while exits are held, the one that was when it began (M37)."""
        now = self.clock.now
        return (min(now, self.held_from) if now < self.held_until else now) // DAY

    def hold(self, began: int, until: int) -> None:
        """Hold exits, or move the end of a hold (M37)."""
        self.held_from, self.held_until = began, until

    def roll(self) -> int:
        """Fix the worth of every day that is due (M20); return what an empty pool leaves for the stake."""
        due = self.due_day()
        if self.units == 0 or self.next_day > due:
            return 0
        for number in range(self.next_day, due + 1):
            day = self.days.get(number, ExitDay())
            living = self._living(day.units, day.epoch)
            if living == 0:
                continue
            worth = self.worth_down(living)
            self.days[number] = day._replace(assets=worth, matured=True)
            self.assets -= worth
            self.units -= living
            self.log("DayMatured", request_id=number, assets=worth)
        self.next_day = due + 1
        return self._empty()

    def rolled(self) -> tuple[int, int]:
        """Assets and units that a roll would leave; without units, the assets are the stake's."""
        assets, units = self.assets, self.units
        for number, day in self.days.items():
            if not day.matured and number <= self.due_day():
                living = self._living(day.units, day.epoch)
                assets -= self.worth_down(living)
                units -= living
        return assets, units

    # ------------------------------------------------------------------ into and out

    def enter(self, controller: Account, day_id: int, assets: int, shares: int) -> None:
        """A request of a rolled pool (M20)."""
        units = assets * self.rate_units // self.rate_assets
        require(self.assets + assets <= MAX_ASSETS, "backstop: amount too large")
        require(self.units + units <= MAX_UNITS, "backstop: amount too large")
        self.next_day = min(self.next_day, day_id) if self.units > 0 else day_id
        self.assets += assets
        self.units += units
        day = self.days.get(day_id, ExitDay())
        self.days[day_id] = ExitDay(self._living(day.units, day.epoch) + units, 0, self.epoch)
        old = self.requests.get((controller, day_id), Request(0, 0, self.epoch))
        require(old.shares + shares <= MAX_REQUEST, "backstop: amount too large")
        kept = self._living(old.units, old.epoch)
        self.requests[controller, day_id] = Request(kept + units, old.shares + shares, self.epoch)

    def leave(self, controller: Account, day_id: int) -> tuple[int, int, int]:
        """Take a pending request out of a rolled pool; return its shares, worth, and an empty pool's rest (M20)."""
        request = self.requests.get((controller, day_id))
        require(request is not None and day_id > self.due_day(), "backstop: nothing pending")
        assert request is not None
        units = self._living(request.units, request.epoch)
        worth = self.worth_down(units)
        del self.requests[controller, day_id]
        self.days[day_id] = self.days[day_id]._replace(units=self.days[day_id].units - units)
        self.units -= units
        self.assets -= worth
        return request.shares, worth, self._empty()

    def slash(self, loss: int) -> None:
        """Lower the rate to what a rolled pool has after a loss (M21)."""
        if loss == 0:
            return
        self.assets -= loss
        if self.assets == 0:
            self.units = 0
            self.epoch = (self.epoch + 1) % EPOCHS
            self._empty()
        elif self.assets * self.rate_units < self.rate_assets * self.units:
            self.rate_assets, self.rate_units = self.assets, self.units

    # ------------------------------------------------------------------ claims

    def claim(self, controller: Account, amount: int, *, by_assets: bool) -> tuple[int, int]:
        """Take shares, or assets, from the latest matured days of a rolled pool; return both (M20).

        A piece leaves its request exactly what it was worth less the piece (I6).
        """
        left, shares, assets = amount, 0, 0
        for day in self.reached(controller):
            if left == 0:
                break
            request = self.requests[controller, day]
            worth = self._worth_of(request, day)
            part_shares, part_assets, units = (
                _by_assets(request, worth, left, self.days[day]) if by_assets else (_by_shares(request, worth, left))
            )
            left -= part_assets if by_assets else part_shares
            shares += part_shares
            assets += part_assets
            if part_shares == request.shares:
                del self.requests[controller, day]
            else:
                self.requests[controller, day] = request._replace(units=units, shares=request.shares - part_shares)
        require(left == 0, "backstop: above claimable")
        return shares, assets

    # ------------------------------------------------------------------ what it is

    def worth_down(self, units: int) -> int:
        """What pending units are worth."""
        return units * self.rate_assets // self.rate_units

    def day(self, day_id: int) -> tuple[int, int, bool]:
        """Units, present worth and maturity of a day."""
        day = self.days.get(day_id, ExitDay())
        worth = day.assets if day.matured else self.worth_down(self._living(day.units, day.epoch))
        return day.units, worth, day_id <= self.due_day()

    def request_assets(self, day_id: int, controller: Account) -> int:
        """What a request is worth now."""
        request = self.requests.get((controller, day_id))
        return 0 if request is None else self._worth_of(request, day_id)(request.units)

    def request_days(self, controller: Account) -> list[int]:
        """The days of a controller's requests, the latest first."""
        return sorted((day for name, day in self.requests if name == controller), reverse=True)

    def reached(self, controller: Account) -> list[int]:
        """The matured days that one claim reaches, the latest first."""
        return [day for day in self.request_days(controller) if day <= self.due_day()][:MAX_CLAIMS]

    # ------------------------------------------------------------------ internals

    def _living(self, units: int, epoch: int) -> int:
        """Units, if they aren't of a dead pool."""
        return units if epoch == self.epoch else 0

    def _worth_of(self, request: Request, day_id: int) -> Worth:
        """What units of a request get of its day."""
        units, assets, _ = self.day(day_id)
        alive = units > 0 and request.epoch == self.days[day_id].epoch
        return lambda some: some * assets // units if alive else 0

    def _empty(self) -> int:
        """What rounding left in an empty pool is the stake's; the next pool starts at par."""
        if self.units > 0:
            return 0
        rest, self.assets = self.assets, 0
        self.rate_assets = self.rate_units = 1
        return rest


def _by_shares(request: Request, worth: Worth, left: int) -> tuple[int, int, int]:
    """Shares and assets of a piece, and the units that the rest keeps."""
    if left >= request.shares:
        return request.shares, worth(request.units), 0
    kept = request.units - request.units * left // request.shares
    return left, worth(request.units) - worth(kept), kept


def _by_assets(request: Request, worth: Worth, left: int, day: ExitDay) -> tuple[int, int, int]:
    """As ``_by_shares``; the rest keeps the most units that are worth no more than it."""
    whole = worth(request.units)
    if left >= whole:
        return request.shares, whole, 0
    kept = min(ceil_div((whole - left + 1) * day.units, day.assets) - 1, request.units)
    return request.shares * left // whole, left, kept
