# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lens
@license AGPL-3.0-only
@author Kana
@notice Read-only: a fund, a trader, a staker, a lending pool, a loan or the health of a list of accounts in one call, for
        frontends and keepers.
@dev No state, no roles: anyone can deploy one. A market without a good price has a mark of 0 here, so that one stale
     feed doesn't blank a page; a layer that is suspended isn't asked, so that a broken one doesn't either.
@custom:security Nothing may be decided on chain by what a lens says: whoever calls it from a transaction reads the
                 state in the middle of that transaction.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

from contracts.interfaces import IBackstop
from contracts.interfaces import IClearingHouse
from contracts.interfaces import IFundFactory
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILayer
from contracts.interfaces import ILens
from contracts.interfaces import IMarketRegistry
from contracts.interfaces import IPriceFeed
from contracts.interfaces import IUnderwriter
from contracts.modules import fixed_point
from contracts.modules import lending_lens

implements: ILens

exports: lending_lens.__interface__

# ---------------------------------------------------------------- constants

MAX_MARKETS: constant(uint256) = 64
MAX_TRADERS: constant(uint256) = 256
MAX_LAYERS: constant(uint256) = 2
MAX_EXITS: constant(uint256) = 128
MAX_FUNDS: constant(uint256) = 64
BPS: constant(uint256) = 10_000

# -------------------------------------------------------------------- views

@external
@view
def fund_state(fund: address, house: address) -> ILens.FundState:
    """
    @notice A fund whole, with up to 64 markets that it insures for a venue.
    @param fund The fund.
    @param house The venue's clearing house; the zero address for none.
    """
    insurer: IInsuranceFund = IInsuranceFund(fund)
    asset: address = staticcall insurer.asset()
    reserve: uint256 = staticcall insurer.reserve()
    held: uint256 = staticcall IERC20(asset).balanceOf(fund)
    liquidator_bps: uint256 = 0
    fund_bps: uint256 = 0
    (liquidator_bps, fund_bps) = staticcall insurer.split_bps()
    placed: IInsuranceFund.Layers = staticcall insurer.layers()
    return ILens.FundState(
        fund=fund,
        asset=asset,
        decimals=staticcall IERC20Detailed(asset).decimals(),
        governance=staticcall insurer.governance(),
        treasury=staticcall insurer.treasury(),
        setup_finished=staticcall insurer.setup_finished(),
        reserve=reserve,
        threshold=staticcall insurer.threshold(),
        room=staticcall insurer.room(),
        excess=staticcall insurer.excess(),
        total_contributions=staticcall insurer.total_contributions(),
        total_bad_debt=staticcall insurer.total_bad_debt(),
        unaccounted=max(held, reserve) - reserve,
        liquidator_bps=liquidator_bps,
        fund_bps=fund_bps,
        window=staticcall insurer.window(),
        payouts_paused=staticcall insurer.payouts_paused(),
        payouts_resume_at=staticcall insurer.payouts_resume_at(),
        staker_bps=placed.staker_bps,
        layers=self._layers(fund, placed),
        markets=self._insured_markets(fund, house),
    )


@external
@view
def funds(
    factory: address, start: uint256, count: uint256
) -> DynArray[ILens.FundSummary, MAX_FUNDS]:
    """
    @notice A page of a factory's funds, each in a line (M16 to M18).
    @param factory The factory.
    @param start Number of the first one, in the order of creation.
    @param count How many at most.
    """
    page: DynArray[IFundFactory.FundEntry, MAX_FUNDS] = staticcall IFundFactory(
        factory
    ).funds(start, count)
    answer: DynArray[ILens.FundSummary, MAX_FUNDS] = []
    for entry: IFundFactory.FundEntry in page:
        answer.append(self._summary(entry))
    return answer


@external
@view
def trader_state(house: address, trader: address) -> ILens.TraderState:
    """
    @notice Free balance and every position or claim of a trader, in up to 64 markets.
    @param house The venue's clearing house.
    @param trader The account.
    """
    venue: IClearingHouse = IClearingHouse(house)
    registry: IMarketRegistry = IMarketRegistry(staticcall venue.registry())
    scale: uint256 = staticcall venue.quote_scale()
    positions: DynArray[ILens.PositionState, MAX_MARKETS] = []
    count: uint256 = staticcall registry.next_market_id()
    for market_id: uint256 in range(min(count, MAX_MARKETS), bound=MAX_MARKETS):
        held: IClearingHouse.Position = staticcall venue.position(
            market_id, trader
        )
        if held.size == 0 and held.balance == 0:
            continue
        params: IMarketRegistry.Params = staticcall registry.params(market_id)
        pending: uint256 = staticcall venue.pending_charge(market_id, trader)
        positions.append(
            self._position_state(market_id, held, pending, params, scale)
        )
    return ILens.TraderState(
        trader=trader,
        free=staticcall venue.free(trader),
        positions=positions,
    )


