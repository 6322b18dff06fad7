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
SCORED = ALERT | {"title": "US tightens export controls on AI chips to China, Commerce Department says"}
"""No rule settles it."""
QUIET = {"id": "b", "class": "no", "language": "en", "published": "2025-04-10", "title": "Football team beats its rival"}
MISSED = {"id": "c", "class": "alert", "language": "en", "published": "2025-04-10", "title": "A quiet day"} | LABELS

QUIET_DAYS = """
rules:
  - id: quiet-days-tell
    title: Quiet days tell
    owner: tests
    status: active
    when: {phrase: quiet day}
    verdict: alert
    examples:
      - {text: A quiet day, fires: true}
      - {text: A loud day, fires: false}
"""


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

    for told in ("B-cubed", "direction", "gold class", "calibration", "planned-curb-dropped"):
        assert told in shown


def test_a_missing_file_is_a_sentence() -> None:
    app = typer.Typer()
    app.command()(evaluate)

    assert isinstance(CliRunner().invoke(app, ["nowhere.jsonl"]).exception, Misconfigured)


def test_unreadable_data_have_no_figures_and_no_speed(tmp_path: Path) -> None:
    result = run(tmp_path, ["{oops"])

    assert result.exit_code == 1
    assert "nothing was judged" in result.stdout
    assert "None" not in result.stdout


def test_a_page_with_charts_is_written_beside_the_figures(tmp_path: Path) -> None:
    result = run(tmp_path, [ALERT, MISSED], "--json", "--html", str(tmp_path / "report.html"))

    assert json.loads(result.stdout)["data"]["items"] == 2
    assert "A quiet day" in (tmp_path / "report.html").read_text()


def test_another_rule_set_is_held_against_ours_on_the_same_items(tmp_path: Path) -> None:
    (tmp_path / "other" / "rules").mkdir(parents=True)
    (tmp_path / "other" / "rules" / "quiet.yaml").write_text(QUIET_DAYS)

    compared = json.loads(run(tmp_path, [ALERT, MISSED], "--json", "--compare", str(tmp_path / "other")).stdout)["compared"]

    assert (compared["with"], compared["changed"]["found"]) == ("other", ["c"])
    assert compared["differences"]["recall"]["difference"] == 0.5


def test_another_model_is_held_against_ours(tmp_path: Path) -> None:
    stored = json.loads(Path("services/classifier/model/score.json").read_text())
    stored["alone"] |= {"alert": 1.1}
    stored["together"] |= {"alert": 1.1}
    (tmp_path / "never.json").write_text(json.dumps(stored))

    figures = json.loads(run(tmp_path, [SCORED], "--json", "--no-encoder", "--compare", str(tmp_path / "never.json")).stdout)

    assert figures["compared"]["ruleset"] != figures["ruleset"]
    assert figures["compared"]["changed"]["missed"] == ["a"]


def test_rules_alone_judge_without_what_was_learnt(tmp_path: Path) -> None:
    figures = json.loads(run(tmp_path, [ALERT, QUIET], "--json", "--rules-alone").stdout)

    assert (figures["model"], figures["alert"]["f1"]) == ("rules alone", 1.0)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--unseen", "--rules-alone"], "without --unseen"),
        (["--unseen", "--compare", "{model}"], "models of their own"),
        (["--unseen", "--corpus", "{missing}"], "holds no items/"),
        (["--compare", "{missing}"], "does not exist"),
        (["--compare", "{data}"], "holds no model"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(tmp_path: Path, arguments: list[str], problem: str) -> None:
    places = {"{model}": "services/classifier/model/score.json", "{missing}": str(tmp_path / "missing"), "{data}": str(tmp_path / "labelled.jsonl")}

    result = run(tmp_path, [ALERT], *(places.get(argument, argument) for argument in arguments))

    assert isinstance(result.exception, Misconfigured)
    assert problem in str(result.exception)


@pytest.mark.parametrize("options", [(), ("--json",), ("--min-f1", "0")])
def test_where_nothing_could_be_measured_the_exit_code_says_so(options: tuple[str, ...], tmp_path: Path) -> None:
    result = run(tmp_path, [], *options)

    assert result.exit_code == 1
    assert result.stderr.endswith("holds no items\n")
