from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal
from schemas.topics import NEWS_ITEMS
from services.classifier.judge import Judge
from services.classifier.metrics import ClassifierMetrics
from services.classifier.quarantine import guilty
from services.classifier.rules import Ruleset
from services.classifier.view import Likeness
from services.runtime import codec
from services.runtime.broker import Record
from tests import fakes, make

LIMIT = timedelta(milliseconds=100)
RULES = [
    Rule.model_validate({"id": rule, "title": "t", "owner": "o", "status": "active", "verdict": "context", "when": {"all": [{"phrase": "chip quota"}, *more]}})
    for rule, more in (("sound-rule", []), ("bad-rule", [{"resembles": {"texts": ["x"]}}]))
]
ITEM = make.news_item(title=None, text="The chip quota")


def with_rules(shipped: Ruleset, likeness: Likeness) -> Ruleset:
    return replace(Ruleset.build(shipped.terms.lexicon, RULES, shipped.tables, shipped.model, hash="files", now=make.NOW), likeness=likeness)


def broken(item: NewsItem, texts: Sequence[str]) -> float:
    raise ZeroDivisionError


def slow(clock: fakes.FakeClock, seconds: float) -> Likeness:
    def look(item: NewsItem, texts: Sequence[str]) -> float:
        clock.advance(timedelta(seconds=seconds))
        return 1.0

    return look


@pytest.mark.parametrize(
    ("likeness", "blamed"),
    [(lambda _: broken, {"bad-rule": "failed"}), (lambda clock: slow(clock, 0.2), {"bad-rule": "slow"}), (lambda clock: slow(clock, 0.05), {})],
)
def test_the_rule_that_fails_or_is_slow_is_blamed_and_no_other(
    ruleset: Ruleset, likeness: Callable[[fakes.FakeClock], Likeness], blamed: dict[str, str]
) -> None:
    clock = fakes.FakeClock()

    assert guilty(ITEM, with_rules(ruleset, likeness(clock)), monotonic=clock.monotonic, limit=LIMIT) == blamed


def test_when_all_rules_together_are_quick_none_is_tried_alone(ruleset: Ruleset) -> None:
    clock, asked = fakes.FakeClock(), list[str]()

    def look(item: NewsItem, texts: Sequence[str]) -> float:
        asked.append(item.id)
        return 1.0

    assert guilty(ITEM, with_rules(ruleset, look), monotonic=clock.monotonic, limit=LIMIT) == {}
    assert len(asked) == 1


def judge_of(ruleset: Ruleset, registry: CollectorRegistry, clock: fakes.FakeClock | None = None) -> Judge:
    return Judge(ruleset, clock=clock or fakes.FakeClock(), metrics=ClassifierMetrics(registry), turn=timedelta(seconds=1), rule_limit=LIMIT)


def records(count: int = 3) -> list[Record]:
    items = [ITEM.model_copy(update={"id": f"item-{number}"}) for number in range(count)]
    return [make.record(item, topic=NEWS_ITEMS, key=item.id) for item in items]


async def test_the_batch_is_judged_anew_by_a_rule_set_of_its_own_without_the_bad_rule(ruleset: Ruleset) -> None:
    registry = CollectorRegistry()
    judge = judge_of(with_rules(ruleset, broken), registry)

    signals = [codec.decode(record, PolicySignal) for record in await judge.handle(records())]

    assert {signal.ruleset for signal in signals} == {judge.ruleset.hash} != {"files"}
    assert [[hit.id for hit in signal.rules] for signal in signals] == [["sound-rule"]] * 3
    assert registry.get_sample_value("chipwire_classifier_quarantined_rule", {"rule": "bad-rule", "why": "failed"}) == 1
    assert registry.get_sample_value("chipwire_classifier_rule_hits_total", {"rule": "bad-rule", "status": "active"}) is None
    assert registry.get_sample_value("chipwire_classifier_rules", {"status": "active"}) == 1


async def test_a_slow_rule_is_taken_out_too(ruleset: Ruleset) -> None:
    clock = fakes.FakeClock()
    judge = judge_of(with_rules(ruleset, slow(clock, 0.2)), CollectorRegistry(), clock)

    await judge.handle(records())

    assert judge.ruleset.quarantined == {"bad-rule": "slow"}
    assert judge.ruleset.origin == "files"


def test_the_same_quarantine_gives_the_same_hash_and_another_one_another(ruleset: Ruleset) -> None:
    whole = with_rules(ruleset, broken)
    first, again, other = [
        whole.without({rule: why}, now=make.NOW).hash for rule, why in (("bad-rule", "slow"), ("bad-rule", "failed"), ("sound-rule", "slow"))
    ]

    assert first == again
    assert len({whole.hash, first, other}) == 3


async def test_a_failure_that_no_rule_is_to_blame_for_stays_a_failure(ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of(ruleset, CollectorRegistry())
    monkeypatch.setattr("services.classifier.judge.classify", lambda item, rules: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        await judge.handle(records(1))

    assert judge.ruleset is ruleset


async def test_what_is_loaded_while_a_rule_fails_is_tried_first(ruleset: Ruleset) -> None:
    bad = with_rules(ruleset, broken)
    judge = Judge(bad, clock=fakes.FakeClock(), metrics=ClassifierMetrics(CollectorRegistry()), turn=timedelta(seconds=-1), rule_limit=LIMIT)
    off_topic = make.record(make.news_item(title=None, text="nothing"), topic=NEWS_ITEMS)
    batch = asyncio.create_task(judge.handle([off_topic, *records(1)]))
    await asyncio.sleep(0)

    judge.use(replace(bad, hash="mended", likeness=None))

    (signal,) = [codec.decode(record, PolicySignal) for record in await batch]
    assert (signal.ruleset, judge.ruleset.hash) == ("mended", "mended")
