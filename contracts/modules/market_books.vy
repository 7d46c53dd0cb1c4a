# pragma version 0.4.3

"""
@title Books of a perpetuals venue
@license AGPL-3.0-only
@author Kana
@notice Where the sums of each market are kept: open interest, pot, loss index, dust, accrued fees.
@dev A call opens one market's book, works on the open copy in transient storage, and closes it: one read and one write a
     word, and nothing to hand around. The host's lock keeps a second call from opening another in between.
     Words, from the top: pot (128) | open interest (128), and dust fees (128) | fees (128). For each market
     pot + bad debt at the fund = sum of balances + dust (M26, M26a).
"""

# Half a word.
WIDTH: constant(uint256) = 128
MASK: constant(uint256) = 2**WIDTH - 1


# What every touch of a position reads.
struct Core:
    word: uint256
    index: uint256


# ------------------------------------------------------------------ storage

# Market id -> pot and open interest, and the loss index.
_cores: HashMap[uint256, Core]
# Market id -> dust fees and fees, base units: trading fees are shared at collection, dust is the fund's alone (M24, M26).
_fees: HashMap[uint256, uint256]
# Market id -> index charges collected less losses socialised, base units (M26).
_dust: HashMap[uint256, int256]

# ------------------------------------------------------------ the open book

# Which market's.
market_id: transient(uint256)
# Base size, both sides.
open_interest: transient(uint256)
# What the market may pay out, base units of the asset (M26a).
pot: transient(uint256)
# Loss index, 36 decimals; never falls (I10).
index: transient(uint256)
# What the dust has changed by since the book was opened, base units.
dust_change: transient(int256)


@internal
def _open(market_id: uint256):
    """
    @dev Opens the book of a market, whatever was open before.
    """
    core: Core = self._cores[market_id]
    self.market_id = market_id
    self.open_interest = core.word & MASK
    self.pot = core.word >> WIDTH
    self.index = core.index
    self.dust_change = 0


@internal
def _close():
    """
    @dev Keeps what has become of the open book.
    """
    market_id: uint256 = self.market_id
    self._cores[market_id] = Core(
        word=self._pack(self.pot, self.open_interest), index=self.index
    )
    if self.dust_change != 0:
        self._dust[market_id] += self.dust_change


@internal
@view
def _dust_now() -> int256:
    """
    @dev The dust of the open book.
    """
    return self._dust[self.market_id] + self.dust_change


@internal
@view
def _core_of(market_id: uint256) -> (uint256, uint256, uint256):
    """
    @dev Open interest, pot and loss index as kept.
    """
    core: Core = self._cores[market_id]
    return core.word & MASK, core.word >> WIDTH, core.index


@internal
@view
def _fees_of(market_id: uint256) -> (uint256, uint256):
    """
    @dev Accrued fees and accrued dust.
    """
    word: uint256 = self._fees[market_id]
    return word & MASK, word >> WIDTH


@internal
def _accrue(fees: uint256, dust_fees: uint256):
    """
    @dev Moves trading fees and dust from the pot of the open book to its fees.
    """
    word: uint256 = self._fees[self.market_id]
    self.pot -= fees + dust_fees
    self._fees[self.market_id] = self._pack(
        (word >> WIDTH) + dust_fees, (word & MASK) + fees
    )


@internal
def _clear_fees(market_id: uint256):
    """
    @dev Starts the fees anew after they were collected.
    """
    self._fees[market_id] = 0


@internal
@pure
def _pack(high: uint256, low: uint256) -> uint256:
    """
    @dev Two halves of a word; sums of 112-bit amounts don't reach the bound.
    """
    assert max(high, low) <= MASK, "house: amount too large"
    return (high << WIDTH) | low
