# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Market registry
@license AGPL-3.0-only
@author Kana
@notice The markets of the reference perpetuals venue: parameters, fund, feed and mark; one call gives the house all that it
        needs (M27 to M31).
@dev Governance is a timelock; until `finish_setup` the deployer acts as governance too. Guardians stop what adds risk, for a
     while (M37). Ids count up from 0 and are never used twice.
     What the house is told it is told with the call: while the registry is in the middle of one, its own views are closed.
@custom:security A feed is trusted with its market. Where a market is insured is decided by its fund as much as by this registry:
    the fund has to have registered it, after its own notice (M9). The factory names the fund that serves it (M18): nothing
    that only pretends to be a fund gets an allowance over the house's tokens.
"""

from snekmate.auth import access_control

from contracts.interfaces import IClearingHouse
from contracts.interfaces import IFundFactory
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import IMarketRegistry
from contracts.interfaces import IPriceFeed
from contracts.modules import market_words
from contracts.modules import pause
from contracts.modules import roles

implements: IMarketRegistry

uses: access_control
initializes: roles

# Left out: `set_role_admin` (governance administers every role); grantRole, revokeRole and renounceRole are wrapped below.
exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.supportsInterface,
    roles.GUARDIAN_ROLE,
    roles.DEPLOYER_ROLE,
    roles.governance,
    roles.members,
)

# --------------------------------------------------------------- immutables

# Made the funds, and knows which of them serves which market (M18).
factory: public(immutable(address))

# ------------------------------------------------------------------ storage

# The one house whose markets these are.
house: public(address)
# Who is credited the part of the fees that isn't the fund's.
fee_recipient: public(address)
# When the last pause of trading ends or ended, Unix seconds; 0: there was none (M37).
trading_resume_at: public(uint256)
# The id that the next market gets.
next_market_id: public(uint256)
# Market id -> its parameters, in three words.
_words: HashMap[uint256, market_words.Words]
# Fund -> how many markets it insures here; the house's allowance lasts from the first to the last (M38).
_insured: HashMap[address, uint256]

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    governance: address,
    guardian: address,
    deployer: address,
    fee_recipient: address,
    fund_factory: address,
):
    """
    @notice Name who governs, guards and wires; the account that creates the registry keeps nothing.
    @param governance A timelock whose delay never falls below 2 days.
    @param guardian May pause trading.
    @param deployer Acts as governance until it finishes the setup.
    @param fee_recipient Credited the part of the fees that isn't the fund's.
    @param fund_factory Made the funds that insure the markets.
    """
    assert fund_factory.is_contract, "registry: factory without code"
    factory = fund_factory
    roles.__init__(governance, deployer)
    roles._add(roles.GUARDIAN_ROLE, guardian)
    log IMarketRegistry.GovernanceTransferred(
        old=empty(address), new=governance
    )
    self._set_fee_recipient(fee_recipient)


# --------------------------------------------------------------- governance

@external
def connect_house(house: address):
    """
    @notice Names the one house whose markets these are, once. The deployer alone.
    """
    self._check_deployer()
    assert self.house == empty(address), "registry: house connected"
    assert house.is_contract, "registry: house without code"
    assert (
        staticcall IClearingHouse(house).registry() == self
    ), "registry: other registry"
    self.house = house
    log IMarketRegistry.HouseConnected(house=house)


@external
def finish_setup():
    """
    @notice Ends the deployer's power, once (M9).
    """
    assert not self._setup_finished(), "registry: setup finished"
    self._check_deployer()
    self._check_house()
    roles._end_setup()
    log IMarketRegistry.SetupFinished()


@external
def list_market(params: IMarketRegistry.Params) -> uint256:
    """
    @notice Lists a market that its fund has registered under `next_market_id` of the house and that the factory has assigned to
            it, and lets the house grant the fund its allowance (M38).
    @return The market's id; ids count up from 0.
    """
    self._check_governance()
    self._check_house()
    market_id: uint256 = self.next_market_id
    market_words._check_margins(params)
    market_words._check_fees(params)
    market_words._check_caps(params)
    market_words._check_grace(params)
    self._check_fund(market_id, params.fund)
    self._check_feed(params.feed)
    self.next_market_id = market_id + 1
    self._words[market_id] = market_words._pack(params)
    log IMarketRegistry.MarketListed(market_id=market_id, params=params)
    self._insure(params.fund)
    return market_id


@external
def remove_market(market_id: uint256):
    """
    @notice Removes a market without open interest, claims, fees and bad debt (M31).
    """
    self._check_governance()
    fund: address = self._params(market_id).fund
    self._words[market_id] = empty(market_words.Words)
    log IMarketRegistry.MarketRemoved(market_id=market_id)
    extcall IClearingHouse(self.house).close_market(market_id, fund)
    self._end_insurance(fund)


@external
def replace_fund(market_id: uint256, fund: address):
    """
    @notice Moves a market to the fund that serves it now: after a merger, in the same batch of the timelock (M18).
    @dev What it owed and had used went with the merger; a market that its fund has let go of owed nothing.
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    old: address = params.fund
    assert fund != old, "registry: same fund"
    self._check_fund(market_id, fund)
    params.fund = fund
    self._words[market_id] = market_words._pack(params)
    log IMarketRegistry.FundReplaced(market_id=market_id, old=old, new=fund)
    self._end_insurance(old)
    self._insure(fund)


