"""New price feeds for markets that are listed already (M30)."""

from __future__ import annotations

from typing import Any

from kana_insurance.backends import ZERO, address_of
from kana_insurance.client import Client, Refusal


def create_feed(
    client: Client,
    account: Any,
    aggregator: str,
    max_age: int,
    sequencer: str | None = None,
    sequencer_grace: int = 3_600,
) -> dict[str, Any]:
    """Deploy a feed over an aggregator; its address and the price that it gives, ready to be shown.

    Args:
        client: The client of the deployment.
        account: Who deploys.
        aggregator: What is read.
        max_age: Greatest age of a good price, seconds.
        sequencer: The sequencer feed; None: the chain has none.
        sequencer_grace: Wait after its restart, seconds.

    Raises:
        Refusal: if there is no contract to read.
    """
    backend = client.system.backend
    for what, address in (("aggregator", aggregator), ("sequencer feed", sequencer)):
        if address is not None and not backend.has_code(address):
            raise Refusal(f"there is no {what} at {address}")
    feed = backend.deploy("PriceFeed", aggregator, max_age, sequencer or ZERO, sequencer_grace, sender=account)
    price = int(feed.peek())
    return {
        "feed": address_of(feed),
        "aggregator": aggregator,
        "description": str(backend.at("MockAggregator", aggregator).description()),
        "price": client.price(price) if price else "no good price",
        "next": f"ape run govern propose set-feed MARKET {address_of(feed)}",
    }
