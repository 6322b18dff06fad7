"""`chipwire classify`: what programs and people get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.classify import classify
from services.runtime.errors import Misconfigured

STORY = "US drops plan for H20 export controls on China after Nvidia CEO dines with Trump"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: str, given: str | None = None) -> Result:
    app = typer.Typer()
    app.command()(classify)
    return CliRunner().invoke(app, list(arguments), input=given)


def told(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_lines_come_out_in_the_order_of_the_input(tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text("\n".join(json.dumps({"id": name, "title": title, "published": "2025-04-10"}) for name, title in (("x", STORY), ("y", "Football"))))

    found = told(run(str(file), "--json"))

    assert [line["id"] for line in found] == ["x", "y"]
    assert [line["class"] for line in found] == ["alert", "no"]
    assert list(found[0]) == ["id", "language", "class", "score", "ruleset", "facts", "evidence", "rules", "headline"]
    assert found[0]["facts"]["imposers"] == ["US"]
    assert found[0]["facts"]["companies"] == [{"id": "NVIDIA", "role": "seller"}]
    assert found[0]["headline"]["en"].startswith("REPORTED: ")
    assert all(span["text"] == STORY[span["start"] : span["end"]] for span in found[0]["evidence"])


def test_an_unreadable_line_is_told_and_the_rest_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text(json.dumps({"title": STORY}) + "\n{oops\n")

    result = run(str(file), "--json")

    assert result.exit_code == 1
    assert len(told(result)) == 1
    assert "line 2: not JSON" in result.stderr


def test_plain_text_is_one_item_with_what_the_options_say(tmp_path: Path) -> None:
    file = tmp_path / "story.txt"
    file.write_text(f"{STORY}, according to NPR.\n\nOfficials did not comment.")

    (found,) = told(run(str(file), "--json", "--title", STORY, "--published", "2025-04-10", "--language", "en", "--tier", "1"))

    assert (found["class"], found["facts"]["action"], found["facts"]["origin"]) == ("alert", "shelve", "NPR")


def test_standard_input_may_be_text_or_lines() -> None:
    (text,) = told(run("-", "--json", given=STORY))
    (line,) = told(run("-", "--json", given=json.dumps({"title": STORY})))

    assert text["class"] == line["class"] == "alert"


def test_people_get_a_card_with_the_words_it_rests_on() -> None:
    card = run("-", given=STORY).stdout

    assert "ALERT" in card
    assert "shelve" in card
    assert "“drops plan for H20 export controls”" in card


@pytest.mark.parametrize("arguments", [("missing.txt",), ("-", "--published", "someday")])
def test_wrong_usage_is_a_sentence(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, given="words")

    assert isinstance(result.exception, Misconfigured)
