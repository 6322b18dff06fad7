"""`chipwire evaluate`: figures, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.evaluate import evaluate
from services.runtime.errors import Misconfigured

LABELS = {"action": "shelve", "direction": "loosen", "stage": "reported", "imposer": "US", "targets": ["CN"], "products": ["H20"], "event": "h20"}
ALERT = {
    "id": "a",
    "class": "alert",
    "language": "en",
    "published": "2025-04-10",
    "title": "US drops plan for H20 export controls on China, NPR reports",
} | LABELS
QUIET = {"id": "b", "class": "no", "language": "en", "published": "2025-04-10", "title": "Football team beats its rival"}
MISSED = {"id": "c", "class": "alert", "language": "en", "published": "2025-04-10", "title": "A quiet day"} | LABELS


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def run(tmp_path: Path, lines: list[object], *arguments: str) -> Result:
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(file), *arguments])


def test_a_perfect_judge_scores_one(tmp_path: Path) -> None:
    result = run(tmp_path, [ALERT, QUIET], "--json", "--min-f1", "0.9")

    figures = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (figures["alert"]["f1"], figures["facts"]["action"]["accuracy"], figures["errors"]) == (1.0, 1.0, [])


def test_a_missed_threshold_fails(tmp_path: Path) -> None:
    result = run(tmp_path, [ALERT, MISSED], "--json", "--min-f1", "0.9")

    assert result.exit_code == 1
    assert "below 0.9" in result.stderr
    assert json.loads(result.stdout)["errors"][0]["why"] == "gate: not of the topic"


def test_an_unreadable_line_fails_after_the_figures_are_told(tmp_path: Path) -> None:
    result = run(tmp_path, [ALERT, "{oops", {"title": "no label"}], "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["data"]["items"] == 1
    assert "line 2" in result.stderr
    assert "line 3: class is None" in result.stderr


def test_gold_verdicts_measure_threads_alone(tmp_path: Path) -> None:
    figures = json.loads(run(tmp_path, [ALERT, MISSED], "--json", "--gold-verdicts").stdout)

    assert (figures["alert"]["f1"], figures["threads"]["b3"]["f1"], figures["threads"]["events_found"]) == (1.0, 1.0, 1)


def test_people_get_tables(tmp_path: Path) -> None:
    shown = run(tmp_path, [ALERT, MISSED]).stdout

    assert "B-cubed" in shown
    assert "direction" in shown


def test_a_missing_file_is_a_sentence() -> None:
    app = typer.Typer()
    app.command()(evaluate)

    assert isinstance(CliRunner().invoke(app, ["nowhere.jsonl"]).exception, Misconfigured)
