"""Reads from the chain what the reference model's ``state()`` gives, in the same form, to be compared with ``==``.

The model's accounts must then be named by checksum addresses, the contracts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.deployment import System
from kana_insurance.model.fund_state import CLOSED

_WINDOW = ("cap", "length", "spent", "last")
_MARKET = ("is_perp", "max_insurance", "used", "bad_debt")
_BOOKS = ("open_interest", "pot", "fees", "dust_fees", "dust", "loss_index")
_PARAMS = (
    "feed",
    "fund",
    "initial_margin_bps",
    "maintenance_margin_bps",
    "fill_band_bps",
    "taker_fee_bps",
    "maker_fee_bps",
    "fund_fee_bps",
    "grace",
    "min_notional",
    "open_interest_cap",
    "position_cap",
)
#: The events that name an account with a contribution, a free balance or a position.
_ACCOUNT_EVENTS = (
    ("fund", "Contributed", ("contributor",)),
    ("house", "Deposited", ("account",)),
    ("house", "PositionChanged", ("trader",)),
    ("house", "Liquidated", ("trader", "liquidator")),
)


def read_many(system: System, calls: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[Any]:
    """Results of views (function, arguments), in one request where the backend can."""
    together = getattr(system.backend, "read_many", None)
    return together(calls) if together is not None else [function(*args) for function, args in calls]


def _fields(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def accounts_seen(system: System) -> list[str]:
    """Every account that ever contributed, deposited, traded or liquidated, from events since the deployment."""
    seen: dict[str, None] = {}
    for part, event, names in _ACCOUNT_EVENTS:
        contract = getattr(system, part)
        if contract is not None:
            for arguments in system.backend.events(contract, event):
                seen.update((str(arguments[name]), None) for name in names)
    if system.registry is not None:
        seen[str(system.registry.fee_recipient())] = None
    return list(seen)


def fund_state(system: System, contributors: Iterable[Any], fund: Any = None) -> dict[str, Any]:
    """The fund, or another one of its asset, as ``FundModel.state()``; ``contributors`` are the accounts to ask for."""
    fund = system.fund if fund is None else fund
    people = list(dict.fromkeys(address_of(account) for account in contributors))
    markets = [(entry.venue, entry.market_id) for entry in system.config.registrations]
    if system.house is not None:
        house = address_of(system.house)
        markets += [(house, number) for number in range(int(system.registry.next_market_id()))]
    plain = ("reserve", "threshold", "total_contributions", "total_bad_debt", "payouts_resume_at")
    values = iter(
        read_many(
            system,
            [
                *((getattr(fund, name), ()) for name in plain),
                (fund.split_bps, ()),
                (fund.window, ()),
                (system.asset.balanceOf, (address_of(fund),)),
                *((fund.market, key) for key in markets),
                *((fund.contributions, (account,)) for account in people),
            ],
        )
    )
    state: dict[str, Any] = {name: next(values) for name in plain}
    state["liquidator_bps"], state["fund_bps"] = next(values)
    state["window"] = _fields(next(values), _WINDOW)
    state["tokens"] = next(values)
    kept = [(key, next(values)) for key in markets]
    state["markets"] = {key: _fields(market, _MARKET) for key, market in kept if market.registered}
    given = [(account, next(values)) for account in people]
    state["contributions"] = {account: amount for account, amount in given if amount}
    if state["payouts_resume_at"] == CLOSED:
        state["successor"] = str(fund.successor())
    return state


def venue_state(system: System, accounts: Iterable[Any]) -> dict[str, Any]:
    """The house, as ``VenueModel.state()``; ``accounts`` are those to ask for."""
    house = system.house
    people = list(dict.fromkeys(address_of(account) for account in accounts))
    market_ids = range(int(system.registry.next_market_id()))
    keys = [(number, account) for number in market_ids for account in people]
    values = iter(
        read_many(
            system,
            [
                (system.asset.balanceOf, (address_of(house),)),
                *((house.free, (account,)) for account in people),
                *((house.books, (number,)) for number in market_ids),
                *((house.position, key) for key in keys),
            ],
        )
    )
    tokens = next(values)
    free = [(account, next(values)) for account in people]
    books = {number: _fields(next(values), _BOOKS) for number in market_ids}
    positions = {}
    for key in keys:
        held = next(values)
        if held.size or held.balance:
            index = held.index if held.size else 0
            positions[key] = {**_fields(held, ("size", "balance", "flagged_at")), "index": index}
    return {
        "tokens": tokens,
        "free": {account: amount for account, amount in free if amount},
        "books": books,
        "positions": positions,
    }


def registry_state(system: System) -> dict[str, Any]:
    """The registry, as ``RegistryModel.state()``."""
    registry = system.registry
    count = int(registry.next_market_id())
    return {
        "markets": {
            number: _fields(registry.params(number), _PARAMS) for number in range(count) if registry.listed(number)
        },
        "next_market_id": count,
        "trading_resume_at": int(registry.trading_resume_at()),
        "fee_recipient": str(registry.fee_recipient()),
        "setup_finished": bool(registry.setup_finished()),
    }
