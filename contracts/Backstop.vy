# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Backstop
@license AGPL-3.0-only
@author Kana
@notice A vault whose stakers earn a share of the revenue of funds and carry the losses that their reserves can't.
@dev A facade. Stake and price are kept by the module stake, exits by exit_pool, revenue on its way by revenue_stream;
     here are shares and tokens, and who may do what:

       anyone        deposit, mint, roll
       stakers       requestRedeem, cancel_request, redeem, withdraw, setOperator; and the share token
       underwriter   the rest: what funds draw, pay and hold, and what governance sets

     The underwriter is one contract for ever. It knows the funds and keeps their limits, governance and its notices
     (M9); so no fund and no governor calls here. Structs and events are described in IBackstop. Optimised for size.

     The price of a share is (staked + 1) / (shares + 10**6) with stored amounts (M19). Nothing reads a token balance but
     to measure what comes in; the asset moves last.
     Requests of one id are priced at their own moments (M20), where ERC-7540 has one rate for all of an id; claims take
     the latest matured day first. ERC-4626's previews of exits revert, as ERC-7540 says.
@custom:security Nothing here can mend an asset that takes or freezes balances.
@custom:invariant I6: the price of a share falls only in a slash, a claim pays at most what the request was worth, and
                  what is claimable never changes.
                  I11: a deposit and its exit never profit; who stakes before a payment gains nothing from the past.
"""

from ethereum.ercs import IERC165
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.auth import ownable
from snekmate.tokens import erc20
from snekmate.tokens.interfaces import IERC20Permit

from contracts.interfaces import IBackstop

from contracts.modules import backstop_views
from contracts.modules import backstop_words as words
from contracts.modules import checks
from contracts.modules import exit_pool
from contracts.modules import limits
from contracts.modules import revenue_stream
from contracts.modules import stake

implements: IBackstop
implements: IERC165
implements: IERC20

initializes: ownable
initializes: erc20[ownable := ownable]
initializes: exit_pool
initializes: revenue_stream
initializes: stake[
    erc20 := erc20, exit_pool := exit_pool, revenue_stream := revenue_stream
]
initializes: backstop_views[
    exit_pool := exit_pool, revenue_stream := revenue_stream, stake := stake
]

# Left out: snekmate's `totalSupply` (below: it shares a word with the stake), `transfer` and `transferFrom` (wrapped
# for the lock), minters, burning and owner.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.balanceOf,
    erc20.allowance,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    backstop_views.__interface__,
)

# ---------------------------------------------------------------- constants

# Decimals that shares have more than assets (M19).
OFFSET: constant(uint8) = 6
# Decimals for which 96 bits have room (M16).
MIN_DECIMALS: constant(uint8) = 6
MAX_DECIMALS: constant(uint8) = 18

# --------------------------------------------------------------- immutables

# The one asset (M16).
ASSET: immutable(address)
# One whole asset, base units: what a slash leaves at least (M21).
UNIT: immutable(uint256)
# The one account that draws, pays, holds and sets.
UNDERWRITER: immutable(address)

# ------------------------------------------------------------------ storage

# Who may request, cancel and claim for a controller (ERC-7540).
operators: HashMap[address, HashMap[address, bool]]

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    asset: address,
    name: String[25],
    symbol: String[5],
    underwriter: address,
    cooldown_days: uint256,
    stream_length: uint256,
    min_staked: uint256,
):
    """
    @notice Create a backstop that takes no money until its underwriter opens it. Its creator gets nothing.
    @param asset ERC-20 of 6 to 18 decimals.
    @param name Of the share token and its signing domain.
    @param symbol Of the share token.
    @param underwriter The contract that funds and governance talk to.
    @param cooldown_days Cooldown, 7 to 30.
    @param stream_length Seconds over which a payment of revenue is spread, 1 to 30 days.
    @param min_staked Stake below which nothing streams, base units.
    """
    checks._require(asset.is_contract, "backstop: asset without code")
    checks._require(underwriter.is_contract, "backstop: no underwriter")
    decimals: uint8 = staticcall IERC20Detailed(asset).decimals()
    checks._require(
        decimals >= MIN_DECIMALS and decimals <= MAX_DECIMALS,
        "backstop: bad decimals",
    )
    ASSET = asset
    UNIT = 10**convert(decimals, uint256)
    UNDERWRITER = underwriter

    ownable.__init__()
    erc20.__init__(name, symbol, decimals + OFFSET, name, "1")
    ownable._transfer_ownership(empty(address))
    erc20.is_minter[msg.sender] = False
    stake._set_cooldown(cooldown_days)
    stake._start_stream(0, stream_length, min_staked)


# ------------------------------------------------------------------ stakers

@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Stake `assets` of the caller for `receiver` (M19).
    """
    return self._deposit(assets, receiver)


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """
    @notice Stake what `shares` cost (M19).
    """
    return self._mint(shares, receiver, max_value(uint256))


