# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title InsuranceFund
@license AGPL-3.0-only
@author Kana
@notice One pot of one asset that pays shortfalls of the venues that report to it. It is fed by contributions, slices
        of liquidations and fees; what it gathers above its threshold goes to a treasury.
@dev A facade. The books are kept by the module ledger, membership by roles, announced calls by notices; here are the
     tokens, and who may do what:

       anyone        contribute, contribute_with_permit, skim
       venues        settle_liquidation(s), settle_fees, cover_shortfall, record_bad_debt, repay_bad_debt, release_market
       treasurers    withdraw_excess (M8)
       guardians     pause_payouts, resume_payouts (M37)
       governance    the rest; what lets more be drawn only after a notice that is kept here (M9)

     Until `finish_setup` the deployer acts as governance, without notice, and no money is accepted. Signatures,
     structs, events and their meaning are described in IInsuranceFund.
     The asset moves last, and what comes in is measured (M6); nothing else reads a token balance.
@custom:security A venue is trusted with its own markets: it is paid the shortfalls that it reports, within a market's
                 maximum and the window. Nothing here can mend an asset that takes or freezes balances.
@custom:invariant I1: balance of the asset >= reserve.
                  I2: no slice and no fee lifts the reserve above threshold + total bad debt.
                  I4: a withdrawal leaves reserve >= threshold + total bad debt.
                  I5: no cover lifts `used` of a perp market above its maximum; `used` falls only by M12.
                  I13: the contributions by contributor add up to the total.
"""

from ethereum.ercs import IERC165
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.auth import access_control
from snekmate.tokens.interfaces import IERC20Permit

from contracts.interfaces import IInsuranceFund

from contracts.modules import fund_views
from contracts.modules import fund_words
from contracts.modules import ledger
from contracts.modules import limits
from contracts.modules import notices
from contracts.modules import pause
from contracts.modules import roles
from contracts.modules import settings

implements: IERC165
implements: IInsuranceFund

uses: access_control
initializes: roles
initializes: notices
initializes: ledger
initializes: settings[ledger := ledger]
initializes: fund_views[ledger := ledger, notices := notices]

# Left out: snekmate's `set_role_admin` (governance administers every role) and its `grantRole`, `revokeRole` and
# `renounceRole`, which are wrapped below for the lock and the guards.
exports: (
    # Roles
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.supportsInterface,
    roles.TREASURER_ROLE,
    roles.GUARDIAN_ROLE,
    roles.DEPLOYER_ROLE,
    roles.governance,
    roles.members,
    # The books
    fund_views.__interface__,
)

# ---------------------------------------------------------------- constants

# Settlements in a batch.
MAX_BATCH: constant(uint256) = 64
# Calldata of the longest call that may be announced: a selector and seven words.
MAX_CALL: constant(uint256) = 228
# Length of the window at first, seconds.
FIRST_WINDOW: constant(uint256) = 86_400
# Decimals for which 112 bits and the venues' QUOTE_SCALE have room (M16).
MIN_DECIMALS: constant(uint8) = 6
MAX_DECIMALS: constant(uint8) = 18

# --------------------------------------------------------------- immutables

# The one asset of this fund (M16).
ASSET: immutable(address)
# Where the excess goes, and what the reserve has no room for; no call can redirect it (M8).
TREASURY: immutable(address)

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    asset: address,
    governance: address,
    treasurer: address,
    guardian: address,
    deployer: address,
    treasury: address,
    threshold: uint256,
    liquidator_bps: uint256,
    fund_bps: uint256,
):
    """
    @notice Create a fund that takes no money until `finish_setup`. Its creator gets no role.
    @param asset ERC-20 of 6 to 18 decimals.
    @param governance A timelock whose delay can't fall below 2 days (M9).
    @param treasurer First of those who may withdraw the excess.
    @param guardian First of those who may pause.
    @param deployer Acts as governance until it finishes the setup.
    @param treasury Receives the excess, for ever.
    @param threshold Cap of the reserve, base units, > 0.
    @param liquidator_bps A liquidator's share of what a liquidation leaves, at most 5000.
    @param fund_bps The fund's share, at most 3000.
    """
    assert asset.is_contract, "fund: asset without code"
    decimals: uint8 = staticcall IERC20Detailed(asset).decimals()
    assert (
        decimals >= MIN_DECIMALS and decimals <= MAX_DECIMALS
    ), "fund: bad decimals"
    assert treasury != empty(address), "fund: zero address"
    ASSET = asset
    TREASURY = treasury

    roles.__init__(governance, deployer)
    roles._add(roles.TREASURER_ROLE, treasurer)
    roles._add(roles.GUARDIAN_ROLE, guardian)
    log IInsuranceFund.GovernanceTransferred(old=empty(address), new=governance)
    ledger.pot = fund_words._with_resume_at(0, fund_words.NOT_OPEN)
    settings._set_threshold(threshold)
    settings._set_split(liquidator_bps, fund_bps)
    settings._set_window(0, FIRST_WINDOW)


# ------------------------------------------------------------- contributors

@external
def contribute(amount: uint256, contributor: address = msg.sender):
    """
    @notice Pull `amount` from the caller into the reserve, for good (M7).
    """
    ledger._contribute(contributor, amount)
    self._pull(self, amount)


@external
def contribute_with_permit(
    amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Contribute with an ERC-2612 permit. It is used only while the allowance is short, so that whoever submits
            it first does no harm (M7).
    """
    allowance: uint256 = staticcall IERC20(ASSET).allowance(msg.sender, self)
    if allowance < amount:
        extcall IERC20Permit(ASSET).permit(
            msg.sender, self, amount, deadline, v, r, s
        )
    ledger._contribute(msg.sender, amount)
    self._pull(self, amount)


