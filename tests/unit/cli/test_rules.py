from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.rules import verbs
from services.runtime.errors import Misconfigured

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
