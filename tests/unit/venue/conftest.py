"""A venue with a reserve behind it and traders in front of it, once a file; every test is undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kana_insurance.kit import Kit, U
from tests.utils.venue import check_books, people

#: What the reserve and each trader's free balance hold at first.
RESERVE = 100_000 * U
FREE = 100_000 * U


@pytest.fixture(scope="module")
def venue(kana: Kit) -> Kit:
    """Market 0 at 100 U, limit 50,000 U; initial margin 10 %, maintenance 5 %; taker 5 bps, maker 2 bps."""
    kana.contribute(kana.actors.contributor, RESERVE)
    everyone = people(kana)
    kana.provide(kana.actors.keeper, kana.house, FREE * len(everyone))
    for account in everyone:
        kana.house.deposit(FREE, account, sender=kana.actors.keeper)
    return kana


@pytest.fixture
def books(venue: Kit) -> Iterator[Kit]:
    """The venue, whose books must be whole after the test too."""
    yield venue
    check_books(venue)


@pytest.fixture
def others(venue: Kit) -> list[Any]:
    """Eight more traders."""
    return list(venue.actors.others)