@external
def skim(contributor: address) -> uint256:
    """
    @notice Book what was transferred to the fund without a call (M6).
    """
    pot: uint256 = ledger._open_pot()
    balance: uint256 = staticcall IERC20(ASSET).balanceOf(self)
    amount: uint256 = limits._left(balance, fund_words._reserve(pot))
    assert amount > 0, "fund: nothing to skim"
    ledger._contribute(contributor, amount)
    return amount


# ------------------------------------------------------------------- venues

@external
def settle_liquidation(
    market_id: uint256, collateral: uint256
) -> IInsuranceFund.Split:
    """
    @notice Split what a liquidation of the caller's market left, and pull the fund's part but for what repays bad
            debt (M1, M14).
    """
    pot: uint256 = ledger._open_pot()
    parts: IInsuranceFund.Split = ledger._settle(
        msg.sender,
        market_id,
        collateral,
        pot & fund_words.MAX_AMOUNT,
        ledger.terms,
    )
    booked: uint256 = parts.fund - parts.repaid
    if booked > 0:
        ledger.pot = pot + booked
        self._pull(self, booked)
    return parts


@external
def settle_liquidations(
    settlements: DynArray[IInsuranceFund.Settlement, MAX_BATCH],
) -> DynArray[IInsuranceFund.Split, MAX_BATCH]:
    """
    @notice What single settlements in that order give, with one pull (M4).
    """
    pot: uint256 = ledger._open_pot()
    terms: uint256 = ledger.terms
    before: uint256 = fund_words._reserve(pot)
    reserve: uint256 = before
    splits: DynArray[IInsuranceFund.Split, MAX_BATCH] = []
    for settlement: IInsuranceFund.Settlement in settlements:
        parts: IInsuranceFund.Split = ledger._settle(
            msg.sender,
            settlement.market_id,
            settlement.collateral,
            reserve,
            terms,
        )
        reserve += parts.fund
        if parts.repaid > 0:
            # It stays with the caller, and total bad debt is another now.
            reserve -= parts.repaid
            terms = ledger.terms
        splits.append(parts)
    if reserve > before:
        ledger.pot = pot + (reserve - before)
        self._pull(self, reserve - before)
    return splits


@external
def settle_fees(market_id: uint256, amount: uint256) -> uint256:
    """
    @notice Take the fund's part of a market's fees: for its bad debt, for the room in the reserve, the rest for the
            treasury (M24).
    """
    pot: uint256 = ledger._open_pot()
    repaid: uint256 = 0
    booked: uint256 = 0
    repaid, booked = ledger._settle_fees(msg.sender, market_id, amount, pot)
    if booked > 0:
        ledger.pot = fund_words._with_more(pot, booked)
        self._pull(self, booked)
    if amount > repaid + booked:
        self._pull(TREASURY, amount - repaid - booked)
    return repaid


@external
def cover_shortfall(market_id: uint256, shortfall: uint256) -> uint256:
    """
    @notice Pay the caller a shortfall of its market as far as limits and means reach (M10, M11). A fund that is short
            pays what it has; only a paused one reverts (M37).
    """
    pot: uint256 = ledger._open_pot()
    paid: uint256 = ledger._cover(msg.sender, market_id, shortfall, pot)
    if paid > 0:
        self._send(ASSET, msg.sender, paid)
    return paid