@external
def set_feed(market_id: uint256, feed: address):
    """
    @notice Replaces a market's price feed; the new one must give a price now (M30).
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    self._check_feed(feed)
    log IMarketRegistry.FeedSet(market_id=market_id, old=params.feed, new=feed)
    params.feed = feed
    self._words[market_id] = market_words._pack(params)


@external
def set_margins(
    market_id: uint256,
    initial_margin_bps: uint256,
    maintenance_margin_bps: uint256,
    fill_band_bps: uint256,
):
    """
    @notice fill band < maintenance < initial <= 10_000.
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    log IMarketRegistry.MarginsSet(
        market_id=market_id,
        old_initial_margin_bps=params.initial_margin_bps,
        old_maintenance_margin_bps=params.maintenance_margin_bps,
        old_fill_band_bps=params.fill_band_bps,
        initial_margin_bps=initial_margin_bps,
        maintenance_margin_bps=maintenance_margin_bps,
        fill_band_bps=fill_band_bps,
    )
    params.initial_margin_bps = initial_margin_bps
    params.maintenance_margin_bps = maintenance_margin_bps
    params.fill_band_bps = fill_band_bps
    market_words._check_margins(params)
    self._words[market_id] = market_words._pack(params)


@external
def set_fees(
    market_id: uint256,
    taker_fee_bps: uint256,
    maker_fee_bps: uint256,
    fund_fee_bps: uint256,
):
    """
    @notice Fees at most 100 bps, the fund's part at most 5000 bps of them.
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    log IMarketRegistry.FeesSet(
        market_id=market_id,
        old_taker_fee_bps=params.taker_fee_bps,
        old_maker_fee_bps=params.maker_fee_bps,
        old_fund_fee_bps=params.fund_fee_bps,
        taker_fee_bps=taker_fee_bps,
        maker_fee_bps=maker_fee_bps,
        fund_fee_bps=fund_fee_bps,
    )
    params.taker_fee_bps = taker_fee_bps
    params.maker_fee_bps = maker_fee_bps
    params.fund_fee_bps = fund_fee_bps
    market_words._check_fees(params)
    self._words[market_id] = market_words._pack(params)


@external
def set_caps(
    market_id: uint256,
    open_interest_cap: uint256,
    position_cap: uint256,
    min_notional: uint256,
):
    """
    @notice All positive; the caps at most 112 bits wide, the least notional at most 80.
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    log IMarketRegistry.CapsSet(
        market_id=market_id,
        old_open_interest_cap=params.open_interest_cap,
        old_position_cap=params.position_cap,
        old_min_notional=params.min_notional,
        open_interest_cap=open_interest_cap,
        position_cap=position_cap,
        min_notional=min_notional,
    )
    params.open_interest_cap = open_interest_cap
    params.position_cap = position_cap
    params.min_notional = min_notional
    market_words._check_caps(params)
    self._words[market_id] = market_words._pack(params)


