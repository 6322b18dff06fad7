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


@pytest.mark.parametrize("line", ["[]", "5", "null", '{"title": 5}', "{}", "[" * 100_000, '{"title": "x", "published": "someday"}'])
def test_a_line_that_is_no_item_is_told_in_a_sentence(line: str, tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text(f"{json.dumps({'title': STORY})}\n{line}\n")

    result = run(str(file), "--json")

    assert result.exit_code == 1
    assert len(told(result)) == 1
    assert result.stderr.startswith(f"{file}: line 2: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [("--json",), ()], ids=["for programs", "for people"])
def test_half_characters_and_nuls_are_printed_as_escapes(options: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text('{"title": "US bans\\ud800 exports of\\u0000 Nvidia\\udc00 H20 chips to China"}\n')

    result = run(str(file), *options)

    assert result.exit_code == 0
    if options:
        (found,) = told(result)
        title = json.loads(file.read_text())["title"]
        assert found["evidence"]
        assert all(span["text"] == title[span["start"] : span["end"]] for span in found["evidence"])


def test_a_file_without_items_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text("\n")

    result = run(str(file), "--json")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{file} holds no items\n")


def test_a_directory_and_an_empty_text_are_wrong_usage(tmp_path: Path) -> None:
    empty = tmp_path / "story.txt"
    empty.write_text(" ")

    assert str(run(str(tmp_path)).exception) == f"{tmp_path} cannot be read: Is a directory"
    assert str(run(str(empty)).exception) == f"{empty} is empty; expected the text of a news item"


def test_a_file_that_is_no_text_is_refused_and_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"\x7fELF\x02\x01\x00\x00\x1b[2J")

    result = run(str(file))

    assert str(result.exception) == f"{file} is no text; expected the text of a news item in UTF-8"
    assert result.stdout == ""


def test_what_steers_a_terminal_is_not_printed_for_people() -> None:
    result = run("-", given="US drops plan\x1b[2J\x07 to curb exports of Nvidia H20 chips to China")

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_the_nprs_report_on_the_h20_is_judged_right_in_arabic(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    file.write_text(
        "أفادت الإذاعة الوطنية العامة الأميركية (NPR) نقلاً عن مصدرين مطلعين أن البيت الأبيض صرف النظر عن خطة كانت تقضي بمنع شركة إنفيديا "
        "من بيع رقاقة H20 إلى الصين، وذلك عقب مأدبة عشاء جمعت رئيسها التنفيذي بالرئيس. ولم ترد وزارة التجارة على طلب للتعليق.",
        encoding="utf-8",
    )

    (found,) = told(run(str(file), "--json"))

    facts = found["facts"]
    assert (found["class"], facts["action"], facts["direction"], facts["stage"]) == ("alert", "shelve", "loosen", "reported")
    assert (facts["imposers"], facts["targets"], facts["products"], facts["origin"]) == (["US"], ["CN"], ["H20"], "NPR")
    assert [company["id"] for company in facts["companies"]] == ["NVIDIA"]
    text = file.read_text(encoding="utf-8")
    assert all(span["text"] == text[span["start"] : span["end"]] for span in found["evidence"])
    assert next(span["text"] for span in found["evidence"] if span["fact"] == "action") == "صرف النظر"


def test_what_each_line_says_for_itself_is_no_option(tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text(json.dumps({"id": "x", "title": STORY}))

    result = run(str(file), "--published", "2025-04-10", "--tier", "0")

    assert isinstance(result.exception, Misconfigured)
    assert str(result.exception).startswith("--published, --tier: ")
