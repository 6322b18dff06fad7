from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.bench.report import Row, percentile, series, shown, table


def printed(*rows: Row) -> str:
    screen = Console(file=io.StringIO(), width=220)
    screen.print(table(rows, title="title", caption="caption"))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values_and_at_least_so_many_are_not_above_it(values: list[float], percent: float) -> None:
    found = percentile(values, percent)

    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9


def test_without_values_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(("unit", "target", "met"), [("items/s", 90, True), ("items/s", 110, False), ("ms", 90, False), ("ms", 110, True)])
def test_more_is_better_in_rates_and_less_in_everything_else(unit: str, target: float, met: bool) -> None:
    assert Row("what", series([90, 100, 150], unit), target=target).met is met


def test_without_a_target_nothing_is_met_or_missed() -> None:
    assert Row("what", series([1], "s")).met is None


@pytest.mark.parametrize(("value", "text"), [(15_342.7, "15,343"), (482.4, "482"), (12.44, "12.4"), (0.187, "0.19")])
def test_figures_are_shown_with_the_digits_that_matter(value: float, text: str) -> None:
    assert shown(value) == text


def test_the_table_shows_the_median_its_spread_the_target_and_the_share_of_the_baseline() -> None:
    told = printed(Row("classify", series([9_000, 10_000, 12_000], "items/s"), series([20_000], "items/s"), "the trivial way", 8_000))

    for words in ("classify", "10,000 items/s", "9,000–12,000", "≥ 8,000 met", "20,000 items/s the trivial way", "0.50", "title", "caption"):
        assert words in told


def test_a_missed_target_says_so() -> None:
    assert "≤ 2.00 MISSED" in printed(Row("cold start", series([2.5], "s"), target=2))