@external
def set_grace(market_id: uint256, grace: uint256):
    """
    @notice 1 to 60 minutes.
    """
    self._check_governance()
    params: IMarketRegistry.Params = self._params(market_id)
    log IMarketRegistry.GraceSet(
        market_id=market_id, old=params.grace, new=grace
    )
    params.grace = grace
    market_words._check_grace(params)
    self._words[market_id] = market_words._pack(params)


@external
def set_fee_recipient(fee_recipient: address):
    """
    @notice Names who is credited the part of the fees that doesn't go to the fund.
    """
    self._check_governance()
    self._set_fee_recipient(fee_recipient)


@external
def set_governance(new: address):
    """
    @notice Hands governance to another timelock, whose immutable delay floor is at least 2 days.
    """
    self._check_governance()
    old: address = roles._set_governance(new)
    log IMarketRegistry.GovernanceTransferred(old=old, new=new)


@external
def grantRole(role: bytes32, account: address):
    """
    @notice Makes an account a member of a role; not of those that have a way of their own (M36).
    """
    self._check_governance()
    roles._grant(role, account)


@external
def revokeRole(role: bytes32, account: address):
    """
    @notice Ends a membership.
    """
    self._check_governance()
    roles._revoke(role, account)


@external
def renounceRole(role: bytes32, account: address):
    """
    @notice Ends the caller's own membership, never the last one of a role.
    """
    roles._renounce(role, account)


# ----------------------------------------------------------------- guardian

@external
def pause_trading(duration: uint256):
    """
    @notice Stops trades that add risk for `duration` seconds, at most 7 days, not within 7 days of the last pause's end (M37).
    """
    assert roles._has(roles.GUARDIAN_ROLE, msg.sender), "registry: not guardian"
    assert duration > 0, "registry: zero duration"
    assert pause._fits(duration), "registry: pause too long"
    assert pause._is_rested(
        self.trading_resume_at
    ), "registry: paused too recently"
    resume_at: uint256 = block.timestamp + duration
    self.trading_resume_at = resume_at
    log IMarketRegistry.TradingPaused(guardian=msg.sender, resume_at=resume_at)


@external
def resume_trading():
    """
    @notice Ends a pause early. Guardians and governance.
    """
    assert roles._has(roles.GUARDIAN_ROLE, msg.sender) or roles._is_governance(
        msg.sender
    ), "registry: not guardian"
    assert pause._is_paused(self.trading_resume_at), "registry: not paused"
    self.trading_resume_at = block.timestamp
    log IMarketRegistry.TradingResumed(account=msg.sender)


# -------------------------------------------------------------------- views

@view
@external
def setup_finished() -> bool:
    """
    @notice Whether the deployer's power has ended; before, the house takes no money (M9).
    """
    return self._setup_finished()


@view
@external
def listed(market_id: uint256) -> bool:
    """
    @notice Whether there is such a market.
    """
    return self._words[market_id].terms != 0


@view
@external
def params(market_id: uint256) -> IMarketRegistry.Params:
    """
    @notice The parameters of a listed market.
    """
    return self._params(market_id)


@view
@external
def fund_of(market_id: uint256) -> address:
    """
    @notice The fund that insures a listed market.
    """
    return self._params(market_id).fund


@view
@external
def mark(market_id: uint256) -> uint256:
    """
    @notice The market's price now; reverts without a good one (M30).
    """
    return self._mark(self._params(market_id))


