"""Charts as inline SVG: no script, nothing from outside, colours by the classes of the page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

ROW = 24
LABEL = 170
PLOT = 420
VALUE = 130
SIDE = 300
"""Pixels: a row, its label, what is drawn, the words behind it; the side of a square chart."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: its value from 0 to 1, what stands behind it, and, where there is one, a paler value beneath."""

    label: str
    value: float
    told: str
    beneath: float | None = None


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Bars from 0 to 1, one below the other."""
    drawn = [_grid(len(rows))]
    for place, row in enumerate(rows):
        top = place * ROW
        drawn.append(_label(row.label, top))
        if row.beneath is not None:
            drawn.append(_bar("pale", LABEL, top, row.beneath * PLOT))
        drawn.append(_bar("bar", LABEL, top, row.value * PLOT))
        drawn.append(_text("value", LABEL + PLOT + 8, top, row.told))
    return _svg(title, LABEL + PLOT + VALUE, len(rows) * ROW + 20, drawn)


def _grid(rows: int) -> str:
    """Lines at 0, a quarter, and so on, with their figures below."""
    lines = []
    for quarter in range(5):
        across = LABEL + quarter * PLOT / 4
        lines.append(f'<line class="grid" x1="{across:g}" y1="0" x2="{across:g}" y2="{rows * ROW}"/>')
        lines.append(f'<text class="tick" x="{across:g}" y="{rows * ROW + 15}" text-anchor="middle">{quarter / 4:g}</text>')
    return "".join(lines)


def reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    """Score against share of alerts: on the diagonal a score means what it says. The dots grow with the items."""
    left, most = 44, max((one["items"] for one in bins), default=1)
    drawn = [f'<line class="even" x1="{left}" y1="{SIDE}" x2="{left + SIDE}" y2="0"/>']
    for quarter in range(5):
        at = quarter * SIDE / 4
        drawn.append(f'<line class="grid" x1="{left}" y1="{SIDE - at:g}" x2="{left + SIDE}" y2="{SIDE - at:g}"/>')
        drawn.append(f'<text class="tick" x="{left - 6}" y="{SIDE - at + 4:g}" text-anchor="end">{quarter / 4:g}</text>')
        drawn.append(f'<text class="tick" x="{left + at:g}" y="{SIDE + 16}" text-anchor="middle">{quarter / 4:g}</text>')
    points = " ".join(f"{left + one['score'] * SIDE:.1f},{SIDE - one['alerts'] * SIDE:.1f}" for one in bins)
    drawn.append(f'<polyline class="line" points="{points}"/>')
    for one in bins:
        size = 3 + 9 * (one["items"] / most) ** 0.5
        told = f"score {one['score']:.2f}, alerts {one['alerts']:.2f}, {one['items']} items"
        drawn.append(
            f'<circle class="dot" cx="{left + one["score"] * SIDE:.1f}" cy="{SIDE - one["alerts"] * SIDE:.1f}" r="{size:.1f}"><title>{told}</title></circle>'
        )
    drawn.append(f'<text class="tick" x="{left + SIDE / 2:g}" y="{SIDE + 34}" text-anchor="middle">score</text>')
    drawn.append(f'<text class="tick" transform="translate(11 {SIDE / 2:g}) rotate(-90)" text-anchor="middle">share of alerts</text>')
    return _svg("Reliability of the score", left + SIDE + 14, SIDE + 42, drawn, top=12)


def intervals(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Differences with their intervals around zero: label, low, difference, high."""
    widest = max((abs(end) for _, low, _, high in rows for end in (low, high)), default=0.0) or 0.01
    scale, middle = PLOT / 2 / widest, LABEL + PLOT / 2
    drawn = [f'<line class="even" x1="{middle:g}" y1="0" x2="{middle:g}" y2="{len(rows) * ROW}"/>']
    for place, (label, low, difference, high) in enumerate(rows):
        top = place * ROW
        kind = "good" if low > 0 else "bad" if high < 0 else "open"
        drawn.append(_label(label, top))
        drawn.append(f'<line class="reach {kind}" x1="{middle + low * scale:.1f}" y1="{top + 12}" x2="{middle + high * scale:.1f}" y2="{top + 12}"/>')
        drawn.append(f'<circle class="dot {kind}" cx="{middle + difference * scale:.1f}" cy="{top + 12}" r="5"/>')
        drawn.append(_text("value", LABEL + PLOT + 8, top, f"{difference:+.3f}"))
    return _svg("Differences with their 95 % intervals", LABEL + PLOT + VALUE, len(rows) * ROW + 4, drawn)


def weights(rows: Iterable[tuple[str, float]]) -> str:
    """What features added to the score: for an alert to the right, against it to the left."""
    shown = list(rows)
    widest = max((abs(value) for _, value in shown), default=0.0) or 1.0
    label, plot = 250, 200
    middle = label + plot / 2
    drawn = []
    for place, (name, value) in enumerate(shown):
        top, width = place * ROW, abs(value) / widest * plot / 2
        drawn.append(_text("label", label - 8, top, name, anchor="end"))
        drawn.append(_bar("good" if value > 0 else "bad", middle if value > 0 else middle - width, top, width))
        drawn.append(_text("value", label + plot + 8, top, f"{value:+.2f}"))
    drawn.append(f'<line class="even" x1="{middle:g}" y1="0" x2="{middle:g}" y2="{len(shown) * ROW}"/>')
    return _svg("What weighed", label + plot + 60, len(shown) * ROW, drawn)


def _label(label: str, top: float) -> str:
    return _text("label", LABEL - 8, top, label, anchor="end")


def _bar(kind: str, left: float, top: float, width: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top + 5:g}" width="{width:.1f}" height="{ROW - 10}" rx="2"/>'


def _text(kind: str, left: float, top: float, words: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{left:g}" y="{top + 16:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(title: str, width: float, height: float, drawn: Iterable[str], *, top: float = 0) -> str:
    """Shrinks with the page, and never grows."""
    box = f"0 {-top:g} {width:g} {height + top:g}"
    return f'<svg role="img" aria-label="{escape(title)}" viewBox="{box}" style="max-width:{width:g}px">{"".join(drawn)}</svg>'
