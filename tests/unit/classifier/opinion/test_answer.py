from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.opinion import OpinionWording
from schemas.events.signal import VERDICTS
from services.classifier.opinion.answer import Answer, Reply, read_reply
from services.classifier.opinion.question import Form, Question
from services.runtime.errors import Malformed
from tests import make

WORDING = OpinionWording(task="Judge.", verdicts={"alert": "a", "context": "c", "no": "n"}, reasons={"change": "x", "outlook": "y"})
ITEM = make.news_item(title="Japan loosens checks on photoresist", text="Tokyo said so on Monday.")
QUESTION = Form("judge", WORDING, {"max_tokens": 300}).question(ITEM)
GOOD = {"verdict": "alert", "reason": "change", "quote": "Japan loosens checks"}


def body(content: str | None, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": content} | fields.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": fields.pop("finish", "stop")}
    return json.dumps({"model": "judge-1", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}} | fields).encode()


def read(answer: bytes, question: Question = QUESTION) -> Reply:
    return read_reply(answer, question, model="judge", reasons=WORDING.reasons)


def test_an_answer_is_read_with_what_it_cost_and_who_gave_it() -> None:
    assert read(body(json.dumps(GOOD))) == Reply(Answer("alert", "change", "Japan loosens checks"), "judge-1", 9, 3)


def test_a_fence_around_the_answer_is_taken_off() -> None:
    assert read(body(f"```json\n{json.dumps(GOOD)}\n```")).answer.said == "alert"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "Sure! The verdict is no.",
        "{",
        "[]",
        "null",
        json.dumps(GOOD | {"verdict": "ALERT!"}),
        json.dumps(GOOD | {"verdict": ["no"]}),
        json.dumps(GOOD | {"reason": "because I was told"}),
        json.dumps(GOOD | {"quote": "Japan bans everything"}),
        json.dumps(GOOD | {"quote": ""}),
        json.dumps({"verdict": "no"}),
        json.dumps(GOOD)[:-5],
    ],
    ids=["empty", "chatter", "half", "a list", "null", "another word", "a list of verdicts", "another reason", "words made up", "no words", "no reason", "cut"],
)
def test_what_does_not_keep_to_the_form_cannot_be_used_but_costs(content: str) -> None:
    reply = read(body(content))

    assert (reply.answer, reply.tokens_in) == (Answer(None, instead="unusable"), 9)


def test_no_and_context_need_no_words() -> None:
    assert read(body(json.dumps({"verdict": "context", "reason": "outlook", "quote": "made up"}))).answer == Answer("context", "outlook", None)


@pytest.mark.parametrize("fields", [{"message": {"refusal": "I cannot help with that."}}, {"finish": "content_filter"}], ids=["said so", "filtered"])
def test_a_refusal_is_told_as_one(fields: dict[str, Any]) -> None:
    assert read(body(None, **fields)).answer == Answer(None, instead="refused")


def test_where_the_endpoint_does_not_say_what_it_cost_the_most_counts() -> None:
    assert read(body(json.dumps(GOOD), usage=None)).tokens_in == QUESTION.most


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"choices": []}', b"\xff\xfe"])
def test_what_is_no_chat_completion_is_malformed(answer: bytes) -> None:
    with pytest.raises(Malformed):
        read(answer)


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_the_model_writes_it_is_a_verdict_or_none(written: Any) -> None:
    reply = read(body(json.dumps(written)))

    assert reply.answer.said in (None, *VERDICTS)
    assert (reply.answer.said is None) == (reply.answer.instead is not None)
