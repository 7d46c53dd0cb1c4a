"""What tests do with several funds: give notice of a merger and make it, through governance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eth_utils import function_signature_to_4byte_selector

from kana_insurance.backends import address_of
from kana_insurance.kit import DAY, Kit


def notice_of(function: str, other: Any) -> bytes:
    """The call that a merger's notice names: ``hand_over`` with the successor, ``adopt`` with the old fund (M18)."""
    return function_signature_to_4byte_selector(f"{function}(address)") + bytes(12) + bytes.fromhex(address_of(other)[2:])


def announce_merger(kit: Kit, old: Any, successor: Any) -> None:
    """Give both funds notice."""
    board = kit.system.notices
    board.announce(old, notice_of("hand_over", successor), sender=kit.governance)
    board.announce(successor, notice_of("adopt", old), sender=kit.governance)


def merge(kit: Kit, old: Any, successor: Any, market_ids: Iterable[int], wait: int = 2 * DAY) -> Any:
    """Merge a fund into another with markets of the kit's house, after the notices of both; the receipt."""
    announce_merger(kit, old, successor)
    kit.travel(wait)
    keys = [(address_of(kit.house), market_id) for market_id in market_ids]
    return kit.factory.merge(old, successor, keys, sender=kit.governance)
