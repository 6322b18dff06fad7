"""Known measures from a file, as silent history: so that a suspension finds what it suspends.

    shipped: history/measures.jsonl, 171 steps from 2018 on

lines -> KnownMeasure, or a sentence with the line's number -> PolicyEvent -> store, never alerted; what is stored already is left alone
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from schemas.config.base import Config
from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent, Relation
from schemas.events.signal import ACTIONS, DIRECTIONS, STAGES, Company, FactDate, Facts
from services.notifier import versions
from services.notifier.likeness import OPPOSITE
from services.notifier.operate import By
from services.notifier.threads import Headline, Mint
from services.store import interventions
from services.store import threads as kept
from services.store.engine import Connection, place_lock
from services.store.interventions import Intervention

_SOURCE = "known-measures"
_CONFIDENCE = {"high": 0.9, "medium": 0.6, "low": 0.3}
_IDS = re.compile(r"\d{2,3} FR \d+|\(EU\) \d{4}/\d+|SI \d{4}/\d+|H\.R\. \d+|(?<!\w)S\. \d+|EO \d{5}|15 CFR [\d.]+")
_NOTICES = re.compile(r"(MOFCOM)\S* Announcements? (?:No\. )?([\d\s,and-]+) of (\d{4})")


class KnownMeasure(Config):
    """One line of the file: a measure step in a flat form of taxonomy section 5."""

    id: str
    date: str
    title: str
    action: str
    direction: str
    stage: str
    imposer: str
    agency: str | None = None
    targets: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    instrument: str | None = None
    severity: int | None = None
    summary: str = ""
    source: str | None = None
    verdict: str = Field(default="alert", alias="class")
    effective: str | None = None
    until: str | None = None
    motive: str | None = None
    relates_to: tuple[str, ...] = ()
    confidence: str | None = None

    @field_validator("action", "direction", "stage")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        vocabulary = {"action": ACTIONS, "direction": DIRECTIONS, "stage": STAGES}[info.field_name or ""]
        if value not in vocabulary:
            raise ValueError(f"{value!r} is none of {', '.join(vocabulary)}")
        return value

    @field_validator("date", "effective", "until")
    @classmethod
    def _is_date(cls, value: str | None) -> str | None:
        if value is not None:
            Moment.parse(value)
        return value


def shipped() -> list[KnownMeasure]:
    """The measures that come with the program."""
    lines = resources.files("services.notifier").joinpath("history", "measures.jsonl").read_text(encoding="utf-8")
    return [KnownMeasure.model_validate_json(line) for line in lines.splitlines()]


@dataclass(frozen=True)
class Imported:
    """How many measures are new, and how many the store had already."""

    added: int
    known: int


def parse(lines: Iterable[str]) -> tuple[list[KnownMeasure], list[str]]:
    """The measures in a JSONL file, and a sentence for each line that is none."""
    measures, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            measures.append(KnownMeasure.model_validate_json(line))
        except ValidationError as exc:
            problems += [f"line {number}: {_problem(error['loc'], error['msg'])}" for error in exc.errors(include_url=False)]
    return measures, problems


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    name = "".join(f"{step}: " for step in loc[:1])
    return name + message.removeprefix("Value error, ").replace("Input should be ", "expected ", 1).replace("Invalid JSON", "not JSON", 1)


def import_by_hand(db: Connection, measures: Sequence[KnownMeasure], by: By, *, mint: Mint, headline: Headline) -> Imported:
    """`import_known` by an operator, written down where it changes anything."""
    imported = import_known(db, measures, by.at, mint=mint, headline=headline)
    if imported.added:
        interventions.note(db, Intervention(by.at, by.operator, "import", by.reason, what={"added": imported.added}))
    return imported


def import_known(db: Connection, measures: Sequence[KnownMeasure], now: datetime, *, mint: Mint, headline: Headline) -> Imported:
    """Stores what the store does not have yet, in one transaction. Nobody is told."""
    place_lock(db)
    ids = kept.events_of_items(db, [_item(measure.id) for measure in measures])
    new = [measure for measure in measures if _item(measure.id) not in ids]
    ids |= {_item(measure.id): mint() for measure in new}
    kept.write(db, [versions.to_write(_event(measure, ids, measures, now, headline), now) for measure in new], [], now)
    return Imported(len(new), len(measures) - len(new))


def _event(measure: KnownMeasure, ids: dict[str, str], measures: Sequence[KnownMeasure], now: datetime, headline: Headline) -> PolicyEvent:
    facts, published = facts_of(measure), Moment.parse(measure.date)
    others = {each.id: each for each in measures}
    return PolicyEvent(
        id=ids[_item(measure.id)],
        slug=measure.id,
        version=1,
        headline=headline(facts),
        facts=facts,
        changes=("opened",),
        relations=tuple(
            Relation(event=ids[_item(other)], relation=_relation(measure, others.get(other))) for other in measure.relates_to if _item(other) in ids
        ),
        sources=(
            EventSource(
                item=_item(measure.id),
                source=_SOURCE,
                url=measure.source if (measure.source or "").startswith("http") else None,
                tier=0,
                language="en",
                published=published,
                first_seen_at=now,
                title=measure.title,
                stage=measure.stage,
            ),
        ),
        opened_at=published.at,
        updated_at=now,
    )


def facts_of(measure: KnownMeasure) -> Facts:
    """The measure's facts, in the words that signals use."""
    dates = (("announced", measure.date), ("effective", measure.effective), ("expires", measure.until))
    return Facts(
        action=measure.action,
        direction=measure.direction,
        stage=measure.stage,
        imposers=(measure.imposer,),
        agency=measure.agency,
        targets=measure.targets,
        products=measure.products,
        companies=tuple(Company(id=name.replace(" ", "")) for name in measure.companies),
        instruments=tuple(_instruments(measure.instrument or "")),
        dates=tuple(FactDate(kind=kind, moment=Moment.parse(text)) for kind, text in dates if text),
        motive=measure.motive,
        severity=measure.severity,
        confidence=_CONFIDENCE.get(measure.confidence or ""),
    )


def _instruments(text: str) -> Iterable[str]:
    """The legal ids in the words of the file: "MOFCOM Announcements 55-58 and 61 of 2025" is five notices; other words are kept as they are."""
    notices = [f"MOFCOM {number}/{year}" for _, numbers, year in _NOTICES.findall(text) for number in _numbers(numbers)]
    return [*_IDS.findall(text), *notices] or [part.strip() for part in text.split(";") if part.strip()]


def _numbers(text: str) -> Iterable[int]:
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        yield from range(int(first), int(last or first) + 1)


def _relation(measure: KnownMeasure, other: KnownMeasure | None) -> str:
    """What a step is to an earlier one, as far as its facts say."""
    if measure.motive == "retaliation" or (other is not None and other.imposer != measure.imposer):
        return "responds_to"
    if measure.action == "extend" or (measure.action == "suspend" and (other is None or other.direction != measure.direction)):
        return f"{measure.action}s"
    return "reverses" if other is not None and OPPOSITE.get(measure.direction) == other.direction else "implements"


def _item(measure: str) -> str:
    return f"known:{measure}"
