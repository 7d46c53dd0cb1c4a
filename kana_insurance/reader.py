"""Reads from the chain what the reference model's ``state()`` gives, in the same form, to be compared with ``==``.

The model's accounts must then be named by checksum addresses, the contracts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kana_insurance.backends import ZERO, address_of
from kana_insurance.deployment import Layer, System
from kana_insurance.model.fund_state import CLOSED
from kana_insurance.pools import POOL_MARKET

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
_TERMS = (
    "registered",
    "limit",
    "used",
    "window_cap",
    "window_length",
    "window_spent",
    "window_last",
    "premium_bps",
)
_STREAM = ("unvested", "remaining", "running", "length", "min_staked")
#: The events that name an account with a contribution, a free balance, a position, shares or a request.
_ACCOUNT_EVENTS = (
    ("fund", "Contributed", ("contributor",)),
    ("house", "Deposited", ("account",)),
    ("house", "PositionChanged", ("trader",)),
    ("house", "Liquidated", ("trader", "liquidator")),
    *(
        (part, *named)
        for part in ("backstop", "reinsurance_backstop")
        for named in (("Transfer", ("receiver",)), ("RedeemRequest", ("controller",)))
    ),
)


def read_many(system: System, calls: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[Any]:
    """Results of views (function, arguments), in one request where the backend can."""
    together = getattr(system.backend, "read_many", None)
    return together(calls) if together is not None else [function(*args) for function, args in calls]


def _fields(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def accounts_seen(system: System) -> list[str]:
    """Every account that ever contributed, deposited, traded, liquidated, held shares or asked to leave, from events
    since the deployment.
    """
    seen: dict[str, None] = {}
    for part, event, names in _ACCOUNT_EVENTS:
        contract = getattr(system, part)
        if contract is not None:
            for arguments in system.backend.events(contract, event):
                seen.update((str(arguments[name]), None) for name in names)
    if system.registry is not None:
        seen[str(system.registry.fee_recipient())] = None
    seen.pop(ZERO, None)
    return list(seen)


def system_state(system: System, accounts: Iterable[Any]) -> dict[str, Any]:
    """The whole system, as ``Mirror.state()``; ``accounts`` are those to ask for."""
    people = list(accounts)
    return {
        "fund": fund_state(system, people),
        "house": venue_state(system, people),
        "registry": registry_state(system),
        "layers": layers_state(system, people),
        "isolated": {number: fund_state(system, people, fund) for number, fund in system.isolated.items()},
    }


def fund_state(system: System, contributors: Iterable[Any], fund: Any = None) -> dict[str, Any]:
    """The fund, or another one of its asset, as ``FundModel.state()``; ``contributors`` are the accounts to ask for."""
    fund = system.fund if fund is None else fund
    people = list(dict.fromkeys(address_of(account) for account in contributors))
    markets = [(entry.venue, entry.market_id) for entry in system.config.registrations]
    if system.house is not None:
        house = address_of(system.house)
        markets += [(house, number) for number in range(int(system.registry.next_market_id()))]
    if system.pool is not None:
        markets.append((address_of(system.pool), POOL_MARKET))
    plain = ("reserve", "threshold", "total_contributions", "total_bad_debt", "payouts_resume_at")
    values = iter(
        read_many(
            system,
            [
                *((getattr(fund, name), ()) for name in plain),
                (fund.split_bps, ()),
                (fund.window, ()),
                (fund.layers, ()),
                (system.asset.balanceOf, (address_of(fund),)),
                *((fund.market, key) for key in markets),
                *((fund.contributions, (account,)) for account in people),
            ],
        )
    )
    state: dict[str, Any] = {name: next(values) for name in plain}
    state["liquidator_bps"], state["fund_bps"] = next(values)
    state["window"] = _fields(next(values), _WINDOW)
    placed = next(values)
    staked, reinsurance = (None if one == ZERO else str(one) for one in (placed.staked, placed.reinsurance))
    if staked or reinsurance:
        state["layers"] = {
            "staked": staked,
            "reinsurance": reinsurance,
            "suspended_until": (placed.staked_suspended_until, placed.reinsurance_suspended_until),
            "staker_bps": placed.staker_bps,
        }
    state["tokens"] = next(values)
    kept = [(key, next(values)) for key in markets]
    state["markets"] = {key: _fields(market, _MARKET) for key, market in kept if market.registered}
    given = [(account, next(values)) for account in people]
    state["contributions"] = {account: amount for account, amount in given if amount}
    if state["payouts_resume_at"] == CLOSED:
        state["successor"] = str(fund.successor())
    return state


def layers_state(
    system: System, stakers: Iterable[Any], days: Iterable[int] | None = None
) -> dict[str, dict[str, dict[str, Any]]]:
    """The layers by name, as ``LayerMirror.state()``: "underwriter" and "backstop".

    Args:
        system: The system.
        stakers: The accounts to ask for shares and requests.
        days: The Unix days of exits to ask for; by default those of all requests since the deployment, from events.
    """
    people = list(dict.fromkeys(address_of(account) for account in stakers))
    return {
        layer.name: {
            "underwriter": _underwriter_state(system, layer),
            "backstop": _backstop_state(system, layer, people, days),
        }
        for layer in system.layers
    }


def _underwriter_state(system: System, layer: Layer) -> dict[str, Any]:
    """As ``UnderwriterModel.state()``; of the funds that were removed, the system's own alone is asked for."""
    underwriter = layer.underwriter
    funds = tuple(str(fund) for fund in underwriter.funds())
    asked = list(dict.fromkeys((*funds, address_of(system.fund))))
    values = iter(
        read_many(
            system,
            [
                (underwriter.held_until, ()),
                (underwriter.exit_clock, ()),
                *((underwriter.terms, (fund,)) for fund in asked),
                *((underwriter.capacity, (fund,)) for fund in asked),
            ],
        )
    )
    held_until, exit_clock = next(values), next(values)
    return {
        "terms": {fund: _fields(next(values), _TERMS) for fund in asked},
        "funds": funds,
        "held_until": held_until,
        "exit_clock": exit_clock,
        "capacity": {fund: next(values) for fund in asked},
    }


