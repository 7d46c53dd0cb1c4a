"""A lending pool, its registry and its fund, contracts and model, through thousands of moves (I3, I8; M15, M32, M33).

Deposits, withdrawals, loans, prices, liquidations, stops, fees, bad debt, pauses, terms and time. A failure is cut down
to the moves that it needs and printed.
"""

from __future__ import annotations

import os

import pytest

from tests.stateful.chain import Chain
from tests.stateful.lending_machine import MOVES
from tests.stateful.lending_side import LendingSide
from tests.stateful.lending_twin import LendingTwins, deploy
from tests.stateful.twins import own_chain

DEEP = bool(os.environ.get("KANA_DEEP"))
# What a run that means something has seen; a long one has more to show.
EVENTS = (
    *("Deposit", "Withdraw", "CollateralAdded", "CollateralWithdrawn", "Borrowed", "Repaid", "Liquidated"),
    *("LoanResolved", "LoanFlagged", "LoanUnflagged", "FeesCollected", "BadDebtRepaid", "RateSet"),
    *("(covered fully)", "(covered in part)", "(not covered)", "(window bounds the cover)", "(no lenders)"),
    *("(more than the lenders')", "(deposits closed)", "(in part)", "(fees repay bad debt)"),
)
REASONS = (
    *("pool: above supply cap", "pool: above collateral cap", "pool: above borrow cap", "pool: dust loan"),
    *("pool: too little collateral", "pool: not enough cash", "pool: borrowing paused"),
    *("pool: loan is healthy", "pool: too little seized", "pool: own loan"),
    *("pool: already stopped", "pool: loan is solvent"),
    *("pool: deposits closed", "pool: nothing to collect", "feed: stale price"),
)
RARE = (
    *("(whole, nothing short)", "(all debt, not all collateral)", "pool: loan is insolvent", "fund: payouts paused"),
    *("pool: withdrawals stopped", "pool: stopped too recently", "pool: insolvent, whole only"),
)


def tell(side: LendingSide, runs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Print what the steps came to; a run without what it is for has failed."""
    with capsys.disabled():
        print(f"\n{side.steps:,} steps, {runs} runs, {side.refused:,} refused for {len(side.reasons)} reasons:")
        print("  " + ", ".join(f"{name} {times:,}" for name, times in side.events.most_common()))
    asked = (*EVENTS, *REASONS, *(RARE if side.steps > 5_000 else ()))
    missing = [what for what in asked if not side.events[what] and not side.reasons[what]]
    assert not missing, f"none of {missing} in {side.steps} steps"


def test_lending_machine__model_alone__keeps_every_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    side = LendingSide()
    runs = MOVES.run(side, 200_000 if DEEP else 8_000)
    tell(side, runs, capsys)


def test_lending_machine__random_moves__chain_and_model_agree(capsys: pytest.CaptureFixture[str]) -> None:
    with own_chain():
        twins = LendingTwins(*deploy(), Chain())
        runs = MOVES.run(twins, 40_000 if DEEP else 1_200)
        tell(twins, runs, capsys)
