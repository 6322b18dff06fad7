"""Judging in process, on one core: what the classifier costs without broker and store."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
from prometheus_client import CollectorRegistry

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal
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
from tests.bench.report import Row, Series, series
from tests.bench.rules import ADDED, added_rules, write
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
MORE_RULES = {1_000: 0.9, 10_000: 0.7}
"""So many rules more, and which share of the speed must be left."""

Work = Callable[[], object]


async def measure(setting: Setting) -> Sequence[Row]:
    """The pure judgement beside a keyword filter, and the classifier's whole handler, bytes to bytes, beside reading the bytes alone."""
    ruleset = load_ruleset(ConfigDir(cache=setting.directory), now=datetime.now(UTC), encoder=False)
    items = setting.news.items()
    records = [codec.encode(NEWS_ITEMS, item, key=item.id, id=item.id, source="/bench", time=item.observed_at) for item in items]
    many = {count: with_rules(ruleset, items, count) for count in MORE_RULES}
    works: dict[str, Work] = {
        "judging": lambda: [classify(item, ruleset) for item in items],
        "gate": lambda: [ruleset.terms.passes(ruleset.terms.look(item)) for item in items],
        "filtering": lambda: filtered(items),
        "handling": lambda: handled(records, ruleset),
        "reading": lambda: read(records),
        **{f"rules {count}": lambda more=more: [classify(item, more) for item in items] for count, more in many.items()},
    }
    gc.collect()
    gc.freeze()  # as the running process does once all is loaded
    rates = by_turns(works, len(items), setting.runs)
    return [
        Row("classify: item → verdict, one core", rates["judging"], rates["filtering"], "14 keywords by `in`", 10_000, told(items, ruleset)),
        Row("classify: the gate alone", rates["gate"], rates["filtering"], "14 keywords by `in`", 20_000, "fold, one pass for all terms, groups"),
        Row("classify: record → signals, one core", rates["handling"], rates["reading"], "orjson and NewsItem alone", 8_000),
        *(_with_more(count, many[count], rates, items) for count in MORE_RULES),
        *_with_encoder(setting, items),
        await _reloads(setting, records, [rule for rule in many[1_000].rules if rule.id.startswith(ADDED)]),
    ]


def _with_encoder(setting: Setting, items: Sequence[NewsItem]) -> list[Row]:
    """What the classifier does where numpy is installed; nothing where it is not."""
    ruleset = load_ruleset(ConfigDir(cache=setting.directory), now=datetime.now(UTC))
    if ruleset.model.encoder is None:
        return []
    rates = series([rate(lambda: [classify(item, ruleset) for item in items], len(items)) for _ in range(setting.runs)], "items/s")
    return [Row("classify: item → verdict, with the encoder", rates, None, "", 500)]


async def _reloads(setting: Setting, records: Sequence[Record], rules: Sequence[Rule]) -> Row:
    """Reading 1,000 rules while batches are judged, from being told to judging by them."""
    write(rules, setting.directory / "team")
    config = ConfigDir(setting.directory / "team", cache=setting.directory)
    one = setting.directory / "team" / "rules" / f"{ADDED}00000.yaml"
    seconds = [await _reload(config, one, records) for _ in range(setting.runs)]
    return Row("classify: reload of 1,000 rules under load", series(seconds, "s"), None, "", 1.0, "one file changed; every batch judged by one set")


async def _reload(config: ConfigDir, changed: Path, records: Sequence[Record]) -> float:
    settings, clock = ClassifierSettings(), SystemClock()
    judge = Judge(
        load_ruleset(config, now=clock.now(), encoder=False),
        clock=clock,
        metrics=ClassifierMetrics(CollectorRegistry()),
        turn=settings.turn,
        rule_limit=settings.rule_limit,
    )
    _touch(changed)
    began = clock.monotonic()
    loading = asyncio.create_task(asyncio.to_thread(load_ruleset, config, now=clock.now(), encoder=False))
    start = 0
    while not loading.done():
        before = judge.ruleset.hash
        signals = await judge.handle(records[start : start + BATCH])
        assert {codec.decode(signal, PolicySignal).ruleset for signal in signals} <= {before}
        start = (start + BATCH) % len(records)
        await asyncio.sleep(0)
    judge.use(loading.result())
    return clock.monotonic() - began


def _with_more(count: int, ruleset: Ruleset, rates: Mapping[str, Series], items: Sequence[NewsItem]) -> Row:
    fired = sum(hit.id.startswith(ADDED) for item in items for hit in classify(item, ruleset).rules)
    note = f"the ratio is what counts: ≥ {MORE_RULES[count]}; they fire {fired:,} times"
    return Row(f"classify: with {count:,} added rules", rates[f"rules {count}"], rates["judging"], "without them", None, note)


def _touch(path: Path) -> None:
    """A change that changes nothing but the hash."""
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")


def with_rules(ruleset: Ruleset, items: Sequence[NewsItem], count: int) -> Ruleset:
    """The rule set with so many more."""
    rules = added_rules([f"{item.title or ''} {item.text}" for item in items], count)
    return Ruleset.build(
        ruleset.terms.lexicon, [*ruleset.rules, *rules], ruleset.tables, ruleset.model, hash=f"{ruleset.hash}+{count}", now=ruleset.activated_at
    )


def by_turns(works: Mapping[str, Work], count: int, runs: int) -> dict[str, Series]:
    """The rate of each work. Each run takes them all in turn, so that a noisy minute meets all alike."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            rates[name].append(rate(work, count))
    return {name: series(values, "items/s") for name, values in rates.items()}


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
    judge = Judge(
        ruleset, clock=SystemClock(), metrics=ClassifierMetrics(CollectorRegistry()), turn=ClassifierSettings().turn, rule_limit=ClassifierSettings().rule_limit
    )
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