@external
def record_bad_debt(market_id: uint256, amount: uint256):
    """
    @notice Record a shortfall of the caller's market that nobody paid and nobody is left to bear (M14).
    """
    ledger._open_pot()
    ledger._record(msg.sender, market_id, amount)


@external
def repay_bad_debt(market_id: uint256, amount: uint256):
    """
    @notice Report that bad debt of the caller's market was repaid to the caller (M14). Moves no token.
    """
    ledger._open_pot()
    ledger._repay_reported(msg.sender, market_id, amount)


@external
def release_market(market_id: uint256):
    """
    @notice End the registration of the caller's own market, which owes nothing (T41).
    """
    settings._release(msg.sender, market_id)


# ----------------------------------------------- treasurers and guardians

@external
def withdraw_excess(amount: uint256):
    """
    @notice Send at most the excess to the treasury (M8).
    """
    assert roles._has(roles.TREASURER_ROLE, msg.sender), "fund: not treasurer"
    reserve: uint256 = ledger._withdraw(amount, ledger._open_pot())
    log IInsuranceFund.ExcessWithdrawn(
        treasurer=msg.sender, amount=amount, reserve=reserve
    )
    self._send(ASSET, TREASURY, amount)


@external
def pause_payouts(duration: uint256):
    """
    @notice Stop covers and withdrawals for a while; notices stand still until a day after it (M37).
    """
    self._check_guardian(False)
    pot: uint256 = ledger._open_pot()
    assert duration > 0, "fund: zero duration"
    assert pause._fits(duration), "fund: pause too long"
    last: uint256 = fund_words._resume_at(pot)
    assert pause._is_rested(last), "fund: paused too recently"
    notices._hold(last + notices.AFTER_PAUSE)
    resume_at: uint256 = block.timestamp + duration
    ledger.pot = fund_words._with_resume_at(pot, resume_at)
    log IInsuranceFund.PayoutsPaused(guardian=msg.sender, resume_at=resume_at)


@external
def resume_payouts():
    """
    @notice End a pause early; governance may too.
    """
    self._check_guardian(roles._is_governance(msg.sender))
    pot: uint256 = ledger._open_pot()
    assert pause._is_paused(fund_words._resume_at(pot)), "fund: not paused"
    ledger.pot = fund_words._with_resume_at(pot, block.timestamp)
    log IInsuranceFund.PayoutsResumed(account=msg.sender)


# --------------------------------------------------------------- governance

@external
def finish_setup():
    """
    @notice Open the fund for money and end the deployer's power, once (M9).
    """
    pot: uint256 = ledger.pot
    assert pot >= fund_words.CLOSED_POT, "fund: setup finished"
    assert roles._has(roles.DEPLOYER_ROLE, msg.sender), "fund: not deployer"
    roles._end_setup()
    ledger.pot = fund_words._with_resume_at(pot, 0)
    log IInsuranceFund.SetupFinished()


@external
def announce(call: Bytes[MAX_CALL]) -> bytes32:
    """
    @notice Give notice of a call that lets more be drawn (M9).
    """
    self._check_governance()
    until: uint256 = fund_views._held_until(ledger._open_pot())
    assert self._may_need_notice(call), "fund: no notice needed"
    id: bytes32 = keccak256(call)
    length: uint256 = fund_views._notice_length()
    assert not notices._is_running(id, until, length), "fund: notice running"
    notices._give(id, until)
    log IInsuranceFund.NoticeGiven(id=id, call=call, notice_seconds=length)
    return id


@external
def cancel_notice(id: bytes32):
    """
    @notice Withdraw a notice.
    """
    self._check_governance()
    self._check_given(id)
    notices.given[id] = 0
    log IInsuranceFund.NoticeCancelled(id=id)


@external
def register_market(venue: address, market_id: uint256, is_perp: bool):
    """
    @notice Let a venue report for a market (M12). Needs notice.
    """
    self._check_governance()
    settings._register(venue, market_id, is_perp)
    self._use_notice(slice(msg.data, 0, 100))


@external
def replace_venue(venue: address, market_id: uint256, new_venue: address):
    """
    @notice Hand a market with its maximum, use and bad debt to another venue. Needs notice.
    """
    self._check_governance()
    settings._move(venue, market_id, new_venue)
    self._use_notice(slice(msg.data, 0, 100))


@external
def set_max_insurance(
    venue: address, market_id: uint256, max_insurance: uint256
):
    """
    @notice Set what a market may cost the fund for life (M12, M31). Needs notice to raise.
    """
    self._check_governance()
    if settings._set_max_insurance(venue, market_id, max_insurance):
        self._use_notice(slice(msg.data, 0, 100))


