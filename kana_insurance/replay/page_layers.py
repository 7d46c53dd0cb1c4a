"""The parts of the replay's page about the waterfall and the layers behind the reserve."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from matplotlib.figure import Figure

from kana_insurance.replay.engine import UNIT
from kana_insurance.replay.outcome import LayerOutcome, Outcome, share_bps
from kana_insurance.replay.text import date_axis, moment, percent
from kana_insurance.report import COLOURS, Page, axis_in_tokens, chart, legend_above, tokens

#: Colours by who bears a shortfall.
BEARERS = {
    "reserve": COLOURS["reserve"],
    "stakers": COLOURS["stakers"],
    "reinsurance": COLOURS["reinsurance"],
    "other traders": COLOURS["socialised"],
    "bad debt": COLOURS["bad debt"],
}


def _times(outcome: Outcome) -> list[Any]:
    return [datetime.fromtimestamp(sample.time, UTC) for sample in outcome.replay.samples]


def _draw_waterfall(outcome: Outcome, figure: Figure) -> None:
    axes = figure.subplots()
    whole = outcome.replay.totals.shortfall
    rows = [("all shortfalls", 0, whole, COLOURS["threshold"])]
    start = 0
    for name, value in outcome.borne_by:
        rows.append((name, start, value, BEARERS[name]))
        start += value
    for line, (_, left, value, colour) in enumerate(rows):
        axes.barh(line, value / UNIT, left=left / UNIT, height=0.62, color=colour)
        text = f"{tokens(value, 6, 0)} U"
        if line:
            text += f" · {percent(share_bps(value, whole))}"
            # Where the layer before ends, this one begins.
            axes.plot([left / UNIT] * 2, [line - 0.69, line - 0.31], color=COLOURS["muted"], linewidth=1)
        inside = value * 5 > whole
        edge = left + value // 2 if inside else left + value + whole // 100
        # What comes last ends at the right edge: its text stands before it.
        before = not inside and (left + value) * 5 > whole * 4
        axes.text(
            (left - whole // 100 if before else edge) / UNIT,
            line,
            text,
            ha="center" if inside else "right" if before else "left",
            va="center",
            color="white" if inside else "#1d2530",
        )
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(whole, 1) / UNIT)
    axes.set_xlabel("U")
    axes.grid(visible=False, axis="y")
    axis_in_tokens(axes.xaxis)


def _draw_means(outcome: Outcome, figure: Figure) -> None:
    samples, axes = outcome.replay.samples, figure.subplots()
    parts = {
        "reserve": [s.reserve for s in samples],
        "stakers": [s.stakers_left for s in samples],
        "reinsurance": [s.reinsurance_left for s in samples],
    }
    shown = [name for name in parts if name == "reserve" or name in outcome.replay.totals.layers]
    axes.stackplot(
        _times(outcome),
        *([value / UNIT for value in parts[name]] for name in shown),
        labels=shown,
        colors=[BEARERS[name] for name in shown],
        alpha=0.85,
        step="post",
    )
    limit = [s.limit_left / UNIT for s in samples]
    axes.plot(_times(outcome), limit, color=COLOURS["price"], linestyle="--", label="limit of the market left")
    axes.set_ylabel("U that could be drawn")
    axis_in_tokens(axes.yaxis)
    legend_above(axes)
    date_axis(axes)


def _draw_stakers(outcome: Outcome, figure: Figure) -> None:
    samples, times = outcome.replay.samples, _times(outcome)
    left, right = figure.subplots(1, 2)
    left.stackplot(
        times,
        [s.staked / UNIT for s in samples],
        [s.leaving / UNIT for s in samples],
        [s.unvested / UNIT for s in samples],
        labels=["staked", "leaving", "streaming"],
        colors=[COLOURS["stakers"], COLOURS["muted"], COLOURS["liquidator"]],
        alpha=0.85,
        step="post",
    )
    left.set_ylabel("U in the stakers' vault")
    axis_in_tokens(left.yaxis)
    legend_above(left)
    right.plot(times, [s.share_price / UNIT for s in samples], color=COLOURS["stakers"])
    right.set_title("worth of 1 U staked at the start, U")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        date_axis(axes, ticks=(3, 6))


def add_waterfall(page: Page, outcome: Outcome) -> None:
    """Who bore the shortfalls, as a picture and as a table."""
    totals = outcome.replay.totals
    page.chart(
        chart(lambda figure: _draw_waterfall(outcome, figure), height=2.9),
        "What the insolvent lacked, and who bore it, from the top down: the reserve first, each layer when those "
        "before it are empty or may be drawn on no more, all of them within the limit of the market; then the other "
        "traders of that market, through the loss index.",
    )
    page.table(
        ["shortfalls, by who bore them", ">U", ">share"],
        [
            *((name, tokens(value), percent(share_bps(value, totals.shortfall))) for name, value in outcome.borne_by),
            ("all shortfalls", tokens(totals.shortfall), percent(10_000 if totals.shortfall else 0)),
        ],
        f"{totals.shortfalls} positions ended below zero. Nobody earned a reward on them; {totals.deleveraged} were "
        "closed against the other side because no taker had the capital.",
        total=True,
    )


def add_layers(page: Page, outcome: Outcome) -> None:
    """The layers: what could be drawn over time, what their stakers earned and lost, who left."""
    if not outcome.layers:
        return
    page.heading("The layers behind the reserve")
    page.chart(
        chart(lambda figure: _draw_means(outcome, figure)),
        "What the fund could draw at each moment, from the reserve and from each layer, and how much of it this market "
        "could still cost. Fees and slices refill the reserve; what was drawn from a layer stays drawn.",
    )
    page.table(
        ["layer", ">staked, U", ">may be drawn, U", ">drawn, U", ">fees earned, U", ">left in the end, U", ">gain, U"],
        [
            (one.name, *(tokens(v, 6, 2) for v in (one.staked, one.limit, one.paid, one.revenue, one.has, one.gain)))
            for one in outcome.layers
        ],
        "Gain: what they have in the end less what they put in. Unvested revenue is drawn first; it is part of the "
        "fees earned and of what was drawn.",
    )
    for layer in outcome.layers:
        if layer.name == "stakers":
            _add_stakers(page, outcome, layer)


def _add_stakers(page: Page, outcome: Outcome, layer: LayerOutcome) -> None:
    crowd, bars = outcome.replay.crowd.of("stakers"), outcome.replay.history.bars
    left = [staker for staker in crowd if staker.asked_at is not None]
    page.text(
        f"{len(crowd)} stakers put in {tokens(layer.staked, 6, 0)} U before the first bar, and {len(left)} of them "
        "asked to leave as the price fell. A request takes two weeks to mature and bears every loss until then: of "
        f"what was drawn, {tokens(layer.from_unvested, 6, 0)} U were revenue that was still streaming, "
        f"{tokens(layer.from_pending, 6, 0)} U came from those who were leaving, "
        f"{tokens(layer.from_stake, 6, 0)} U from those who had not asked. Fifteen days after the last bar, "
        "all requests have matured and are claimed."
    )
    page.chart(
        chart(lambda figure: _draw_stakers(outcome, figure), height=3.0),
        "Left, the stakers' money: staked, about to leave, and streaming to them. Right, the price of "
        "their shares: it rises as fees stream to them, and falls when they are drawn on.",
    )
    page.table(
        ["staker", ">staked, U", "asked to leave", ">worth then, U", ">claimed, U", ">has in the end, U", ">gain, U"],
        [
            (
                staker.name,
                tokens(staker.stake, 6, 2),
                "" if staker.asked_at is None else moment(bars[staker.asked_at].time),
                tokens(staker.asked_for, 6, 2) if staker.asked_for else "",
                tokens(staker.claimed, 6, 2) if staker.claimed else "",
                tokens(outcome.has(staker), 6, 2),
                tokens(outcome.has(staker) - staker.stake, 6, 2),
            )
            for staker in crowd
        ],
        "Who asked to leave bore what was drawn later at the same rate as those who stayed, and earned nothing more.",
    )
