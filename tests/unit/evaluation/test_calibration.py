"""Whether scores are probabilities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.calibration import calibration

SCORED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_seven_of_ten_with_a_score_of_seven_tenths_is_no_error() -> None:
    found = calibration([(0.7, True)] * 7 + [(0.7, False)] * 3)

    assert found.ece == pytest.approx(0.0)
    assert found.brier == pytest.approx(0.21)


def test_a_bin_that_is_too_sure_counts_by_its_items() -> None:
    found = calibration([(0.95, False)] * 2 + [(0.05, False)] * 6)

    assert found.ece == pytest.approx((2 * 0.95 + 6 * 0.05) / 8)
    assert [(one.items, one.alerts) for one in found.bins] == [(6, 0.0), (2, 0.0)]


def test_a_score_of_one_is_in_the_last_bin() -> None:
    assert [(one.low, one.high) for one in calibration([(1.0, True)]).bins] == [(0.9, 1.0)]


def test_nothing_scored_is_no_error() -> None:
    assert calibration([]).items == 0


@given(SCORED)
def test_every_item_is_in_one_bin_and_the_error_is_a_share(scored: list[tuple[float, bool]]) -> None:
    found = calibration(scored)

    assert sum(one.items for one in found.bins) == found.items == len(scored)
    assert 0.0 <= found.ece <= 1.0
