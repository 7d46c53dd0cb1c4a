"""The stage of the attacks on the venue: one system a file, taken back after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kana_insurance.kit import Actors, U, deploy_kit
from tests.attacks.stage import MARKETS, Stage

#: Half the threshold, so that slices have room.
RESERVE = 500_000 * U


@pytest.fixture(scope="module")
def venue_stage(backend: Any, actors: Actors) -> Stage:
    """The system of the file, with a reserve of 500,000 U."""
    stage = Stage(deploy_kit(backend, actors, markets=MARKETS), backend)
    stage.contribute(RESERVE)
    return stage


@pytest.fixture
def stage(venue_stage: Stage) -> Iterator[Stage]:
    """The same for one test; chain and model are compared at its end."""
    with venue_stage.rehearsal():
        venue_stage.begin()
        yield venue_stage
        venue_stage.check()
