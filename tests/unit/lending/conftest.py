"""A pool of KanaUSDT with ether and bitcoin as collateral, for all tests of this folder."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.testing import Actors
from tests.utils.lending import Lending


@pytest.fixture(scope="session")
def venue_of_loans(backend: Any, actors: Actors) -> Lending:
    """Open, without interest; nobody has lent anything."""
    return Lending(backend, actors)


@pytest.fixture
def lending(venue_of_loans: Lending) -> Lending:
    """The same."""
    return venue_of_loans
