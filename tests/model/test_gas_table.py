"""The gas table: that it can't hide work, growth or a missed target (no chain needed)."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.gas import growth, next_accepted
from tools.gasbench.bench import Measured
from tools.gasbench.costs import Part, calldata, total, update, work
from tools.gasbench.operations import FUND_OPERATIONS, Operation
from tools.gasbench.results import Result, evaluate
from tools.gasbench.staking_table import STAKING_OPERATIONS
from tools.gasbench.trace import Trace, TraceError, _classify, net

CALL = calldata(b"\x01\x02\x03\x04")
SLOT = Part("a slot", "fund", update())
RULE = Part("a word of an event", "fund", work(log_word=1), "M1")


def operation(target: int | None = None, **changes: object) -> Operation:
    values = {"floor": total(CALL) + SLOT.gas, "parts": (SLOT,), "extras": (RULE,)} | changes
    return Operation("id", "title", target, **values)  # type: ignore[arg-type]


def measured(rest: int = 0, **more: int) -> Measured:
    done = SLOT.work + RULE.work + work(**more)
    gas = total(CALL) + total(done) + rest
    trace = Trace(gas, gas, 0, CALL, {"0xf": Counter(done)}, {"0xf": total(done) + rest})
    return Measured(trace, {"0xf": "fund"})


def test_evaluate__work_as_listed__holds() -> None:
    result = evaluate(operation(target=30_000), measured(rest=1_000))
    assert result.misses == []
    assert result.bound == total(CALL) + SLOT.gas + 256
    assert result.ratio == pytest.approx(1 + 1_000 / result.bound)
    assert [(line.rule, line.gas) for line in result.extras] == [("M1", 256)]


def test_evaluate__a_read_more_than_listed__is_told() -> None:
    assert evaluate(operation(), measured(warm_slot=1)).misses == [
        "title: the fund's trace shows 1 × warm slot, the table names 0"
    ]


def test_evaluate__an_extra_that_did_not_happen__is_told() -> None:
    extra = Part("a call", "fund", work(warm_account=1), "M6")
    assert evaluate(operation(extras=(RULE, extra)), measured()).misses == [
        "title: the fund's trace shows 0 × warm account, the table names 1"
    ]


def test_evaluate__more_arithmetic_named_than_spent__is_told() -> None:
    extra = Part("sums", "fund", work(sum=2), "M1")
    assert evaluate(operation(extras=(RULE, extra)), measured(rest=105)).misses == [
        "title: the table names 106 gas of arithmetic, the fund has 105"
    ]


def test_evaluate__parts_that_are_not_the_floor__are_told() -> None:
    assert "the floor's parts sum to" in evaluate(operation(floor=30_000), measured()).misses[0]


def test_evaluate__over_ratio_and_target__is_told() -> None:
    misses = evaluate(operation(target=27_000), measured(rest=1_500)).misses
    assert len(misses) == 2
    assert "over the target of 27,000" in misses[0]
    assert "over 1.05" in misses[1]


def result(gas: int) -> Result:
    return Result(operation(), gas)


def test_growth__half_a_percent__is_the_bound() -> None:
    assert growth([result(100_500)], {"id": 100_000}) == []
    assert growth([result(100_501)], {"id": 100_000}) == ["title: 100,000 -> 100,501 gas, +0.50 %"]
    assert growth([result(100_501)], {}) == []


def test_next_accepted__small_growth__does_not_add_up() -> None:
    assert next_accepted([result(100_400)], {"id": 100_000}, accept=False) == {"id": 100_000}
    assert next_accepted([result(99_000)], {"id": 100_000}, accept=False) == {"id": 99_000}
    assert next_accepted([result(120_000)], {"id": 100_000}, accept=True) == {"id": 120_000}


def test_net__refund__is_a_fifth_at_most() -> None:
    assert net(100_000, 19_900) == 80_100
    assert net(81_023, 19_900) == 64_819


def test_classify__storage__by_its_cost() -> None:
    assert _classify("SSTORE", 22_100, 0) == work(cold_slot=1, slot_set=1)
    assert _classify("SSTORE", 2_900, 0) == work(slot_update=1)
    assert _classify("SLOAD", 2_100, 0) == work(cold_slot=1)
    assert _classify("LOG3", 1_756, 32) == work(log=1, log_topic=3, log_word=1)
    with pytest.raises(TraceError, match="a storage write cost 7"):
        _classify("SSTORE", 7, 0)


def test_operations__every_extra__has_a_rule() -> None:
    for listed in (*FUND_OPERATIONS, *STAKING_OPERATIONS):
        assert all(part.rule.startswith("M") for part in listed.extras), listed.id
        assert not any(part.rule for part in (*listed.parts, *listed.own, *listed.spare)), listed.id
