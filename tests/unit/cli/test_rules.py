from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from schemas.topics import NEWS_ITEMS
from services import app
from services.cli.common import runtime_settings
from services.cli.rules import verbs
from services.runtime.broker import Record
from services.runtime.errors import Misconfigured
from tests import make

RULE = """
rules:
  - id: quota-lapses
    title: A quota lapses
    owner: tests
    when: {phrase: PHRASE}
    examples:
      - {text: The chip quota for Nvidia lapses in China, fires: true}
      - {text: The chip quota for Nvidia stays in China, fires: false}
"""


@pytest.fixture(autouse=True)
def _keeps_parsed_files_apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "xdg"))


def team(directory: Path, phrase: str) -> str:
    (directory / "rules").mkdir()
    (directory / "rules" / "ours.yaml").write_text(RULE.replace("PHRASE", phrase), "utf-8")
    return str(directory)


def call(*words: str) -> Result:
    return CliRunner().invoke(verbs, words)


def test_the_shipped_rules_are_sound() -> None:
    result = call("check")

    assert result.exit_code == 0
    assert "rules are sound" in result.stdout


def test_a_problem_is_told_with_its_place_and_fails_the_command(tmp_path: Path) -> None:
    directory = team(tmp_path, "[]")

    result = call("check", directory)

    assert result.exit_code == 1
    assert "ours.yaml:6:" in result.stdout


def test_problems_are_told_to_programs(tmp_path: Path) -> None:
    result = call("check", team(tmp_path, "[]"), "--json")

    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["problems"]) == 1


def test_examples_that_hold_pass(tmp_path: Path) -> None:
    result = call("test", team(tmp_path, "quota for Nvidia lapses"))

    assert result.exit_code == 0
    assert "0 failed" in result.stdout


def test_an_example_that_fails_is_named_and_fails_the_command(tmp_path: Path) -> None:
    result = call("test", team(tmp_path, "quota for Nvidia"))

    assert result.exit_code == 1
    assert "quota-lapses: fires on: The chip quota for Nvidia stays in China" in result.stdout


def test_failures_are_told_to_programs(tmp_path: Path) -> None:
    answer = json.loads(call("test", team(tmp_path, "never said"), "--json").stdout)

    assert answer["failures"] == [{"rule": "quota-lapses", "text": "The chip quota for Nvidia lapses in China", "expected": True}]


def test_rules_that_cannot_be_read_are_not_tested(tmp_path: Path) -> None:
    result = call("test", team(tmp_path, "[]"))

    assert isinstance(result.exception, Misconfigured)


def test_a_directory_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert call("check", str(tmp_path / "missing")).exit_code == 2


def test_samples_of_the_lexicon_are_tested_too(tmp_path: Path) -> None:
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "ours.yaml").write_text("samples: [{language: en, text: A fine day, expect: [chip]}]\n", "utf-8")

    result = call("test", str(tmp_path))

    assert result.exit_code == 1
    assert "lexicon: chip is not found: A fine day" in result.stdout


def test_a_rule_is_explained_with_what_it_saw_and_what_is_missing(tmp_path: Path) -> None:
    directory = team(tmp_path, "quota for Nvidia")

    fires = call("explain", "The chip quota for Nvidia lapses", directory, "--rule", "quota-lapses")
    not_so = call("explain", "The chip ban for Nvidia is lifted in China", directory, "--rule", "quota-lapses")

    assert "quota-lapses (shadow) fires\n  ✓ phrase quota for Nvidia: “quota for Nvidia” (text 9-25)" in fires.stdout
    assert "✗ phrase quota for Nvidia: not seen" in not_so.stdout


def test_a_text_is_read_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "item.txt").write_text("The chip quota for Nvidia lapses", "utf-8")

    told = json.loads(call("explain", str(tmp_path / "item.txt"), team(tmp_path, "quota for Nvidia"), "--rule", "quota-lapses", "--json").stdout)

    assert [(one["rule"], one["fires"], one["saw"][0]["text"]) for one in told] == [("quota-lapses", True, "quota for Nvidia")]


