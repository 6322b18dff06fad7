"""Dead letters: records that could not be handled, kept in `<topic>.dead` with the reason, until somebody replays them.

The value and key are as they came and the original headers stay; headers that start with `dl_` say what happened. A letter's id is where the
record stood: `topic/partition/offset`. Replaying publishes the original to its topic and then a *mark* to the dead topic: the letter's id
with an empty value. A letter with a mark is closed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from services.runtime.broker import Record
from services.runtime.errors import Malformed, Rejected
from services.runtime.logs import scrub

_PREFIX = "dl_"
_MAX_ERROR = 1_000  # characters
_MAX_TRACEBACK = 6_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One letter as it was read. `original` is what a replay publishes, or None when the record was left at its origin."""

    id: str
    reason: str
    error: str
    worker: str
    at: str
    topic: str
    partition: int
    offset: int
    traceback: str | None
    original: Record | None
    record: Record


def reason_of(error: BaseException) -> str:
    """malformed, rejected or bug: the class decides."""
    return "malformed" if isinstance(error, Malformed) else "rejected" if isinstance(error, Rejected) else "bug"


def to_letter(record: Record, error: Exception, *, worker: str, at: datetime) -> Record:
    """The letter for a record that was read and could not be handled."""
    reason = reason_of(error)
    told = {
        "id": f"{record.topic}/{record.partition}/{record.offset}",
        "reason": reason,
        "error": scrub(str(error) if reason != "bug" else f"{type(error).__name__}: {error}")[:_MAX_ERROR],
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "worker": worker,
        "at": at.isoformat(),
    }
    if reason == "bug":
        told["traceback"] = scrub("".join(traceback.format_exception(error)))[-_MAX_TRACEBACK:]
    return Record(f"{record.topic}.dead", record.value, record.key, (*_original_headers(record), *_headers(told)))


def left_at_origin(letter: Record) -> Record:
    """The letter of a record too large to be kept twice: it only says where the record stands, until the origin's retention ends."""
    told = [(name, value) for name, value in letter.headers if name.startswith(_PREFIX) and name != _PREFIX + "traceback"]
    return Record(letter.topic, b"", letter.key if len(letter.key or b"") <= _MAX_ERROR else None, (*told, *_headers({"left_at_origin": "yes"})))


def read_letter(record: Record) -> DeadLetter:
    """The letter in a record of a dead topic. Raises Malformed when it is none of ours."""
    told = {name: record.header(_PREFIX + name) or "" for name in ("id", "reason", "error", "worker", "at", "topic", "partition", "offset")}
    if not told["id"] or not told["partition"].isdigit() or not told["offset"].isdigit():
        raise Malformed(
            f"{record.topic}/{record.partition}/{record.offset} is no dead letter of ours: the headers dl_id, dl_partition or dl_offset are missing"
        )
    whole = record.header(_PREFIX + "left_at_origin") is None
    return DeadLetter(
        id=told["id"],
        reason=told["reason"],
        error=told["error"],
        worker=told["worker"],
        at=told["at"],
        topic=told["topic"],
        partition=int(told["partition"]),
        offset=int(told["offset"]),
        traceback=record.header(_PREFIX + "traceback"),
        original=Record(told["topic"], record.value, record.key, _original_headers(record)) if whole else None,
        record=record,
    )


def to_mark(letter: DeadLetter, at: datetime) -> Record:
    """Says that the letter was replayed."""
    return Record(letter.record.topic, b"", letter.record.key, _headers({"id": letter.id, "replayed_at": at.isoformat()}))


def open_letters(records: Iterable[Record]) -> list[DeadLetter]:
    """The letters without a mark among the records of a dead topic, oldest first.

    One that came twice, after a crash, is one. Records that somebody else wrote there are passed over.
    """
    letters: dict[str, DeadLetter] = {}
    closed: set[str] = set()
    for record in records:
        if record.header(_PREFIX + "replayed_at"):
            closed.add(record.header(_PREFIX + "id") or "")
            continue
        with suppress(Malformed):
            letter = read_letter(record)
            letters[letter.id] = letter
    return sorted((letter for letter in letters.values() if letter.id not in closed), key=lambda letter: letter.at)


def _original_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    return tuple(header for header in record.headers if not header[0].startswith(_PREFIX))


def _headers(told: dict[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((_PREFIX + name, value.encode("utf-8", "replace")) for name, value in told.items())
