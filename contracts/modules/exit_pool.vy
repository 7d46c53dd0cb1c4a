# pragma version 0.4.3

"""
@title Exit pool
@license AGPL-3.0-only
@author Kana
@notice What has left the stake and isn't claimed yet: pending by day, slashed at one rate, fixed at maturity (M20,
        M21). It moves no token and asks nobody who he is; both are its host's.
@dev Pending assets are held in units. A unit is worth the pool's rate, 1 at first:

         units given    w * rate units // rate assets
         a day's worth  units * rate assets // rate units

     Only a slash changes the rate, to assets / units of the pool, and never upwards: so nobody's exit touches another's,
     and no claim pays more than its request was worth. What flooring leaves goes to the stake when the pool is empty.
     A pool that is slashed to 0 is dead, its units are worth 0; the next one has another epoch.

     The requests of a controller are a list, the latest day first: its head in a slot of its own, the others by day.
     So a controller with one request, the usual case, has one word.

     Where every request and claim passes, fields of words are written out, for gas; their places are in backstop_words.

     A day is due when it has begun, but not while exits are held (M37): then only what was due when the hold began.
"""

from contracts.interfaces import IBackstop

from contracts.modules import backstop_words as words
from contracts.modules import checks

# ---------------------------------------------------------------- constants

# Seconds of a day.
DAY: constant(uint256) = 86_400
# Most days that are pending at once: 31 of the longest cooldown, and 8 of a hold.
MAX_PENDING: constant(uint256) = 40
# Most matured requests that a claim reaches.
MAX_CLAIMS: constant(uint256) = 64
# Most requests that a view lists.
MAX_LISTED: constant(uint256) = 128

# ------------------------------------------------------------------ storage

# Assets and units pending, first day that hasn't matured, epoch, whether the rate isn't 1, end of the last hold.
pool: uint256
# When the last hold began or begins, Unix seconds; read only before its end.
held_from: uint256
# What a unit is worth, assets over units; read only when the pool says that it isn't 1.
rate: uint256
# Units that mature on a day, and what they got; by Unix day number.
days: HashMap[uint256, uint256]
# The latest request of a controller.
heads: HashMap[address, uint256]
# The others, by day.
others: HashMap[address, HashMap[uint256, uint256]]

# ------------------------------------------------------------------- time

@internal
@view
def _due_day(pool: uint256) -> uint256:
    """
    @notice The last day that is due. It never goes back.
    """
    time: uint256 = block.timestamp
    if time < pool >> 224:
        time = min(time, self.held_from)
    return time // DAY


@internal
def _hold(began: uint256, until: uint256):
    """
    @notice Hold exits, or move the end of a hold (M37).
    """
    self.held_from = began
    self.pool = words._with_held_until(self.pool, until)


@internal
def _roll() -> uint256:
    """
    @notice Let the days that are due mature: their worth is fixed and leaves the pool (M20).
    @return What rounding left in a pool that is empty now, for the stake.
    """
    pool: uint256 = self.pool
    units: uint256 = (pool >> 96) & words.MAX_ASSETS
    if units == 0:
        return 0
    day: uint256 = (pool >> 192) & words.MASK_16
    due: uint256 = self._due_day(pool)
    if day > due:
        return 0
    assets: uint256 = words._assets(pool)
    rate: uint256 = self._rate(pool)
    for i: uint256 in range(MAX_PENDING):
        if day > due or units == 0:
            break
        living: uint256 = self._living(self.days[day], pool)
        if living > 0:
            worth: uint256 = self._worth_down(living, rate)
            self.days[day] = words._day(
                living, worth, words._epoch(pool), words.MATURED
            )
            assets -= worth
            units -= living
            log IBackstop.DayMatured(request_id=day, assets=worth)
        day += 1
    return self._store(words._with_next_day(pool, due + 1), assets, units)


