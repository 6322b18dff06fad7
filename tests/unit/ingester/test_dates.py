from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingester import dates
from tests.make import NOW


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-15T05:00:00Z", "2026-01-15T05:00:00+00:00"),
        ("2026-01-15T05:00:00.123456789+09:00", "2026-01-14T20:00:00.123456+00:00"),
        ("20260115T050000Z", "2026-01-15T05:00:00+00:00"),
        ("Thu, 15 Jan 2026 05:00:00 +0900", "2026-01-14T20:00:00+00:00"),
        ("Thu, 15 Jan 2026 05:00:00 EST", "2026-01-15T10:00:00+00:00"),
        ("Thu, 15 Jan 2026 05:00:00 KST", "2026-01-14T20:00:00+00:00"),
        ("15 Jan 2026 05:00 GMT", "2026-01-15T05:00:00+00:00"),
        ("  Thu, 15 Jan 2026\n 05:00:00 GMT ", "2026-01-15T05:00:00+00:00"),
    ],
)
def test_a_time_with_a_zone_is_that_very_second(written: str, expected: str) -> None:
    moment = dates.parse(written)

    assert moment is not None
    assert (expected, "second") == (moment.at.isoformat(), moment.precision)


@pytest.mark.parametrize("written", ["2026-01-15 05:00:00", "2026/1/15 5:00", "2026年1月15日 05:00", "15.1.2026, 05:00", "Thu, 15 Jan 2026 05:00:00"])
def test_a_time_without_a_zone_is_in_the_zone_of_the_source(written: str) -> None:
    moment = dates.parse(written, "Asia/Tokyo")

    assert moment is not None
    assert datetime(2026, 1, 14, 20, 0, tzinfo=UTC) == moment.at


@pytest.mark.parametrize("written", ["2026-01-15", "2026/1/15", "2026年1月15日", "15.01.2026", "Thu, 15 Jan 2026", "January 15, 2026", "15 January 2026"])
def test_a_day_stays_a_day_in_the_zone_of_the_source(written: str) -> None:
    moment = dates.parse(written, "America/New_York")

    assert moment is not None
    assert (datetime(2026, 1, 15, 5, tzinfo=UTC), "day", "America/New_York") == (moment.at, moment.precision, moment.zone)


def test_a_month_stays_a_month() -> None:
    moment = dates.parse("2022-09")

    assert moment is not None
    assert str(moment) == "2022-09"


@pytest.mark.parametrize("written", ["", "yesterday", "2026-13-40", "Mon, 99 Foo 2026 00:00:00 GMT", "0000-00-00 00:00:00", "99999999999"])
def test_what_is_no_date_is_none(written: str) -> None:
    assert dates.parse(written) is None


def test_a_date_in_the_future_becomes_the_time_of_the_visit() -> None:
    moment = dates.published((NOW + timedelta(days=30)).isoformat(), zone=None, observed_at=NOW)

    assert moment is not None
    assert moment.at == NOW


def test_a_clock_a_little_ahead_is_believed() -> None:
    ahead = NOW + timedelta(minutes=2)

    moment = dates.published(ahead.isoformat(), zone=None, observed_at=NOW)

    assert moment is not None
    assert ahead == moment.at


def test_an_impossibly_old_date_is_none() -> None:
    assert dates.published("Thu, 01 Jan 1970 00:00:00 GMT", zone=None, observed_at=NOW) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_dates(text: str) -> None:
    moment = dates.published(text, zone="Asia/Seoul", observed_at=NOW)

    assert moment is None or moment.at <= NOW + timedelta(minutes=5)
