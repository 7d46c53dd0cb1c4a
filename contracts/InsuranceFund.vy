# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title InsuranceFund
@license AGPL-3.0-only
@author Kana
@notice One pot of one asset that pays shortfalls of the venues that report to it. It is fed by contributions, slices
        of liquidations and fees; what it gathers above its threshold goes to a treasury.
@dev A facade over modules: ledger keeps the books, custody the tokens, fund_layers the layers behind the reserve, roles
     the memberships; succession hands over and adopts; a NoticeBoard keeps the notices. Here is who may do what:

       anyone        contribute, contribute_with_permit, skim
       venues        settle_liquidation(s), settle_fees, cover_shortfall, record_bad_debt, repay_bad_debt, release_market
       treasurers    withdraw_excess (M8)
       guardians     pause_payouts, resume_payouts, suspend_layer, resume_layer (M37)
       factory       hand_over, adopt (M18)
       governance    the rest; what lets more be drawn only after a notice (M9)

     Until `finish_setup` the deployer acts as governance, without notice, and no money is accepted. Structs and events
     are described in IInsuranceFund and ISuccession. The asset moves last, and what comes in is measured (M6); nothing
     else reads a token balance. Optimised for size: with its constructor it fits a blueprint (M18).
@custom:security A venue is trusted with its own markets: it is paid the shortfalls that it reports, within a market's
                 maximum and the window. Nothing here can mend an asset that takes or freezes balances.
                 A layer is trusted to say what it pays and what its exits are held for; what it pays is measured.
@custom:invariant I1: balance of the asset >= reserve.
                  I2: no slice and no fee lifts the reserve above threshold + total bad debt; an adoption may (M18).
                  I4: a withdrawal leaves reserve >= threshold + total bad debt.
                  I5: no cover lifts `used` of a perp market above its maximum; `used` falls only by M12.
                  I7: a layer is asked only when the reserve is 0 and every earlier one paid what it could.
                  I13: the contributions by contributor add up to the total.
"""

from ethereum.ercs import IERC165
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.auth import access_control
from snekmate.tokens.interfaces import IERC20Permit

from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ISuccession

from contracts.modules import checks
from contracts.modules import custody
from contracts.modules import fund_layers
from contracts.modules import fund_notices
from contracts.modules import fund_views
from contracts.modules import fund_words
from contracts.modules import ledger
from contracts.modules import limits
from contracts.modules import notice_clock
from contracts.modules import pause
from contracts.modules import roles
from contracts.modules import settings
from contracts.modules import succession

implements: IERC165
implements: IInsuranceFund
implements: ISuccession

uses: access_control
initializes: roles
initializes: custody
initializes: fund_layers[custody := custody]
initializes: ledger[fund_layers := fund_layers]
initializes: settings[ledger := ledger]
initializes: fund_notices[fund_layers := fund_layers, ledger := ledger]
initializes: succession[fund_notices := fund_notices, ledger := ledger]
initializes: fund_views[fund_layers := fund_layers, ledger := ledger]

# Left out: snekmate's `set_role_admin` (governance administers every role); `grantRole`, `revokeRole` and `renounceRole`,
# wrapped below for the lock and the guards; the names of the roles, for size: see docs/roles.md.
exports: (
    # Roles
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.supportsInterface,
    roles.governance,
    roles.members,
    # The books
    custody.__interface__,
    fund_notices.__interface__,
    fund_views.__interface__,
    succession.__interface__,
)

# ---------------------------------------------------------------- constants

# Settlements in a batch.
MAX_BATCH: constant(uint256) = 64
# Length of the window at first, seconds.
FIRST_WINDOW: constant(uint256) = 86_400
# Decimals for which 112 bits and the venues' QUOTE_SCALE have room (M16).
MIN_DECIMALS: constant(uint8) = 6
MAX_DECIMALS: constant(uint8) = 18

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    asset: address,
    notices: address,
    factory: address,
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
    @param notices The board that keeps its notices, for ever (M9).
    @param factory Who may merge it with another fund; the zero address for nobody (M18).
    @param governance A timelock whose delay can't fall below 2 days (M9).
    @param treasurer First of those who may withdraw the excess.
    @param guardian First of those who may pause.
    @param deployer Acts as governance until it finishes the setup.
    @param treasury Receives the excess, for ever.
    @param threshold Cap of the reserve, base units, > 0.
    @param liquidator_bps A liquidator's share of what a liquidation leaves, at most 5000.
    @param fund_bps The fund's share, at most 3000.
    """
    checks._require(asset.is_contract, "fund: asset without code")
    decimals: uint8 = staticcall IERC20Detailed(asset).decimals()
    checks._require(
        decimals >= MIN_DECIMALS and decimals <= MAX_DECIMALS,
        "fund: bad decimals",
    )
    checks._require(notices.is_contract, "fund: notices without code")
    checks._require(treasury != empty(address), "fund: zero address")

    custody.__init__(asset, treasury)
    fund_notices.__init__(notices)
    succession.__init__(factory)
    roles.__init__(governance, deployer)
    roles._add(roles.TREASURER_ROLE, treasurer)
    roles._add(roles.GUARDIAN_ROLE, guardian)
    log IInsuranceFund.GovernanceTransferred(old=empty(address), new=governance)
    ledger.pot = fund_words._with_resume_at(0, fund_words.NOT_OPEN)
    settings._set_threshold(threshold)
    settings._set_split(liquidator_bps, fund_bps)
    # No window at first: whatever its length.
    ledger.window_length = FIRST_WINDOW


