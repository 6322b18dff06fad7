"""The figures of `chipwire evaluate` for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.evaluation.summary import compared_lines, head_lines

MOST_RULES = 15
MOST_ERRORS = 20


def table(figures: Mapping[str, Any]) -> str:
    """Sentences and tables."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=120, markup=False, highlight=False)
    for line in head_lines(figures):
        console.print(line)
    if figures["data"]["items"]:
        for grid in _grids(figures):
            console.print(grid)
    return out.getvalue()


def _grids(figures: Mapping[str, Any]) -> Iterable[Any]:
    yield _grid(("gold class", "judged alert", "context", "no"), [(gold, *row.values()) for gold, row in figures["confusion"]["all"].items()])
    yield _grid(("fact", "n", "right", "right of all"), [(name, *fact.values()) for name, fact in figures["facts"].items()])
    told = {tag: row for tag, row in figures["by_language"].items() if row["alerts"] or figures["confusion"]["by_language"][tag]["context"]["alert"]}
    yield _grid(("language", "alerts", "precision", "recall", "F1"), [(tag, *row.values()) for tag, row in told.items()])
    bins = figures["calibration"]["bins"]
    yield _grid(("score", "items", "mean score", "alerts"), [(f"{one['from']:.1f} to {one['to']:.1f}", *list(one.values())[2:]) for one in bins])
    if figures["rules"]:
        names = ("rule", "says", "fires", "precision", "recall", "gained", "spared", "lost", "raised")
        yield _grid(names, [[one[name] for name in names] for one in figures["rules"][:MOST_RULES]])
    if figures["compared"]:
        yield f"{figures['compared']['with']}: rule set {figures['compared']['ruleset']}, threads B-cubed F1 {figures['compared']['b3_f1']:.3f}"
        yield _grid(("figure", "here", figures["compared"]["with"], "difference", "95 %"), compared_lines(figures["compared"]))
    errors = [(one["id"], one["gold"], one["found"], one["why"]) for one in figures["errors"][:MOST_ERRORS]]
    yield _grid(("id", "gold", "found", "why"), errors)


def _grid(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Any:
    from rich.table import Table

    grid = Table(*names)
    for row in rows:
        grid.add_row(*("" if cell is None else str(cell) for cell in row))
    return grid
