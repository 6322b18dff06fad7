"""Precision, recall, F1, their interval, and accuracy of facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.measures import accuracy, ci95, count

PAIRS = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] * 4 + [(False, False)] * 8


def test_hits_false_alarms_and_misses_are_counted() -> None:
    counts = count(PAIRS)

    assert (counts.tp, counts.fp, counts.fn) == (6, 4, 2)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    score = count(PAIRS).score

    assert pytest.approx(score.precision) == 0.6
    assert pytest.approx(score.recall) == 0.75
    assert pytest.approx(score.f1) == 2 * 0.6 * 0.75 / 1.35


def test_nothing_to_judge_scores_zero_instead_of_failing() -> None:
    assert count([]).score.f1 == 0.0
    assert ci95([]) == (0.0, 0.0)


def test_the_interval_is_the_same_on_every_run_and_holds_the_figure() -> None:
    low, high = ci95(PAIRS)

    assert (low, high) == ci95(PAIRS)
    assert low < count(PAIRS).score.f1 < high


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_interval_lies_between_zero_and_one_in_order(pairs: list[tuple[bool, bool]]) -> None:
    low, high = ci95(pairs, resamples=50)

    assert 0.0 <= low <= high <= 1.0


def test_a_missed_alert_counts_as_a_wrong_fact_only_in_accuracy_all_gold() -> None:
    figures = accuracy([True, True, False], missed=1)

    assert figures.n == 3
    assert pytest.approx(figures.accuracy) == 2 / 3
    assert figures.accuracy_all_gold == 0.5
