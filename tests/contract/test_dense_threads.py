"""Dense news is threaded by its facts: measured on the half of `corpus/threads` that nobody tunes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.classifier.classify import NOTHING
from services.evaluation.data import Line, parse
from services.evaluation.threads import Judged, Threads, measure, with_gold

CORPUS = Path(__file__).parents[2] / "corpus/threads"


def lines(name: str) -> tuple[Line, ...]:
    read = parse((CORPUS / f"{name}.jsonl").read_bytes(), labels=True)
    assert not read.problems
    return read.lines


def threaded(name: str) -> Threads:
    """By the labels alone: no word of the texts but the titles is looked at."""
    return measure([with_gold(Judged(line, line.to_item(), NOTHING)) for line in lines(name)])


@pytest.mark.parametrize("half", ["dev", "test"])
def test_the_simple_rule_fails_on_dense_news_and_ours_does_not(half: str) -> None:
    found = threaded(half)

    assert found.trivial.f1 < 0.80
    assert found.b3.f1 >= 0.93
    assert found.pushes_per_event <= 1.1


def test_the_halves_share_no_event_and_hold_what_they_promise() -> None:
    dev, test = lines("dev"), lines("test")

    assert len(dev) + len(test) >= 200
    assert len({line.event for line in (*dev, *test)}) >= 55
    assert {line.event for line in dev}.isdisjoint({line.event for line in test})
    assert len({line.language for line in (*dev, *test)}) >= 10
    assert len({line.id for line in (*dev, *test)}) == len(dev) + len(test)


def test_every_item_tells_the_time_of_day_its_source_and_its_tier() -> None:
    for half in ("dev", "test"):
        for raw in (CORPUS / f"{half}.jsonl").read_text().splitlines():
            item = json.loads(raw)
            assert {"source", "tier", "published"} <= item.keys()
            assert "T" in item["published"]