@external
def deposit_with_permit(
    assets: uint256,
    receiver: address,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice Deposit with an ERC-2612 permit (M19).
    """
    self._permit(assets, deadline, v, r, s)
    return self._deposit(assets, receiver)


@external
def mint_with_permit(
    shares: uint256,
    receiver: address,
    max_assets: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice Mint with an ERC-2612 permit, for at most `max_assets` (M19).
    """
    self._permit(max_assets, deadline, v, r, s)
    return self._mint(shares, receiver, max_assets)


@external
def requestRedeem(
    shares: uint256, controller: address, owner: address
) -> uint256:
    """
    @notice Move shares from the stake into the exit pool (M20).
    """
    self._check_call(shares, controller)
    if not self._acts_for(owner):
        erc20._spend_allowance(owner, msg.sender, shares)
    balance: uint256 = erc20.balanceOf[owner]
    if balance < shares:
        checks._refuse("backstop: balance too low")

    stake._roll()
    vault: uint256 = stake.vault
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = stake._streams()
    assets: uint256 = stake._to_assets_down(shares, vault, unvested)
    if assets == 0:
        checks._refuse("backstop: zero assets")
    request_id: uint256 = (
        block.timestamp + exit_pool.DAY - 1
    ) // exit_pool.DAY + words._cooldown_days(vault)
    exit_pool._enter(controller, request_id, assets, shares)
    erc20.balanceOf[owner] = balance - shares
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=shares)
    log IBackstop.RedeemRequest(
        controller=controller,
        owner=owner,
        requestId=request_id,
        sender=msg.sender,
        shares=shares,
    )
    log IBackstop.ExitPriced(controller=controller, assets=assets)
    stake._save(words._vault_less(vault, assets, shares), stream, unvested)
    return request_id


@external
def cancel_request(request_id: uint256, controller: address) -> uint256:
    """
    @notice Restake what a pending request is worth (M20).
    """
    self._check_operator(controller)
    stake._roll()
    vault: uint256 = stake.vault
    self._check_not_closed(vault)
    requested: uint256 = 0
    assets: uint256 = 0
    rest: uint256 = 0
    requested, assets, rest = exit_pool._leave(controller, request_id)
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = stake._streams()
    shares: uint256 = stake._to_shares_down(assets, vault, unvested)
    stake._give(controller, shares)
    log IBackstop.RequestCancelled(
        controller=controller,
        request_id=request_id,
        requested=requested,
        assets=assets,
        shares=shares,
    )
    stake._save(
        words._vault_more(vault, assets + rest, shares), stream, unvested
    )
    return shares


@external
def redeem(shares: uint256, receiver: address, controller: address) -> uint256:
    """
    @notice Claim matured requests by their shares (M20).
    """
    return self._claim(shares, receiver, controller, False)


@external
def withdraw(
    assets: uint256, receiver: address, controller: address
) -> uint256:
    """
    @notice Claim matured requests by their assets (M20).
    """
    return self._claim(assets, receiver, controller, True)


@external
def setOperator(operator: address, approved: bool) -> bool:
    """
    @notice Let somebody act for the caller, or no longer (ERC-7540).
    """
    self.operators[msg.sender][operator] = approved
    log IBackstop.OperatorSet(
        controller=msg.sender, operator=operator, approved=approved
    )
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move shares.
    """
    erc20._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Move shares of somebody who has allowed it.
    """
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    return True


@external
def roll():
    """
    @notice Let the days that are due mature (M20).
    """
    stake._roll()


# -------------------------------------------------------------- underwriter

@external
def open():
    """
    @notice Take money from now on (M9).
    """
    self._check_underwriter()
    stake.vault |= words.OPEN


@external
def slash(amount: uint256, receiver: address) -> uint256:
    """
    @notice Pay `receiver` up to `amount`, at the cost of unvested revenue first, then of stake and pending exits alike
            (M21).
    """
    self._check_underwriter()
    paid: uint256 = stake._slash(amount, UNIT, receiver)
    if paid > 0:
        self._send(ASSET, receiver, paid)
    return paid


@external
def book_revenue(amount: uint256):
    """
    @notice Stream revenue, which the underwriter sends, to the stakers present (M22).
    """
    self._check_underwriter()
    stake._earn(amount)


@external
def hold(began: uint256, until: uint256):
    """
    @notice Let no day of exits mature from `began` until `until` (M37).
    """
    self._check_underwriter()
    stake._roll()
    exit_pool._hold(began, until)


@external
def set_cooldown(cooldown_days: uint256):
    """
    @notice Set the cooldown of new requests (M20).
    """
    self._check_underwriter()
    stake._set_cooldown(cooldown_days)


@external
def set_stream(length: uint256, min_staked: uint256):
    """
    @notice Set how later payments stream, and below what stake nothing does (M22).
    """
    self._check_underwriter()
    stake._set_stream(length, min_staked)


@external
def rescue(token: address, receiver: address, amount: uint256):
    """
    @notice Send other tokens than the asset to `receiver` (M38).
    """
    self._check_underwriter()
    checks._require(token != ASSET, "backstop: asset not rescuable")
    self._send(token, receiver, amount)


# -------------------------------------------------------------------- views
# The others are those of backstop_views.

