"""Reading labelled news, a line at a time."""

from __future__ import annotations

import json

import pytest

from services.evaluation.data import parse, parse_line

GOOD = {"id": "a1", "language": "en", "published": "2025-04", "class": "alert", "title": "US bans chip exports", "text": None, "targets": ["CN"]}


def lines(*values: object) -> bytes:
    return b"\n".join(value if isinstance(value, bytes) else json.dumps(value).encode() for value in values)


def test_good_lines_are_read_and_bad_ones_told_by_number() -> None:
    data = parse(lines(GOOD, b"{broken", b"", GOOD | {"id": "a2"}, [1]))

    assert [line.id for line in data.lines] == ["a1", "a2"]
    assert [problem.line for problem in data.problems] == [2, 5]
    assert str(data.problems[0]).startswith("line 2: not JSON")


def test_an_item_without_words_is_a_problem() -> None:
    with pytest.raises(ValueError, match="neither title nor text"):
        parse_line(json.dumps(GOOD | {"title": None}).encode())


def test_labels_are_wanted_only_where_one_measures() -> None:
    unlabelled = lines({"title": "US bans chip exports"})

    assert not parse(unlabelled).problems
    assert "expected one of alert, context, no" in str(parse(unlabelled, labels=True).problems[0])


def test_a_month_is_published_at_its_start_and_first_seen_a_minute_later() -> None:
    line = parse_line(json.dumps(GOOD).encode())
    item = line.to_item()

    assert line.at.isoformat() == "2025-04-01T00:00:00+00:00"
    assert (item.tier, item.text, (item.observed_at - line.at).total_seconds()) == (1, "", 60)


def test_null_is_the_same_as_absent() -> None:
    line = parse_line(json.dumps(GOOD | {"source": None, "products": None}).encode())

    assert (line.source, line.products) == ("file", ())


def test_an_item_without_id_is_known_by_its_words() -> None:
    first, same, other = (parse_line(json.dumps({"title": title}).encode()).to_item() for title in ("a", "a", "b"))

    assert first.id == same.id != other.id


def test_a_nonsense_date_is_told() -> None:
    with pytest.raises(ValueError, match="published"):
        parse_line(json.dumps(GOOD | {"published": "2025-13"}).encode())
