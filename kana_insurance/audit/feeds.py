"""Whether every market and collateral has a good price now, and its chain's sequencer is heeded (M30)."""

from __future__ import annotations

from dataclasses import dataclass

from kana_insurance.audit.findings import Checks, is_fatal, words_of
from kana_insurance.audit.site import Part, Priced, Site
from kana_insurance.backends import ZERO
from kana_insurance.system import LOCAL_CHAINS, SEQUENCED, TEST_CHAINS


@dataclass(frozen=True)
class Price:
    """What a feed says: WAD, 0 for no good price; age and bound in seconds."""

    market: str
    feed: str
    price: int
    age: int
    max_age: int
    sequencer: str
    problem: str


def check_feeds(site: Site, checks: Checks) -> list[Price]:
    """Each market's feed: a price now, and the sequencer feed where the chain has one."""
    found: list[Price] = []
    chain_id = site.backend.chain_id()
    for market, part in site.feeds:
        with checks.reading(part.name):
            price = _read(site, market, part)
            found.append(price)
            checks.demand(not price.problem, part.name, f"it gives no price: {price.problem}, age {price.age} s")
            if chain_id in SEQUENCED:
                what = f"chain {chain_id} has a sequencer, and the feed heeds none"
                checks.demand(price.sequencer != ZERO, part.name, what)
            if chain_id not in LOCAL_CHAINS | TEST_CHAINS:
                checks.demand(not market.mock, part.name, "anyone sets the answers that it reads")
    return found


def _read(site: Site, market: Priced, part: Part) -> Price:
    feed = part.instance
    wad, problem = 0, ""
    try:
        wad = int(feed.price())
    except Exception as error:
        if is_fatal(error):
            raise
        problem = words_of(error)
    aggregator = site.backend.at("MockAggregator", str(feed.aggregator()))
    updated = int(tuple(aggregator.latestRoundData())[3])
    age = site.backend.timestamp() - updated
    return Price(market.name, part.address, wad, age, int(feed.max_age()), str(feed.sequencer()), problem)
