# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Fund factory
@license AGPL-3.0-only
@author Kana
@notice Creates insurance funds from one blueprint, at addresses known beforehand, and says which of them serves which
        market (M16 to M18).
@dev Governance is a timelock; until `finish_setup` the deployer acts as governance too. A fund gets the factory's governor
     of the moment and its notice board; each fund has a deployer and a setup of its own.

       create_fund  a shared fund, one an asset, or an isolated one
       create_layer a backstop of stakers and its underwriter, which stand behind funds once their deployer wires them
       assign       fund of (venue, market): what a venue's registry asks before it lets a fund near its tokens
       merge        an isolated fund into a shared one, or any fund into a new one: one way, markets and all (M18)

     An isolated fund that serves no market yet is also what a shared one moves into; it is shared from then on.
@custom:security Nothing here holds a token or a role in a fund. What a merger moves is decided by the two funds, which ask for
    the notices of their own governors (M9); a factory can ask them for nothing else.
@custom:invariant An isolated fund serves at most one market, an asset has at most one shared fund, a market one fund.
"""

from snekmate.auth import access_control
from snekmate.utils import create2

from contracts.interfaces import IFundFactory
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ISuccession

from contracts.modules import roles

implements: IFundFactory

uses: access_control
initializes: roles

# Left out: `set_role_admin`, `grantRole`, `revokeRole` and `renounceRole`: there are no roles here to hand out.
exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.supportsInterface,
    roles.DEPLOYER_ROLE,
    roles.governance,
    roles.members,
)

# ---------------------------------------------------------------- constants

# First bytes of a blueprint: the two of ERC-5202, and version 0 without data.
PREAMBLE: constant(Bytes[3]) = b"\xfe\x71\x00"
PREAMBLE_SIZE: constant(uint256) = 3
# Words of the longest creation code that a blueprint can hold.
MAX_WORDS: constant(uint256) = 768
# Markets moved by one call.
MAX_MARKETS: constant(uint256) = 32
# Funds in a page.
MAX_PAGE: constant(uint256) = 64
# What a fund is.
SHARED: constant(uint256) = 1
ISOLATED: constant(uint256) = 2

# --------------------------------------------------------------- immutables

# Keeps the notices of all funds made here (M9).
notices: public(immutable(address))
# What every fund, underwriter and backstop is made from.
fund_blueprint: public(immutable(address))
underwriter_blueprint: public(immutable(address))
backstop_blueprint: public(immutable(address))

# ------------------------------------------------------------------ storage

# How many funds there are.
fund_count: public(uint256)
# Number of a fund, from 0 -> the fund.
_fund_at: HashMap[uint256, address]
# Fund -> what it is; 0: none of ours.
_kind: HashMap[address, uint256]
# Fund -> how many markets it serves (M17).
_market_count: HashMap[address, uint256]
# Fund -> what it was merged into (M18).
successor: public(HashMap[address, address])
# Asset -> the fund of all its markets that have none of their own.
shared_fund: public(HashMap[address, address])
# Salt -> the fund that it was used for.
fund_by_salt: public(HashMap[bytes32, address])
# Salt -> the underwriter that it was used for.
layer_by_salt: public(HashMap[bytes32, address])
# Underwriter -> the backstop that was made with it.
backstop_of: public(HashMap[address, address])
# Venue, its id of a market -> the fund that serves it.
fund_of: public(HashMap[address, HashMap[uint256, address]])

# -------------------------------------------------------------- constructor

@deploy
def __init__(
    governance: address,
    deployer: address,
    board: address,
    fund: address,
    underwriter: address,
    backstop: address,
):
    """
    @notice Name who governs and wires; the account that creates the factory keeps nothing.
    @param governance A timelock whose delay never falls below 2 days; every fund's and layer's too.
    @param deployer Acts as the factory's governance until it finishes the setup.
    @param board The funds' notice board.
    @param fund The funds' creation code as a blueprint of ERC-5202, version 0 without data.
    @param underwriter The same of the layers' underwriters.
    @param backstop The same of the layers' backstops.
    """
    assert board.is_contract, "factory: board without code"
    self._check_blueprint(fund)
    self._check_blueprint(underwriter)
    self._check_blueprint(backstop)
    roles.__init__(governance, deployer)
    log IFundFactory.GovernanceTransferred(old=empty(address), new=governance)
    notices = board
    fund_blueprint = fund
    underwriter_blueprint = underwriter
    backstop_blueprint = backstop


# --------------------------------------------------------------- governance

@external
def create_fund(
    terms: IFundFactory.FundTerms, is_isolated: bool, salt: bytes32
) -> address:
    """
    @notice Create a fund; what is wrong with its terms it says itself. Its deployer wires it and finishes its setup.
    """
    self._check_governance()
    assert self.fund_by_salt[salt] == empty(address), "factory: salt used"
    kind: uint256 = ISOLATED
    if not is_isolated:
        kind = SHARED
        assert (
            self.shared_fund[terms.asset] == empty(address)
        ), "factory: asset has a fund"
    fund: address = create_from_blueprint(
        fund_blueprint,
        terms.asset,
        notices,
        self,
        roles.governance,
        terms.treasurer,
        terms.guardian,
        terms.deployer,
        terms.treasury,
        terms.threshold,
        terms.liquidator_bps,
        terms.fund_bps,
        code_offset=PREAMBLE_SIZE,
        salt=salt,
    )
    count: uint256 = self.fund_count
    self.fund_count = count + 1
    self._fund_at[count] = fund
    self._kind[fund] = kind
    self.fund_by_salt[salt] = fund
    if kind == SHARED:
        self.shared_fund[terms.asset] = fund
    log IFundFactory.FundCreated(
        fund=fund,
        asset=terms.asset,
        salt=salt,
        is_isolated=is_isolated,
        terms=terms,
    )
    return fund


@external
def create_layer(
    terms: IFundFactory.LayerTerms, salt: bytes32
) -> (address, address):
    """
    @notice Create underwriter and backstop; what is wrong with their terms they say themselves. Their deployer connects
            them and names the funds.
    """
    self._check_governance()
    assert self.layer_by_salt[salt] == empty(
        address
    ), "factory: layer salt used"
    underwriter: address = create_from_blueprint(
        underwriter_blueprint,
        terms.asset,
        roles.governance,
        terms.deployer,
        code_offset=PREAMBLE_SIZE,
        salt=salt,
    )
    backstop: address = create_from_blueprint(
        backstop_blueprint,
        terms.asset,
        terms.name,
        terms.symbol,
        underwriter,
        terms.cooldown_days,
        terms.stream_length,
        terms.min_staked,
        code_offset=PREAMBLE_SIZE,
        salt=salt,
    )
    self.layer_by_salt[salt] = underwriter
    self.backstop_of[underwriter] = backstop
    log IFundFactory.LayerCreated(
        underwriter=underwriter, backstop=backstop, salt=salt, terms=terms
    )
    return underwriter, backstop


@external
def assign(venue: address, market_id: uint256, fund: address):
    """
    @notice Name the fund of a market. A market moves to another by a merger alone, or after its fund has let go of it.
    """
    self._check_governance()
    self._check_fund(fund)
    assert self.successor[fund] == empty(address), "factory: fund is merged"
    assert self._is_registered(
        fund, venue, market_id
    ), "factory: not at the fund"
    old: address = self.fund_of[venue][market_id]
    if old != empty(address):
        assert not self._is_registered(
            old, venue, market_id
        ), "factory: market has a fund"
    self._move(venue, market_id, old, fund)
    assert self._has_room(fund), "factory: isolated fund taken"


@external
def merge(
    old: address,
    successor: address,
    markets: DynArray[IFundFactory.MarketKey, MAX_MARKETS],
):
    """
    @notice Merge a fund into another, or move further markets of one that is (M18). What serves the markets at their
            venues is changed there, in the same batch of the timelock.
    @dev Allowed are: isolated into shared; any into one that serves no market, which becomes what the old one was.
    """
    self._check_governance()
    self._check_fund(old)
    self._check_fund(successor)
    assert old != successor, "factory: same fund"
    assert (
        self.successor[successor] == empty(address)
    ), "factory: successor is merged"
    if self.successor[old] == empty(address):
        self._succeed(old, successor)
        self._carry(old, successor, empty(IFundFactory.MarketKey))
    assert self.successor[old] == successor, "factory: other successor"
    for key: IFundFactory.MarketKey in markets:
        last: address = self.fund_of[key.venue][key.market_id]
        assert last == old or last == empty(address), "factory: other fund"
        self._move(key.venue, key.market_id, last, successor)
        self._carry(old, successor, key)
    assert self._has_room(successor), "factory: too many markets"


@external
def finish_setup():
    """
    @notice End the deployer's power, once (M9).
    """
    assert not self._setup_finished(), "factory: setup finished"
    assert roles._has(roles.DEPLOYER_ROLE, msg.sender), "factory: not deployer"
    roles._end_setup()
    log IFundFactory.SetupFinished()


@external
def set_governance(new: address):
    """
    @notice Hand governance to another timelock. Funds that exist keep theirs.
    """
    self._check_governance()
    old: address = roles._set_governance(new)
    log IFundFactory.GovernanceTransferred(old=old, new=new)


# -------------------------------------------------------------------- views

@view
@external
def setup_finished() -> bool:
    """
    @notice Whether the deployer's power has ended.
    """
    return self._setup_finished()


@view
@external
def is_fund(fund: address) -> bool:
    """
    @notice Whether the factory made it.
    """
    return self._kind[fund] != 0


@view
@external
def is_isolated(fund: address) -> bool:
    """
    @notice Whether it is a fund of one market alone (M17).
    """
    return self._kind[fund] == ISOLATED


@view
@external
def funds(
    start: uint256, count: uint256
) -> DynArray[IFundFactory.FundEntry, MAX_PAGE]:
    """
    @notice A page of the funds, in the order of their creation.
    """
    entries: DynArray[IFundFactory.FundEntry, MAX_PAGE] = []
    end: uint256 = self.fund_count
    if start >= end:
        return entries
    size: uint256 = min(min(count, end - start), MAX_PAGE)
    for number: uint256 in range(start, start + size, bound=MAX_PAGE):
        fund: address = self._fund_at[number]
        entries.append(
            IFundFactory.FundEntry(
                fund=fund,
                is_isolated=self._kind[fund] == ISOLATED,
                market_count=self._market_count[fund],
                successor=self.successor[fund],
            )
        )
    return entries


@view
@external
def fund_address(terms: IFundFactory.FundTerms, salt: bytes32) -> address:
    """
    @notice Where a fund of these terms would be; terms that a fund refuses have an address too.
    """
    args: Bytes[352] = abi_encode(
        terms.asset,
        notices,
        self,
        roles.governance,
        terms.treasurer,
        terms.guardian,
        terms.deployer,
        terms.treasury,
        terms.threshold,
        terms.liquidator_bps,
        terms.fund_bps,
    )
    return self._address_of(fund_blueprint, args, salt)


@view
@external
def layer_addresses(
    terms: IFundFactory.LayerTerms, salt: bytes32
) -> (address, address):
    """
    @notice Where underwriter and backstop of these terms would be.
    """
    underwriter: address = self._address_of(
        underwriter_blueprint,
        abi_encode(terms.asset, roles.governance, terms.deployer),
        salt,
    )
    args: Bytes[352] = abi_encode(
        terms.asset,
        terms.name,
        terms.symbol,
        underwriter,
        terms.cooldown_days,
        terms.stream_length,
        terms.min_staked,
    )
    return underwriter, self._address_of(backstop_blueprint, args, salt)


# ---------------------------------------------------------------- internals

@internal
@view
def _check_governance():
    assert roles._is_governance(msg.sender), "factory: not governance"


@internal
@view
def _check_blueprint(blueprint: address):
    """
    @dev Code behind the preamble of ERC-5202; what the code does can't be told.
    """
    assert blueprint.codesize > PREAMBLE_SIZE, "factory: blueprint without code"
    assert (
        slice(blueprint.code, 0, PREAMBLE_SIZE) == PREAMBLE
    ), "factory: not a blueprint"


@internal
@view
def _check_fund(fund: address):
    assert self._kind[fund] != 0, "factory: unknown fund"


@internal
@view
def _setup_finished() -> bool:
    return roles.members[roles.DEPLOYER_ROLE] == 0


@internal
@view
def _has_room(fund: address) -> bool:
    """
    @dev Whether a fund serves no more markets than one of its kind may (M17).
    """
    return self._kind[fund] == SHARED or self._market_count[fund] <= 1


@internal
@view
def _is_registered(fund: address, venue: address, market_id: uint256) -> bool:
    """
    @dev Whether a fund takes a venue's reports of a market.
    """
    market: IInsuranceFund.Market = staticcall IInsuranceFund(fund).market(
        venue, market_id
    )
    return market.registered


@internal
def _move(venue: address, market_id: uint256, old: address, new: address):
    """
    @dev Let a market be served by another fund; a zero `old` is none.
    """
    if old != empty(address):
        self._market_count[old] -= 1
    self._market_count[new] += 1
    self.fund_of[venue][market_id] = new
    log IFundFactory.MarketAssigned(
        venue=venue, market_id=market_id, old=old, new=new
    )


@internal
def _succeed(old: address, successor: address):
    """
    @dev Begin a merger: asset and governance are the same; an isolated successor serves no market yet, and takes a shared
         fund's place with its markets.
    """
    asset: address = staticcall IInsuranceFund(old).asset()
    other_asset: address = staticcall IInsuranceFund(successor).asset()
    assert asset == other_asset, "factory: other asset"
    governor: address = staticcall IInsuranceFund(old).governance()
    other_governor: address = staticcall IInsuranceFund(successor).governance()
    assert governor == other_governor, "factory: other governance"
    if self._kind[successor] == ISOLATED:
        assert self._market_count[successor] == 0, "factory: successor in use"
        if self._kind[old] == SHARED:
            self._kind[successor] = SHARED
            self.shared_fund[asset] = successor
    self.successor[old] = successor
    log IFundFactory.FundsMerged(
        old=old,
        successor=successor,
        is_isolated=self._kind[successor] == ISOLATED,
    )


@internal
def _carry(old: address, successor: address, key: IFundFactory.MarketKey):
    """
    @dev Let one fund hand over and the other adopt: the first time reserve and contributions, and a market, if its venue
         isn't zero.
    """
    handed: ISuccession.HandOver = extcall ISuccession(old).hand_over(
        successor, key.venue, key.market_id
    )
    extcall ISuccession(successor).adopt(old, handed)


@internal
@view
def _address_of(blueprint: address, args: Bytes[352], salt: bytes32) -> address:
    """
    @dev The address of a contract made from a blueprint with encoded arguments.
    """
    code: Bytes[MAX_WORDS * 32 + 64] = self._creation_code(blueprint)
    return create2._compute_create2_address_self(
        salt, keccak256(concat(code, args))
    )


@internal
@view
def _creation_code(blueprint: address) -> Bytes[MAX_WORDS * 32 + 64]:
    """
    @dev The code behind a blueprint's preamble. Code is read in pieces of fixed length: in words, the last of them from the
         end, shifted to its place.
    """
    size: uint256 = blueprint.codesize - PREAMBLE_SIZE
    words: DynArray[bytes32, MAX_WORDS] = []
    for number: uint256 in range(size // 32, bound=MAX_WORDS):
        words.append(
            convert(
                slice(blueprint.code, PREAMBLE_SIZE + 32 * number, 32),
                bytes32,
            )
        )
    rest: uint256 = size % 32
    if rest > 0:
        last: uint256 = convert(
            slice(blueprint.code, PREAMBLE_SIZE + size - 32, 32), uint256
        )
        words.append(convert(last << (8 * (32 - rest)), bytes32))
    # Behind the offset and the length of an encoded list its words follow.
    return slice(abi_encode(words), 64, size)
