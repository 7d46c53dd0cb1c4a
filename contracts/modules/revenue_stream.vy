# pragma version 0.4.3

"""
@title Revenue stream
@license AGPL-3.0-only
@author Kana
@notice Revenue on its way to the stakers, second by second (M22).
@dev A payment of x while u is unvested and takes r seconds more goes on with u + x for

         (u * r + x * length) // (u + x)   seconds

     The stream is one word: amount, begin, end. A begin of 0 says that it stands still, for too little is staked, and
     then the end is the number of seconds to go. Only what changes amount or state writes it: what is unvested is a
     matter of time.
"""

from contracts.modules import backstop_words as words

# ------------------------------------------------------------------ storage

# Amount, begin, end; and the stake, base units, below which it stands still.
stream: uint256
# Seconds over which a payment is spread; read only by a payment.
length: uint256

# ---------------------------------------------------------------- internals

@internal
@view
def _unvested_up(stream: uint256) -> uint256:
    """
    @notice What isn't the stakers' yet, rounded up.
    """
    # Fields written out, for gas: whoever stakes or leaves passes here.
    amount: uint256 = stream & words.MAX_ASSETS
    start: uint256 = (stream >> 96) & words.MASK_32
    if amount == 0 or start == 0:
        return amount
    until: uint256 = (stream >> 128) & words.MASK_32
    if block.timestamp >= until:
        return 0
    whole: uint256 = until - start
    return (amount * (until - block.timestamp) + whole - 1) // whole


@internal
@view
def _remaining(stream: uint256, unvested: uint256) -> uint256:
    """
    @notice Seconds that what is unvested takes from now on, or once it runs again.
    """
    if unvested == 0:
        return 0
    until: uint256 = words._stream_until(stream)
    if words._stream_from(stream) == 0:
        return until
    return until - block.timestamp


@internal
def _set(
    unvested: uint256, remaining: uint256, running: bool, min_staked: uint256
):
    """
    @notice Let `unvested` stream from now on within `remaining` seconds, or wait.
    """
    start: uint256 = 0
    until: uint256 = remaining
    if running:
        start = block.timestamp
        until += block.timestamp
    self.stream = words._stream(unvested, start, until, min_staked)


@internal
def _pay(stream: uint256, unvested: uint256, amount: uint256) -> uint256:
    """
    @notice Add a payment to a stream that runs.
    @return Seconds that it all takes.
    """
    total: uint256 = unvested + amount
    remaining: uint256 = max(
        (
            unvested * self._remaining(stream, unvested) + amount * self.length
        ) // total,
        1,
    )
    self._set(total, remaining, True, words._min_staked(stream))
    return remaining


@internal
def _take(stream: uint256, unvested: uint256, amount: uint256):
    """
    @notice Take `amount` of what is unvested; the rest goes on as it did.
    """
    self._set(
        unvested - amount,
        self._remaining(stream, unvested),
        words._stream_from(stream) != 0,
        words._min_staked(stream),
    )