@external
def set_threshold(threshold: uint256):
    """
    @notice Set the cap of the reserve (M1, M8). Needs notice to lower.
    """
    self._check_governance()
    if settings._set_threshold(threshold):
        self._use_notice(slice(msg.data, 0, 36))


@external
def set_split(liquidator_bps: uint256, fund_bps: uint256):
    """
    @notice Set the shares of a liquidation (M1).
    """
    self._check_governance()
    settings._set_split(liquidator_bps, fund_bps)


@external
def set_window(cap: uint256, length: uint256):
    """
    @notice Set the leaky bucket of payouts (M11). Needs notice to raise or lift the cap and to shorten the window.
    """
    self._check_governance()
    if settings._set_window(cap, length):
        self._use_notice(slice(msg.data, 0, 68))


@external
def set_governance(new: address):
    """
    @notice Hand governance to another timelock (M9).
    """
    self._check_governance()
    old: address = roles._set_governance(new)
    log IInsuranceFund.GovernanceTransferred(old=old, new=new)


@external
def grantRole(role: bytes32, account: address):
    """
    @notice Make `account` a member of a role (M36).
    """
    self._check_governance()
    roles._grant(role, account)


@external
def revokeRole(role: bytes32, account: address):
    """
    @notice End a membership (M36).
    """
    self._check_governance()
    roles._revoke(role, account)


@external
def renounceRole(role: bytes32, account: address):
    """
    @notice End the caller's own membership; the last member of a role stays (M36).
    """
    roles._renounce(role, account)


@external
def rescue(token: address, amount: uint256):
    """
    @notice Send other tokens than the asset to the treasury (M38).
    """
    self._check_governance()
    assert token != ASSET, "fund: asset not rescuable"
    fund_words._check_positive(amount)
    log IInsuranceFund.Rescued(token=token, amount=amount)
    self._send(token, TREASURY, amount)


# -------------------------------------------------------------------- views
# The others are those of fund_views.

@view
@external
def asset() -> address:
    """
    @notice The asset of reserve, contributions and payouts.
    """
    return ASSET


@view
@external
def treasury() -> address:
    """
    @notice Where the excess goes.
    """
    return TREASURY


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    assert roles._is_governance(msg.sender), "fund: not governance"


@internal
@view
def _check_given(id: bytes32):
    assert notices.given[id] != 0, "fund: no notice"


@internal
@view
def _check_guardian(allowed: bool):
    assert (
        allowed or roles._has(roles.GUARDIAN_ROLE, msg.sender)
    ), "fund: not guardian"


@internal
@pure
def _may_need_notice(call: Bytes[MAX_CALL]) -> bool:
    if len(call) < 4:
        return False
    return convert(slice(call, 0, 4), bytes4) in [
        method_id("register_market(address,uint256,bool)", output_type=bytes4),
        method_id("replace_venue(address,uint256,address)", output_type=bytes4),
        method_id(
            "set_max_insurance(address,uint256,uint256)", output_type=bytes4
        ),
        method_id("set_threshold(uint256)", output_type=bytes4),
        method_id("set_window(uint256,uint256)", output_type=bytes4),
    ]


@internal
def _use_notice(call: Bytes[MAX_CALL]):
    """
    @notice Use up the notice of the call that is being made; none is needed before the setup is finished (M9).
    """
    pot: uint256 = ledger.pot
    if pot >= fund_words.CLOSED_POT:
        return
    until: uint256 = fund_views._held_until(pot)
    length: uint256 = fund_views._notice_length()
    id: bytes32 = keccak256(call)
    self._check_given(id)
    assert notices._is_mature(id, until, length), "fund: notice not mature"
    assert notices._is_running(id, until, length), "fund: notice lapsed"
    notices.given[id] = 0
    log IInsuranceFund.NoticeUsed(id=id)


@internal
def _pull(receiver: address, amount: uint256):
    """
    @notice Move `amount` of the asset from the caller, and see that it came (M6).
    """
    before: uint256 = staticcall IERC20(ASSET).balanceOf(receiver)
    assert extcall IERC20(ASSET).transferFrom(
        msg.sender, receiver, amount, default_return_value=True
    ), "fund: transfer failed"
    balance: uint256 = staticcall IERC20(ASSET).balanceOf(receiver)
    assert balance >= before + amount, "fund: received less"


@internal
def _send(token: address, receiver: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    ), "fund: transfer failed"
