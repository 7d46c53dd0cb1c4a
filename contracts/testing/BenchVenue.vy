# pragma version 0.4.3
"""
@title Bench venue
@license AGPL-3.0-only
@author Kana
@notice The leanest venue, of one market: what a fund's calls cost when a contract makes them, with as little as possible of its own
        around them.
@dev It keeps no positions, and trusts its caller with every figure.
@custom:security For measurements on local chains; anyone may use it.
"""

from ethereum.ercs import IERC20

from contracts.interfaces import IInsuranceFund

# The one market.
MARKET: constant(uint256) = 0
# Most entries of a batch.
MAX_BATCH: constant(uint256) = 64
# The collateral of a packed entry lies above the address of its trader.
COLLATERAL_AT: constant(uint256) = 160
ADDRESS_MASK: constant(uint256) = 2**160 - 1

# The fund reported to.
FUND: immutable(address)

# What traders and liquidators are credited, base units.
free: public(HashMap[address, uint256])


@deploy
def __init__(asset: address, fund: address):
    """
    @notice Report to `fund`, which may pull `asset` from here.
    @param asset The fund's asset.
    @param fund The fund.
    """
    FUND = fund
    assert extcall IERC20(asset).approve(
        fund, max_value(uint256), default_return_value=True
    ), "bench: approve failed"


@external
def settle(collateral: uint256):
    """
    @notice Report one liquidation.
    @param collateral Base units.
    """
    extcall IInsuranceFund(FUND).settle_liquidation(MARKET, collateral)


@external
def settle_batch(collaterals: DynArray[uint256, MAX_BATCH]):
    """
    @notice Report a batch, and credit nobody.
    @param collaterals Base units.
    """
    settlements: DynArray[IInsuranceFund.Settlement, MAX_BATCH] = []
    for collateral: uint256 in collaterals:
        settlements.append(
            IInsuranceFund.Settlement(market_id=MARKET, collateral=collateral)
        )
    extcall IInsuranceFund(FUND).settle_liquidations(settlements)


@external
def settle_batch_and_credit(entries: DynArray[uint256, MAX_BATCH]):
    """
    @notice Report a batch, credit every trader his part and the caller the liquidators'.
    @param entries Trader, and from bit 160 on the collateral, base units.
    """
    settlements: DynArray[IInsuranceFund.Settlement, MAX_BATCH] = []
    for entry: uint256 in entries:
        settlements.append(
            IInsuranceFund.Settlement(
                market_id=MARKET, collateral=entry >> COLLATERAL_AT
            )
        )
    splits: DynArray[IInsuranceFund.Split, MAX_BATCH] = (
        extcall IInsuranceFund(FUND).settle_liquidations(settlements)
    )
    reward: uint256 = 0
    for i: uint256 in range(len(entries), bound=MAX_BATCH):
        trader: address = convert(entries[i] & ADDRESS_MASK, address)
        self.free[trader] += splits[i].trader
        reward += splits[i].liquidator
    self.free[msg.sender] += reward


@external
def cover(shortfall: uint256):
    """
    @notice Report a shortfall.
    @param shortfall Base units.
    """
    extcall IInsuranceFund(FUND).cover_shortfall(MARKET, shortfall)
