"""Figures and their table. Pure: measurements make rows, and this shows them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Series:
    """The same figure from several runs. In a unit that ends with "/s" more is better, in any other less."""

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """The smallest and the largest; empty for a single run."""
        return "" if len(self.values) == 1 else f"{shown(min(self.values))}–{shown(max(self.values))}"

    @property
    def more_is_better(self) -> bool:
        return self.unit.endswith("/s")

    def __str__(self) -> str:
        return f"{shown(self.median)} {self.unit}"


@dataclass(frozen=True)
class Row:
    """One line of the table: our figure, the baseline of the same run and what that is, and the target."""

    what: str
    ours: Series
    baseline: Series | None = None
    against: str = ""
    target: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Our median as a share of the baseline's."""
        return self.ours.median / self.baseline.median if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        if self.target is None:
            return None
        return self.ours.median >= self.target if self.ours.more_is_better else self.ours.median <= self.target


def series(values: Iterable[float], unit: str) -> Series:
    """The figures of all runs; at least one."""
    return Series(tuple(values), unit)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank). Raises ValueError without values."""
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def shown(value: float) -> str:
    """Three digits that matter: 15,300 · 482 · 12.4 · 0.19."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows: Iterable[Row], *, title: str, caption: str) -> Table:
    """The rows for people."""
    made = Table(title=title, caption=caption, title_justify="left", caption_justify="left", show_lines=False)
    for name, side in (("what", "left"), ("median", "right"), ("min–max", "right"), ("target", "right"), ("baseline, same run", "left"), ("ratio", "right")):
        made.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # rich wants literals
    made.add_column("note", overflow="fold")
    for row in rows:
        made.add_row(row.what, str(row.ours), row.ours.spread, _target(row), _baseline(row), _ratio(row), row.note)
    return made


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    bound = "≥" if row.ours.more_is_better else "≤"
    return f"[{'green' if row.met else 'red'}]{bound} {shown(row.target)} {'met' if row.met else 'MISSED'}[/]"


def _baseline(row: Row) -> str:
    return f"{row.baseline} {row.against}" if row.baseline else row.against


def _ratio(row: Row) -> str:
    return "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.3f}"