@internal
@view
def _rolled(pool: uint256) -> (uint256, uint256):
    """
    @notice What `_roll` would leave, without doing it.
    @return Assets and units of the pool; with no units the assets are those left for the stake.
    """
    assets: uint256 = words._assets(pool)
    units: uint256 = words._units(pool)
    day: uint256 = words._next_day(pool)
    due: uint256 = self._due_day(pool)
    rate: uint256 = self._rate(pool)
    for i: uint256 in range(MAX_PENDING):
        if day > due or units == 0:
            break
        living: uint256 = self._living(self.days[day], pool)
        assets -= self._worth_down(living, rate)
        units -= living
        day += 1
    return assets, units


@internal
def _store(pool: uint256, assets: uint256, units: uint256) -> uint256:
    """
    @notice Store the pool. An empty one starts again at par.
    @return What is left of an empty pool, for the stake.
    """
    if units == 0:
        self.pool = words._with_pool(pool, 0, 0) & ~words.SLASHED
        return assets
    self.pool = words._with_pool(pool, assets, units)
    return 0


# ------------------------------------------------------------- into and out

@internal
def _enter(controller: address, day: uint256, assets: uint256, shares: uint256):
    """
    @notice A request of a pool that was rolled: `assets` are pending from now on, for `day` (M20).
    """
    pool: uint256 = self.pool
    total: uint256 = (pool >> 96) & words.MAX_ASSETS
    units: uint256 = assets
    if pool & words.SLASHED != 0:
        rate: uint256 = self.rate
        units = assets * words._units(rate) // words._assets(rate)
    # Of an empty pool no day is pending.
    if total == 0 or day < (pool >> 192) & words.MASK_16:
        pool = words._with_next_day(pool, day)
    self.pool = words._with_pool(
        pool, (pool & words.MAX_ASSETS) + assets, total + units
    )
    epoch: uint256 = (pool >> 208) & words.MASK_8
    word: uint256 = self.days[day]
    if (word >> 192) & words.MASK_8 != epoch:
        # Of a dead pool, or of nobody.
        word = epoch << 192
    self.days[day] = word + units
    self._add(controller, day, units, shares, epoch)


@internal
def _add(
    controller: address,
    day: uint256,
    units: uint256,
    shares: uint256,
    epoch: uint256,
):
    """
    @notice Put a request into the list of its controller, or add it to the one of that day.
    """
    head: uint256 = self.heads[controller]
    head_day: uint256 = (head >> 216) & words.MASK_16
    if head_day == day:
        self.heads[controller] = self._with_more(head, units, shares, epoch)
        return
    if head_day < day:
        if head != 0:
            self.others[controller][head_day] = head
        self.heads[controller] = words._request(
            units, shares, day, head_day, epoch
        )
        return
    # Only after the cooldown was shortened.
    later: uint256 = self._last_from(controller, head, day + 1)
    earlier: uint256 = words._earlier(later)
    if earlier == day:
        self.others[controller][day] = self._with_more(
            self.others[controller][day], units, shares, epoch
        )
        return
    self.others[controller][day] = words._request(
        units, shares, day, earlier, epoch
    )
    self._put(controller, words._with_earlier(later, day), head_day)


@internal
def _leave(controller: address, day: uint256) -> (uint256, uint256, uint256):
    """
    @notice Take a pending request out of a pool that was rolled (M20).
    @return Its shares, what it is worth, and what is left for the stake of a pool that is empty now.
    """
    pool: uint256 = self.pool
    request: uint256 = self._find(controller, day)
    checks._require(
        request != 0 and day > self._due_day(pool),
        "backstop: nothing pending",
    )
    head: uint256 = self.heads[controller]
    earlier: uint256 = words._earlier(request)
    if head == request:
        self._promote(controller, earlier)
    else:
        later: uint256 = self._last_from(controller, head, day + 1)
        self._put(
            controller,
            words._with_earlier(later, earlier),
            words._request_day(head),
        )
        self.others[controller][day] = 0

    units: uint256 = self._living_request(request, pool)
    worth: uint256 = self._worth_down(units, self._rate(pool))
    self.days[day] -= units
    rest: uint256 = self._store(
        pool, words._assets(pool) - worth, words._units(pool) - units
    )
    return words._request_shares(request), worth, rest


