"""Times as precisely as the source said them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events.base import Moment


def test_a_month_is_a_month_and_not_its_first_second() -> None:
    moment = Moment.parse("2022-09")

    assert moment == Moment(at=datetime(2022, 9, 1, tzinfo=UTC), precision="month")
    assert moment.end == datetime(2022, 10, 1, tzinfo=UTC)
    assert str(moment) == "2022-09"


def test_a_day_begins_at_midnight_in_its_own_zone() -> None:
    moment = Moment.parse("2025-09-29", zone="America/New_York")

    assert moment.at == datetime(2025, 9, 29, 4, tzinfo=UTC)
    assert str(moment) == "2025-09-29"


def test_a_day_on_which_the_clocks_change_has_25_hours() -> None:
    moment = Moment.parse("2025-10-26", zone="Europe/Amsterdam")

    assert moment.end - moment.at == timedelta(hours=25)


def test_text_is_read_wherever_a_moment_is_expected() -> None:
    assert Moment.model_validate("2025-04-09T21:10:00Z").at == datetime(2025, 4, 9, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2022-13", "2022-02-30", "soon", "", "2025-04-09T21:10:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Moment.parse(text)


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1)), st.sampled_from(["%Y-%m-%d", "%Y-%m", "%Y"]))
def test_a_partial_date_is_printed_as_it_was_read(day: date, shape: str) -> None:
    text = day.strftime(shape)

    assert str(Moment.parse(text)) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_survives_json(at: datetime) -> None:
    moment = Moment.of(at)

    assert Moment.model_validate_json(moment.model_dump_json()) == moment
