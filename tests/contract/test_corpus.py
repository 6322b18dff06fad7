"""The corpus keeps what it promises, and its check finds what it looks for."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from corpus import check


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    return check.read()


def test_numbers_values_and_labels_are_as_promised(items: list[dict[str, Any]]) -> None:
    assert list(check.problems(items)) == []


def test_no_item_is_nearly_another(items: list[dict[str, Any]]) -> None:
    assert check.copies(items) == []


def test_every_item_has_a_second_label_of_its_own(items: list[dict[str, Any]]) -> None:
    second = check.read(check.HERE / "second")

    assert sorted(label["id"] for label in second) == sorted(item["id"] for item in items)
    assert {label["class"] for label in second} == {"alert", "context", "no"}


def test_an_item_in_other_words_passes_and_one_with_a_word_changed_does_not(items: list[dict[str, Any]]) -> None:
    one = next(item for item in items if item["language"] == "en" and item["title"] and item["text"])
    reworded = {"id": "real", "title": one["title"].replace("the", "a"), "text": one["text"]}
    other = {"id": "other", "title": "Rain delays the harvest of early potatoes", "text": "Farmers in the north wait for a dry week."}

    assert check.copies([one], [reworded]) == [f"{one['id']} is nearly real"]
    assert check.copies([one], [other]) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"class": "maybe"}, "class 'maybe'"),
        ({"stage": "rumoured"}, "stage 'rumoured'"),
        ({"class": "context"}, "has action and is no alert"),
        ({"text": "published=2025-01-01"}, "a label stands in its text"),
        ({"title": "Chips", "text": ""}, "5 characters"),
    ],
)
def test_what_is_wrong_with_an_item_is_told(items: list[dict[str, Any]], change: dict[str, Any], problem: str) -> None:
    alert = next(item for item in items if item["class"] == "alert" and item["language"] == "en")

    assert f"{alert['id']}: {problem}" in list(check.problems([*items[:5], alert | change]))


def test_no_event_has_two_names_after_the_aliases_are_followed() -> None:
    with (check.HERE / "events.csv").open(encoding="utf-8") as file:
        same = {row["alias"]: row["event"] for row in csv.DictReader(file)}

    assert same.keys().isdisjoint(same.values())


def test_labels_read_as_json_lines() -> None:
    for path in (check.HERE / "items").glob("*.jsonl"):
        assert all(json.loads(line)["language"] == path.stem for line in path.read_text(encoding="utf-8").splitlines())