def _backstop_state(system: System, layer: Layer, people: list[str], days: Iterable[int] | None) -> dict[str, Any]:
    """As ``BackstopModel.state()``."""
    vault = layer.backstop
    if days is None:
        days = [int(event["requestId"]) for event in system.backend.events(vault, "RedeemRequest")]
    asked = sorted(set(days))
    plain = ("closed", "totalAssets", "totalSupply", "stream", "exit_pool_state", "cooldown_days")
    values = iter(
        read_many(
            system,
            [
                *((getattr(vault, name), ()) for name in plain),
                (system.asset.balanceOf, (address_of(vault),)),
                *((vault.day, (day,)) for day in asked),
                *((vault.balanceOf, (person,)) for person in people),
                *((vault.request_ids, (person,)) for person in people),
            ],
        )
    )
    closed, staked, total_shares, stream, exit_pool, cooldown_days, tokens = (next(values) for _ in range(7))
    found_days = {day: tuple(next(values)) for day in asked}
    held = [(person, next(values)) for person in people]
    keys = [(person, int(day)) for person in people for day in next(values)]
    views = (vault.pendingRedeemRequest, vault.claimableRedeemRequest, vault.request_assets)
    worth = iter(read_many(system, [(view, (day, person)) for person, day in keys for view in views]))
    return {
        "closed": closed,
        "staked": staked,
        "total_shares": total_shares,
        "shares": {person: amount for person, amount in held if amount},
        "stream": _fields(stream, _STREAM),
        "exit_pool": tuple(exit_pool),
        "days": found_days,
        "requests": {key: (next(worth), next(worth), next(worth)) for key in keys},
        "cooldown_days": cooldown_days,
        "tokens": tokens,
    }


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
