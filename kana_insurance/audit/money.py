"""What contracts may take from each other, and whether the tokens they hold are those of their books.

A house grants the funds of its markets an allowance, a lending pool its fund (M38); a fund approves a layer what it is
paid, which pulls it in the same call. Nobody else is allowed anything. Who was ever allowed something is read from the
token's events, what is allowed now from the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils import keccak, to_checksum_address

from kana_insurance.audit.findings import Checks, is_fatal, same, words_of
from kana_insurance.audit.lending import pool_bookings
from kana_insurance.audit.site import Fund, Layer, Part, Site, Venue
from kana_insurance.backends import address_of
from kana_insurance.client import Figure

_APPROVAL = "0x" + keccak(text="Approval(address,address,uint256)").hex()
#: An allowance that no settlement exhausts: amounts have at most 112 bits.
ENOUGH = 2**128
#: The events that name an account with a free balance, and the arguments that do.
_FREE_EVENTS = (
    ("Deposited", ("account",)),
    ("PositionChanged", ("trader",)),
    ("Liquidated", ("trader", "liquidator")),
)


@dataclass(frozen=True)
class Balance:
    """What a contract holds of an asset, and what its books account for. Base units."""

    part: str
    asset: str
    decimals: int
    held: int
    booked: int

    def amount(self, value: int) -> str:
        """An amount of the asset in words."""
        return Figure(value, self.decimals, self.asset).text()


def tokens(value: int, token: Any) -> str:
    """An amount of a token in words."""
    return Figure(value, int(token.decimals()), str(token.symbol())).text()


def check_allowances(site: Site, checks: Checks) -> None:
    """What the contracts allow others of their assets."""
    for part in site.parts():
        if part.contract in ("PriceFeed", "Lens", "Timelock", "NoticeBoard"):
            continue
        for token in _tokens(site, part):
            with checks.reading(part.name):
                _check_allowances(site, checks, part, token)


def _tokens(site: Site, part: Part) -> list[Any]:
    """The assets that a contract has to do with."""
    if isinstance(part, Fund):
        return [part.asset]
    for layer in site.layers:
        if part is layer.underwriter or part is layer.backstop:
            return [layer.asset]
    for venue in site.venues:
        if part is venue.registry or part is venue.gateway or part is venue.house:
            return [venue.asset]
    for pool in site.pools:
        if part is pool.pool:
            return [pool.asset, *(collateral.token for collateral in pool.collaterals)]
        if part is pool.registry:
            return [pool.asset]
    return list(site.assets().values())


def _check_allowances(site: Site, checks: Checks, part: Part, token: Any) -> None:
    insurers = _insurers(site, part, token)
    known = dict.fromkeys([*insurers, *(fund.address for fund in site.funds)])
    if part.contract == "InsuranceFund":
        known |= dict.fromkeys(layer.underwriter.address for layer in site.layers)
    try:
        topics = [_APPROVAL, "0x" + "00" * 12 + part.address[2:].lower()]
        logs = site.backend.logs(address_of(token), topics, site.from_block)
        known |= dict.fromkeys(str(to_checksum_address("0x" + log[2][-40:])) for log in logs)
    except Exception as error:
        if is_fatal(error):
            raise
        what = f"spenders other than funds and layers could not be looked for: {words_of(error)}"
        checks.expect(False, part.name, what)
    for spender in known:
        if same(spender, part):
            continue
        amount = int(token.allowance(part.address, spender))
        whom = site.name_of(spender)
        if spender in insurers:
            what = f"it allows its fund, {whom}, {tokens(amount, token)}: too little to settle"
            checks.demand(amount >= ENOUGH, part.name, what)
        else:
            what = f"it allows {whom} {tokens(amount, token)}, must allow nothing"
            checks.demand(amount == 0, part.name, what)


def _insurers(site: Site, part: Part, token: Any) -> list[str]:
    """The funds that a venue must allow to take their parts: those of a house's listed markets, a pool's own."""
    found: dict[str, None] = {}
    for venue in site.venues:
        if part is venue.house:
            registry = venue.registry.instance
            for number in range(int(registry.next_market_id())):
                if registry.listed(number):
                    found[str(to_checksum_address(registry.fund_of(number)))] = None
    for pool in site.pools:
        if part is pool.pool and same(token, pool.asset):
            found[str(to_checksum_address(pool.registry.instance.fund()))] = None
    return list(found)


# --------------------------------------------------------------------- balances


def check_balances(site: Site, checks: Checks) -> list[Balance]:
    """What is held and what is booked, for every contract that holds an asset or shouldn't."""
    found: list[Balance] = []
    for fund in site.funds:
        with checks.reading(fund.name):
            found.append(_balance(fund, fund.asset, int(fund.instance.reserve())))
    for layer in site.layers:
        with checks.reading(layer.backstop.name):
            found += _backstop_balance(site, checks, layer)
        with checks.reading(layer.underwriter.name):
            found.append(_balance(layer.underwriter, layer.asset, 0))
    for venue in site.venues:
        with checks.reading(venue.house.name):
            found += _house_balance(site, checks, venue)
        for part in (venue.registry, venue.gateway):
            found.append(_balance(part, venue.asset, 0))
    for pool in site.pools:
        with checks.reading(pool.pool.name):
            found += [_balance(pool.pool, token, booked) for token, booked in pool_bookings(pool)]
        found.append(_balance(pool.registry, pool.asset, 0))
    for token in site.assets().values():
        for part in (site.timelock, site.factory, site.notices):
            found.append(_balance(part, token, 0))
    for one in found:
        less, more = one.booked - one.held, one.held - one.booked
        checks.demand(less <= 0, one.part, f"it holds {one.amount(less)} less than its books say")
        checks.expect(more <= 0, one.part, f"it holds {one.amount(more)} that no book accounts for")
    return [one for one in found if one.held or one.booked]


