"""All measures of a run, and threads placed as the notifier does it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events.signal import LanguageGuess
from services.classifier.classify import Trace, Verdict
from services.evaluation.data import Line
from services.evaluation.report import Run, report, why
from services.evaluation.threads import Judged, expected_pushes, measure, thread_items, with_gold
from tests import make


def judged(name: str, *, gold: str = "alert", found: str = "alert", event: str | None = "h20", published: str = "2025-04-10", **labels: Any) -> Judged:
    told = {"action": "shelve", "direction": "loosen", "stage": "reported", "imposer": "US", "targets": ["CN"], "products": ["H20"]} | labels
    line = Line.model_validate({"id": name, "class": gold, "event": event, "published": published, "title": f"H20 story {name}", "language": "en"} | told)
    facts = make.facts(**{key: told[key] for key in ("action", "direction", "stage")}, targets=tuple(told["targets"]), products=tuple(told["products"]))
    verdict = Verdict(
        found,
        0.8 if found == "alert" else 0.1,
        LanguageGuess(tag="en", confidence=1.0),
        facts,
        trace=Trace("score 0.80 reaches 0.4", why=lambda: {"change": 1.5, "reply": -0.5}),
    )
    return Judged(line, line.to_item(), verdict)


def figures(*items: Judged) -> dict[str, Any]:
    return report(Run(items, "abc", "rules1", None, 2.0))


def test_the_report_has_the_fields_that_programs_rely_on() -> None:
    found = figures(judged("a"), judged("b", found="no"), judged("c", gold="no", event=None, found="no"))

    assert {"version", "data", "ruleset", "model", "items_per_second", "alert", "by_language", "facts", "threads", "errors"} <= found.keys()
    assert found["data"] == {"items": 3, "alerts": 2, "sha256": "abc"}
    assert list(found["alert"]) == ["tp", "fp", "fn", "precision", "recall", "f1", "ci95"]
    assert {"direction", "action", "stage", "imposer", "targets", "products"} <= found["facts"].keys()
    assert {"items", "b3", "pairwise", "trivial_b3_f1", "events_gold", "events_found", "pushes_per_event"} <= found["threads"].keys()
    assert found["items_per_second"] == 1.5
    assert json.loads(json.dumps(found)) == found


def test_a_missed_alert_is_wrong_only_in_accuracy_over_all_gold() -> None:
    found = figures(judged("a"), judged("b", found="context"))

    assert found["facts"]["direction"] == {"n": 1, "accuracy": 1.0, "accuracy_all_gold": 0.5}
    assert (found["alert"]["precision"], found["alert"]["recall"]) == (1.0, 0.5)


def test_the_first_imposer_and_the_exact_sets_count() -> None:
    wrong = judged("a")
    other = wrong.verdict.facts.model_copy(update={"imposers": ("CN", "US"), "targets": ("CN", "RU")})
    verdict = Verdict("alert", 0.9, wrong.verdict.language, other)

    found = figures(Judged(wrong.line, wrong.item, verdict))["facts"]

    assert (found["imposer"]["accuracy"], found["targets"]["accuracy"], found["products"]["accuracy"]) == (0.0, 0.0, 1.0)


def test_errors_say_what_decided_and_what_weighed_most() -> None:
    wrong = judged("a", gold="context", event=None)

    (error,) = figures(wrong)["errors"]

    assert {name: error[name] for name in ("id", "gold", "found")} == {"id": "a", "gold": "context", "found": "alert"}
    assert error["why"] == "score 0.80 reaches 0.4 (change +1.50, reply -0.50)"
    assert error["weighed"] == [{"feature": "change", "added": 1.5}, {"feature": "reply", "added": -0.5}]
    assert why(wrong, most=1) == "score 0.80 reaches 0.4 (change +1.50)"


def test_one_story_told_thrice_is_one_event_with_one_push() -> None:
    told = [judged("a"), judged("b", published="2025-04-10"), judged("c", published="2025-04-11")]

    placed = thread_items(told)

    assert len(set(placed.clusters.values())) == 1
    assert placed.pushes == 1


def test_its_reversal_is_an_event_of_its_own() -> None:
    reversal = judged("d", event="h20-licence", published="2025-04-15", action="tighten", direction="tighten", stage="announced")

    found = measure([judged("a"), judged("b"), reversal])

    assert (found.events_gold, found.events_found) == (2, 2)
    assert found.b3.f1 == pytest.approx(1.0)


def test_a_missed_alert_stands_alone_and_costs_recall() -> None:
    found = measure([judged("a"), judged("b"), judged("c", found="no")])

    assert found.b3.precision == 1.0
    assert found.b3.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)


def test_a_push_is_expected_for_each_event_and_each_rise_of_its_stage() -> None:
    chain = [
        judged("a", stage="reported"),
        judged("b", stage="reported"),
        judged("c", stage="announced"),
        judged("d", stage="reported"),
        judged("e", stage="in_force"),
    ]

    assert expected_pushes(chain) == 3
    assert expected_pushes([*chain, judged("f", event="other")]) == 4


def test_gold_verdicts_take_class_and_labels_from_the_data() -> None:
    missed = judged("a", found="no", direction="tighten", imposer="CN", targets=["US"])

    gold = with_gold(missed)

    assert gold.alert
    assert (gold.verdict.facts.direction, gold.verdict.facts.imposers, gold.verdict.facts.targets) == ("tighten", ("CN", "US"), ("US",))


def test_the_surest_mistakes_stand_first() -> None:
    sure = judged("a", gold="no", event=None)
    unsure = judged("b", gold="no", event=None)
    unsure = Judged(unsure.line, unsure.item, Verdict("alert", 0.5, unsure.verdict.language, unsure.verdict.facts))

    assert [error["id"] for error in figures(unsure, judged("c"), sure)["errors"]] == ["a", "b"]


def test_classes_are_told_apart_by_language() -> None:
    other = judged("c", gold="context", event=None, found="no", language="ar")

    found = figures(judged("a"), judged("b", found="context"), other)["confusion"]

    assert found["all"]["alert"] == {"alert": 1, "context": 1, "no": 0}
    assert found["by_language"]["ar"]["context"] == {"alert": 0, "context": 0, "no": 1}


def test_indirect_and_doubted_items_are_measured_apart_where_the_data_mark_them() -> None:
    plain, missed = judged("a"), judged("b", found="no", indirect=True, doubt=True)

    found = figures(plain, missed)

    assert found["wording"] == {"plain": {"alerts": 1, "recall": 1.0}, "indirect": {"alerts": 1, "recall": 0.0}}
    assert (found["doubt"]["clear"]["f1"], found["doubt"]["doubted"]["f1"]) == (1.0, 0.0)
    assert figures(plain)["wording"] is None
    assert figures(plain)["doubt"] is None


def test_what_a_fact_was_taken_for_is_counted_with_the_items() -> None:
    wrong = judged("a", stage="announced")
    facts = wrong.verdict.facts.model_copy(update={"stage": "reported", "targets": ()})

    found = figures(Judged(wrong.line, wrong.item, Verdict("alert", 0.9, wrong.verdict.language, facts)))["mistaken"]

    assert found["stage"] == [{"gold": "announced", "found": "reported", "times": 1, "ids": ["a"]}]
    assert found["targets"] == [{"gold": "CN", "found": "none", "times": 1, "ids": ["a"]}]
    assert found["direction"] == []


def test_only_scored_items_are_asked_whether_the_score_is_calibrated() -> None:
    stopped = judged("b", gold="no", event=None, found="no")
    stopped = Judged(stopped.line, stopped.item, Verdict("no", 0.0, stopped.verdict.language))

    found = figures(judged("a"), stopped)["calibration"]

    assert (found["items"], found["ece"], found["brier"]) == (1, 0.2, 0.04)
    assert found["bins"] == [{"from": 0.8, "to": 0.9, "items": 1, "score": 0.8, "alerts": 1.0}]


def test_nothing_to_judge_has_no_speed() -> None:
    assert report(Run([], "abc", "rules1", None, 0.0))["items_per_second"] is None