@view
@external
def quote(market_id: uint256) -> IMarketRegistry.Quote:
    """
    @notice Mark and parameters of a listed market in one call; reverts without a good price.
    """
    params: IMarketRegistry.Params = self._params(market_id)
    return IMarketRegistry.Quote(
        mark=self._mark(params),
        fund=params.fund,
        initial_margin_bps=self._initial_margin_bps(params),
        maintenance_margin_bps=params.maintenance_margin_bps,
        fill_band_bps=params.fill_band_bps,
        taker_fee_bps=params.taker_fee_bps,
        maker_fee_bps=params.maker_fee_bps,
        grace=params.grace,
        min_notional=params.min_notional,
        open_interest_cap=params.open_interest_cap,
        position_cap=params.position_cap,
        trading_paused=pause._is_paused(self.trading_resume_at),
    )


@view
@external
def fee_terms(market_id: uint256) -> (address, uint256, address):
    """
    @return Fund, its part of the fees in bps, and the fee recipient.
    """
    params: IMarketRegistry.Params = self._params(market_id)
    return params.fund, params.fund_fee_bps, self.fee_recipient


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    assert roles._is_governance(msg.sender), "registry: not governance"


@internal
@view
def _check_deployer():
    assert roles._has(roles.DEPLOYER_ROLE, msg.sender), "registry: not deployer"


@internal
@view
def _check_house():
    assert self.house != empty(address), "registry: no house"


@internal
@view
def _setup_finished() -> bool:
    return roles.members[roles.DEPLOYER_ROLE] == 0


@internal
@view
def _params(market_id: uint256) -> IMarketRegistry.Params:
    """
    @dev The parameters of a listed market.
    """
    words: market_words.Words = self._words[market_id]
    assert words.terms != 0, "registry: unknown market"
    return market_words._unpack(words)


@internal
@view
def _mark(params: IMarketRegistry.Params) -> uint256:
    """
    @dev The one place where a market's price comes from. A bound on the mark's steps belongs here (M31).
    """
    return staticcall IPriceFeed(params.feed).price()


@internal
@view
def _initial_margin_bps(params: IMarketRegistry.Params) -> uint256:
    """
    @dev The initial margin in force. What volatility adds to the base belongs here (M34).
    """
    return params.initial_margin_bps


@internal
@view
def _check_feed(feed: address):
    """
    @dev A feed that gives no price now refuses with its own reason.
    """
    assert feed.is_contract, "registry: feed without code"
    price: uint256 = staticcall IPriceFeed(feed).price()
    assert price > 0, "registry: no price"


@internal
@view
def _check_fund(market_id: uint256, fund: address):
    """
    @dev The fund serves the market, as the factory that made it says (M18), has registered it as the house's, and pays in
         the house's asset (M16).
    """
    house: address = self.house
    server: address = staticcall IFundFactory(factory).fund_of(house, market_id)
    assert server != empty(address), "registry: market unassigned"
    assert fund == server, "registry: other fund's market"
    market: IInsuranceFund.Market = staticcall IInsuranceFund(fund).market(
        house, market_id
    )
    assert market.registered and market.is_perp, "registry: not at the fund"
    fund_asset: address = staticcall IInsuranceFund(fund).asset()
    house_asset: address = staticcall IClearingHouse(house).asset()
    assert fund_asset == house_asset, "registry: other asset"


@internal
def _insure(fund: address):
    """
    @dev One market more at a fund; with the first the house grants its allowance (M38).
    """
    count: uint256 = self._insured[fund]
    self._insured[fund] = count + 1
    if count == 0:
        extcall IClearingHouse(self.house).connect_fund(fund)


@internal
def _end_insurance(fund: address):
    """
    @dev One market less at a fund; with the last the house revokes its allowance (M38).
    """
    count: uint256 = self._insured[fund] - 1
    self._insured[fund] = count
    if count == 0:
        extcall IClearingHouse(self.house).disconnect_fund(fund)


@internal
def _set_fee_recipient(fee_recipient: address):
    assert fee_recipient != empty(address), "registry: zero address"
    log IMarketRegistry.FeeRecipientSet(
        old=self.fee_recipient, new=fee_recipient
    )
    self.fee_recipient = fee_recipient
