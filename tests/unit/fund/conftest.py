"""The fund alone, as its own tests see it."""

from __future__ import annotations

import pytest

from kana_insurance.testing import Kit
from tests.unit.fund.desk import Desk


@pytest.fixture
def desk(standalone: Kit) -> Desk:
    """A fund with a contract as its venue: perpetual markets 0 and 1, lending market 2, an empty reserve."""
    return Desk(standalone)
