"""The mechanics in exact integers, without a chain: the reference that contracts, tests and simulations share.

Read it in this order: ``units`` (roundings), ``fund_state`` and ``fund`` (M1 to M18, M24, M37), ``board`` (a fund's
notices, M9), ``factory`` (M16 to M18), ``registry`` (parameters and mark), ``books`` (the venue's ledgers, charges,
waterfall) and ``venue`` on top of it (M25 to M31), ``invariants`` (I1 to I13). The lending venue (M32, M33) is
``lending_interest``, ``lending_formulas``, ``lending_registry``, ``lending_books`` and ``lending`` on top of them, with
``lending_invariants``.
``state`` makes each call all or nothing, ``errors`` says how one refuses.
"""

from kana_insurance.model.board import NoticeBoardModel
from kana_insurance.model.clock import DAY, HOUR, Clock
from kana_insurance.model.errors import Refused
from kana_insurance.model.factory import FactoryModel
from kana_insurance.model.formulas import Split
from kana_insurance.model.fund import FundModel, HandOver
from kana_insurance.model.ledger import TokenLedger
from kana_insurance.model.registry import FeedModel, Params, Quote, RegistryModel
from kana_insurance.model.state import Account, Event
from kana_insurance.model.venue import Fill, VenueModel

__all__ = [
    "DAY",
    "HOUR",
    "Account",
    "Clock",
    "Event",
    "FactoryModel",
    "FeedModel",
    "Fill",
    "FundModel",
    "HandOver",
    "NoticeBoardModel",
    "Params",
    "Quote",
    "Refused",
    "RegistryModel",
    "Split",
    "TokenLedger",
    "VenueModel",
]