@external
@view
def staker_state(backstop: address, staker: address) -> ILens.StakerState:
    """
    @notice Shares, exits and what is claimable of a staker, with what the layer promises (M19, M20).
    @param backstop The stakers' vault.
    @param staker The account.
    """
    vault: IBackstop = IBackstop(backstop)
    underwriter: address = staticcall vault.underwriter()
    shares: uint256 = staticcall IERC20(backstop).balanceOf(staker)
    state: ILens.StakerState = empty(ILens.StakerState)
    state.staker = staker
    state.shares = shares
    state.value = staticcall vault.convertToAssets(shares)
    state.held_until = staticcall ILayer(underwriter).held_until()
    state.cooldown_days = staticcall vault.cooldown_days()
    state.staked = staticcall vault.totalAssets()
    state.stream = staticcall vault.stream()
    state.deposits_closed = staticcall vault.closed()
    ids: DynArray[uint256, MAX_EXITS] = staticcall vault.request_ids(staker)
    for request_id: uint256 in ids:
        assets: uint256 = staticcall vault.request_assets(request_id, staker)
        taken: uint256 = staticcall vault.claimableRedeemRequest(
            request_id, staker
        )
        claimable: bool = taken > 0
        if claimable:
            state.claimable += assets
        else:
            taken = staticcall vault.pendingRedeemRequest(request_id, staker)
            state.pending += assets
        state.exits.append(
            ILens.ExitState(
                request_id=request_id,
                shares=taken,
                assets=assets,
                claimable=claimable,
            )
        )
    return state


@external
@view
def health(
    house: address, market_id: uint256, traders: DynArray[address, MAX_TRADERS]
) -> DynArray[ILens.Health, MAX_TRADERS]:
    """
    @notice Who of a list is liquidatable or insolvent in a market; reverts without a good price (M28, M30).
    @param house The venue's clearing house.
    @param market_id The market.
    @param traders The accounts, in the order of the answer.
    """
    venue: IClearingHouse = IClearingHouse(house)
    registry: IMarketRegistry = IMarketRegistry(staticcall venue.registry())
    scale: uint256 = staticcall venue.quote_scale()
    quote: IMarketRegistry.Quote = staticcall registry.quote(market_id)
    answer: DynArray[ILens.Health, MAX_TRADERS] = []
    for trader: address in traders:
        held: IClearingHouse.Position = staticcall venue.position(
            market_id, trader
        )
        pending: uint256 = staticcall venue.pending_charge(market_id, trader)
        equity: int256 = (
            held.balance
            - convert(pending, int256)
            + fixed_point._value_down(held.size, quote.mark, scale)
        )
        maintenance: uint256 = fixed_point._ratio_up(
            convert(abs(held.size), uint256),
            quote.mark,
            quote.maintenance_margin_bps,
            scale,
        )
        answer.append(
            ILens.Health(
                trader=trader,
                size=held.size,
                equity=equity,
                maintenance_margin=maintenance,
                flagged_at=held.flagged_at,
                liquidatable=held.size != 0
                and equity < convert(maintenance, int256),
                insolvent=held.size != 0 and equity < 0,
            )
        )
    return answer


# ---------------------------------------------------------------- internals

@internal
@view
def _summary(entry: IFundFactory.FundEntry) -> ILens.FundSummary:
    insurer: IInsuranceFund = IInsuranceFund(entry.fund)
    asset: address = staticcall insurer.asset()
    state: ILens.FundSummary = empty(ILens.FundSummary)
    state.fund = entry.fund
    state.asset = asset
    state.decimals = staticcall IERC20Detailed(asset).decimals()
    state.is_isolated = entry.is_isolated
    state.successor = entry.successor
    state.market_count = entry.market_count
    state.setup_finished = staticcall insurer.setup_finished()
    state.payouts_paused = staticcall insurer.payouts_paused()
    state.reserve = staticcall insurer.reserve()
    state.threshold = staticcall insurer.threshold()
    state.total_bad_debt = staticcall insurer.total_bad_debt()
    placed: IInsuranceFund.Layers = staticcall insurer.layers()
    state.layer_capacity = self._capacity(
        entry.fund, placed.staked, placed.staked_suspended_until
    ) + self._capacity(
        entry.fund, placed.reinsurance, placed.reinsurance_suspended_until
    )
    if not state.payouts_paused:
        window: IInsuranceFund.Window = staticcall insurer.window()
        state.coverage = min(window.left, state.reserve + state.layer_capacity)
    return state


@internal
@view
def _capacity(
    fund: address, layer: address, suspended_until: uint256
) -> uint256:
    """
    @dev What a layer would pay a fund now; a suspended one isn't asked (M10).
    """
    if layer == empty(address) or block.timestamp < suspended_until:
        return 0
    return staticcall ILayer(layer).capacity(fund)


@internal
@view
def _layers(
    fund: address, placed: IInsuranceFund.Layers
) -> DynArray[ILens.LayerState, MAX_LAYERS]:
    layers: DynArray[ILens.LayerState, MAX_LAYERS] = []
    if placed.staked != empty(address):
        layers.append(
            self._layer(
                fund,
                placed.staked,
                ILens.LayerKind.STAKED,
                placed.staked_suspended_until,
            )
        )
    if placed.reinsurance != empty(address):
        layers.append(
            self._layer(
                fund,
                placed.reinsurance,
                ILens.LayerKind.REINSURANCE,
                placed.reinsurance_suspended_until,
            )
        )
    return layers


