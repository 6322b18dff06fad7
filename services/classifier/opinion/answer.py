"""What came back: read tolerantly where endpoints differ, and believed only where it keeps to what was asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from services.classifier.opinion.question import Question
from services.runtime.errors import Malformed

LONGEST_QUOTE = 300
_FENCED = re.compile(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict with its reason and the words it rests on; or none, and what the model did instead: refused, or said what is unusable."""

    said: str | None
    reason: str | None = None
    quote: str | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, who gave it, and what it cost in tokens."""

    answer: Answer
    model: str
    tokens_in: int
    tokens_out: int


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class _Completion(BaseModel):
    model: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Given(BaseModel):
    """What the model was told to write."""

    verdict: Literal["alert", "context", "no"]
    reason: str
    quote: str


def read_reply(body: bytes, question: Question, *, model: str, reasons: Collection[str]) -> Reply:
    """The reply in the body of an answer with status 200. Raises Malformed when it is no chat completion at all."""
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as exc:
        raise Malformed("the answer is no chat completion") from exc
    usage = completion.usage or _Usage(prompt_tokens=question.most)
    answer = _answer(completion.choices[0], question, reasons)
    return Reply(answer, (completion.model or model)[:200], usage.prompt_tokens, usage.completion_tokens)


def _answer(choice: _Choice, question: Question, reasons: Collection[str]) -> Answer:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Answer(None, instead="refused")
    try:
        given = _Given.model_validate_json(_bare(choice.message.content or ""), strict=True)
    except ValidationError:
        return Answer(None, instead="unusable")
    found = question.article.find(given.quote[:LONGEST_QUOTE])
    if given.reason not in reasons or (given.verdict == "alert" and found is None):
        return Answer(None, instead="unusable")
    return Answer(given.verdict, given.reason, found.text[:LONGEST_QUOTE] if found else None)


def _bare(content: str) -> str:
    """Without the fence that some models put around JSON."""
    fenced = _FENCED.fullmatch(content)
    return fenced[1] if fenced else content