# ------------------------------------------------------------- contributors

@external
def contribute(amount: uint256, contributor: address = msg.sender):
    """
    @notice Pull `amount` from the caller into the reserve, for good (M7).
    """
    ledger._contribute(contributor, amount)
    custody._pull(self, amount)


@external
def contribute_with_permit(
    amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Contribute with an ERC-2612 permit. It is used only while the allowance is short, so that whoever submits
            it first does no harm (M7).
    """
    allowance: uint256 = staticcall IERC20(custody.ASSET).allowance(
        msg.sender, self
    )
    if allowance < amount:
        extcall IERC20Permit(custody.ASSET).permit(
            msg.sender, self, amount, deadline, v, r, s
        )
    ledger._contribute(msg.sender, amount)
    custody._pull(self, amount)


@external
def skim(contributor: address) -> uint256:
    """
    @notice Book what was transferred to the fund without a call (M6).
    """
    amount: uint256 = limits._left(
        custody._balance(self), fund_words._reserve(ledger._open_pot())
    )
    checks._require(amount > 0, "fund: nothing to skim")
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
    pot: uint256 = ledger.pot
    if pot >> 224 >= fund_words.CLOSED:
        ledger._open_pot()
    parts: IInsuranceFund.Split = ledger._settle(
        msg.sender,
        market_id,
        collateral,
        pot & fund_words.MAX_AMOUNT,
        ledger.terms,
    )
    booked: uint256 = parts.fund
    if parts.repaid > 0:
        booked -= parts.repaid
    if booked > 0:
        ledger.pot = pot + booked
        custody._pull(self, booked)
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
        custody._pull(self, reserve - before)
    return splits


@external
def settle_fees(market_id: uint256, amount: uint256) -> uint256:
    """
    @notice Take the fund's part of a market's fees: for its bad debt, for the layers, for the room in the reserve, the
            rest for the stakers or the treasury (M24).
    """
    pot: uint256 = ledger._open_pot()
    fees: ledger.Fees = ledger._settle_fees(msg.sender, market_id, amount, pot)
    if fees.booked > 0:
        ledger.pot = fund_words._with_more(pot, fees.booked)
    pulled: uint256 = fees.booked + fees.layers[0] + fees.layers[1]
    if pulled > 0:
        custody._pull(self, pulled)
        fund_layers._feed(0, fees.layers[0])
        fund_layers._feed(1, fees.layers[1])
    if fees.forwarded > 0:
        custody._pull(custody.TREASURY, fees.forwarded)
    return fees.repaid


@external
def cover_shortfall(market_id: uint256, shortfall: uint256) -> uint256:
    """
    @notice Pay the caller a shortfall of its market as far as limits and means reach (M10, M11). A fund that is short
            pays what it has; only a paused one reverts (M37).
    """
    pot: uint256 = ledger._open_pot()
    paid: uint256 = ledger._cover(msg.sender, market_id, shortfall, pot)
    if paid > 0:
        custody._send(custody.ASSET, msg.sender, paid)
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
    checks._require(
        roles._has(roles.TREASURER_ROLE, msg.sender), "fund: not treasurer"
    )
    reserve: uint256 = ledger._withdraw(amount, ledger._open_pot())
    log IInsuranceFund.ExcessWithdrawn(
        treasurer=msg.sender, amount=amount, reserve=reserve
    )
    custody._send(custody.ASSET, custody.TREASURY, amount)


@external
def pause_payouts(duration: uint256):
    """
    @notice Stop covers and withdrawals for a while; until a day after it notices stand still, and exits from the
            layers, which mature first what is due (M37).
    """
    self._check_guardian(False)
    pot: uint256 = ledger._open_pot()
    resume_at: uint256 = ledger._next_resume_at(
        fund_words._resume_at(pot), duration
    )
    ledger.pot = fund_words._with_resume_at(pot, resume_at)
    log IInsuranceFund.PayoutsPaused(guardian=msg.sender, resume_at=resume_at)
    fund_notices._hold(resume_at)


@external
def resume_payouts():
    """
    @notice End a pause early; governance may too.
    """
    self._check_guardian(roles._is_governance(msg.sender))
    pot: uint256 = ledger._open_pot()
    checks._require(
        pause._is_paused(fund_words._resume_at(pot)), "fund: not paused"
    )
    ledger.pot = fund_words._with_resume_at(pot, block.timestamp)
    log IInsuranceFund.PayoutsResumed(account=msg.sender)
    fund_notices._hold(block.timestamp)


@external
def suspend_layer(place: uint256, duration: uint256):
    """
    @notice Let a layer count as empty for a while (M10).
    """
    self._check_guardian(False)
    ledger._check_not_closed()
    last: uint256 = fund_layers._word(place) >> 160
    resume_at: uint256 = ledger._next_resume_at(last, duration)
    layer: address = fund_layers._suspend(place, resume_at)
    log IInsuranceFund.LayerSuspended(
        layer=layer, guardian=msg.sender, resume_at=resume_at
    )


@external
def resume_layer(place: uint256):
    """
    @notice End a suspension early; governance may too. While payouts are held, the layer's exits are from now on, also
            where the suspension has ended by itself (M37).
    """
    self._check_guardian(roles._is_governance(msg.sender))
    ledger._check_not_closed()
    until: uint256 = fund_layers._word(place) >> 160
    layer: address = fund_layers._suspend(place, min(until, block.timestamp))
    log IInsuranceFund.LayerResumed(layer=layer, account=msg.sender)
    self._hold_while_held()


# ------------------------------------------------------------------ factory

@external
def hand_over(
    successor: address, venue: address, market_id: uint256
) -> ISuccession.HandOver:
    """
    @notice Close the fund for ever and send its reserve to a successor, once; hand it a market (M18).
    """
    succession._check_factory()
    handed: ISuccession.HandOver = succession._hand_over(
        successor, venue, market_id
    )
    if handed.reserve > 0:
        custody._send(custody.ASSET, successor, handed.reserve)
    return handed


@external
def adopt(old: address, handed: ISuccession.HandOver):
    """
    @notice Take over what a fund handed over (M18).
    """
    succession._check_factory()
    succession._adopt(old, handed)
    custody._check_received(
        custody._balance(self) >= fund_words._reserve(ledger.pot)
    )


# --------------------------------------------------------------- governance

@external
def finish_setup():
    """
    @notice Open the fund for money and end the deployer's power, once (M9).
    """
    pot: uint256 = ledger.pot
    checks._require(pot >= fund_words.NOT_OPEN_POT, "fund: setup finished")
    checks._require(
        roles._has(roles.DEPLOYER_ROLE, msg.sender), "fund: not deployer"
    )
    roles._end_setup()
    ledger.pot = fund_words._with_resume_at(pot, 0)
    log IInsuranceFund.SetupFinished()


@external
def register_market(venue: address, market_id: uint256, is_perp: bool):
    """
    @notice Let a venue report for a market (M12). Needs notice.
    """
    self._check_setter()
    settings._register(venue, market_id, is_perp)
    fund_notices._use(fund_notices._call())


@external
def replace_venue(venue: address, market_id: uint256, new_venue: address):
    """
    @notice Hand a market with its maximum, use and bad debt to another venue. Needs notice.
    """
    self._check_setter()
    settings._move(venue, market_id, new_venue)
    fund_notices._use(fund_notices._call())


@external
def set_max_insurance(
    venue: address, market_id: uint256, max_insurance: uint256
):
    """
    @notice Set what a market may cost the fund for life (M12, M31). Needs notice to raise.
    """
    self._check_setter()
    if settings._set_max_insurance(venue, market_id, max_insurance):
        fund_notices._use(fund_notices._call())


@external
def set_threshold(threshold: uint256):
    """
    @notice Set the cap of the reserve (M1, M8). Needs notice to lower.
    """
    self._check_setter()
    if settings._set_threshold(threshold):
        fund_notices._use(keccak256(slice(msg.data, 0, 36)))


@external
def set_split(liquidator_bps: uint256, fund_bps: uint256):
    """
    @notice Set the shares of a liquidation (M1).
    """
    self._check_setter()
    settings._set_split(liquidator_bps, fund_bps)


@external
def set_window(cap: uint256, length: uint256):
    """
    @notice Set the leaky bucket of payouts (M11). Needs notice to raise or lift the cap and to shorten the window.
    """
    self._check_setter()
    if settings._set_window(cap, length):
        fund_notices._use(keccak256(slice(msg.data, 0, 68)))


@external
def set_layers(staked: address, reinsurance: address, staker_bps: uint256):
    """
    @notice Name the layers behind the reserve, and the stakers' share of revenue (M10, M24). Needs notice for a layer
            that is new in its place.
    """
    self._check_setter()
    if fund_layers._set(staked, reinsurance, staker_bps):
        fund_notices._use_for(fund_notices._call(), [staked, reinsurance], True)
        self._hold_while_held()


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
    checks._require(token != custody.ASSET, "fund: asset not rescuable")
    fund_words._check_positive(amount)
    log IInsuranceFund.Rescued(token=token, amount=amount)
    custody._send(token, custody.TREASURY, amount)


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    checks._require(roles._is_governance(msg.sender), "fund: not governance")


@internal
@view
def _check_setter():
    """
    @notice Governance, as long as the fund wasn't handed over (M18).
    """
    self._check_governance()
    ledger._check_not_closed()


@internal
@view
def _check_guardian(allowed: bool):
    checks._require(
        allowed or roles._has(roles.GUARDIAN_ROLE, msg.sender),
        "fund: not guardian",
    )


@internal
def _hold_while_held():
    """
    @notice Layers that begin to count while payouts are paused, or within a day after, are held like the others (M37);
            before the setup is finished, none is.
    """
    resume_at: uint256 = fund_words._resume_at(ledger.pot)
    if (
        resume_at != fund_words.NOT_OPEN
        and block.timestamp < resume_at + notice_clock.AFTER_PAUSE
    ):
        fund_layers._hold(resume_at)
