"""The replay's page: out/replay.html."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kana_insurance.amounts import WAD_DECIMALS
from kana_insurance.replay.engine import UNIT, Sample
from kana_insurance.replay.outcome import Outcome
from kana_insurance.replay.page_layers import BEARERS, add_layers, add_waterfall
from kana_insurance.replay.prices import FEED_DECIMALS
from kana_insurance.replay.text import base_size, date_axis, moment, percent
from kana_insurance.report import COLOURS, Page, axis_in_tokens, chart, legend_above, tokens


def _times(samples: Sequence[Sample]) -> list[Any]:
    return [datetime.fromtimestamp(sample.time, UTC) for sample in samples]


def _units(values: Sequence[int]) -> list[float]:
    return [value / UNIT for value in values]


def _draw_price(outcome: Outcome, figure: Figure) -> None:
    replay = outcome.replay
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.5))
    bars = replay.history.bars
    times = [datetime.fromtimestamp(bar.time, UTC) for bar in bars]
    top.plot(times, [bar.close / 10**FEED_DECIMALS for bar in bars], color=COLOURS["price"], linewidth=1.2)
    top.set_ylabel("price, USD")
    axis_in_tokens(top.yaxis)
    struck = [strike.bar for strike in outcome.strikes]
    top.plot(
        [times[bar] for bar in struck],
        [bars[bar].close / 10**FEED_DECIMALS for bar in struck],
        linestyle="",
        marker="v",
        color=COLOURS["thief"],
        label="the thief strikes",
    )
    if struck:
        top.legend(loc="upper right")
    hours = sorted(replay.totals.by_hour)
    left = [datetime.fromtimestamp(bars[hour * 60].time, UTC) for hour in hours]
    base = [0] * len(hours)
    for kind, colour in (("solvent", "fund"), ("insolvent", "socialised"), ("deleveraged", "bad debt")):
        counts = [replay.totals.by_hour[hour][kind] for hour in hours]
        label = {"solvent": "liquidated, solvent", "insolvent": "liquidated, insolvent"}.get(kind, "deleveraged")
        bottom.bar(left, counts, width=0.036, bottom=base, align="edge", color=COLOURS[colour], label=label)
        base = [a + b for a, b in zip(base, counts, strict=True)]
    bottom.set_ylabel("positions an hour")
    legend_above(bottom)
    date_axis(bottom)


def _draw_reserve(outcome: Outcome, figure: Figure) -> None:
    samples = outcome.replay.samples
    axes = figure.subplots()
    times = _times(samples)
    reserve = _units([s.reserve for s in samples])
    axes.fill_between(times, reserve, color=COLOURS["reserve"], alpha=0.12, linewidth=0)
    axes.plot(times, reserve, color=COLOURS["reserve"], label="reserve")
    axes.plot(times, _units([s.target for s in samples]), color=COLOURS["threshold"], linestyle="--", label="threshold")
    axes.plot(times, _units([s.limit_left for s in samples]), color=COLOURS["liquidator"], label="limit left")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("U")
    axis_in_tokens(axes.yaxis)
    legend_above(axes)
    date_axis(axes)


def _draw_split(outcome: Outcome, figure: Figure) -> None:
    totals = outcome.replay.totals
    axes = figure.subplots()
    parts = (
        ("traders", "trader", totals.to_trader),
        ("liquidators", "liquidator", totals.to_liquidator),
        ("fund", "fund", totals.to_fund),
    )
    start = 0
    for name, colour, value in parts:
        axes.barh(0, value / UNIT, left=start / UNIT, height=0.55, color=COLOURS[colour])
        if value * 12 > totals.collateral:
            middle = (start + value / 2) / UNIT
            axes.text(middle, 0, f"{name}\n{tokens(value, 6, 0)}", ha="center", va="center", color="white")
        start += value
    axes.set_yticks([0], ["left after\nliquidations"])
    axes.set_xlabel("U")
    axes.grid(visible=False, axis="y")
    axis_in_tokens(axes.xaxis)


def _draw_losses(outcome: Outcome, figure: Figure) -> None:
    samples = outcome.replay.samples
    axes = figure.subplots()
    parts = {
        "reserve": [s.covered - s.from_stakers - s.from_reinsurance for s in samples],
        "stakers": [s.from_stakers for s in samples],
        "reinsurance": [s.from_reinsurance for s in samples],
        "other traders": [s.socialised for s in samples],
    }
    shown = [name for name, _ in outcome.borne_by if name in parts]
    axes.stackplot(
        _times(samples),
        *(_units(parts[name]) for name in shown),
        labels=shown,
        colors=[BEARERS[name] for name in shown],
        alpha=0.85,
    )
    axes.plot(_times(samples), _units([s.thief for s in samples]), color=COLOURS["thief"], label="the thief's gain")
    axes.set_ylabel("U, since the start")
    axis_in_tokens(axes.yaxis)
    legend_above(axes)
    date_axis(axes)


def _draw_keeper(outcome: Outcome, figure: Figure) -> None:
    samples = outcome.replay.samples
    left, right = figure.subplots(1, 2)
    left.plot(_times(samples), _units([s.keeper for s in samples]), color=COLOURS["liquidator"])
    left.set_title("what the keeper owns, U")
    left.set_ylim(bottom=0)
    axis_in_tokens(left.yaxis)
    right.plot(_times(samples), [s.open_interest / 10**WAD_DECIMALS for s in samples], color=COLOURS["collateral"])
    right.set_title("open interest, both sides")
    right.set_ylim(bottom=0)
    axis_in_tokens(right.yaxis)
    for axes in (left, right):
        date_axis(axes, ticks=(3, 6))


def build(outcome: Outcome) -> Page:
    """The page of a finished replay."""
    replay, totals = outcome.replay, outcome.replay.totals
    settings, bars, world = replay.settings, replay.history.bars, replay.world
    closes = [bar.close for bar in bars]
    beside = "on the real contracts and in the reference model" if outcome.transactions else "in the reference model"
    page = Page(
        "A crash, replayed",
        f"{len(bars):,} bars of {replay.history.name}, from {moment(bars[0].time)} to {moment(bars[-1].time)} UTC "
        f"({datetime.fromtimestamp(bars[0].time, UTC).year}), "
        f"with {settings.traders} traders of 2x to 20x, one keeper and one thief, {beside}.",
    )
    page.figures(
        [
            (f"{_dollars(max(closes))} → {_dollars(min(closes))}", "highest to lowest close, USD"),
            (f"{totals.liquidations}", "positions liquidated"),
            (f"{totals.shortfalls}", "insolvent positions resolved"),
            (tokens(totals.to_fund, 6, 0), "U of slices into the fund"),
            (tokens(totals.from_reserve, 6, 0), "U of shortfalls paid by the reserve"),
            *((tokens(layer.paid, 6, 0), f"U paid by the {layer.name}") for layer in outcome.layers),
            (tokens(totals.socialised, 6, 0), "U shared by the other traders"),
            (tokens(totals.bad_debt, 6, 0), "U of bad debt"),
            ("all held" if outcome.good else "FAILED", f"{len(outcome.checks)} checks, to the unit"),
        ]
    )
    page.heading("What happened")
    page.chart(
        chart(lambda figure: _draw_price(outcome, figure), height=5.0),
        "Above, the price; triangles mark the minutes in which the thief strikes. Below, how many positions were "
        "liquidated or closed by deleveraging in each hour.",
    )
    page.chart(
        chart(lambda figure: _draw_reserve(outcome, figure)),
        "The reserve against its threshold, and what this market may still cost the fund. Slices of liquidations and "
        "fees lift the reserve, never above the threshold; shortfalls lower it, and layers included they "
        "cost no more than the limit.",
    )
    page.heading("Where the money went")
    page.chart(
        chart(lambda figure: _draw_split(outcome, figure), height=1.6),
        "The collateral that was left after liquidations: 30 % to the liquidator, 20 % to the fund while it has room, "
        "the rest back to the trader.",
    )
    page.table(
        ["liquidated collateral", ">U", ">share"],
        [
            (name, tokens(value), percent(value * 10_000 // totals.collateral if totals.collateral else 0))
            for name, value in (
                ("back to the traders", totals.to_trader),
                ("to liquidators", totals.to_liquidator),
                ("to the fund", totals.to_fund),
                ("collateral left after closing", totals.collateral),
            )
        ],
        f"Slices: {totals.slices_full} whole, {totals.slices_cut} cut by the threshold, {totals.slices_none} kept out "
        "by it; what the threshold keeps out stays with the trader.",
        total=True,
    )
    add_waterfall(page, outcome)
    page.chart(
        chart(lambda figure: _draw_losses(outcome, figure)),
        "Shortfalls since the start by who bore them, and what the thief has gained so far.",
    )
    add_layers(page, outcome)
    _thief_part(page, outcome)
    page.heading("Keeper and market")
    page.text(
        f"The keeper came with {tokens(settings.keeper_capital, 6, 0)} U and ended with "
        f"{tokens(replay.keeper.worth(world), 6, 0)} U. What he takes over becomes his own position until a trader "
        "buys it from him; when his capital is used up, the insolvent are flagged and deleveraged ten minutes later."
    )
    page.chart(
        chart(lambda figure: _draw_keeper(outcome, figure), height=2.8),
        "Left, free balance and equity of the keeper. Right, the sum of all positions' sizes.",
    )
    page.heading("Checks")
    page.checks([(check.name + (f" ({check.detail})" if check.detail else ""), check.good) for check in outcome.checks])
    page.table(
        ["where the tokens are at the end", ">U"],
        [
            *((holder, tokens(value)) for holder, value in outcome.tokens.items()),
            ("minted", tokens(sum(outcome.tokens.values()))),
        ],
        total=True,
    )
    return page


def _thief_part(page: Page, outcome: Outcome) -> None:
    replay = outcome.replay
    page.heading("The thief")
    if not outcome.strikes:
        page.text("No bar moved by more than his margin: he never came.")
        return
    page.text(
        "Two keys, one mind, and he knows the next bar. Before a move larger than his margin he opens both sides "
        "against himself at full leverage; the losing key goes bankrupt, the winning key takes it over first in the "
        "block, and he withdraws all he can. The fund and its layers pay for his losing key no more than the limit "
        "that is left; beyond it the other positions of that market bear the gap, and nobody else."
    )
    page.figures(
        [
            (tokens(outcome.thief_gain, 6, 0), "U gained, net of what he put in"),
            (tokens(outcome.thief_from_fund, 6, 0), "U of it paid by the fund"),
            (tokens(outcome.thief_from_traders, 6, 0), "U charged to other positions"),
            (tokens(outcome.limit_before_thief, 6, 0), "U of limit left when he first came"),
        ]
    )
    bars = replay.history.bars
    page.table(
        ["minute", ">move", ">base size", ">limit left, U", ">from the fund, U", ">from others, U", ">gain, U"],
        [
            (
                moment(bars[strike.bar].time),
                percent(strike.move_bps),
                base_size(strike.size),
                *(tokens(v, 6, 2) for v in (strike.limit_left, strike.covered, strike.socialised, strike.gain)),
            )
            for strike in outcome.strikes
        ],
        "Each time he struck. Limit left: what the market could still cost the fund in that moment.",
    )


def _dollars(price: int) -> str:
    return f"{price // 10**FEED_DECIMALS:,}"


def write(outcome: Outcome, folder: Path) -> Path:
    """Write replay.html into a folder and return its path."""
    footer = (
        f"seed {outcome.replay.settings.seed} · {outcome.transactions:,} transactions · {outcome.gas:,} gas · "
        f"{outcome.seconds:.0f} s · amounts in U, one whole KanaUSDT"
    )
    return build(outcome).write(folder / "replay.html", footer)
