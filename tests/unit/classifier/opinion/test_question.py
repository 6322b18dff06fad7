from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.config.opinion import OpinionWording
from services.classifier.opinion.question import GUARD, Form, Format
from services.classifier.opinion.second import read_wording
from services.runtime.config_files import ConfigDir
from tests import make

WORDING = OpinionWording(task="Judge.", verdicts={"alert": "a", "context": "c", "no": "n"}, reasons={"change": "x", "outlook": "y"})
FORM = Form("judge-1", WORDING, {"temperature": 0, "max_tokens": 300})


def asked(form: Form = FORM, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(form.question(make.news_item(**fields)).body)
    return body


def test_the_article_is_in_the_message_of_the_user_alone() -> None:
    system, user = asked(title="Chips and crisps", text="Long live the potato.")["messages"]

    assert (system["role"], user["role"]) == ("system", "user")
    assert "potato" in user["content"]
    assert "potato" not in system["content"]
    assert system["content"].endswith(GUARD)


def test_structured_output_is_asked_for_as_the_endpoint_knows_it() -> None:
    schema = asked()["response_format"]["json_schema"]
    formats: list[Format] = ["json_object", "text"]

    assert schema["strict"] is True
    assert schema["schema"]["properties"]["verdict"]["enum"] == ["alert", "context", "no"]
    assert schema["schema"]["properties"]["reason"]["enum"] == ["change", "outlook"]
    assert schema["schema"]["additionalProperties"] is False
    assert [asked(Form("judge", WORDING, {}, each)).get("response_format") for each in formats] == [{"type": "json_object"}, None]


def test_parameters_go_along_but_replace_nothing_of_ours() -> None:
    body = asked(Form("judge-1", WORDING, {"model": "another", "messages": [], "seed": 7}))

    assert (body["model"], body["seed"], len(body["messages"])) == ("judge-1", 7, 2)


def test_the_same_article_is_the_same_question_whoever_published_it() -> None:
    one, other = (FORM.question(make.news_item(url=f"https://{host}.example/1", tier=tier)) for host, tier in (("a", 1), ("b", 3)))

    assert one.hash == other.hash


@pytest.mark.parametrize(
    "form",
    [Form("judge-2", WORDING, FORM.parameters), Form("judge-1", WORDING.model_copy(update={"task": "Think."}), FORM.parameters), Form("judge-1", WORDING, {})],
)
def test_another_model_wording_or_parameter_is_another_question(form: Form) -> None:
    assert form.question(make.news_item()).hash != FORM.question(make.news_item()).hash


def test_a_question_costs_at_most_its_length_and_the_longest_answer() -> None:
    question = FORM.question(make.news_item())

    assert question.most == len(question.body) // 3 + 300


def test_the_shipped_wording_is_read_and_a_question_stays_small() -> None:
    form = Form("judge-1", read_wording(ConfigDir()), FORM.parameters)

    assert form.question(make.news_item(text="x" * 280)).most < 2_000
