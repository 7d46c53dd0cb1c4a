"""Fund and venue, contracts and model, through thousands of moves: the same to the unit after each (I1 to I14).

5,000 steps as a rule, 100,000 with ``KANA_DEEP=1``. A seed is a run of its own from the beginning; a failure is cut
down to the moves that it needs and printed. Trades reach the house from the gateway's address, one of eight through the
gateway itself with two EOA signatures.
"""

from __future__ import annotations

import os
from itertools import count

import pytest

from tests.stateful.chain import Chain
from tests.stateful.machine import cut_down, fails, moves_of
from tests.stateful.twins import COUNT, Twins, deploy, own_chain

STEPS = 100_000 if os.environ.get("KANA_DEEP") else 5_000
MOVES = 120
# What a run that means something has seen.
EVENTS = (
    "Liquidated",
    "ShortfallResolved",
    "Deleveraged",
    "BadDebtRecorded",
    "BadDebtRepaid",
    "NoticeUsed",
    "DustBooked",
)


def test_machine__random_moves__chain_and_model_agree(capsys: pytest.CaptureFixture[str]) -> None:
    with own_chain():
        twins = Twins(*deploy(), Chain())
        for seed in count():
            moves = moves_of(seed, MOVES)
            error = fails(twins, moves)
            if error is not None:
                needed = "\n".join(f"  {name}({arguments})" for name, arguments in cut_down(twins, moves))
                pytest.fail(f"seed {seed}: {error}\nmoves:\n{needed}")
            if COUNT.steps >= STEPS:
                break
    with capsys.disabled():
        print(f"\n{COUNT.steps:,} steps, {seed + 1} runs, {COUNT.refused:,} refused for {len(COUNT.reasons)} reasons")
        print(", ".join(f"{name} {number:,}" for name, number in COUNT.events.most_common()))
    for event in EVENTS:
        assert COUNT.events[event] > 0, f"no {event} in {COUNT.steps} steps"