@internal
def _slash(loss: uint256) -> uint256:
    """
    @notice Take a loss, of at most its assets, from a pool that was rolled (M21).
    @return The assets after it.
    """
    pool: uint256 = self.pool
    if loss == 0:
        return words._assets(pool)
    units: uint256 = words._units(pool)
    rate: uint256 = self._rate(pool)
    assets: uint256 = words._assets(pool) - loss
    if assets == 0:
        self._store(words._with_next_epoch(pool), 0, 0)
        return 0
    # What flooring left in the pool may be more than the loss: the rate never rises.
    if assets * words._units(rate) < words._assets(rate) * units:
        self.rate = assets | (units << 96)
        pool |= words.SLASHED
    self.pool = words._with_pool(pool, assets, units)
    return assets


# ------------------------------------------------------------------- claims

@internal
def _claim(
    controller: address, amount: uint256, by_assets: bool
) -> (uint256, uint256):
    """
    @notice Take `amount` of shares, or of assets, from requests of a pool that was rolled, the latest matured day
            first. A piece leaves its request exactly what it was worth less the piece (I6).
    @return Shares and assets.
    """
    due: uint256 = self._due_day(self.pool)
    later: uint256 = 0
    head: uint256 = self.heads[controller]
    head_day: uint256 = (head >> 216) & words.MASK_16
    request: uint256 = head
    if head_day > due:
        later = self._last_from(controller, head, due + 1)
        request = self._before(controller, later)

    left: uint256 = amount
    shares: uint256 = 0
    assets: uint256 = 0
    for i: uint256 in range(MAX_CLAIMS):
        if left == 0 or request == 0:
            break
        day: uint256 = (request >> 216) & words.MASK_16
        some_shares: uint256 = 0
        some_assets: uint256 = 0
        some_shares, some_assets, request = self._piece(
            request, self.days[day], left, by_assets
        )
        shares += some_shares
        assets += some_assets
        left -= some_assets if by_assets else some_shares
        if (request >> 96) & words.MAX_REQUEST != 0:
            # A piece is left, and nothing to take.
            self._put(controller, request, head_day)
            break
        earlier: uint256 = (request >> 232) & words.MASK_16
        request = 0
        if earlier != 0:
            request = self.others[controller][earlier]
        if later != 0:
            self.others[controller][day] = 0
            continue
        self.heads[controller] = request
        if request != 0:
            self.others[controller][earlier] = 0
        head_day = earlier
    if left != 0:
        checks._refuse("backstop: above claimable")
    if later != 0:
        self._put(
            controller,
            words._with_earlier(later, words._request_day(request)),
            head_day,
        )
    return shares, assets


@internal
@pure
def _piece(
    request: uint256, day: uint256, left: uint256, by_assets: bool
) -> (uint256, uint256, uint256):
    """
    @notice Up to `left` of a matured request.
    @dev By shares, the units taken are floored, and what they are worth is the difference of two floors. By assets,
         the rest keeps the most units that are worth no more than it.
    @return Shares and assets of the piece, and the rest, without shares when it is nothing.
    """
    units: uint256 = request & words.MAX_ASSETS
    shares: uint256 = (request >> 96) & words.MAX_REQUEST
    worth: uint256 = self._share_down(request, units, day)
    # Lowest bits of a request: units, shares.
    whole: uint256 = units | (shares << 96)
    if by_assets:
        if left >= worth:
            return shares, worth, request - whole
        rest: uint256 = worth - left
        kept: uint256 = min(
            ((rest + 1) * words._day_units(day) - 1) // words._day_assets(day),
            units,
        )
        some: uint256 = shares * left // worth
        return some, left, request - ((units - kept) | (some << 96))
    if left >= shares:
        return shares, worth, request - whole
    gone: uint256 = units * left // shares
    return (
        left,
        worth - self._share_down(request, units - gone, day),
        request - (gone | (left << 96)),
    )


# ------------------------------------------------------------------ the list

@internal
@view
def _before(controller: address, request: uint256) -> uint256:
    """
    @notice The next earlier request; 0 after the last.
    """
    earlier: uint256 = words._earlier(request)
    if earlier == 0:
        return 0
    return self.others[controller][earlier]


