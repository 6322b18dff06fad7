"""Judging in process, on one core: what the classifier costs without broker and store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import orjson
from prometheus_client import CollectorRegistry

from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.classifier.classify import classify
from services.classifier.judge import Judge
from services.classifier.metrics import ClassifierMetrics
from services.classifier.rules import Ruleset, load_ruleset
from services.classifier.settings import ClassifierSettings
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from tests.bench.report import Row, series
from tests.bench.setting import Setting

KEYWORDS = (
    "chip",
    "semiconductor",
    "export control",
    "nvidia",
    "asml",
    "entity list",
    "芯片",
    "半导体",
    "出口管制",
    "반도체",
    "수출",
    "رقائق",
    "أشباه الموصلات",
    "半導体",
)
BATCH = 500


async def measure(setting: Setting) -> Sequence[Row]:
    """The pure judgement beside a keyword filter, and the classifier's whole handler, bytes to bytes, beside reading the bytes alone."""
    ruleset = load_ruleset(ConfigDir(cache=setting.directory), now=datetime.now(UTC))
    items = setting.news.items()
    records = [codec.encode(NEWS_ITEMS, item, key=item.id, id=item.id, source="/bench", time=item.observed_at) for item in items]
    judging, filtering, handling, reading = [
        series([rate(work, len(items)) for _ in range(setting.runs)], "items/s")
        for work in (lambda: [classify(item, ruleset) for item in items], lambda: filtered(items), lambda: handled(records, ruleset), lambda: read(records))
    ]
    return [
        Row("classify: item → verdict, one core", judging, filtering, "14 keywords by `in`", 8_000, told(items, ruleset)),
        Row("classify: record → signals, one core", handling, reading, "orjson and NewsItem alone", 8_000),
    ]


def rate(work: Callable[[], object], count: int) -> float:
    """Items a second of CPU time: what others do on the machine meanwhile counts little."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def filtered(items: Sequence[NewsItem]) -> list[bool]:
    """The trivial filter."""
    return [any(word in text for word in KEYWORDS) for text in (f"{item.title} {item.text}".lower() for item in items)]


def read(records: Sequence[Record]) -> list[NewsItem]:
    """The records as items, the simplest way."""
    return [NewsItem.model_validate(orjson.loads(record.value or b"")) for record in records]


def handled(records: Sequence[Record], ruleset: Ruleset) -> None:
    """What the worker has the classifier do, batch by batch."""
    judge = Judge(ruleset, clock=SystemClock(), metrics=ClassifierMetrics(CollectorRegistry()), turn=ClassifierSettings().turn)
    for start in range(0, len(records), BATCH):
        _run(judge.handle(records[start : start + BATCH]))


def _run(work: object) -> None:
    """A coroutine that never really waits, to its end."""
    try:
        while True:
            work.send(None)  # type: ignore[attr-defined]  # a coroutine
    except StopIteration:
        return


def told(items: Sequence[NewsItem], ruleset: Ruleset) -> str:
    """What came of the items."""
    passed = sum(ruleset.terms.passes(ruleset.terms.look(item)) for item in items)
    verdicts = Counter(classify(item, ruleset).verdict for item in items)
    shares = f"gate passes {passed / len(items):.1%}, {verdicts['context'] / len(items):.2%} context, {verdicts['alert'] / len(items):.2%} alert"
    return f"{len(items):,} items of {sum(len(item.text) for item in items) / len(items):.0f} characters; {shares}"
