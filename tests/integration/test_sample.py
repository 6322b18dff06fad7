"""The bundled sample comes out exactly right: what is news, each of its facts, and which items tell one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from schemas.events.event import PolicyEvent
from schemas.events.news import NewsItem
from schemas.events.signal import Facts, PolicySignal
from services.classifier.classify import Verdict, classify
from services.classifier.rules import Ruleset, load_ruleset
from services.ingester.entry import of_pushed
from services.ingester.normalize import to_item
from services.ingester.samples import demo_items, demo_source
from services.notifier import threads
from services.runtime.config_files import ConfigDir
from tests import make

SAMPLE = YAML(typ="safe").load(Path(__file__).parents[1].joinpath("data/sample.yaml").read_text("utf-8"))
IDS = [item.id or "" for item in demo_items(make.NOW)]


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return load_ruleset(ConfigDir(cache=tmp_path_factory.mktemp("cache")), now=make.NOW)


@pytest.fixture(scope="module")
def items() -> Mapping[str, NewsItem]:
    source = demo_source(Path("sample.jsonl"))
    return {pushed.id or "": to_item(of_pushed(pushed), source, make.NOW) for pushed in demo_items(make.NOW)}


@pytest.fixture(scope="module")
def verdicts(items: Mapping[str, NewsItem], ruleset: Ruleset) -> Mapping[str, Verdict]:
    return {name: classify(item, ruleset) for name, item in items.items()}


@pytest.mark.parametrize("name", IDS)
def test_each_item_is_judged_as_it_should_be(name: str, verdicts: Mapping[str, Verdict]) -> None:
    expected = "alert" if name in SAMPLE["alerts"] else "context" if name in SAMPLE["context"] else "no"

    assert verdicts[name].verdict == expected, verdicts[name].trace


@pytest.mark.parametrize("name", SAMPLE["alerts"])
def test_each_alert_has_exactly_its_facts(name: str, verdicts: Mapping[str, Verdict]) -> None:
    expected = SAMPLE["alerts"][name]

    assert {fact: value for fact, value in told(verdicts[name].facts).items() if fact in expected} == expected, verdicts[name].trace


def told(facts: Facts) -> dict[str, Any]:
    """The facts as the table writes them."""
    firms = [f"{company.id} {company.role}" for company in facts.companies]
    lists = {"imposers": list(facts.imposers), "targets": list(facts.targets), "products": list(facts.products), "companies": firms}
    return {"action": facts.action, "direction": facts.direction, "stage": facts.stage, "origin": facts.origin, **lists}


@pytest.mark.parametrize("told_in_order", [True, False], ids=["in the order of the file", "in the order of publication"])
def test_the_alerts_make_exactly_the_expected_events(told_in_order: bool, items: Mapping[str, NewsItem], verdicts: Mapping[str, Verdict]) -> None:
    names = [name for name in items if verdicts[name].verdict == "alert"]
    order = names if told_in_order else sorted(names, key=lambda name: str(items[name].published))

    events = placed([signal(items[name], verdicts[name]) for name in order])

    named = {item.id: name for name, item in items.items()}
    found = {frozenset(named[source.item] for source in event.sources): event for event in events}
    assert set(found) == {frozenset(names) for names in SAMPLE["events"]}
    first_told = {name: event.id for names, event in found.items() for name in names}
    links = {(event.id, link.event) for event in events for link in event.relations if link.relation == "reverses"}
    assert links == {(first_told[later], first_told[earlier]) for later, earlier in SAMPLE["reverses"].items()}


def signal(item: NewsItem, verdict: Verdict) -> PolicySignal:
    return PolicySignal(
        id=f"{item.id}.{item.revision}",
        item=item.header(),
        verdict=verdict.verdict,
        score=verdict.score,
        language=verdict.language,
        facts=verdict.facts,
        evidence=verdict.evidence,
        ruleset="shipped",
        ruleset_activated_at=make.NOW,
        judged_at=make.NOW,
    )


def placed(signals: Sequence[PolicySignal]) -> list[PolicyEvent]:
    """Places the signals one after another, a second apart, as the notifier does when the sample is read."""
    events: dict[str, PolicyEvent] = {}
    numbers = count(1)
    means = threads.Means(mint=lambda: f"{next(numbers):026d}")
    for number, one in enumerate(signals):
        outcome = threads.place(one, list(events.values()), make.NOW + timedelta(seconds=number), means)
        assert not isinstance(outcome, threads.Held | threads.Unplaced), (one.item.title, outcome)
        events[outcome.event.id] = outcome.event
    return list(events.values())
