"""The page of figures: made by its script, and without a word of the news that is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import accuracy
from schemas.events.signal import LanguageGuess
from services.classifier.classify import Trace, Verdict
from services.evaluation.contribution import Contribution
from services.evaluation.data import Line
from services.evaluation.report import Run, report
from services.evaluation.threads import Judged
from tests import make

HEADS = {"r1": "A very real headline", "r2": "Another real headline"}


@pytest.fixture
def measured() -> accuracy.Measured:
    lines = [Line.model_validate({"id": name, "class": "alert", "language": "ar", "title": head, "stage": "reported"}) for name, head in HEADS.items()]
    trace = Trace("score 0.80 reaches 0.4", why=lambda: {"title:act|bar": 1.5})
    guess = LanguageGuess(tag="ar", confidence=1.0)
    judged = [Judged(line, line.to_item(), Verdict(found, 0.8, guess, make.facts(), trace=trace)) for line, found in zip(lines, ("alert", "no"), strict=True)]
    figures = report(Run(judged, "", "", "with encoder", 0.0, unseen=True))
    modes = {mode: {"real": figures, "corpus": figures} for mode in (accuracy.BOTH, accuracy.FOREST, accuracy.RULES)}
    rules = [Contribution(f"rule-{place}", "active", "alert", True, 2, 1, raised=place) for place in range(20)]
    return accuracy.Measured(modes, judged, rules, "abc123", 5)


def made(measured: accuracy.Measured, tmp_path: Path) -> str:
    file = tmp_path / "real.jsonl"
    file.write_text("{}")
    return "\n".join(accuracy.tables(measured, {"real": file}))


def test_every_row_of_every_table_has_as_many_cells_as_its_head(measured: accuracy.Measured, tmp_path: Path) -> None:
    blocks = [block for block in made(measured, tmp_path).replace("\\|", "").split("\n\n") if block.startswith("|")]

    assert len(blocks) == 10
    for block in blocks:
        assert len({row.count("|") for row in block.splitlines()}) == 1


def test_items_are_named_by_id_and_never_quoted(measured: accuracy.Measured, tmp_path: Path) -> None:
    page = made(measured, tmp_path)

    assert "`r2`" in page
    assert not any(head in page for head in HEADS.values())


def test_the_most_useful_rules_are_told_and_all_that_do_harm(measured: accuracy.Measured, tmp_path: Path) -> None:
    page = made(measured, tmp_path)

    assert all(f"`rule-{place}`" in page for place in range(20))


def test_the_page_holds_figures() -> None:
    figures = accuracy.PAGE.read_text("utf-8").partition(accuracy.START)[2].partition(accuracy.END)[0]

    assert "## Alerts" in figures
    assert "rules alone" in figures
