"""A team watches drones: words, a gate and rules of its own, and not a line of Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier.classify import Verdict, classify
from services.classifier.rules import Ruleset, load_ruleset, run_examples, run_samples
from services.runtime.config_files import ConfigDir
from tests import make

DRONES = Path(__file__).parents[2] / "data" / "drones"


@pytest.fixture(scope="module")
def drones(shipped: ConfigDir) -> Ruleset:
    return load_ruleset(ConfigDir(DRONES, cache=shipped._cache), now=make.NOW, encoder=False)


def judged(ruleset: Ruleset, title: str) -> Verdict:
    return classify(make.news_item(title=title, text="It was announced on Monday.", language=None), ruleset)


def test_its_examples_and_samples_hold_beside_the_shipped_ones(drones: Ruleset) -> None:
    assert list(run_examples(drones)) == []
    assert list(run_samples(drones)) == []


@pytest.mark.parametrize("title", ["China restricts exports of drones", "中国对无人机部件实施出口管制", "España limita la exportación de drones"])
def test_its_news_alerts_with_facts_and_the_chip_rules_say_nothing_of_it(drones: Ruleset, ruleset: Ruleset, title: str) -> None:
    verdict = judged(drones, title)

    assert (verdict.verdict, verdict.trace.decided) == ("alert", "rule drone-exports-controlled")
    assert verdict.facts.products == ("drones",)
    assert judged(ruleset, title).verdict != "alert"


def test_a_firm_counts_by_what_its_file_calls_it(drones: Ruleset) -> None:
    assert judged(drones, "Export ban hits SkyArrow").verdict == "alert"


def test_what_it_judges_of_chips_is_what_the_shipped_set_judges(drones: Ruleset, ruleset: Ruleset) -> None:
    for example in (example for rule in ruleset.rules for example in rule.examples):
        item = make.news_item(title=example.title, text=example.text, language=example.language)

        assert classify(item, drones).verdict == classify(item, ruleset).verdict
