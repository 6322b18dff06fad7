"""What `POST /v1/items` takes and answers, and what a line of a JSONL source holds."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.config.source import SOURCE_ID
from schemas.events.base import Moment


class PushedItem(BaseModel):
    """One news item as a pusher words it. Unknown fields are ignored, so that labelled data can be pushed as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str | None = Field(
        default=None, min_length=1, max_length=500, description="The pusher's own id: the same id is the same item. Without it the URL decides, else the title."
    )
    title: str | None = Field(default=None, description="Plain text or HTML.")
    text: str = Field(default="", description="Summary, lead or full text; plain text or HTML.")
    url: str | None = None
    source: str = Field(default="push", pattern=SOURCE_ID, max_length=64, description="Who says so; a configured source lends its tier, outlet and language.")
    outlet: str | None = Field(default=None, description="Who published it, as people call them.")
    tier: int | None = Field(default=None, ge=0, le=3, description="0 gazette, agency page, filing … 3 aggregator. Left out: that of the source, else 1.")
    language: str | None = Field(default=None, max_length=35, description="BCP 47 tag, a hint only.")
    published: str | None = Field(default=None, description='"2022", "2022-09", "2022-09-01" or RFC 3339.')
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @field_validator("published")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            Moment.parse(value)
        except ValueError as exc:
            raise ValueError('expected a date such as "2022-09", "2022-09-01" or "2022-09-01T08:30:00Z"') from exc
        return value

    @field_validator("text", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.title or "").strip() and not self.text.strip():
            raise ValueError("an item needs a title or a text")
        return self


class Refused(BaseModel):
    """One item that was not taken, and why."""

    index: int = Field(description="Its place in the request, from 0.")
    problem: str


class PushAnswer(BaseModel):
    """202 (all taken) or 207 (some refused): what was taken is safe. Items told before in the same words are counted as known and not sent again."""

    accepted: int = Field(description="Items that are safe now, known ones included.")
    known: int = Field(default=0, description="Of these, items that were here already with the same title and text.")
    refused: tuple[Refused, ...] = ()


class PushProblem(BaseModel):
    """Every other answer: nothing was taken."""

    problem: str
    refused: tuple[Refused, ...] = ()
