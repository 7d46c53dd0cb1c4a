"""What tests do with several funds: merge them through governance, and see all that a market's fund and venue hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kana_insurance.backends import address_of
from kana_insurance.kit import DAY, Kit, merger_call


def announce_merger(kit: Kit, old: Any, successor: Any) -> None:
    """Give both funds notice (M18)."""
    kit.notices.announce(old, merger_call("hand_over", successor), sender=kit.governance)
    kit.notices.announce(successor, merger_call("adopt", old), sender=kit.governance)


def merge(kit: Kit, old: Any, successor: Any, market_ids: Iterable[int], wait: int = 2 * DAY) -> Any:
    """Merge a fund into another with markets of the kit's house, after the notices of both; the receipt."""
    announce_merger(kit, old, successor)
    kit.travel(wait)
    keys = [(address_of(kit.house), market_id) for market_id in market_ids]
    return kit.factory.merge(old, successor, keys, sender=kit.governance)


def fund_figures(kit: Kit, fund: Any, people: Iterable[Any]) -> dict[str, Any]:
    """All that a fund says, its tokens, and its layers' stakes."""
    plain = (
        *("reserve", "threshold", "split_bps", "total_contributions", "total_bad_debt", "window", "layers", "room"),
        *("excess", "payouts_resume_at", "payouts_paused", "setup_finished", "governance", "successor"),
    )
    found: dict[str, Any] = {name: _plain(getattr(fund, name)()) for name in plain}
    for market_id in range(int(kit.registry.next_market_id())):
        found[f"market {market_id}"] = _plain(fund.market(kit.house, market_id))
        found[f"coverage {market_id}"] = int(fund.coverage(kit.house, market_id))
    found["tokens"] = int(kit.asset.balanceOf(fund))
    found["contributions"] = {address_of(one): int(fund.contributions(one)) for one in people}
    for place, layer in enumerate((found["layers"][0], found["layers"][2])):
        if int(layer, 16):
            vault = kit.backend.at("Backstop", kit.backend.at("Underwriter", layer).backstop())
            found[f"layer {place}"] = int(vault.totalAssets()), _plain(vault.stream()), int(kit.asset.balanceOf(vault))
    return found


def market_figures(kit: Kit, market_id: int, people: Iterable[Any]) -> dict[str, Any]:
    """The venue's books of a market and everybody's position in it, what is pending included."""
    found: dict[str, Any] = {"books": _plain(kit.house.books(market_id))}
    for account in people:
        position = _plain(kit.house.position(market_id, account))
        found[address_of(account)] = position, int(kit.house.pending_charge(market_id, account))
    return found


def _plain(value: Any) -> Any:
    """A struct as a tuple."""
    if hasattr(value, "items"):
        return tuple(_plain(part) for _, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_plain(part) for part in value)
    return value
