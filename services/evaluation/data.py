"""Labelled news: one JSON object a line, as people label it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, ValidationError, model_validator

from schemas.events.base import Event, Moment
from schemas.events.news import NewsItem
from schemas.events.signal import VERDICTS

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


class Line(Event):
    """An item to judge. `tier` is 1 unless told; labels are null where nobody labelled."""

    id: str = ""
    language: str | None = None
    published: Moment | None = None
    source: str = "file"
    tier: int = Field(default=1, ge=0, le=3)
    title: str | None = None
    text: str | None = None
    event: str | None = Field(default=None, description="The same for items that tell the same event.")
    gold: str | None = Field(default=None, alias="class", description="alert, context or no.")
    action: str | None = None
    direction: str | None = None
    stage: str | None = None
    imposer: str | None = None
    agency: str | None = None
    targets: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    companies: tuple[str, ...] | None = Field(default=None, description="Ids, without their roles.")
    doubt: bool = Field(default=False, description="A careful colleague might label it otherwise.")
    indirect: bool = Field(default=False, description="An alert without a plain word for export, licence or ban.")
    aside: bool = Field(default=False, description="News of other things, there to show what is no change; counts half in training.")
    note: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {name: given for name, given in value.items() if given is not None} if isinstance(value, dict) else value

    @property
    def doubted(self) -> bool:
        """Whether a labeller said so, by the mark or in the note."""
        return self.doubt or "doubt" in (self.note or "")

    @property
    def at(self) -> datetime:
        """When it was published: the first instant of the period that the label names."""
        return self.published.at if self.published else UNDATED

    def to_item(self) -> NewsItem:
        """The item as the classifier gets it. An item without id is known by its content."""
        revision = hashlib.sha256(f"{self.title}\n{self.text}".encode(errors="surrogatepass")).hexdigest()[:16]
        return NewsItem(
            id=self.id or revision,
            revision=revision,
            source=self.source,
            tier=self.tier,
            language=self.language,
            title=self.title,
            text=self.text or "",
            published=self.published,
            observed_at=self.at + timedelta(minutes=1),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be read."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Data:
    """What a file holds: the lines in order, the lines that could not be read, and the hash of its bytes."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    sha256: str


def parse(content: bytes, *, labels: bool = False) -> Data:
    """Reads every line it can, and tells the others by number. With `labels` a line needs a class."""
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            lines.append(parse_line(raw, labels=labels))
        except ValueError as problem:
            problems.append(Problem(number, str(problem)))
    return Data(tuple(lines), tuple(problems), hashlib.sha256(content).hexdigest())


def parse_line(raw: bytes, *, labels: bool = False) -> Line:
    """Reads one line. Raises ValueError with a sentence when it is no news item."""
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"not JSON ({problem})") from problem
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    try:
        line = Line.model_validate(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}") from problem
    if not (line.title or line.text):
        raise ValueError("neither title nor text")
    if labels and line.gold not in VERDICTS:
        raise ValueError(f"class is {line.gold!r}; expected one of {', '.join(VERDICTS)}")
    return line