def _balance(part: Part, token: Any, booked: int) -> Balance:
    held = int(token.balanceOf(part.address))
    return Balance(part.name, str(token.symbol()), int(token.decimals()), held, booked)


def _backstop_balance(site: Site, checks: Checks, layer: Layer) -> list[Balance]:
    """Stake, revenue on its way, pending exits, and what of matured days isn't claimed (M20)."""
    part, vault = layer.backstop, layer.backstop.instance
    pending, units = (int(value) for value in vault.exit_pool_state())
    booked = int(vault.totalAssets()) + int(vault.stream().unvested) + pending
    try:
        requests = site.events(vault, "RedeemRequest")
        claimed = sum(int(event["assets"]) for event in site.events(vault, "Withdraw"))
    except Exception as error:
        if is_fatal(error):
            raise
        checks.expect(False, part.name, f"what was claimed could not be read: {words_of(error)}")
        return []
    days = (vault.day(number) for number in dict.fromkeys(int(event["requestId"]) for event in requests))
    booked += sum(int(day.assets) for day in days if day.matured) - claimed
    held = int(layer.asset.balanceOf(part.address))
    # What rounding has left in a pool that is empty now joins the stake with the next call.
    if units == 0 and 0 < held - booked <= 2 * len(requests):
        booked = held
    return [Balance(part.name, str(layer.asset.symbol()), int(layer.asset.decimals()), held, booked)]


def _house_balance(site: Site, checks: Checks, venue: Venue) -> list[Balance]:
    """Free balances, the markets' pots, their fees (M26, M26a)."""
    house, registry = venue.house.instance, venue.registry.instance
    try:
        people = {
            str(event[name]) for kind, names in _FREE_EVENTS for event in site.events(house, kind) for name in names
        }
        people |= {str(event["new"]) for event in site.events(registry, "FeeRecipientSet")}
    except Exception as error:
        if is_fatal(error):
            raise
        checks.expect(False, venue.house.name, f"who has a balance could not be read: {words_of(error)}")
        return []
    booked = sum(int(house.free(account)) for account in sorted(people))
    for number in range(int(registry.next_market_id())):
        books = house.books(number)
        booked += int(books.pot) + int(books.fees) + int(books.dust_fees)
    return [_balance(venue.house, venue.asset, booked)]
