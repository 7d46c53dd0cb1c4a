"""The demo's page: out/demo.html."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from kana_insurance.demo.stage import Stage
from kana_insurance.demo.story import LAYERS, Tale
from kana_insurance.kit import U
from kana_insurance.report import COLOURS, Page, axis_in_tokens, chart, legend_above, tokens


def _draw_reserve(stage: Stage, figure: Figure) -> None:
    axes = figure.subplots()
    places, levels = [0.0], [0]
    for step in range(1, len(stage.steps) + 1):
        within = [point for point in stage.points if point.step == step]
        places += [step - 1 + (number + 1) / len(within) for number in range(len(within))]
        levels += [point.reserve for point in within]
    reserve = [level / U for level in levels]
    axes.fill_between(places, reserve, step="post", color=COLOURS["reserve"], alpha=0.12, linewidth=0)
    axes.step(places, reserve, where="post", color=COLOURS["reserve"], label="reserve")
    axes.axhline(stage.points[-1].threshold / U, color=COLOURS["threshold"], linestyle="--", label="threshold")
    shown = 0
    for place, before, level in zip(places[1:], levels, levels[1:], strict=False):
        if abs(level - before) >= 100 * U and level != shown:
            axes.annotate(
                f"{level / U:,.0f}",
                (place, level / U),
                (3, 5),
                textcoords="offset points",
                fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
            )
            shown = level
    names = [str(number) for number in range(1, len(stage.steps) + 1)]
    axes.set_xticks([number - 0.5 for number in range(1, len(stage.steps) + 1)], names)
    axes.set_xticks(range(len(stage.steps) + 1), minor=True)
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="x", which="minor")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(0, len(stage.steps))
    axes.set_xlabel("step of the story")
    axes.set_ylabel("U")
    axes.set_ylim(0, 1.12 * max(reserve))
    axis_in_tokens(axes.yaxis)
    legend_above(axes)


def _draw_splits(tale: Tale, figure: Figure) -> None:
    axes = figure.subplots()
    names = [split.trader for split in tale.splits]
    parts = {
        "back to the trader": ([split.back for split in tale.splits], COLOURS["trader"]),
        "to the liquidator": ([split.liquidator for split in tale.splits], COLOURS["liquidator"]),
        "to the fund": ([split.fund for split in tale.splits], COLOURS["fund"]),
    }
    left = [0.0] * len(names)
    for label, (values, colour) in parts.items():
        widths = [100 * value / split.collateral for value, split in zip(values, tale.splits, strict=True)]
        axes.barh(names, widths, left=left, color=colour, height=0.62, label=label)
        for line, (start, width, value) in enumerate(zip(left, widths, values, strict=True)):
            if width > 3:
                text = tokens(value, 6, 0)
                axes.text(start + width / 2, line, text, ha="center", va="center", color="white")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("% of the collateral that was left")
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    legend_above(axes)


def _draw_losses(tale: Tale, figure: Figure) -> None:
    axes = figure.subplots()
    names = [loss.trader for loss in tale.losses]
    colours = (COLOURS["collateral"], COLOURS["reserve"], COLOURS["socialised"], COLOURS["bad debt"])
    left = [0.0] * len(names)
    for number, (label, colour) in enumerate(zip(LAYERS, colours, strict=True)):
        layers = [(loss.own, loss.reserve, loss.socialised, loss.bad_debt) for loss in tale.losses]
        widths = [layer[number] / U for layer in layers]
        axes.barh(names, widths, left=left, color=colour, height=0.55, label=label)
        for line, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width:
                axes.text(start + width / 2, line, f"{width:,.0f}", ha="center", va="center", color="white")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("U lost")
    axes.grid(visible=False, axis="y")
    axis_in_tokens(axes.xaxis)
    legend_above(axes)


def build(stage: Stage, tale: Tale) -> Page:
    """The page of the story as it was told."""
    claims = [claim for step in stage.steps for claim in step.claims]
    failed = [claim for claim in claims if not claim.good]
    page = Page(
        "An insurance fund lives through a crash",
        "Two perpetual markets, one fund, real contracts on a local chain. Every figure below was read from the chain "
        "and compared with the reference model, to the unit.",
    )
    page.figures(
        [
            (tokens(sum(split.fund for split in tale.splits), 6, 0), "U of slices to the fund"),
            (tokens(sum(loss.reserve for loss in tale.losses), 6, 0), "U of shortfalls paid by it"),
            (tokens(sum(loss.socialised for loss in tale.losses), 6, 0), "U shared by other traders"),
            (f"{len(claims) - len(failed)} of {len(claims)}", "claims hold, to the unit"),
        ]
    )
    page.heading("The reserve against its threshold")
    page.chart(
        chart(lambda figure: _draw_reserve(stage, figure), height=3.8),
        "Contributions fill the reserve (1), slices lift it exactly to its threshold (4, 5), a treasurer takes only "
        "what is above it (7), and shortfalls lower it (9 to 11). Collected fees lift it again (12).",
    )
    page.heading("Where each unit of collateral went")
    page.chart(
        chart(lambda figure: _draw_splits(tale, figure), height=3.0),
        "Each bar is the collateral that one liquidated position had left, in U. The liquidator always gets 30 %. "
        "The fund gets 20 % while it has room (A, B, E), what fits (C), or nothing (D); the trader gets the rest.",
    )
    page.table(
        ["position", ">collateral left, U", ">liquidator", ">fund", ">trader"],
        [(s.trader, *(tokens(value) for value in (s.collateral, s.liquidator, s.fund, s.back))) for s in tale.splits],
    )
    page.heading("Losses by layer")
    page.chart(
        chart(lambda figure: _draw_losses(tale, figure), height=2.5),
        "Each bar is the whole loss of one bankrupt position: first its own collateral, then the reserve up to the "
        "market's limit, then the other traders of that market. Nothing was left as bad debt.",
    )
    page.heading("Step by step")
    for number, step in enumerate(stage.steps, 1):
        page.subheading(f"{number}. {step.title}")
        page.text(step.text)
        for columns, rows, caption in step.tables:
            page.table([columns[0], *(f">{column}" for column in columns[1:])], rows, caption)
        page.table(
            ["", ">before", ">after", ">change"], [(row.name, row.before, row.after, row.change) for row in step.rows]
        )
        page.checks([(c.name + (f": {c.detail}" if c.detail else ""), c.good) for c in step.claims])
    return page


def write(stage: Stage, tale: Tale, path: Path, seconds: float) -> Path:
    """Write the page and return its path."""
    footer = f"{seconds:.0f} seconds on a local chain · amounts in U, one whole KanaUSDT · every table exact"
    return build(stage, tale).write(path, footer)