@internal
@view
def _layer(
    fund: address,
    layer: address,
    kind: ILens.LayerKind,
    suspended_until: uint256,
) -> ILens.LayerState:
    state: ILens.LayerState = empty(ILens.LayerState)
    state.layer = layer
    state.kind = kind
    state.suspended_until = suspended_until
    state.suspended = block.timestamp < suspended_until
    if state.suspended:
        return state
    backstop: address = staticcall IUnderwriter(layer).backstop()
    stream: IBackstop.Stream = staticcall IBackstop(backstop).stream()
    units: uint256 = 0
    state.backstop = backstop
    state.capacity = staticcall ILayer(layer).capacity(fund)
    state.staked = staticcall IBackstop(backstop).totalAssets()
    state.pending, units = staticcall IBackstop(backstop).exit_pool_state()
    state.unvested = stream.unvested
    return state


@internal
@view
def _insured_markets(
    fund: address, house: address
) -> DynArray[ILens.InsuredMarket, MAX_MARKETS]:
    markets: DynArray[ILens.InsuredMarket, MAX_MARKETS] = []
    if house == empty(address):
        return markets
    venue: IClearingHouse = IClearingHouse(house)
    insurer: IInsuranceFund = IInsuranceFund(fund)
    registry: IMarketRegistry = IMarketRegistry(staticcall venue.registry())
    count: uint256 = staticcall registry.next_market_id()
    for market_id: uint256 in range(min(count, MAX_MARKETS), bound=MAX_MARKETS):
        terms: IInsuranceFund.Market = staticcall insurer.market(
            house, market_id
        )
        listed: bool = staticcall registry.listed(market_id)
        if not terms.registered or not listed:
            continue
        params: IMarketRegistry.Params = staticcall registry.params(market_id)
        if params.fund != fund:
            continue
        markets.append(
            ILens.InsuredMarket(
                market_id=market_id,
                fund_terms=terms,
                coverage=staticcall insurer.coverage(house, market_id),
                params=params,
                books=staticcall venue.books(market_id),
                mark=staticcall IPriceFeed(params.feed).peek(),
            )
        )
    return markets


@internal
@view
def _position_state(
    market_id: uint256,
    held: IClearingHouse.Position,
    pending: uint256,
    params: IMarketRegistry.Params,
    scale: uint256,
) -> ILens.PositionState:
    balance: int256 = held.balance - convert(pending, int256)
    state: ILens.PositionState = empty(ILens.PositionState)
    state.market_id = market_id
    state.size = held.size
    state.balance = balance
    state.pending_charge = pending
    state.flagged_at = held.flagged_at
    state.bankruptcy_price = self._price_of_equity(held.size, balance, 0, scale)
    state.liquidation_price = self._price_of_equity(
        held.size, balance, params.maintenance_margin_bps, scale
    )
    mark: uint256 = staticcall IPriceFeed(params.feed).peek()
    if mark == 0:
        return state
    equity: int256 = balance + fixed_point._value_down(held.size, mark, scale)
    notional: uint256 = fixed_point._notional_down(
        convert(abs(held.size), uint256), mark, scale
    )
    maintenance: uint256 = fixed_point._ratio_up(
        convert(abs(held.size), uint256),
        mark,
        params.maintenance_margin_bps,
        scale,
    )
    state.mark = mark
    state.equity = equity
    state.notional = notional
    state.initial_margin = fixed_point._ratio_up(
        convert(abs(held.size), uint256), mark, params.initial_margin_bps, scale
    )
    state.maintenance_margin = maintenance
    if notional > 0:
        scaled: int256 = equity * convert(BPS, int256)
        state.margin_ratio_bps = scaled // convert(notional, int256)
    state.liquidatable = held.size != 0 and equity < convert(
        maintenance, int256
    )
    state.insolvent = held.size != 0 and equity < 0
    return state


@internal
@pure
def _price_of_equity(
    size: int256, balance: int256, margin_bps: uint256, scale: uint256
) -> uint256:
    """
    @dev The price p at which equity is the margin asked (M26, M28):
         long:  balance + size * p / scale = size * p * margin / (scale * BPS)
                p = -balance * scale * BPS / (size * (BPS - margin)), rounded up;
         short: balance - abs(size) * p / scale = abs(size) * p * margin / (scale * BPS)
                p = balance * scale * BPS / (abs(size) * (BPS + margin)), rounded down;
         with margin 0 the bankruptcy price. No positive price: 0.
    """
    if size > 0 and balance < 0:
        owed: uint256 = convert(-balance, uint256) * scale * BPS
        per_price: uint256 = convert(size, uint256) * (BPS - margin_bps)
        return (owed + per_price - 1) // per_price
    if size < 0 and balance > 0:
        owned: uint256 = convert(balance, uint256) * scale * BPS
        return owned // (convert(-size, uint256) * (BPS + margin_bps))
    return 0
