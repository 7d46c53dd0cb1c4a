"""Fund and venue, contracts and model, through thousands of moves: the same to the unit after each (I1 to I14).

5,000 steps as a rule, 100,000 with ``KANA_DEEP=1``. Each run starts at the beginning; a failure is cut down to the
moves that it needs and printed. Trades reach the house from the gateway's address, one of eight through the gateway
itself with two EOA signatures.
"""

from __future__ import annotations

import os

import pytest

from tests.stateful.chain import Chain
from tests.stateful.machine import run
from tests.stateful.side import Count, ModelSide
from tests.stateful.twins import Twins, deploy, own_chain

DEEP = bool(os.environ.get("KANA_DEEP"))
# What a run that means something has seen.
EVENTS = (
    *("Liquidated", "ShortfallResolved", "ChargeSettled", "Deleveraged", "BadDebtRecorded", "BadDebtRepaid"),
    *("DustBooked", "NoticeUsed", "LiquidationSkipped", "Unflagged"),
)


def tell(count: Count, runs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Print what the steps came to; a run without what it is for has failed."""
    with capsys.disabled():
        print(f"\n{count.steps:,} steps, {runs} runs, {count.refused:,} refused for {len(count.reasons)} reasons:")
        print("  " + ", ".join(f"{name} {number:,}" for name, number in count.events.most_common()))
    missing = [event for event in EVENTS if not count.events[event]]
    assert not missing, f"none of {missing} in {count.steps} steps"


def test_machine__random_moves__chain_and_model_agree(capsys: pytest.CaptureFixture[str]) -> None:
    with own_chain():
        twins = Twins(*deploy(), Chain())
        runs = run(twins, 100_000 if DEEP else 5_000)
        tell(twins.count, runs, capsys)


def test_machine__model_alone__keeps_every_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    side = ModelSide()
    runs = run(side, 1_000_000 if DEEP else 20_000)
    tell(side.count, runs, capsys)
