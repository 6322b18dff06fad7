from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from services.classifier.rules import Ruleset, load_ruleset
from services.evaluation import backtest_report
from services.evaluation.backtest import MOST_KEPT, Backtest, backtest
from services.runtime.config_files import ConfigDir
from tests import make

SHIPPED = load_ruleset(ConfigDir(), now=datetime(2026, 1, 1, tzinfo=UTC))


def ruleset(name: str, *rules: dict[str, Any]) -> Ruleset:
    given = [Rule.model_validate({"title": "t", "owner": "o", "status": "active", **rule}) for rule in rules]
    return Ruleset.build(SHIPPED.terms.lexicon, given, SHIPPED.tables, SHIPPED.model, hash=name, now=make.NOW)


def alerts_on(phrase: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"on-{phrase}", "when": {"phrase": phrase}, "verdict": "alert", **fields}


def item(text: str) -> NewsItem:
    return make.news_item(id=text, title=None, text=text)


NEWS = [item("the tulip quota grows"), item("a lily quota lapses"), item("a rose quota stays"), item("nothing at all")]
OLD = ruleset("old", alerts_on("tulip"), alerts_on("rose"))
NEW = ruleset("new", alerts_on("lily"), alerts_on("rose", severity=5))


def test_one_set_tells_what_alerts_and_how_often_each_rule_fires() -> None:
    found = backtest(NEWS, None, OLD)

    assert (found.items, found.verdicts["after"]["alert"], dict(found.hits["after"])) == (4, 2, {"on-tulip": 1, "on-rose": 1})
    assert [(finding.kind, finding.id, finding.after.quotes) for finding in found.findings] == [
        ("alert", "the tulip quota grows", ("tulip",)),
        ("alert", "a rose quota stays", ("rose",)),
    ]


def test_two_sets_tell_what_is_gained_lost_and_changed() -> None:
    found = backtest(NEWS, OLD, NEW)

    assert {finding.id: finding.kind for finding in found.findings} == {
        "the tulip quota grows": "lost",
        "a lily quota lapses": "gained",
        "a rose quota stays": "changed",
    }
    assert dict(found.kinds) == {"lost": 1, "gained": 1, "changed": 1}


def test_the_same_set_twice_changes_nothing() -> None:
    assert backtest(NEWS, OLD, OLD).findings == []


def test_parts_add_up_to_the_whole() -> None:
    whole, parts = backtest(NEWS, OLD, NEW), Backtest()
    for one in NEWS:
        parts.add(backtest([one], OLD, NEW))

    assert parts == whole


def test_all_are_counted_and_the_first_are_kept() -> None:
    found = backtest([item(f"tulip {number}") for number in range(MOST_KEPT + 5)], None, OLD)

    assert (len(found.findings), found.kinds["alert"]) == (MOST_KEPT, MOST_KEPT + 5)


def test_a_pull_request_is_told_the_difference_with_quotes() -> None:
    told = backtest_report.markdown(backtest(NEWS, OLD, NEW), before="old", after="new", most=20)

    assert "4 items by rule set old and by new: 1 gained, 1 lost, 1 changed" in told
    assert "| on-lily | 0 | 1 | +1 |" in told
    assert "### Gained alerts: 1\n\n- **a lily quota lapses**" in told
    assert "severity: 3 → 5" in told
    assert "“tulip”" in told


def test_what_news_says_is_no_markup_in_a_pull_request() -> None:
    found = backtest([item("tulip <img src=x> [click](http://evil) @everyone `x` | **bold**")], None, OLD)

    told = backtest_report.markdown(found, before=None, after="old", most=20)

    assert r"\<img src=x\> \[click\](http://evil) &#64;everyone \`x\` \| \*\*bold\*\*" in told


@pytest.mark.parametrize("most", [0, 1])
def test_what_is_not_shown_is_told_by_number(most: int) -> None:
    told = backtest_report.markdown(backtest(NEWS, None, OLD), before=None, after="old", most=most)

    assert f"… and {2 - most} more" in told


def test_programs_get_everything() -> None:
    told = backtest_report.as_json(backtest(NEWS, OLD, NEW), before="old", after="new")

    assert (told["items"], told["ruleset"], told["kinds"]) == (4, {"before": "old", "after": "new"}, {"lost": 1, "gained": 1, "changed": 1})
    assert told["findings"][0]["before"]["verdict"] == "alert"
