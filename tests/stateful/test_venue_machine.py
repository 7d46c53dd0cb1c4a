"""Fund and venue, contracts and model, through thousands of moves: the same to the unit after each (I1 to I14).

5,000 steps as a rule, 100,000 with ``KANA_DEEP=1``. Each run starts at the beginning; a failure is cut down to the
moves that it needs and printed. Trades reach the house from the gateway's address, one of eight through the gateway
itself with two EOA signatures.
"""

from __future__ import annotations

import os
from random import Random

import boa
import pytest

from kana_insurance.kit import COIN, U
from kana_insurance.model import Fill
from tests.stateful.chain import Chain
from tests.stateful.machine import MOVES
from tests.stateful.side import PRICE, Count, ModelSide
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
        runs = MOVES.run(twins, 100_000 if DEEP else 5_000)
        tell(twins.count, runs, capsys)


def test_machine__more_counterparties_than_one_call_takes__chain_and_model_agree() -> None:
    """M28a in parts: 64 of 70 are closed, the price moves, then the rest; the loss is socialised both times."""
    random, market_id = Random(2), 2
    with own_chain():
        crowd = [str(boa.env.generate_address()) for _ in range(70)]
        twins = Twins(*deploy(crowd), Chain(), crowd)
        long, keeper = twins.names.traders[0], twins.names.keeper
        twins.house("deposit", long, 200_000 * U)
        twins.house("add_margin", long, market_id, 4_500 * U)
        twins.fund(0, "contribute", long, 10_000 * U)
        for number, short in enumerate(crowd):
            size = 5 * COIN + random.randrange(COIN)
            twins.house("deposit", short, 300 * U)
            fill = Fill(market_id, short, long, size, PRICE + random.randrange(COIN), 100 * U + number, 7)
            assert twins.trade(fill, signed=False) is None
        for price, named in ((85 * COIN + 10**10, crowd[:64]), (84 * COIN - 3 * 10**10, crowd[64:])):
            twins.price(market_id, price)
            if twins.venue.flagged_at[market_id, long] == 0:
                assert twins.house("flag", keeper, market_id, long) is None
                twins.wait(600)
            assert twins.house("deleverage", keeper, market_id, long, named) is None
            left = twins.venue.size[market_id, long]
        assert left == 0
        assert twins.count.events["Deleveraged"] == 70


def test_machine__model_alone__keeps_every_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    side = ModelSide()
    runs = MOVES.run(side, 1_000_000 if DEEP else 20_000)
    tell(side.count, runs, capsys)
