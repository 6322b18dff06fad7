"""B-cubed, pairwise and the trivial rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.clusters import Told, b_cubed, pairwise, trivial

DAY = datetime(2025, 4, 10, tzinfo=UTC)


def told(name: str, days: float, imposer: str = "US", direction: str = "tighten", *, alert: bool = True) -> Told:
    return Told(name, DAY + timedelta(days=days), imposer, direction, alert)


def test_b_cubed_follows_the_worked_example_of_its_authors() -> None:
    # One cluster of five and one that wrongly joins a pair with a group of five (Bagga and Baldwin 1998, figure 1 and 2: precision 0.76).
    gold = {**dict.fromkeys("12345", "a"), **dict.fromkeys("67", "b"), **dict.fromkeys("89ABC", "c")}
    found = {**dict.fromkeys("12345", 1), **dict.fromkeys("6789ABC", 2)}

    score = b_cubed(gold, found)

    assert pytest.approx(score.precision, abs=0.005) == 0.76
    assert score.recall == 1.0


def test_pairwise_counts_pairs_that_belong_together() -> None:
    counts = pairwise({"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 1, "c": 1})

    assert (counts.tp, counts.fp, counts.fn) == (1, 2, 0)


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 3), min_size=1, max_size=12))
def test_a_perfect_grouping_scores_one(gold: dict[str, int]) -> None:
    score = b_cubed(gold, {item: f"cluster {cluster}" for item, cluster in gold.items()})

    assert pytest.approx(score.f1) == 1.0


def test_the_trivial_rule_joins_same_imposer_and_direction_within_seven_days() -> None:
    found = trivial([told("a", 0), told("b", 6), told("c", 13), told("d", 20.5)])

    assert found["a"] == found["b"] == found["c"]
    assert found["d"] != found["c"]


def test_the_trivial_rule_keeps_opposite_directions_and_other_imposers_apart() -> None:
    found = trivial([told("a", 0), told("b", 1, direction="loosen"), told("c", 1, imposer="CN")])

    assert len(set(found.values())) == 3


def test_a_missed_alert_stands_alone() -> None:
    found = trivial([told("a", 0), told("b", 1, alert=False), told("c", 2)])

    assert found["a"] == found["c"]
    assert found["b"] != found["a"]
