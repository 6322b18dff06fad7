"""`chipwire evaluate`: how good the judgements are, measured on labelled news."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.classifier.rules import Ruleset
    from services.evaluation.data import Line
    from services.evaluation.threads import Judged


def evaluate(
    data: Annotated[Path, typer.Argument(help="Labelled news, one JSON object a line.")],
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
    min_f1: Annotated[float | None, typer.Option(min=0, max=1, help="Exit with 1 when F1 of alerts is lower.")] = None,
    gold_verdicts: Annotated[bool, typer.Option(help="Take class and labelled facts from the data, so that threading is measured alone.")] = False,
    encoder: Annotated[bool, typer.Option(help="Let the sentence encoder read what the features leave open, where it is installed.")] = True,
    config: Annotated[Path | None, typer.Option(help="A team's directory, laid over the shipped rules and terms.")] = None,
) -> None:
    """Measure the classifier and the threads on labelled news."""
    from services.cli.rulesets import config_dir, read_ruleset
    from services.evaluation.data import parse
    from services.evaluation.report import Run, report
    from services.evaluation.threads import with_gold
    from services.runtime.errors import Misconfigured

    try:
        read = parse(data.read_bytes(), labels=True)
    except OSError as exc:
        raise Misconfigured(f"{data} cannot be read: {exc.strerror}") from exc
    ruleset = read_ruleset(config_dir(config), encoder=encoder)
    judged, seconds = _judge(read.lines, ruleset)
    judged = [with_gold(one) for one in judged] if gold_verdicts else judged
    figures = report(Run(judged, read.sha256, ruleset.hash, ruleset.model.name, seconds))
    print(json.dumps(figures, ensure_ascii=False) if as_json else table(figures))
    for problem in read.problems:
        print(f"{data}: {problem}", file=sys.stderr)
    missed = min_f1 is not None and figures["alert"]["f1"] < min_f1
    if missed:
        print(f"F1 of alerts is {figures['alert']['f1']}, below {min_f1}", file=sys.stderr)
    if read.problems or missed:
        raise typer.Exit(1)


def _judge(lines: Sequence[Line], ruleset: Ruleset) -> tuple[list[Judged], float]:
    """Every line with its verdict, and the seconds that judging took. Shows how far it is where a person watches."""
    from services.classifier.classify import classify
    from services.evaluation.threads import Judged

    judged: list[Judged] = []
    seconds = 0.0
    for line in _watched(lines):
        item = line.to_item()
        start = perf_counter()
        verdict = classify(item, ruleset)
        seconds += perf_counter() - start
        judged.append(Judged(line, item, verdict))
    return judged, seconds


def _watched(lines: Sequence[Line]) -> Any:
    if not sys.stderr.isatty():
        return lines
    from rich.console import Console
    from rich.progress import track

    return track(lines, description="Judging", console=Console(stderr=True), transient=True)


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table

    out = StringIO()
    console = Console(file=out, width=110)
    alert, threads = figures["alert"], figures["threads"]
    low, high = alert["ci95"]
    console.print(
        f"{figures['data']['items']} items, {figures['data']['alerts']} alerts, ruleset {figures['ruleset']}, {figures['model']}, {figures['items_per_second']} items/s"
    )
    console.print(f"alert  F1 {alert['f1']:.3f} ({low:.3f} to {high:.3f})  precision {alert['precision']:.3f}  recall {alert['recall']:.3f}")
    console.print(
        f"threads  B-cubed F1 {threads['b3']['f1']:.3f} (trivial rule {threads['trivial_b3_f1']:.3f})  pushes per event {threads['pushes_per_event']:.2f}"
    )
    console.print(_grid(Table("fact", "n", "right", "right of all"), [(name, *map(str, fact.values())) for name, fact in figures["facts"].items()]))
    console.print(
        _grid(Table("language", "alerts", "precision", "recall", "F1"), [(tag, *map(str, row.values())) for tag, row in figures["by_language"].items()])
    )
    console.print(_grid(Table("id", "gold", "found", "why"), [tuple(map(str, error.values())) for error in figures["errors"][:20]]))
    return out.getvalue()


def _grid(grid: Any, rows: list[tuple[str, ...]]) -> Any:
    for row in rows:
        grid.add_row(*row)
    return grid
