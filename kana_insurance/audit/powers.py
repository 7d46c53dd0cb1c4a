"""The table of who can do what, from the access table and the holders on the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kana_insurance.access import ACCESS, ANYONE, ROLES
from kana_insurance.audit.findings import is_fatal, words_of
from kana_insurance.audit.roles import governed, holders_of
from kana_insurance.audit.site import Fund, Part, Site
from kana_insurance.backends import ZERO
from kana_insurance.deployment import ROLES as WORDS
from kana_insurance.pools import POOL_MARKET

_EXECUTIONS = ("execute", "execute_batch")
#: Contracts that have one of these keep notices of what lets more be drawn, or have them kept (M9).
_NOTICED = ("set_threshold", "cancel_notice", "merge")


@dataclass(frozen=True)
class Power:
    """Who may call which functions of which contracts.

    Attributes:
        who: The role.
        holders: Its holders now, by name where they are contracts of the deployment.
        parts: The contracts.
        may: The functions.
        after: What must pass before.
    """

    who: str
    holders: tuple[str, ...]
    parts: tuple[str, ...]
    may: tuple[str, ...]
    after: str


def powers(site: Site) -> list[Power]:
    """Every power that not everybody has, role by role; contracts with the same holders together."""
    rows: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for part in site.parts():
        for role in (*ROLES, "executor"):
            may = _functions(part.contract, role)
            if may:
                rows.setdefault((role, _holders(site, part, role), may), []).append(part.name)
    order = (*ROLES, "executor")
    found = [
        Power(role, holders, tuple(parts), may, _after(site, role, may)) for (role, holders, may), parts in rows.items()
    ]
    return [*sorted(found, key=lambda power: order.index(power.who)), *_deployers(site)]


def _deployers(site: Site) -> list[Power]:
    """Who still wires a contract whose set-up isn't finished, and acts as its governance; or that nobody does."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for part in governed(site):
        try:
            holders = tuple(holders_of(site, part, WORDS["DEPLOYER"]))
        except Exception as error:
            if is_fatal(error):
                raise
            holders = (f"unreadable: {words_of(error)}",)
        if holders:
            rows.setdefault(holders, []).append(part.name)
    if not rows:
        return [Power("deployer", (site.record.deployer,), (), ("nothing",), "")]
    return [
        Power("deployer", holders, tuple(parts), ("all that governance may",), "at once")
        for holders, parts in rows.items()
    ]


def _functions(contract: str, role: str) -> tuple[str, ...]:
    """What a role alone may call, with others perhaps, but not everybody."""
    rules = ACCESS.get(contract, {})
    named = {name: rule.allowed for name, rule in rules.items() if rule.allowed != ANYONE}
    if contract == "Timelock":
        if role == "executor":
            return tuple(name for name in named if name in _EXECUTIONS)
        return tuple(name for name, allowed in named.items() if role in allowed and name not in _EXECUTIONS)
    return tuple(name for name, allowed in named.items() if role in allowed)


def _holders(site: Site, part: Part, role: str) -> tuple[str, ...]:
    """Who a role is at a contract now."""
    try:
        return tuple(_shown(site, address) for address in _addresses(site, part, role)) or ("nobody",)
    except Exception as error:
        if is_fatal(error):
            raise
        return (f"unreadable: {words_of(error)}",)


def _shown(site: Site, address: str) -> str:
    name = site.name_of(address)
    return "anyone" if address == ZERO else address if name == address else f"{name} {address}"


def _addresses(site: Site, part: Part, role: str) -> list[str]:
    contract: Any = part.instance
    if role == "governance":
        if part.contract in ("Timelock", "NoticeBoard"):
            return [site.timelock.address]
        return [str(contract.governance())]
    if role in ("treasurer", "guardian"):
        return holders_of(site, part, WORDS[role.upper()])
    if role in ("proposer", "executor"):
        return holders_of(site, part, bytes(getattr(contract, f"{role.upper()}_ROLE")()))
    if role == "underwriter":
        return [str(contract.underwriter())]
    if role == "fund":
        return [str(fund) for fund in contract.funds()]
    if role == "lending":
        return [str(contract.registry())]
    if role in ("gateway", "registry"):
        return [str(getattr(contract, role)())]
    if role == "venue" and isinstance(part, Fund):
        return _venues(site, part)
    return []


def _venues(site: Site, fund: Fund) -> list[str]:
    """Whose reports of a market the fund takes, of the venues that the record knows."""
    keys = [(venue.house.address, market.number) for venue in site.venues for market in venue.markets]
    keys += [(pool.pool.address, POOL_MARKET) for pool in site.pools]
    keys += [(entry.venue, entry.market_id) for one in site.systems for entry in one.config.registrations]
    found = (venue for venue, number in keys if fund.instance.market(venue, number).registered)
    return list(dict.fromkeys(found))


def _after(site: Site, role: str, may: tuple[str, ...]) -> str:
    """What must pass before a call takes effect."""
    if role == "guardian":
        return "at once, 7 days at most"
    if role != "governance":
        return "at once"
    try:
        hours = int(site.timelock.instance.get_minimum_delay()) / 3_600
    except Exception as error:
        if is_fatal(error):
            raise
        return "unreadable"
    noticed = any(name in may for name in _NOTICED)
    return f"{hours / 24:g} days" + ("; a notice for more" if noticed else "")
