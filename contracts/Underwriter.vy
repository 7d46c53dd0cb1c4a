# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Underwriter
@license AGPL-3.0-only
@author Kana
@notice Stands between funds and a backstop: which funds may draw on the stakers, how much, for what premium; and holds
        what governance says of it. It keeps no money.
@dev A facade. What each fund may draw is kept by the module drawings, announced calls by notices, membership by roles:

       funds         absorb, add_revenue, hold
       governance    the rest; what lets more be drawn only after a notice that is kept here (M9)

     Until `finish_setup` the deployer acts as governance, without notice, and the backstop takes no money. Signatures,
     structs, events and their meaning are described in ILayer and IUnderwriter.
     A hold of exits lasts at most 8 days, and 6 days lie between two (M37): so at most 8 in any 14 are held. A fund's own
     pauses and rests keep to that by themselves; what another fund wants sooner begins later.
@custom:security A registered fund is trusted with what it may draw.
"""

from ethereum.ercs import IERC20
from snekmate.auth import access_control

from contracts.interfaces import IBackstop
from contracts.interfaces import ILayer
from contracts.interfaces import IUnderwriter

from contracts.modules import backstop_words as words
from contracts.modules import drawings
from contracts.modules import fund_words
from contracts.modules import notices
from contracts.modules import roles

implements: ILayer
implements: IUnderwriter

uses: access_control
initializes: roles
initializes: notices
initializes: drawings

# Left out: granting and revoking; the only roles are governance and the deployer, and both have ways of their own.
exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.supportsInterface,
    roles.DEPLOYER_ROLE,
    roles.governance,
    roles.members,
)

# ---------------------------------------------------------------- constants

# Calldata of the call that may be announced: a selector and five words; and room, as a fund has it.
CALL_LENGTH: constant(uint256) = 164
MAX_CALL: constant(uint256) = 228
# Longest hold, and least time between two, seconds (M37).
MAX_HOLD: constant(uint256) = 8 * 86_400
MIN_REST: constant(uint256) = 6 * 86_400
# Longest cooldown, days.
MAX_COOLDOWN: constant(uint256) = 30
DAY: constant(uint256) = 86_400
# A notice lasts longer than the longest cooldown by so much, seconds (M9).
AFTER_COOLDOWN: constant(uint256) = 3 * 86_400

# --------------------------------------------------------------- immutables

# The one asset (M16).
ASSET: immutable(address)

# ------------------------------------------------------------------ storage

# The stakers' vault; empty until it is connected.
backstop: public(address)
# End of the last hold, Unix seconds; 0: there was none.
held_until: public(uint256)
# When a cooldown of so many days was last in force, Unix seconds; not of the present one.
last_in_force: HashMap[uint256, uint256]

# -------------------------------------------------------------- constructor

@deploy
def __init__(asset: address, governance: address, deployer: address):
    """
    @notice Create an underwriter; its backstop is created next, and connected. Its creator gets no role.
    @param asset The asset of funds and backstop.
    @param governance A timelock whose delay can't fall below 2 days (M9).
    @param deployer Acts as governance until it finishes the setup.
    """
    assert asset.is_contract, "layer: asset without code"
    ASSET = asset
    roles.__init__(governance, deployer)
    log IUnderwriter.GovernanceTransferred(old=empty(address), new=governance)


# -------------------------------------------------------------------- funds

@external
def absorb(amount: uint256) -> uint256:
    """
    @notice Pay the calling fund what its limit, its window and the backstop's means let it draw (M21, M23).
    """
    allowed: uint256 = 0
    level: uint256 = 0
    allowed, level = drawings._allowed(msg.sender)
    allowed = min(allowed, amount)
    if allowed == 0:
        return 0
    paid: uint256 = extcall IBackstop(self.backstop).slash(allowed, msg.sender)
    # What it has drawn is known only now; nobody could call in between, underwriter and backstop being locked.
    if paid > 0:
        drawings._book(msg.sender, level, paid)
    return paid


@external
def add_revenue(amount: uint256):
    """
    @notice Pass revenue of the calling fund on to the stakers (M22).
    """
    assert drawings._is_registered(msg.sender), "layer: unknown fund"
    assert amount > 0, "layer: zero amount"
    backstop: address = self.backstop
    extcall IBackstop(backstop).book_revenue(amount)
    log IUnderwriter.RevenuePassed(fund=msg.sender, amount=amount)
    before: uint256 = staticcall IERC20(ASSET).balanceOf(backstop)
    assert extcall IERC20(ASSET).transferFrom(
        msg.sender, backstop, amount, default_return_value=True
    ), "layer: transfer failed"
    balance: uint256 = staticcall IERC20(ASSET).balanceOf(backstop)
    assert balance >= before + amount, "layer: received less"


@external
def hold(resume_at: uint256):
    """
    @notice Hold exits until a day after the calling fund's payouts resume, or move the end of a hold (M37).
    """
    if not drawings._is_registered(msg.sender):
        return
    want: uint256 = drawings._want(msg.sender, resume_at)
    until: uint256 = self.held_until
    began: uint256 = notices._began()
    if block.timestamp >= until:
        began = block.timestamp
        if until != 0:
            began = max(began, until + MIN_REST)
        if want <= began:
            return
        notices._hold(began, until)
    until = max(min(want, began + MAX_HOLD), began)
    self.held_until = until
    log IUnderwriter.ExitsHeld(fund=msg.sender, began=began, until=until)
    extcall IBackstop(self.backstop).hold(began, until)


# --------------------------------------------------------------- governance

@external
def connect_backstop(backstop: address):
    """
    @notice Name the backstop, once.
    """
    self._check_deployer()
    assert self.backstop == empty(address), "layer: connected"
    assert (
        staticcall IBackstop(backstop).underwriter() == self
    ), "layer: other underwriter"
    assert (
        staticcall IBackstop(backstop).asset() == ASSET
    ), "layer: other asset"
    self.backstop = backstop
    log IUnderwriter.BackstopConnected(backstop=backstop)


@external
def finish_setup():
    """
    @notice Open the backstop for money and end the deployer's power, once (M9).
    """
    assert not self._is_open(), "layer: setup finished"
    self._check_deployer()
    backstop: address = self.backstop
    assert backstop != empty(address), "layer: no backstop"
    roles._end_setup()
    log IUnderwriter.SetupFinished()
    extcall IBackstop(backstop).open()


@external
def announce(call: Bytes[MAX_CALL]) -> bytes32:
    """
    @notice Give notice of a `set_fund` that lets more be drawn (M9).
    """
    self._check_governance()
    assert self._is_open(), "layer: setup not finished"
    assert self._may_need_notice(call), "layer: no notice needed"
    id: bytes32 = keccak256(call)
    until: uint256 = self.held_until
    length: uint256 = self._notice_length(id)
    assert not notices._is_running(id, until, length), "layer: notice running"
    notices._give(id, until)
    length = self._notice_length(id)
    log IUnderwriter.NoticeGiven(id=id, call=call, notice_seconds=length)
    return id


@external
def cancel_notice(id: bytes32):
    """
    @notice Withdraw a notice.
    """
    self._check_governance()
    assert notices.given[id] != 0, "layer: no notice"
    notices.given[id] = 0
    log IUnderwriter.NoticeCancelled(id=id)


@external
def set_fund(
    fund: address,
    limit: uint256,
    window_cap: uint256,
    window_length: uint256,
    premium_bps: uint256,
):
    """
    @notice Register a fund or change its terms (M23). Needs notice for more.
    """
    self._check_governance()
    more: bool = drawings._set(
        fund, ASSET, limit, window_cap, window_length, premium_bps
    )
    if more and self._is_open():
        self._use_notice(keccak256(slice(msg.data, 0, CALL_LENGTH)))


@external
def remove_fund(fund: address):
    """
    @notice Let a fund draw no more (M23).
    """
    self._check_governance()
    drawings._remove(fund)


@external
def set_cooldown(cooldown_days: uint256):
    """
    @notice Set the cooldown of new requests (M20).
    """
    self._check_governance()
    backstop: address = self.backstop
    old: uint256 = staticcall IBackstop(backstop).cooldown_days()
    self.last_in_force[old] = block.timestamp
    log IUnderwriter.CooldownSet(old_days=old, new_days=cooldown_days)
    extcall IBackstop(backstop).set_cooldown(cooldown_days)


@external
def set_stream(length: uint256, min_staked: uint256):
    """
    @notice Set how later payments stream, and below what stake nothing does (M22).
    """
    self._check_governance()
    backstop: address = self.backstop
    stream: IBackstop.Stream = staticcall IBackstop(backstop).stream()
    log IUnderwriter.StreamSet(
        old_length=stream.length,
        old_min_staked=stream.min_staked,
        length=length,
        min_staked=min_staked,
    )
    extcall IBackstop(backstop).set_stream(length, min_staked)


@external
def set_governance(new: address):
    """
    @notice Hand governance to another timelock (M9).
    """
    self._check_governance()
    old: address = roles._set_governance(new)
    log IUnderwriter.GovernanceTransferred(old=old, new=new)


@external
def rescue(token: address, receiver: address, amount: uint256):
    """
    @notice Send other tokens than the asset from the backstop to `receiver` (M38).
    """
    self._check_governance()
    assert amount > 0, "layer: zero amount"
    assert receiver != empty(address), "layer: zero address"
    log IUnderwriter.Rescued(token=token, receiver=receiver, amount=amount)
    extcall IBackstop(self.backstop).rescue(token, receiver, amount)


# -------------------------------------------------------------------- views

@view
@external
def asset() -> address:
    """
    @notice The asset of funds and backstop.
    """
    return ASSET


@view
@external
def capacity(fund: address) -> uint256:
    """
    @notice What `absorb` would pay a fund now (M21, M23).
    """
    allowed: uint256 = 0
    level: uint256 = 0
    allowed, level = drawings._allowed(fund)
    if allowed == 0:
        return 0
    return min(allowed, staticcall IBackstop(self.backstop).total_capacity())


@view
@external
def revenue_terms(fund: address) -> (uint256, bool):
    """
    @notice Premium of a fund, and whether revenue of it is taken now (M23, M24).
    """
    terms: uint256 = drawings.terms[fund]
    if terms & words.REGISTERED == 0:
        return 0, False
    return (
        words._premium_bps(terms),
        staticcall IBackstop(self.backstop).takes_revenue(),
    )


@view
@external
def terms(fund: address) -> IUnderwriter.Terms:
    """
    @notice What a fund may draw and pays (M23).
    """
    word: uint256 = drawings.terms[fund]
    window: uint256 = drawings.windows[fund]
    return IUnderwriter.Terms(
        registered=word & words.REGISTERED != 0,
        limit=words._limit(word),
        used=words._used(word),
        window_cap=fund_words._cap(window),
        window_length=drawings.window_lengths[fund],
        window_spent=fund_words._spent(window),
        window_last=fund_words._last(window),
        premium_bps=words._premium_bps(word),
    )


@view
@external
def funds() -> DynArray[address, drawings.MAX_FUNDS]:
    """
    @notice The registered funds.
    """
    return drawings.funds


@view
@external
def setup_finished() -> bool:
    """
    @notice Whether the backstop takes money and the deployer's power has ended (M9).
    """
    return self._is_open()


@view
@external
def exit_clock() -> uint256:
    """
    @notice The chain's time less the time held, seconds (M37).
    """
    return notices._clock(self.held_until)


@view
@external
def longest_cooldown(since: uint256) -> uint256:
    """
    @notice The longest cooldown in force from a time on, seconds (M9).
    """
    return self._longest_cooldown(since)


@view
@external
def notice(id: bytes32) -> (uint256, uint256):
    """
    @notice From when and until when an announced call may be made, Unix seconds, were there no further hold (M9).
    """
    return notices._times(id, self.held_until, self._notice_length(id))


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    assert roles._is_governance(msg.sender), "layer: not governance"


@internal
@view
def _check_deployer():
    assert roles._has(roles.DEPLOYER_ROLE, msg.sender), "layer: not deployer"


@internal
@view
def _is_open() -> bool:
    return roles.members[roles.DEPLOYER_ROLE] == 0


@internal
@pure
def _may_need_notice(call: Bytes[MAX_CALL]) -> bool:
    if len(call) != CALL_LENGTH:
        return False
    return convert(slice(call, 0, 4), bytes4) == method_id(
        "set_fund(address,uint256,uint256,uint256,uint256)",
        output_type=bytes4,
    )


@internal
@view
def _longest_cooldown(since: uint256) -> uint256:
    present: uint256 = staticcall IBackstop(self.backstop).cooldown_days()
    longest: uint256 = MAX_COOLDOWN
    for i: uint256 in range(MAX_COOLDOWN):
        if longest == present or self.last_in_force[longest] >= since:
            break
        longest -= 1
    return longest * DAY


@internal
@view
def _notice_length(id: bytes32) -> uint256:
    """
    @notice How long a notice is: the longest cooldown in force since it was given, and 3 days (M9).
    """
    given_at: uint256 = notices._given_at(id)
    if given_at == 0:
        given_at = block.timestamp
    return self._longest_cooldown(given_at) + AFTER_COOLDOWN


@internal
def _use_notice(id: bytes32):
    """
    @notice Use up the notice of the call that is being made (M9).
    """
    assert notices.given[id] != 0, "layer: no notice"
    until: uint256 = self.held_until
    length: uint256 = self._notice_length(id)
    assert notices._is_mature(id, until, length), "layer: notice not mature"
    assert notices._is_running(id, until, length), "layer: notice lapsed"
    notices.given[id] = 0
    log IUnderwriter.NoticeUsed(id=id)
