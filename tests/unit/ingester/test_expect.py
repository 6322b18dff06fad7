from datetime import datetime, timedelta

import pytest

from schemas.config.source import Expectation
from services.ingester.expect import silent_for, too_many
from tests.make import NOW

DAILY = Expectation(at_least_one_in=timedelta(days=1), at_most=10)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("first_success_at", "last_new_at", "expected"),
    [
        (NOW - 99 * HOUR, NOW - 23 * HOUR, None),
        (NOW - 99 * HOUR, NOW - 36 * HOUR, 36 * HOUR),
        (NOW - 30 * HOUR, None, 30 * HOUR),
        (NOW - 2 * HOUR, None, None),
    ],
)
def test_a_source_is_silent_when_nothing_new_came_for_longer_than_expected(
    first_success_at: datetime, last_new_at: datetime | None, expected: timedelta | None
) -> None:
    assert expected == silent_for(DAILY, first_success_at=first_success_at, last_new_at=last_new_at, now=NOW)


def test_a_source_that_never_answered_is_not_silent() -> None:
    assert silent_for(DAILY, first_success_at=None, last_new_at=None, now=NOW) is None


def test_a_source_without_expectations_is_never_silent() -> None:
    assert silent_for(Expectation(), first_success_at=NOW - 999 * HOUR, last_new_at=None, now=NOW) is None


def test_more_than_expected_in_one_visit_is_suspicious() -> None:
    assert not too_many(DAILY, new=10, backfill=False)
    assert too_many(DAILY, new=11, backfill=False)


def test_a_long_history_is_not_suspicious() -> None:
    assert not too_many(DAILY, new=500, backfill=True)
