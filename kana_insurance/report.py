"""Self-contained HTML reports: headings, text, tables and charts in one file that loads nothing from elsewhere.

Charts are matplotlib figures, inlined as SVG. Amounts come as ``int`` base units and are written out exactly; floats
appear only in charts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours by meaning, the same in every chart of every report; distinct for colour-blind readers too.
COLOURS = {
    "reserve": "#0f6b5c",
    "threshold": "#8a8f98",
    "price": "#22304a",
    "collateral": "#5b7db1",
    "trader": "#5b7db1",
    "liquidator": "#e0a030",
    "fund": "#0f6b5c",
    "stakers": "#7d5ba6",
    "reinsurance": "#a8ad3f",
    "socialised": "#b4552d",
    "bad debt": "#7a1f3d",
    "thief": "#7a1f3d",
    "muted": "#c9ced6",
}

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": "#1d2530",
    "axes.labelcolor": "#4a5361",
    "axes.edgecolor": "#c9ced6",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": "#e8ebef",
    "grid.linewidth": 0.8,
    "xtick.color": "#4a5361",
    "ytick.color": "#4a5361",
    "xtick.labelcolor": "#4a5361",
    "ytick.labelcolor": "#4a5361",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

_CSS = """
:root { --ink: #1d2530; --soft: #4a5361; --line: #dfe3e8; --wash: #f6f7f9; --good: #0f6b5c; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .3rem; }
p { max-width: 46rem; margin: .5rem 0; }
.lead { font-size: 1.1rem; color: var(--soft); }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--wash);
  padding: .08em .3em; border-radius: 3px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  gap: .75rem; margin: 1.4rem 0; }
.figures div { background: var(--wash); border-radius: 8px; padding: .8rem 1rem; }
.figures b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.figures span { color: var(--soft); font-size: .88rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0 0 .5rem; }
th { text-align: left; font-weight: 600; color: var(--soft);
  border-bottom: 2px solid var(--line); padding: .35rem .7rem; }
td { border-bottom: 1px solid var(--line); padding: .35rem .7rem; vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; }
tr.total td { font-weight: 600; border-top: 2px solid var(--line); }
figure { margin: 1.4rem 0; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; margin-top: .4rem; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
ul.checks { list-style: none; padding: 0; margin: .6rem 0; font-size: .92rem; columns: 2 24rem; }
ul.checks li { padding: .12rem 0 .12rem 1.5rem; text-indent: -1.5rem; break-inside: avoid; }
footer { margin-top: 3rem;
  padding-top: .9rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .88rem; }
@media print { main { padding: 0; max-width: none; } h2, figure, table { break-inside: avoid; } }
"""

_IDS = re.compile(r'(\bid="|url\(#|href="#)')


def tokens(amount: int, decimals: int = 6, places: int | None = None) -> str:
    """Base units as whole tokens, exactly: ``1,234.567890``.

    Args:
        amount: Base units.
        decimals: Decimals of the asset.
        places: Show so many decimals, cut off; all of them by default.
    """
    whole, rest = divmod(abs(amount), 10**decimals)
    digits = f"{rest:0{decimals}d}"[: decimals if places is None else places]
    return f"{'−' if amount < 0 else ''}{whole:,}{'.' if digits else ''}{digits}"


def short(value: float) -> str:
    """A figure for an axis: 950, 12.5k, 3.2M."""
    for size, letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def axis_in_tokens(axis: Any) -> None:
    """Label an axis of whole tokens in short form."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def chart(draw: Callable[[Figure], None], width: float = 9.2, height: float = 3.4) -> Figure:
    """A figure drawn in the report's style; inches."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        # Formatters and layout look at the style when they draw, so this happens here.
        figure.draw_without_rendering()
    return figure


def legend_above(axes: Axes, columns: int = 6) -> None:
    """The legend as one line above the plot, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.4)


def _svg(figure: Figure, prefix: str) -> str:
    """The figure as an SVG element whose ids are its own within the page."""
    buffer = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": prefix}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return _IDS.sub(rf"\g<1>{prefix}-", text)


class Page:
    """A report in the making: what is added appears in that order.

    Args:
        title: Heading and title of the page.
        lead: One or two sentences under it.
    """

    def __init__(self, title: str, lead: str) -> None:
        self.title = title
        self._parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>']
        self._charts = 0

    def heading(self, text: str) -> None:
        """A section's heading."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def subheading(self, text: str) -> None:
        """A heading within a section."""
        self._parts.append(f"<h3>{escape(text)}</h3>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def figures(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Key figures side by side: (figure, what it is)."""
        cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in pairs)
        self._parts.append(f'<div class="figures">{cells}</div>')

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", total: bool = False
    ) -> None:
        """A table; a column whose name begins with ``>`` is right-aligned, for figures.

        Args:
            columns: Their names.
            rows: Texts, one for each column.
            caption: What the table shows.
            total: Whether the last row is a sum.
        """
        marks = [' class="n"' if name.startswith(">") else "" for name in columns]
        head = "".join(f"<th{m}>{escape(n.removeprefix('>'))}</th>" for n, m in zip(columns, marks, strict=True))
        body = [
            "".join(f"<td{mark}>{escape(cell)}</td>" for cell, mark in zip(row, marks, strict=True)) for row in rows
        ]
        lines = [f"<tr>{cells}</tr>" for cells in body]
        if total and lines:
            lines[-1] = f'<tr class="total">{body[-1]}</tr>'
        heading = f"<caption>{escape(caption)}</caption>" if caption else ""
        self._parts.append(
            f'<div class="scroll"><table>{heading}<thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table></div>"
        )

    def chart(self, figure: Figure, caption: str) -> None:
        """A chart with a caption that says what one sees in it."""
        self._charts += 1
        svg = _svg(figure, f"c{self._charts}").replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
        self._parts.append(f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>")

    def checks(self, checks: Iterable[tuple[str, bool]]) -> None:
        """What was checked, and whether it held."""
        items = "".join(
            f'<li class="{"good" if good else "bad"}">{"✓" if good else "✗"}&ensp;{escape(name)}</li>'
            for name, good in checks
        )
        self._parts.append(f'<ul class="checks">{items}</ul>')

    def html(self, footer: str) -> str:
        """The whole page."""
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
            + "\n".join(self._parts)
            + f"\n<footer>{escape(footer)}</footer>\n</main>\n</body>\n</html>\n"
        )

    def write(self, path: Path, footer: str) -> Path:
        """Write the page, making its folder, and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html(footer), encoding="utf-8")
        return path
