# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lending registry
@license AGPL-3.0-only
@author Kana
@notice The terms of one lending pool: collaterals, feeds, rates, caps and fund; one call gives the pool all that it needs
        (M30, M32).
@dev Governance is a timelock; until `finish_setup` the deployer acts as governance too. Guardians stop what adds risk, for a
     while (M37). Ids of collaterals count up from 0 and are never used twice. What the pool is told it is told with the call:
     while the registry is in the middle of one, its own views are closed.
@custom:security A feed is trusted with the loans against its collateral, the feed of the pool's asset with all. The fund is
    the one that the factory has assigned to the pool (M18) and that has registered it, after its own notice (M9): nothing
    that only pretends to be a fund gets an allowance over the pool's tokens.
"""

from snekmate.auth import access_control

from contracts.interfaces import IFundFactory
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILendingPool
from contracts.interfaces import ILendingRegistry
from contracts.modules import lending_prices
from contracts.modules import lending_words
from contracts.modules import pause
from contracts.modules import roles

implements: ILendingRegistry

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

# ---------------------------------------------------------------- constants

# The market as which a fund knows the pool.
MARKET_ID: constant(uint256) = 0
# Most collaterals ever.
MAX_COLLATERALS: constant(uint256) = 64

# --------------------------------------------------------------- immutables

# What is lent and owed.
asset: public(immutable(address))
# Made the funds, and knows which of them serves the pool (M18).
factory: public(immutable(address))
# Of the pool's asset.
DECIMALS: immutable(uint256)

# ------------------------------------------------------------------ storage

# The one pool whose terms these are.
pool: public(address)
# The fund that insures it.
fund: public(address)
# PriceFeed of the pool's asset; zero where the collaterals' feeds quote in it.
debt_feed: public(address)
# The id that the next collateral gets.
next_collateral_id: public(uint256)
# Rates and least debt; supply cap and pause: what every operation of the pool asks for.
_rates: uint256
_limits: uint256
# Collateral id -> its parameters, in three words.
_words: HashMap[uint256, lending_words.Words]
# Token -> whether it is listed; twice would be two caps for one risk.
_is_listed: HashMap[address, bool]

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    asset_: address,
    governance: address,
    guardian: address,
    deployer: address,
    fund_factory: address,
    debt_feed: address,
    rates: ILendingRegistry.Rates,
    supply_cap: uint256,
    min_debt: uint256,
):
    """
    @notice Name what is lent, who governs, guards and wires; the account that creates the registry keeps nothing.
    @param asset_ ERC-20 of 6 to 18 decimals.
    @param governance A timelock whose delay never falls below 2 days.
    @param guardian May pause borrowing.
    @param deployer Acts as governance until it finishes the setup.
    @param fund_factory Made the fund that insures the pool.
    @param debt_feed PriceFeed of the asset; the zero address where the collaterals' feeds quote in it.
    @param rates What borrowers pay, and the fund's part of it.
    @param supply_cap Most that lenders may bring, base units.
    @param min_debt Least debt of a loan, base units.
    """
    assert fund_factory.is_contract, "lending: factory without code"
    asset = asset_
    factory = fund_factory
    DECIMALS = lending_prices._decimals_of(asset_)
    roles.__init__(governance, deployer)
    roles._add(roles.GUARDIAN_ROLE, guardian)
    log ILendingRegistry.GovernanceTransferred(
        old=empty(address), new=governance
    )
    self._set_debt_feed(debt_feed)
    self._set_limits(supply_cap, min_debt)
    self._set_rates(rates)


# --------------------------------------------------------------- governance

@external
def connect_pool(pool: address):
    """
    @notice Name the one pool whose terms these are, once. The deployer alone.
    """
    self._check_deployer()
    assert self.pool == empty(address), "lending: pool connected"
    assert pool.is_contract, "lending: pool without code"
    assert (
        staticcall ILendingPool(pool).registry() == self
    ), "lending: other registry"
    self.pool = pool
    log ILendingRegistry.PoolConnected(pool=pool)


@external
def finish_setup():
    """
    @notice End the deployer's power, once; from now on the pool takes money (M9).
    """
    assert not self._setup_finished(), "lending: setup finished"
    self._check_deployer()
    assert self.fund != empty(address), "lending: no fund"
    roles._end_setup()
    log ILendingRegistry.SetupFinished()


@external
def set_fund(fund: address):
    """
    @notice Name the fund that insures the pool: the one that the factory has assigned to it and that has registered it (M15,
            M18); after a merger, in the same batch of the timelock.
    """
    self._check_governance()
    old: address = self.fund
    assert fund != old, "lending: same fund"
    pool: address = self.pool
    assert pool != empty(address), "lending: no pool"
    server: address = staticcall IFundFactory(factory).fund_of(pool, MARKET_ID)
    assert server != empty(address), "lending: pool unassigned"
    assert fund == server, "lending: other fund's pool"
    market: IInsuranceFund.Market = staticcall IInsuranceFund(fund).market(
        pool, MARKET_ID
    )
    assert market.registered, "lending: not at the fund"
    assert not market.is_perp, "lending: perp market"
    fund_asset: address = staticcall IInsuranceFund(fund).asset()
    assert fund_asset == asset, "lending: other asset"
    self.fund = fund
    log ILendingRegistry.FundSet(old=old, new=fund)
    extcall ILendingPool(pool).change_fund(old, fund)


@external
def set_rates(rates: ILendingRegistry.Rates):
    """
    @notice 0 < kink < 10_000; base + slope1 + slope2 <= 30_000; reserve factor <= 5_000. What has passed is charged at the
            old ones.
    """
    self._check_governance()
    self._set_rates(rates)
    if self.pool != empty(address):
        extcall ILendingPool(self.pool).change_rates(rates)


@external
def set_limits(supply_cap: uint256, min_debt: uint256):
    """
    @notice Both positive and at most 112 bits wide.
    """
    self._check_governance()
    self._set_limits(supply_cap, min_debt)


@external
def set_debt_feed(feed: address):
    """
    @notice Replace the feed of the pool's asset; the zero address where it is what the collaterals' feeds quote in.
    """
    self._check_governance()
    self._set_debt_feed(feed)


@external
def list_collateral(collateral: ILendingRegistry.Collateral) -> uint256:
    """
    @notice List a collateral; its feed must give a price now (M30).
    @return Its id; ids count up from 0.
    """
    self._check_governance()
    assert collateral.asset != asset, "lending: debt asset"
    assert not self._is_listed[collateral.asset], "lending: listed already"
    collateral_id: uint256 = self.next_collateral_id
    assert collateral_id < MAX_COLLATERALS, "lending: too many collaterals"
    lending_words._check_factors(collateral)
    lending_words._check_caps(collateral)
    lending_prices._check_feed(collateral.feed)
    words: lending_words.Words = lending_words._pack(
        collateral, lending_prices._decimals_of(collateral.asset)
    )
    self._price(words)
    self.next_collateral_id = collateral_id + 1
    self._is_listed[collateral.asset] = True
    self._words[collateral_id] = words
    log ILendingRegistry.CollateralListed(
        collateral_id=collateral_id, collateral=collateral
    )
    return collateral_id


@external
def remove_collateral(collateral_id: uint256):
    """
    @notice Remove a collateral of which the pool holds nothing.
    """
    self._check_governance()
    collateral: ILendingRegistry.Collateral = self._collateral(collateral_id)
    pool: address = self.pool
    if pool != empty(address):
        held: ILendingPool.Totals = staticcall ILendingPool(pool).totals(
            collateral_id
        )
        assert held.collateral == 0, "lending: collateral in use"
    self._words[collateral_id] = empty(lending_words.Words)
    self._is_listed[collateral.asset] = False
    log ILendingRegistry.CollateralRemoved(collateral_id=collateral_id)


@external
def set_factors(
    collateral_id: uint256,
    factor_bps: uint256,
    threshold_bps: uint256,
    close_factor_bps: uint256,
    premium_bps: uint256,
    premium_fund_bps: uint256,
):
    """
    @notice 0 < factor < threshold; threshold * (1 + premium) < 100 %; 10 % <= close factor; 0 < premium <= 20 %; the fund's part
            <= 50 %.
    """
    self._check_governance()
    old: ILendingRegistry.Collateral = self._collateral(collateral_id)
    new: ILendingRegistry.Collateral = old
    new.factor_bps = factor_bps
    new.threshold_bps = threshold_bps
    new.close_factor_bps = close_factor_bps
    new.premium_bps = premium_bps
    new.premium_fund_bps = premium_fund_bps
    lending_words._check_factors(new)
    self._save(collateral_id, new)
    log ILendingRegistry.FactorsSet(
        collateral_id=collateral_id, old=old, new=new
    )


@external
def set_caps(
    collateral_id: uint256, collateral_cap: uint256, borrow_cap: uint256
):
    """
    @notice Both positive; the first at most 96 bits wide, the second 112.
    """
    self._check_governance()
    collateral: ILendingRegistry.Collateral = self._collateral(collateral_id)
    log ILendingRegistry.CapsSet(
        collateral_id=collateral_id,
        old_collateral_cap=collateral.collateral_cap,
        old_borrow_cap=collateral.borrow_cap,
        collateral_cap=collateral_cap,
        borrow_cap=borrow_cap,
    )
    collateral.collateral_cap = collateral_cap
    collateral.borrow_cap = borrow_cap
    lending_words._check_caps(collateral)
    self._save(collateral_id, collateral)


@external
def set_feed(collateral_id: uint256, feed: address):
    """
    @notice Replace a collateral's feed; the new one must give a price now (M30).
    """
    self._check_governance()
    collateral: ILendingRegistry.Collateral = self._collateral(collateral_id)
    log ILendingRegistry.FeedSet(
        collateral_id=collateral_id, old=collateral.feed, new=feed
    )
    lending_prices._check_feed(feed)
    collateral.feed = feed
    self._save(collateral_id, collateral)
    self._price(self._words[collateral_id])


@external
def set_governance(new: address):
    """
    @notice Hand governance to another timelock, whose immutable delay floor is at least 2 days.
    """
    self._check_governance()
    old: address = roles._set_governance(new)
    log ILendingRegistry.GovernanceTransferred(old=old, new=new)


@external
def grantRole(role: bytes32, account: address):
    """
    @notice Make an account a member of a role; not of those that have a way of their own (M36).
    """
    self._check_governance()
    roles._grant(role, account)


@external
def revokeRole(role: bytes32, account: address):
    """
    @notice End a membership.
    """
    self._check_governance()
    roles._revoke(role, account)


@external
def renounceRole(role: bytes32, account: address):
    """
    @notice End the caller's own membership, never the last one of a role.
    """
    roles._renounce(role, account)


# ----------------------------------------------------------------- guardian

@external
def pause_borrowing(duration: uint256):
    """
    @notice Stop what adds risk to loans for `duration` seconds, at most 7 days, not within 7 days of the last pause's end
            (M37).
    """
    assert roles._has(roles.GUARDIAN_ROLE, msg.sender), "lending: not guardian"
    assert duration > 0, "lending: zero duration"
    assert pause._fits(duration), "lending: pause too long"
    assert pause._is_rested(self._resume_at()), "lending: paused too recently"
    resume_at: uint256 = block.timestamp + duration
    self._set_resume_at(resume_at)
    log ILendingRegistry.BorrowingPaused(
        guardian=msg.sender, resume_at=resume_at
    )


@external
def resume_borrowing():
    """
    @notice End a pause early. Guardians and governance.
    """
    assert roles._has(roles.GUARDIAN_ROLE, msg.sender) or roles._is_governance(
        msg.sender
    ), "lending: not guardian"
    assert pause._is_paused(self._resume_at()), "lending: not paused"
    self._set_resume_at(block.timestamp)
    log ILendingRegistry.BorrowingResumed(account=msg.sender)


# -------------------------------------------------------------------- views

@view
@external
def setup_finished() -> bool:
    """
    @notice Whether the deployer's power has ended; before, the pool takes no money (M9).
    """
    return self._setup_finished()


@view
@external
def borrowing_resume_at() -> uint256:
    """
    @notice When the last pause of borrowing ends or ended, Unix seconds; 0: there was none (M37).
    """
    return self._resume_at()


@view
@external
def listed(collateral_id: uint256) -> bool:
    """
    @notice Whether there is such a collateral.
    """
    return self._words[collateral_id].feed != 0


@view
@external
def collateral(collateral_id: uint256) -> ILendingRegistry.Collateral:
    """
    @notice The parameters of a listed collateral.
    """
    return self._collateral(collateral_id)


@view
@external
def price(collateral_id: uint256) -> uint256:
    """
    @notice Base units of the pool's asset for one of the collateral, 30 decimals; reverts without good prices (M30).
    """
    return self._price(self._listed(collateral_id))


@view
@external
def terms() -> ILendingRegistry.Terms:
    """
    @notice What holds for the whole pool.
    """
    return self._terms()


@view
@external
def quote(collateral_id: uint256) -> ILendingRegistry.Quote:
    """
    @notice Price and parameters in one call; reverts without good prices.
    """
    words: lending_words.Words = self._listed(collateral_id)
    return ILendingRegistry.Quote(
        price=self._price(words),
        collateral=lending_words._unpack(words),
        terms=self._terms(),
    )


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    assert roles._is_governance(msg.sender), "lending: not governance"


@internal
@view
def _check_deployer():
    assert roles._has(roles.DEPLOYER_ROLE, msg.sender), "lending: not deployer"


@internal
@view
def _setup_finished() -> bool:
    return roles.members[roles.DEPLOYER_ROLE] == 0


@internal
@view
def _resume_at() -> uint256:
    return lending_words._resume_at(self._limits)


@internal
def _set_resume_at(resume_at: uint256):
    self._limits = lending_words._pack_limits(
        lending_words._supply_cap(self._limits), resume_at
    )


@internal
@view
def _listed(collateral_id: uint256) -> lending_words.Words:
    words: lending_words.Words = self._words[collateral_id]
    assert words.feed != 0, "lending: unknown collateral"
    return words


@internal
@view
def _collateral(collateral_id: uint256) -> ILendingRegistry.Collateral:
    return lending_words._unpack(self._listed(collateral_id))


@internal
@view
def _terms() -> ILendingRegistry.Terms:
    return ILendingRegistry.Terms(
        fund=self.fund,
        rates=lending_words._unpack_rates(self._rates),
        supply_cap=lending_words._supply_cap(self._limits),
        min_debt=lending_words._min_debt(self._rates),
        setup_finished=self._setup_finished(),
        borrowing_paused=pause._is_paused(self._resume_at()),
    )


@internal
@view
def _price(words: lending_words.Words) -> uint256:
    """
    @dev The one place where a collateral's price comes from.
    """
    return lending_prices._price_down(
        lending_words._feed(words),
        self.debt_feed,
        DECIMALS,
        lending_words._decimals(words),
    )


@internal
def _save(collateral_id: uint256, collateral: ILendingRegistry.Collateral):
    """
    @dev Keeps the parameters of a listed collateral.
    """
    decimals: uint256 = lending_words._decimals(self._words[collateral_id])
    self._words[collateral_id] = lending_words._pack(collateral, decimals)


@internal
def _set_rates(rates: ILendingRegistry.Rates):
    lending_words._check_rates(rates)
    old: uint256 = self._rates
    log ILendingRegistry.RatesSet(
        old=lending_words._unpack_rates(old), new=rates
    )
    self._rates = lending_words._pack_rates(rates, lending_words._min_debt(old))


@internal
def _set_limits(supply_cap: uint256, min_debt: uint256):
    lending_words._check_limits(supply_cap, min_debt)
    old: uint256 = self._rates
    log ILendingRegistry.LimitsSet(
        old_supply_cap=lending_words._supply_cap(self._limits),
        old_min_debt=lending_words._min_debt(old),
        supply_cap=supply_cap,
        min_debt=min_debt,
    )
    self._rates = lending_words._pack_rates(
        lending_words._unpack_rates(old), min_debt
    )
    self._limits = lending_words._pack_limits(supply_cap, self._resume_at())


@internal
def _set_debt_feed(feed: address):
    """
    @dev The new feed must give a price now, which refuses with its own reason.
    """
    if feed != empty(address):
        lending_prices._check_feed(feed)
    log ILendingRegistry.DebtFeedSet(old=self.debt_feed, new=feed)
    self.debt_feed = feed
