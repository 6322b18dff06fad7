from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingester import schedule
from tests.make import NOW

EVERY = timedelta(minutes=5)
DAY = timedelta(days=1)


@given(st.floats(min_value=0, max_value=1))
def test_a_healthy_source_is_visited_at_its_own_pace_give_or_take_a_tenth(luck: float) -> None:
    assert 0.89 * EVERY < schedule.after_success(EVERY, luck) < 1.11 * EVERY


def test_each_failure_doubles_the_wait() -> None:
    waits = [schedule.after_failure(EVERY, failures, 0.5) for failures in (1, 2, 3)]

    assert waits == [EVERY, EVERY * 2, EVERY * 4]


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1))
def test_a_source_that_fails_for_ever_is_still_visited_some_times_a_day(failures: int, luck: float) -> None:
    assert schedule.after_failure(EVERY, failures, luck) <= timedelta(hours=6.7)


def test_a_server_that_asks_for_more_time_gets_it() -> None:
    assert timedelta(hours=3) == schedule.after_failure(EVERY, 1, 0, timedelta(hours=3))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(minutes=1)),
        ("316800", DAY),  # 88 hours, seen in the wild
        ("99999999999999999999", DAY),
        ("Mon, 02 Mar 2026 09:40:00 GMT", timedelta(minutes=10)),
        ("Sun, 01 Mar 2026 09:40:00 GMT", timedelta(minutes=1)),
        ("Mon, 02 Mar 2099 09:40:00 GMT", DAY),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_held_between_a_minute_and_a_day(header: str | None, expected: timedelta | None) -> None:
    assert expected == schedule.retry_after(header, NOW)


@given(st.text(max_size=40))
def test_no_retry_after_breaks_us(header: str) -> None:
    wait = schedule.retry_after(header, NOW)

    assert wait is None or timedelta(minutes=1) <= wait <= DAY
