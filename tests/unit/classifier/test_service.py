from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal
from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS
from services.classifier.judge import Judge
from services.classifier.metrics import ClassifierMetrics
from services.classifier.rules import Ruleset, load_ruleset
from services.classifier.service import build
from services.classifier.settings import ClassifierSettings
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Malformed, Misconfigured
from services.runtime.service import Service
from services.runtime.worker import WorkerSettings
from tests import fakes, make
from tests.bench.rules import write

ALERT = "The US Commerce Department has lifted the export ban on Nvidia H20 chips to China, it announced on Monday"
LIMIT = ClassifierSettings().rule_limit
OFF_TOPIC = "The museum opens a new wing in spring"


def record_of(item: NewsItem, **fields: object) -> Record:
    return make.record(item, topic=NEWS_ITEMS, key=item.id, **fields)


def item(text: str, **fields: object) -> NewsItem:
    return make.news_item(title=None, text=text, **fields)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def judge(ruleset: Ruleset, registry: CollectorRegistry) -> Judge:
    return Judge(ruleset, clock=fakes.FakeClock(), metrics=ClassifierMetrics(registry), turn=ClassifierSettings().turn, rule_limit=LIMIT)


def signals(records: Sequence[Record]) -> list[PolicySignal]:
    return [codec.decode(record, PolicySignal) for record in records]


async def test_an_alert_goes_on_with_the_item_and_the_rule_set(judge: Judge) -> None:
    news = item(ALERT)

    (record,) = await judge.handle([record_of(news)])

    (signal,) = signals([record])
    assert (record.topic, record.key) == (POLICY_SIGNALS.name, news.id.encode())
    assert (signal.verdict, signal.item, signal.ruleset) == ("alert", news.header(), judge.ruleset.hash)
    assert signal.facts.imposers == ("US",)
    assert all(one.text == news.text[one.start : one.end] for one in signal.evidence)


async def test_no_is_counted_and_goes_no_further(judge: Judge, registry: CollectorRegistry) -> None:
    assert await judge.handle([record_of(item(OFF_TOPIC))]) == []
    assert registry.get_sample_value("chipwire_classifier_verdicts_total", {"verdict": "no"}) == 1


@pytest.mark.parametrize("mark", ["revised", "replay"])
async def test_no_goes_on_where_it_may_replace_an_earlier_verdict(judge: Judge, registry: CollectorRegistry, mark: str) -> None:
    (signal,) = signals(await judge.handle([record_of(item(OFF_TOPIC, **{mark: True}))]))

    assert signal.verdict == "no"
    assert registry.get_sample_value("chipwire_classifier_replaced_total") == 1


async def test_the_same_revision_and_rule_set_give_the_same_signal_id(judge: Judge) -> None:
    news = record_of(item(ALERT))

    first, again, changed = [signals(await judge.handle([record]))[0] for record in (news, news, record_of(item(f"{ALERT} again")))]

    assert first.id == again.id
    assert first.id != changed.id


async def test_the_trace_of_the_item_goes_on(judge: Judge) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    (record,) = await judge.handle([record_of(item(ALERT), headers=(("traceparent", trace.encode()),))])

    assert (record.header("traceparent") or "").split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


async def test_a_batch_is_all_or_nothing(judge: Judge, registry: CollectorRegistry) -> None:
    with pytest.raises(Malformed):
        await judge.handle([record_of(item(ALERT)), make.record(b"{}", topic=NEWS_ITEMS)])

    assert registry.get_sample_value("chipwire_classifier_verdicts_total", {"verdict": "alert"}) == 0


async def test_a_batch_is_judged_by_one_rule_set_whatever_is_loaded_meanwhile(ruleset: Ruleset, registry: CollectorRegistry) -> None:
    judge = Judge(
        ruleset, clock=fakes.FakeClock(), metrics=ClassifierMetrics(registry), turn=-ClassifierSettings().turn, rule_limit=LIMIT
    )  # a turn after every item
    other = make_other(ruleset)
    batch = asyncio.create_task(judge.handle([record_of(item(f"{ALERT} {number}")) for number in range(5)]))
    await asyncio.sleep(0)

    judge.use(other)

    assert {signal.ruleset for signal in signals(await batch)} == {ruleset.hash}
    assert {signal.ruleset for signal in signals(await judge.handle([record_of(item(ALERT))]))} == {"other"}


def make_other(ruleset: Ruleset) -> Ruleset:
    return replace(ruleset, hash="other")


def service(config: ConfigDir, registry: CollectorRegistry, broker: fakes.FakeBroker) -> Service:
    return build(ClassifierSettings(), broker, clock=fakes.FakeClock(), registry=registry, http=None, config=config)  # type: ignore[arg-type] it asks nobody


