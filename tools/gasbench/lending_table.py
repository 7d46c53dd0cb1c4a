"""Targets of what lenders, borrowers and liquidators do at a lending pool."""

from __future__ import annotations

from tools.gasbench.operations import Operation

_RUNNING = "Others have lent and borrowed; interest is booked and the rate renewed."

LENDING_OPERATIONS: tuple[Operation, ...] = (
    Operation("supply_repeat", "supply to a lending pool, repeat", target=110_000, note=_RUNNING),
    Operation("borrow_repeat", "borrow from a lending pool, repeat", target=170_000, note=_RUNNING),
    Operation("repay", "repay a part of a loan", target=110_000, note=_RUNNING),
    Operation(
        "liquidate_loan",
        "liquidate a loan by the close factor, repeat",
        target=260_000,
        note="Collateral of 18 decimals, for KanaUSDT; the liquidator has done it before.",
    ),
    Operation("supply_first", "supply to a lending pool, first"),
    Operation("supply_withdraw", "withdraw from a lending pool"),
    Operation("collateral_first", "add collateral to a loan, first"),
    Operation("collateral_repeat", "add collateral to a loan, repeat"),
    Operation("collateral_out", "withdraw collateral of a loan with debt"),
    Operation("borrow_first", "borrow from a lending pool, first"),
    Operation("repay_whole", "repay a whole loan"),
    Operation("flag_loan", "flag an insolvent loan, first"),
    Operation("bankruptcy_covered", "liquidate an insolvent loan, covered by the fund"),
    Operation("bankruptcy_borne", "liquidate an insolvent loan, borne by lenders"),
    Operation("pool_fees", "collect a pool's fees into an empty reserve"),
)
