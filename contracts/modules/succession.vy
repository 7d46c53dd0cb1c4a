# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Succession
@license AGPL-3.0-only
@author Kana
@notice How a fund is closed and handed over to another one, and how it adopts one that was (M18).
@dev Whatever moves is struck off where it comes from, so it moves once. The notices are those of calls that name the
     other fund alone.
"""

from contracts.interfaces import ISuccession

from contracts.modules import checks
from contracts.modules import fund_notices
from contracts.modules import fund_words
from contracts.modules import ledger

uses: fund_notices
uses: ledger

# ---------------------------------------------------------------- constants

HAND_OVER: constant(bytes4) = method_id(
    "hand_over(address)", output_type=bytes4
)
ADOPT: constant(bytes4) = method_id("adopt(address)", output_type=bytes4)

# --------------------------------------------------------------- immutables

# Who merges; the zero address for nobody.
FACTORY: immutable(address)

# ------------------------------------------------------------------ storage

# To whom this fund, which is closed, was handed over; the zero address before.
successor: public(address)
# Funds whose reserve and contributions were taken over.
adopted: HashMap[address, bool]

# -------------------------------------------------------------- constructor

@deploy
def __init__(factory: address):
    FACTORY = factory


# -------------------------------------------------------------------- views

@view
@external
def factory() -> address:
    """
    @notice Who may merge this fund; the zero address for nobody (M18).
    """
    return FACTORY


# ---------------------------------------------------------------- internals

@internal
@view
def _check_factory():
    checks._require(msg.sender == FACTORY, "fund: not factory")


@internal
def _hand_over(
    successor: address, venue: address, market_id: uint256
) -> ISuccession.HandOver:
    """
    @notice Close the fund for ever, the first time, and strike a market off, if a venue is named. The reserve, which the
            caller sends, is out of the books.
    """
    handed: ISuccession.HandOver = empty(ISuccession.HandOver)
    if self.successor == empty(address):
        pot: uint256 = ledger._open_pot()
        ledger._check_running(pot)
        self._use(HAND_OVER, successor)
        self.successor = successor
        handed.reserve = fund_words._reserve(pot)
        handed.contributions = fund_words._contributions(pot)
        ledger.pot = fund_words._with_resume_at(
            pot - handed.reserve, fund_words.CLOSED
        )
        log ISuccession.HandedOver(
            successor=successor,
            reserve=handed.reserve,
            contributions=handed.contributions,
        )
    checks._require(successor == self.successor, "fund: closed")
    if venue != empty(address):
        handed.venue = venue
        handed.market_id = market_id
        handed.word, handed.bad_debt = ledger._account(venue, market_id)
        ledger.markets[venue][market_id] = 0
        log ISuccession.MarketHandedOver(
            venue=venue,
            market_id=market_id,
            bad_debt=handed.bad_debt,
            total_bad_debt=ledger._owe(venue, market_id, 0, 0, handed.bad_debt),
        )
    return handed


@internal
def _adopt(old: address, handed: ISuccession.HandOver):
    """
    @notice Book what another fund handed over, whose tokens the host looks for. Its reserve may lift this one's above
            the threshold: the one exception to M1.
    """
    pot: uint256 = ledger._open_pot()
    if not self.adopted[old]:
        self.adopted[old] = True
        self._use(ADOPT, old)
        reserve: uint256 = fund_words._reserve(pot) + handed.reserve
        total: uint256 = fund_words._contributions(pot) + handed.contributions
        # Both fit when their union does.
        fund_words._check_width(reserve | total)
        ledger.pot = pot + (handed.reserve | (handed.contributions << 112))
        ledger.contributions[old] += handed.contributions
        log ISuccession.Adopted(
            old=old,
            amount=handed.reserve,
            contributions=handed.contributions,
            reserve=reserve,
        )
    if handed.venue != empty(address):
        ledger._put(handed.venue, handed.market_id, handed.word)
        log ISuccession.MarketAdopted(
            venue=handed.venue,
            market_id=handed.market_id,
            is_perp=fund_words._is_perp(handed.word),
            max_insurance=fund_words._max_insurance(handed.word),
            used=fund_words._used(handed.word),
            bad_debt=handed.bad_debt,
            total_bad_debt=ledger._owe(
                handed.venue,
                handed.market_id,
                handed.bad_debt,
                handed.bad_debt,
                0,
            ),
        )


@internal
def _use(selector: bytes4, other: address):
    """
    @notice Use up the notice of the call that names the other fund alone.
    """
    fund_notices._use(keccak256(concat(selector, convert(other, bytes32))))