async def test_items_become_signals_until_it_is_told_to_stop(shipped: ConfigDir, registry: CollectorRegistry) -> None:
    broker = fakes.FakeBroker()
    await broker.publish([record_of(item(OFF_TOPIC)), record_of(item(ALERT))])
    stop = asyncio.Event()
    running = asyncio.create_task(service(shipped, registry, broker).tasks["classifier"](stop))

    async with asyncio.timeout(10):
        signal = await anext(aiter(broker.read(POLICY_SIGNALS, follow=True)))
        stop.set()
        await running

    assert codec.decode(signal, PolicySignal).verdict == "alert"


async def test_a_reload_takes_what_changed_and_keeps_the_last_good_set(tmp_path: Path, shipped: ConfigDir, registry: CollectorRegistry) -> None:
    running = service(ConfigDir(tmp_path, cache=shipped._cache), registry, fakes.FakeBroker())
    assert running.read_again is not None
    (before,) = loaded(registry)

    await (await running.read_again())()
    assert loaded(registry) == [before]

    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "ours.yaml").write_text("concepts: {quota: {kind: subject, terms: {en: [quota]}}}\n", "utf-8")
    await (await running.read_again())()
    (after,) = loaded(registry)
    assert after != before

    (tmp_path / "lexicon" / "ours.yaml").write_text("concepts: {quota: 7}\n", "utf-8")
    with pytest.raises(Misconfigured, match="ours\\.yaml:1"):
        await (await running.read_again())()
    assert loaded(registry) == [after]


async def test_under_load_a_thousand_rules_are_read_and_no_batch_is_judged_by_a_mix(tmp_path: Path, shipped: ConfigDir, registry: CollectorRegistry) -> None:
    config = ConfigDir(tmp_path, cache=shipped._cache)
    judge = Judge(
        load_ruleset(config, now=make.NOW, encoder=False),
        clock=SystemClock(),
        metrics=ClassifierMetrics(registry),
        turn=timedelta(milliseconds=1),
        rule_limit=LIMIT,
    )
    write([rule_of(number) for number in range(1_000)], tmp_path)
    batch = [record_of(item(f"{ALERT} {number}")) for number in range(20)]
    loading = asyncio.create_task(asyncio.to_thread(load_ruleset, config, now=make.NOW, encoder=False))
    swap = asyncio.create_task(swapped(judge, loading))
    seen: list[set[str]] = []

    while not swap.done():
        seen.append({signal.ruleset for signal in signals(await judge.handle(batch))})
        await asyncio.sleep(0)
    seen.append({signal.ruleset for signal in signals(await judge.handle(batch))})

    assert all(len(sets) == 1 for sets in seen)
    assert len(seen) > 2
    assert seen[0] != seen[-1] == {(await loading).hash}


async def swapped(judge: Judge, loading: asyncio.Task[Ruleset]) -> None:
    judge.use(await loading)


def rule_of(number: int) -> Rule:
    return Rule.model_validate({"id": f"rule-{number}", "title": "t", "owner": "o", "when": {"all": [{"phrase": f"quota {number}"}, {"term": "licence"}]}})


def loaded(registry: CollectorRegistry) -> list[str]:
    return [sample.labels["ruleset"] for metric in registry.collect() if metric.name == "chipwire_classifier_ruleset_info" for sample in metric.samples]


def test_it_does_not_start_on_rules_it_cannot_read(tmp_path: Path, shipped: ConfigDir, registry: CollectorRegistry) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ours.yaml").write_text("rules: nothing\n", "utf-8")

    with pytest.raises(Misconfigured, match="ours\\.yaml:1"):
        service(ConfigDir(tmp_path, cache=shipped._cache), registry, fakes.FakeBroker())


def test_its_settings_are_those_of_a_consumer_and_its_own() -> None:
    assert ClassifierSettings.variable("turn") == "CHIPWIRE_CLASSIFIER_TURN"
    assert isinstance(ClassifierSettings().worker, WorkerSettings)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"opinion_url": "llm.example/v1", "opinion_model": "m"}, "CHIPWIRE_CLASSIFIER_OPINION_URL: expected a URL"),
        ({"opinion_url": "https://llm.example/v1"}, "CHIPWIRE_CLASSIFIER_OPINION_MODEL: expected the name of a model"),
        ({"opinion_low": 0.9}, "CHIPWIRE_CLASSIFIER_OPINION_LOW: expected at most"),
        ({"opinion_parameters": "[]"}, "CHIPWIRE_CLASSIFIER_OPINION_PARAMETERS: expected a JSON object"),
        ({"opinion_parameters": "{"}, "CHIPWIRE_CLASSIFIER_OPINION_PARAMETERS: expected a JSON object"),
        ({"opinion_parameters": '{"max_tokens": "many"}'}, "CHIPWIRE_CLASSIFIER_OPINION_PARAMETERS: expected a limit"),
    ],
)
def test_settings_that_could_not_ask_anybody_are_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ClassifierSettings(**fields)  # type: ignore[arg-type] they are wrong
