from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.topics import NEWS_ITEMS
from services.runtime import dead
from services.runtime.broker import Record
from services.runtime.errors import Malformed
from tests import make


def letter(offset: int = 7, error: Exception | None = None, **fields: object) -> Record:
    origin = make.record(b"bytes as they came", headers=(("ce_id", b"1"),), partition=3, offset=offset, **fields)
    written = dead.to_letter(origin, error or Malformed("no JSON"), worker="classifier", at=make.NOW)
    return replace(written, partition=3, offset=0, timestamp=make.NOW)


def test_a_letter_is_read_as_it_was_written() -> None:
    read = dead.read_letter(letter())

    assert (read.id, read.reason, read.error, read.topic, read.partition, read.offset) == ("news.items.v1/3/7", "malformed", "no JSON", NEWS_ITEMS.name, 3, 7)
    assert read.traceback is None


def test_what_is_replayed_is_the_original_with_its_own_headers_only() -> None:
    assert dead.read_letter(letter()).original == Record(NEWS_ITEMS.name, b"bytes as they came", b"key", (("ce_id", b"1"),))


def test_a_letter_with_a_mark_is_closed() -> None:
    first, second = letter(1), letter(2)
    mark = dead.to_mark(dead.read_letter(first), make.NOW)

    assert [open_letter.offset for open_letter in dead.open_letters([first, second, mark])] == [2]


def test_a_letter_written_twice_after_a_crash_is_one() -> None:
    assert len(dead.open_letters([letter(), letter()])) == 1


def test_what_somebody_else_wrote_into_the_dead_topic_is_passed_over() -> None:
    assert dead.open_letters([make.record(b"hello", topic=NEWS_ITEMS.dead), letter()]) == [dead.read_letter(letter())]
    with pytest.raises(Malformed, match="is no dead letter of ours"):
        dead.read_letter(make.record(b"hello", topic=NEWS_ITEMS.dead))


def test_a_record_left_at_its_origin_cannot_be_replayed_from_its_letter() -> None:
    read = dead.read_letter(dead.left_at_origin(letter(error=ValueError("too much"))))

    assert (read.original, read.traceback, read.id) == (None, None, "news.items.v1/3/7")


def test_a_long_traceback_keeps_its_end() -> None:
    def deep(level: int) -> None:
        if level == 0:
            raise ValueError("the cause " + "x" * 50)
        try:
            deep(level - 1)
        except ValueError as exc:
            raise ValueError(f"level {level}") from exc

    with pytest.raises(ValueError, match="level 200") as caught:
        deep(200)

    traceback = dead.read_letter(letter(error=caught.value)).traceback or ""
    assert len(traceback) == 6_000
    assert traceback.endswith("ValueError: level 200\n")
