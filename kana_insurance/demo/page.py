"""The demo's page: out/demo.html."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from kana_insurance.demo.cast import LAYERS, Loss, Tale
from kana_insurance.demo.stage import Stage
from kana_insurance.deployment import DAY
from kana_insurance.kit import U
from kana_insurance.report import COLOURS, Page, axis_in_tokens, chart, legend_above, tokens

#: The parts of a loss in the order of ``LAYERS``.
_PARTS = tuple(COLOURS[name] for name in ("collateral", "reserve", "stakers", "reinsurance", "socialised", "bad debt"))
#: The stakers whose worth is drawn, and how.
_LINES = {
    "staker 1": (COLOURS["stakers"], "-", "staker 1, stays"),
    "staker 2": (COLOURS["liquidator"], "--", "staker 2, leaves"),
    "staker 3": (COLOURS["price"], ":", "staker 3, comes late"),
    "reinsurer": (COLOURS["reinsurance"], "-", "reinsurer"),
}


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


def _draw_losses(losses: list[Loss], figure: Figure) -> None:
    axes = figure.subplots()
    names = [loss.trader for loss in losses]
    left = [0.0] * len(names)
    for number, (label, colour) in enumerate(zip(LAYERS, _PARTS, strict=True)):
        widths = [loss.parts[number] / U for loss in losses]
        if not any(widths):
            continue
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


def _draw_waterfall(loss: Loss, figure: Figure) -> None:
    """What is left of one loss after each layer."""
    axes = figure.subplots()
    whole = left = sum(loss.parts) / U
    axes.bar("the loss", whole, color=COLOURS["muted"], width=0.62)
    axes.text(0, whole, f"{whole:,.0f}", ha="center", va="bottom")
    for place, (name, colour, part) in enumerate(zip(LAYERS, _PARTS, loss.parts, strict=True), 1):
        paid = part / U
        axes.bar(name, paid, bottom=left - paid, color=colour, width=0.62)
        axes.plot([place - 0.69, place + 0.31], [left, left], color=COLOURS["threshold"], linewidth=0.9)
        axes.text(place, left, f"{paid:,.0f}", ha="center", va="bottom")
        left -= paid
    axes.set_ylabel("U still to be borne")
    axes.set_ylim(0, 1.1 * whole)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axis_in_tokens(axes.yaxis)


def _draw_stakes(tale: Tale, figure: Figure) -> None:
    """What each stake is worth as time passes, percent of what was staked: while it earns, then to the end."""
    earning, whole = figure.subplots(1, 2)
    begin = min(worth.at for worth in tale.worths)
    crash = next(at for at, what in tale.marks if "crash" in what)
    staked = {stake.name: stake.staked for stake in tale.stakes}
    for name, (colour, style, label) in _LINES.items():
        own = [worth for worth in tale.worths if worth.name == name]
        days = [(worth.at - begin) / DAY for worth in own]
        percents = [100 * worth.value / staked[name] for worth in own]
        before = sum(worth.at <= crash for worth in own)
        whole.plot(days, percents, color=colour, linestyle=style)
        earning.plot(days[:before], percents[:before], color=colour, linestyle=style, label=label)
    end = (crash - begin) / DAY
    earning.set_xlim(-0.8, end)
    earning.set_ylim(98.9, 101.5)
    whole.set_ylim(30, 105)
    for at, what in tale.marks:
        day = (at - begin) / DAY
        axes, bottom = (earning, 98.95) if at < crash else (whole, 31)
        axes.axvline(day, color=COLOURS["muted"], linewidth=0.9, zorder=0)
        place = {"textcoords": "offset points", "fontsize": 9, "va": "bottom", "ha": "right", "rotation": 90}
        axes.annotate(what, (day, bottom), (-2, 0), **place)
    earning.set_ylabel("% of the stake")
    for axes in (earning, whole):
        axes.set_xlabel("days since the first stake")
    figure.legend(*earning.get_legend_handles_labels(), loc="outside upper left", ncols=len(_LINES), handlelength=1.8)


def _draw_pools(tale: Tale, figure: Figure) -> None:
    """Who bore the same bankrupt loan in each pool."""
    axes = figure.subplots()
    names = [f"{loss.asset}, fund {'with 60' if loss.covered else 'empty'}" for loss in tale.pools]
    left = [0.0] * len(names)
    parts = (
        ("repaid by its collateral", COLOURS["collateral"], [loss.repaid for loss in tale.pools]),
        ("fund", COLOURS["fund"], [loss.covered for loss in tale.pools]),
        ("lenders", COLOURS["socialised"], [loss.lenders for loss in tale.pools]),
    )
    for label, colour, values in parts:
        widths = [value / U for value in values]
        axes.barh(names, widths, left=left, color=colour, height=0.55, label=label)
        for line, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width:
                axes.text(start + width / 2, line, f"{width:,.0f}", ha="center", va="center", color="white")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("of a debt of 504")
    axes.grid(visible=False, axis="y")
    legend_above(axes)


#: The parts of all losses that the page begins with.
_BORNE = (
    (1, "U of shortfalls paid by it"),
    (2, "U paid by its stakers"),
    (3, "U paid by the reinsurance"),
    (4, "U shared by other traders"),
)


def build(stage: Stage, tale: Tale) -> Page:
    """The page of the story as it was told."""
    claims = [claim for step in stage.steps for claim in step.claims]
    failed = [claim for claim in claims if not claim.good]
    *small, great = tale.losses
    page = Page(
        "An insurance fund lives through a crash",
        "Three perpetual markets, one fund with stakers and a reinsurance behind it, a market apart with a fund of its "
        "own, two lending pools, real contracts on a local chain. "
        "Every figure below was read from the chain and compared with the reference model, to the unit.",
    )
    page.figures(
        [
            (tokens(sum(split.fund for split in tale.splits), 6, 0), "U of slices to the fund"),
            *((tokens(sum(loss.parts[place] for loss in tale.losses), 6, 0), what) for place, what in _BORNE),
            (f"{len(claims) - len(failed)} of {len(claims)}", "claims hold, to the unit"),
        ]
    )
    page.heading("The reserve against its threshold")
    page.chart(
        chart(lambda figure: _draw_reserve(stage, figure), height=3.8),
        "Contributions fill the reserve (1), slices lift it exactly to its threshold (4, 5), a treasurer takes only "
        "what is above it (7), and shortfalls lower it (9 to 11). Its part of the fees lifts it a little (13); the "
        "crash of ETH takes all of it (15), before anybody else pays.",
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
    page.heading("Losses that the reserve could bear")
    page.chart(
        chart(lambda figure: _draw_losses(small, figure), height=2.5),
        "Each bar is the whole loss of one bankrupt position: first its own collateral, then the reserve up to the "
        "market's limit, then the other traders of that market. Nothing was left as bad debt.",
    )
    page.heading("One loss through every layer")
    page.chart(
        chart(lambda figure: _draw_waterfall(great, figure), height=3.6),
        f"{great.trader} lost more than its collateral and the reserve had. In one transaction each layer paid what it "
        "could, in this order: the reserve all it had, the stakers and the reinsurance up to the fund's limit with "
        "each, the other traders of the market the rest. Nothing was left as bad debt.",
    )
    page.table(
        ["layer", ">paid, U"],
        [
            *((name, tokens(part)) for name, part in zip(LAYERS, great.parts, strict=True)),
            ("the loss", tokens(sum(great.parts))),
        ],
        total=True,
    )
    page.heading("What a staker earned and lost")
    page.chart(
        chart(lambda figure: _draw_stakes(tale, figure), height=3.8),
        "Worth of each stake, claims included. Fees stream in over days, so who comes late earns only what comes "
        "later. Whoever has asked to leave earns nothing more, but loses in the crash like those who stay: the "
        "cooldown has not ended. The guardian's pause holds the exit; then what is left is claimed.",
    )
    page.table(
        ["", ">staked, U", ">earned", ">lost", ">left"],
        [(s.name, *(tokens(value) for value in (s.staked, s.earned, s.lost, s.left))) for s in tale.stakes],
    )
    page.heading("A loan that failed in two pools")
    page.chart(
        chart(lambda figure: _draw_pools(tale, figure), height=2.4),
        "The same loan of the same lenders: where the fund has 60 it pays them before the lenders lose anything, so "
        "that each gets 96 % of what he lent; with an empty fund each gets 90 %. Nobody gets more by leaving first.",
    )
    page.heading("Step by step")
    for number, step in enumerate(stage.steps, 1):
        page.subheading(f"{number}. {step.title}")
        page.text(step.text)
        for columns, rows, caption in step.tables:
            page.table([columns[0], *(f">{column}" for column in columns[1:])], rows, caption)
        if step.rows:
            figures = [(row.name, row.before, row.after, row.change) for row in step.rows]
            page.table(["", ">before", ">after", ">change"], figures)
        page.checks([(c.name + (f": {c.detail}" if c.detail else ""), c.good) for c in step.claims])
    return page


def write(stage: Stage, tale: Tale, path: Path, seconds: float) -> Path:
    """Write the page and return its path."""
    footer = f"{seconds:.0f} seconds on a local chain · amounts in U, one whole KanaUSDT · every table exact"
    return build(stage, tale).write(path, footer)
