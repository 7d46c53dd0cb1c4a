"""Who holds which role, whether the deployer is gone, and how long governance must wait (M9, M36)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kana_insurance.audit.findings import Checks, is_fatal, same, words_of
from kana_insurance.audit.site import Fund, Part, Site
from kana_insurance.backends import ZERO
from kana_insurance.config import DAY
from kana_insurance.deployment import ROLES

#: What no timelock's floor may be below, and no delay above, seconds (M9).
LEAST_FLOOR = 2 * DAY
MAX_DELAY = 30 * DAY


def check_roles(site: Site, checks: Checks) -> None:
    """The holders of every role of every contract against the record; nobody else, and not the deployer."""
    for part, holders in expected_holders(site):
        with checks.reading(part.name):
            for role, (word, accounts) in holders.items():
                _check_role(site, checks, part, role, word, accounts)
    for part in governed(site):
        with checks.reading(part.name):
            checks.points_at(part.name, "governance", part.instance.governance(), site.timelock)
    for fund in site.funds:
        with checks.reading(fund.name):
            if fund.treasury != ZERO:
                checks.points_at(fund.name, "the treasury", fund.instance.treasury(), fund.treasury)
    for venue in site.venues:
        with checks.reading(venue.registry.name):
            registry = venue.registry.instance
            recipient = venue.config.fee_recipient
            checks.points_at(venue.registry.name, "the fee recipient", registry.fee_recipient(), recipient)


def check_delays(site: Site, checks: Checks) -> None:
    """The timelock's floor and delay (M9)."""
    with checks.reading(site.timelock.name):
        timelock, name = site.timelock.instance, site.timelock.name
        floor, delay = int(timelock.MIN_DELAY_FLOOR()), int(timelock.get_minimum_delay())
        checks.demand(floor >= LEAST_FLOOR, name, f"its floor is {floor} s, must be at least {LEAST_FLOOR} s")
        checks.demand(delay >= floor, name, f"its delay is {delay} s, below its floor of {floor} s")
        checks.demand(delay <= MAX_DELAY, name, f"its delay is {delay} s, must be at most {MAX_DELAY} s")
        checks.recorded(name, "its delay in seconds", delay, site.config.timelock_delay)


def check_setup(site: Site, checks: Checks) -> None:
    """Whether each set-up is finished; until then the deployer governs and no money is taken (M9)."""
    parts = [site.factory, *site.funds, *(layer.underwriter for layer in site.layers)]
    parts += [venue.registry for venue in site.venues] + [pool.registry for pool in site.pools]
    for part in parts:
        with checks.reading(part.name):
            checks.demand(bool(part.instance.setup_finished()), part.name, "its setup is not finished")


def governed(site: Site) -> list[Part]:
    """The contracts that name their governor."""
    layers = [layer.underwriter for layer in site.layers]
    registries = [venue.registry for venue in site.venues] + [pool.registry for pool in site.pools]
    return [site.factory, *site.funds, *layers, *registries]


def expected_holders(site: Site) -> list[tuple[Part, dict[str, tuple[bytes, list[str]]]]]:
    """Part and, by role, its word and who must hold it."""
    config = site.config
    ours = {"DEFAULT_ADMIN": (ROLES["DEFAULT_ADMIN_ROLE"], [site.timelock.address]), "DEPLOYER": _nobody("DEPLOYER")}
    result: list[tuple[Part, dict[str, tuple[bytes, list[str]]]]] = []
    for part in governed(site):
        holders = dict(ours)
        if isinstance(part, Fund):
            if part.treasurer != ZERO:
                holders["TREASURER"] = ROLES["TREASURER"], [part.treasurer]
                holders["GUARDIAN"] = ROLES["GUARDIAN"], [part.guardian]
        elif part.contract in ("MarketRegistry", "LendingRegistry"):
            holders["GUARDIAN"] = ROLES["GUARDIAN"], [config.guardian]
        result.append((part, holders))
    with site.checks.reading(site.timelock.name):
        timelock = site.timelock.instance
        own = {
            "DEFAULT_ADMIN": [site.timelock.address],
            "PROPOSER": config.proposers,
            "EXECUTOR": config.executors,
            "CANCELLER": config.proposers,
        }
        result.append(
            (
                site.timelock,
                {role: (bytes(getattr(timelock, f"{role}_ROLE")()), accounts) for role, accounts in own.items()},
            )
        )
    return result


def _nobody(role: str) -> tuple[bytes, list[str]]:
    return ROLES[role], []


def _check_role(site: Site, checks: Checks, part: Part, role: str, word: bytes, accounts: list[str]) -> None:
    """Every account of the record holds the role, and the contract counts no member more."""
    contract, wanted = part.instance, list(dict.fromkeys(accounts))
    deployer = site.record.deployer
    if deployer not in wanted:
        held = bool(contract.hasRole(word, deployer))
        checks.demand(not held, part.name, f"the deployer {deployer} still holds {role}")
    holding = [account for account in wanted if bool(contract.hasRole(word, account))]
    for account in wanted:
        checks.demand(account in holding, part.name, f"{account} does not hold {role}, which the record says it does")
    count = int(contract.members(word))
    if checks.demand(count == len(holding), part.name, _strangers(site, part, word, role, count, holding)):
        return


def _strangers(site: Site, part: Part, word: bytes, role: str, count: int, holding: Iterable[str]) -> str:
    """Who else holds a role, by name where the node has the events."""
    known = list(holding)
    if count == len(known):
        return ""
    text = f"{role} has {count} members, {len(known)} of them in the record"
    try:
        others = holders_of(site, part, word)
    except Exception as error:
        if is_fatal(error):
            raise
        return f"{text}; who, the node's events don't say ({words_of(error)})"
    named = [account for account in others if not any(same(account, one) for one in known)]
    return f"{text}; also {', '.join(named)}" if named else text


def holders_of(site: Site, part: Part, word: bytes) -> list[str]:
    """Who was granted a role since the deployment and holds it now."""
    granted: dict[str, Any] = {}
    for event in site.events(part.instance, "RoleGranted"):
        if bytes(event["role"]) == word:
            granted[str(event["account"])] = None
    return [account for account in granted if bool(part.instance.hasRole(word, account))]