@view
@external
def asset() -> address:
    """
    @notice The asset of stake, revenue and payouts.
    """
    return ASSET


@view
@external
def share() -> address:
    """
    @notice The share token (ERC-7575).
    """
    return self


@view
@external
def underwriter() -> address:
    """
    @notice The one account that draws, pays, holds and sets.
    """
    return UNDERWRITER


@view
@external
def isOperator(controller: address, operator: address) -> bool:
    """
    @notice Whether `operator` may act for `controller` (ERC-7540).
    """
    return self.operators[controller][operator]


@view
@external
def total_capacity() -> uint256:
    """
    @notice What could be taken now, whoever asks (M21).
    """
    return backstop_views._capacity(UNIT)


# ---------------------------------------------------------------- internals

@internal
@view
def _check_underwriter():
    checks._require(msg.sender == UNDERWRITER, "backstop: not underwriter")


@internal
@view
def _acts_for(account: address) -> bool:
    return (msg.sender == account or self.operators[account][msg.sender])


@internal
@view
def _check_operator(controller: address):
    if not self._acts_for(controller):
        checks._refuse("backstop: not operator")


@internal
@view
def _check_taking(amount: uint256, receiver: address) -> uint256:
    """
    @notice The vault, when it takes stakes.
    """
    vault: uint256 = stake.vault
    if vault & words.OPEN == 0:
        checks._refuse("backstop: not open")
    if vault & words.CLOSED != 0:
        self._check_not_closed(vault)
    self._check_call(amount, receiver)
    return vault


@internal
@pure
def _check_not_closed(vault: uint256):
    checks._require(vault & words.CLOSED == 0, "backstop: deposits closed")


@internal
@pure
def _check_call(amount: uint256, account: address):
    if amount == 0:
        checks._refuse("backstop: zero amount")
    if account == empty(address):
        checks._refuse("backstop: zero address")


@internal
def _deposit(assets: uint256, receiver: address) -> uint256:
    vault: uint256 = self._check_taking(assets, receiver)
    words._check_assets(assets)
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = stake._streams()
    shares: uint256 = stake._to_shares_down(assets, vault, unvested)
    stake._save(words._vault_more(vault, assets, shares), stream, unvested)
    self._book(assets, shares, receiver)
    return shares


@internal
def _mint(shares: uint256, receiver: address, max_assets: uint256) -> uint256:
    vault: uint256 = self._check_taking(shares, receiver)
    if shares > words.MAX_SHARES:
        words._refuse_large()
    stream: uint256 = 0
    unvested: uint256 = 0
    stream, unvested = stake._streams()
    assets: uint256 = stake._to_assets_up(shares, vault, unvested)
    checks._require(assets <= max_assets, "backstop: above max assets")
    stake._save(words._vault_more(vault, assets, shares), stream, unvested)
    self._book(assets, shares, receiver)
    return assets


@internal
def _book(assets: uint256, shares: uint256, receiver: address):
    stake._give(receiver, shares)
    log IBackstop.Deposit(
        sender=msg.sender, owner=receiver, assets=assets, shares=shares
    )
    self._pull(assets)


@internal
def _claim(
    amount: uint256, receiver: address, controller: address, by_assets: bool
) -> uint256:
    """
    @notice Pay matured requests out, by shares or by assets (M20).
    @return The shares of a claim by assets, the assets of one by shares.
    """
    # Checks are made by a call only where they may refuse, for gas.
    if amount == 0 or receiver == empty(address):
        self._check_call(amount, receiver)
    if msg.sender != controller:
        self._check_operator(controller)
    stake._roll()
    shares: uint256 = 0
    assets: uint256 = 0
    shares, assets = exit_pool._claim(controller, amount, by_assets)
    log IBackstop.Withdraw(
        sender=msg.sender,
        receiver=receiver,
        owner=controller,
        assets=assets,
        shares=shares,
    )
    self._send(ASSET, receiver, assets)
    return shares if by_assets else assets


@internal
def _permit(
    amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Use a permit while the allowance is short, so that whoever submits it first does no harm.
    """
    allowance: uint256 = staticcall IERC20(ASSET).allowance(msg.sender, self)
    if allowance < amount:
        extcall IERC20Permit(ASSET).permit(
            msg.sender, self, amount, deadline, v, r, s
        )


@internal
@view
def _balance() -> uint256:
    return staticcall IERC20(ASSET).balanceOf(self)


@internal
def _pull(amount: uint256):
    """
    @notice Move `amount` of the asset from the caller, and see that it came (M6).
    """
    before: uint256 = self._balance()
    ok: bool = extcall IERC20(ASSET).transferFrom(
        msg.sender, self, amount, default_return_value=True
    )
    self._check_moved(ok)
    checks._require(
        self._balance() >= before + amount, "backstop: received less"
    )


@internal
def _send(token: address, receiver: address, amount: uint256):
    if not extcall IERC20(token).transfer(
        receiver, amount, default_return_value=True
    ):
        self._check_moved(False)


@internal
@pure
def _check_moved(ok: bool):
    checks._require(ok, "backstop: transfer failed")