@internal
@view
def _last_from(controller: address, head: uint256, day: uint256) -> uint256:
    """
    @notice The earliest request of a list for `day` or later; its head, which must be, is.
    """
    request: uint256 = head
    for i: uint256 in range(MAX_PENDING):
        if words._earlier(request) < day:
            break
        request = self._before(controller, request)
    return request


@internal
def _put(controller: address, request: uint256, head_day: uint256):
    """
    @notice Store a request where it was.
    """
    day: uint256 = words._request_day(request)
    if day == head_day:
        self.heads[controller] = request
    else:
        self.others[controller][day] = request


@internal
def _promote(controller: address, day: uint256):
    """
    @notice Make the request of `day`, or none, the head.
    """
    if day == 0:
        self.heads[controller] = 0
        return
    self.heads[controller] = self.others[controller][day]
    self.others[controller][day] = 0


@internal
@pure
def _with_more(
    request: uint256, units: uint256, shares: uint256, epoch: uint256
) -> uint256:
    """
    @notice A request with more units and shares; units of a dead pool are dropped.
    """
    total: uint256 = ((request >> 96) & words.MAX_REQUEST) + shares
    if request >> 248 == epoch:
        words._check_request(total)
        return request + (units | (shares << 96))
    return words._request(
        units,
        total,
        words._request_day(request),
        words._earlier(request),
        epoch,
    )


# ---------------------------------------------------------------- what it is

@internal
@view
def _rate(pool: uint256) -> uint256:
    if pool & words.SLASHED == 0:
        return 1 | (1 << 96)
    return self.rate


@internal
@pure
def _worth_down(units: uint256, rate: uint256) -> uint256:
    """
    @notice What pending units are worth, rounded down.
    """
    return units * words._assets(rate) // words._units(rate)


@internal
@pure
def _share_down(request: uint256, units: uint256, day: uint256) -> uint256:
    """
    @notice What units of a request got of a day that matured, rounded down.
    """
    if request >> 248 != (day >> 192) & words.MASK_8 or units == 0:
        return 0
    return units * ((day >> 96) & words.MAX_ASSETS) // (day & words.MAX_ASSETS)


@internal
@pure
def _living(day: uint256, pool: uint256) -> uint256:
    """
    @notice Units of a day that are worth something.
    """
    if words._day_epoch(day) != words._epoch(pool):
        return 0
    return words._day_units(day)


@internal
@pure
def _living_request(request: uint256, pool: uint256) -> uint256:
    """
    @notice Units of a request that are worth something.
    """
    if words._request_epoch(request) != words._epoch(pool):
        return 0
    return words._day_units(request)


@internal
@view
def _day_now(number: uint256, pool: uint256) -> uint256:
    """
    @notice The word of a day, with what it is worth now.
    """
    day: uint256 = self.days[number]
    if day & words.MATURED == 0:
        worth: uint256 = self._worth_down(
            self._living(day, pool), self._rate(pool)
        )
        day |= worth << 96
    return day


@internal
@view
def _find(controller: address, day: uint256) -> uint256:
    """
    @notice A controller's request of a day; 0 without one.
    """
    head: uint256 = self.heads[controller]
    if words._request_day(head) == day:
        return head
    return self.others[controller][day]


@internal
@view
def _claimable(controller: address) -> (uint256, uint256):
    """
    @notice Shares and assets that one claim reaches.
    """
    pool: uint256 = self.pool
    due: uint256 = self._due_day(pool)
    request: uint256 = self.heads[controller]
    if words._request_day(request) > due:
        request = self._before(
            controller, self._last_from(controller, request, due + 1)
        )
    shares: uint256 = 0
    assets: uint256 = 0
    for i: uint256 in range(MAX_CLAIMS):
        if request == 0:
            break
        shares += words._request_shares(request)
        assets += self._share_down(
            request,
            words._day_units(request),
            self._day_now(words._request_day(request), pool),
        )
        request = self._before(controller, request)
    return shares, assets