def test_a_rule_that_is_not_there_cannot_be_explained() -> None:
    assert call("explain", "text", "--rule", "no-such-rule").exit_code == 2


def test_a_new_rule_is_valid_holds_what_it_says_and_replaces_none(tmp_path: Path) -> None:
    written = call("new", "quota-of-ours", str(tmp_path))

    assert written.exit_code == 0
    assert call("check", str(tmp_path)).exit_code == 0
    assert call("test", str(tmp_path)).exit_code == 0
    assert json.loads((tmp_path / "schemas" / "rules.v1.schema.json").read_text("utf-8"))["title"] == "RuleFile"
    assert isinstance(call("new", "quota-of-ours", str(tmp_path)).exception, Misconfigured)
    assert isinstance(call("new", "Not An Id").exception, Misconfigured)


def test_a_new_rule_can_be_read_before_it_is_written() -> None:
    assert call("new", "quota-of-ours").stdout.startswith("# yaml-language-server: $schema=")


NEWS = [
    {"id": f"n{number}", "text": text}
    for number, text in enumerate(["The chip quota for Nvidia lapses", "The museum opens", "US bans exports of Nvidia chips to China"])
]


@pytest.fixture
def news(tmp_path: Path) -> Path:
    path = tmp_path / "news.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, NEWS)).encode()))
    return path


def test_a_backtest_tells_what_a_proposed_directory_would_change(tmp_path: Path, news: Path) -> None:
    directory = team(tmp_path, "quota for Nvidia")

    table = call("backtest", "--data", str(news), "--against", directory)
    markdown = call("backtest", "--data", str(news), "--against", directory, "--format", "markdown")
    told = json.loads(call("backtest", "--data", str(news), "--against", directory, "--format", "json").stdout)

    assert "rules: none → quota-lapses (shadow)" in table.stdout
    assert "### Changed: 1" in markdown.stdout
    assert (told["items"], told["kinds"], told["rules"]["after"]["quota-lapses"]) == (3, {"changed": 1}, 1)


def test_a_backtest_of_one_set_tells_what_alerts(news: Path) -> None:
    told = json.loads(call("backtest", "--data", str(news), "--format", "json").stdout)

    assert [finding["id"] for finding in told["findings"]] == ["n2"]


def test_lines_that_are_no_news_are_told_by_number(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").write_text('{"text": "fine"}\n{"text": 7}\n', "utf-8")

    result = call("backtest", "--data", str(tmp_path / "news.jsonl"))

    assert result.exit_code == 1
    assert "line 2: text" in result.stderr


@pytest.mark.parametrize("words", [("--data", "x", "--since", "1d"), ("--since", "soon")])
def test_a_backtest_of_nothing_that_can_be_named_is_wrong_usage(words: tuple[str, ...]) -> None:
    assert call("backtest", *words).exit_code == 2


def test_news_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl.gz").write_bytes(b"no gzip")

    assert isinstance(call("backtest", "--data", str(tmp_path / "news.jsonl.gz")).exception, Misconfigured)


def test_the_broker_is_asked_for_past_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_DATA_DIR", str(tmp_path))
    items = [make.news_item(title=None, text=row["text"], id=row["id"]) for row in NEWS]
    asyncio.run(publish(tmp_path, [make.record(item, topic=NEWS_ITEMS, key=item.id) for item in items]))

    told = json.loads(call("backtest", "--since", "9000d", "--format", "json").stdout)

    assert (told["items"], [finding["id"] for finding in told["findings"]]) == (3, ["n2"])


async def publish(directory: Path, records: list[Record]) -> None:
    async with app.broker_of(runtime_settings()) as broker:
        await broker.ensure([NEWS_ITEMS])
        await broker.publish(records)
