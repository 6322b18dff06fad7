"""Quiet hours and digests on clocks that jump."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.times import Quiet, Times
from services.notifier.hours import day_began, next_digest, quiet_until

ZONES = sorted(available_timezones())
JUMPS = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # half an hour
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),  # at midnight: the day begins at one
    ("Asia/Gaza", datetime(2026, 3, 28, 0, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is left out
    ("America/Caracas", datetime(2016, 5, 1, 7, tzinfo=UTC)),
)

clocks = st.builds(time, st.integers(0, 23), st.sampled_from((0, 1, 15, 30, 45, 59)))
anywhere = st.tuples(st.sampled_from(ZONES), st.integers(788_918_400, 2_208_988_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
near_a_jump = st.sampled_from(JUMPS).flatmap(
    lambda jump: st.tuples(st.just(jump[0]), st.integers(-60 * 50, 60 * 50).map(lambda minutes: jump[1] + timedelta(minutes=minutes)))
)
moments = anywhere | near_a_jump


@st.composite
def quiet_times(draw: st.DrawFn) -> tuple[Times, datetime]:
    zone, at = draw(moments)
    start, end = draw(st.tuples(clocks, clocks).filter(lambda pair: pair[0] != pair[1]))
    return Times(zone=zone, quiet=Quiet.model_validate({"from": start, "to": end})), at


def in_words(times: Times, at: datetime) -> bool:
    """Whether the clock on the wall says that these are quiet hours."""
    assert times.quiet is not None
    shown = at.astimezone(ZoneInfo(times.zone)).time()
    start, end = times.quiet.from_, times.quiet.to
    return start <= shown < end if start < end else shown >= start or shown < end


@given(quiet_times())
def test_whatever_the_wall_clock_calls_quiet_is_quiet_and_it_ends(case: tuple[Times, datetime]) -> None:
    times, at = case

    until = quiet_until(times, at)

    assert until is not None or not in_words(times, at)
    assert until is None or at < until <= at + timedelta(hours=74)


@given(quiet_times())
def test_quiet_hours_end_where_none_begin_and_everything_before_waits_for_the_same_end(case: tuple[Times, datetime]) -> None:
    times, at = case
    until = quiet_until(times, at)
    if until is None:
        return

    assert quiet_until(times, until) is None
    assert quiet_until(times, at + (until - at) / 2) == until
    assert not in_words(times, until)


@given(moments, clocks, st.sampled_from(["hourly", "daily", "weekly"]), st.integers(0, 6))
def test_every_moment_has_one_next_digest_and_so_has_every_moment_up_to_it(place: tuple[str, datetime], clock: time, cadence: str, weekday: int) -> None:
    zone, at = place
    times = Times.model_validate(
        {"zone": zone, "digest_at": clock, "digest_on": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][weekday]}
    )

    slot = next_digest(times, cadence, at)

    longest = {"hourly": timedelta(hours=1), "daily": timedelta(hours=50), "weekly": timedelta(days=15)}[cadence]
    assert at < slot <= at + longest
    assert next_digest(times, cadence, at + (slot - at) / 2) == slot
    assert next_digest(times, cadence, slot) > slot


@given(moments, clocks)
def test_a_day_has_one_daily_digest(place: tuple[str, datetime], clock: time) -> None:
    zone, at = place
    times = Times(zone=zone, digest_at=clock)
    slots = [at]
    for _ in range(8):
        slots.append(next_digest(times, "daily", slots[-1]))

    days = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots[1:]]

    assert len(days) - len(set(days)) <= (zone in ("Pacific/Apia", "Pacific/Fakaofo", "Pacific/Kwajalein", "Pacific/Enderbury", "Pacific/Kanton")), (
        "only a day that the calendar left out is told on the next"
    )


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-28T22:00+01:00", "2026-03-29T03:00+02:00"),  # 02:30 is left out: the moment of the jump
        ("2026-03-29T03:00+02:00", None),
        ("2026-10-24T23:00+02:00", "2026-10-25T02:30+01:00"),  # 02:30 comes twice: the second
        ("2026-10-25T02:45+02:00", "2026-10-25T02:30+01:00"),
        ("2026-07-01T21:59+02:00", None),
    ],
)
def test_quiet_hours_in_berlin_when_the_clock_changes(at: str, until: str | None) -> None:
    times = Times.model_validate({"zone": "Europe/Berlin", "quiet": {"from": "22:00", "to": "02:30"}})

    found = quiet_until(times, datetime.fromisoformat(at))

    assert found == (until and datetime.fromisoformat(until))


def test_a_digest_that_falls_into_quiet_hours_comes_at_their_end() -> None:
    times = Times.model_validate({"zone": "Asia/Tokyo", "quiet": {"from": "23:00", "to": "07:00"}})

    slots = {next_digest(times, "hourly", datetime.fromisoformat(f"2026-06-01T0{hour}:30+09:00")) for hour in range(6)}

    assert slots == {datetime.fromisoformat("2026-06-01T07:00+09:00")}


def test_the_day_begins_at_midnight_or_when_the_clock_first_shows_that_day() -> None:
    assert day_began(Times(zone="Africa/Cairo"), datetime.fromisoformat("2026-04-24T12:00+03:00")) == datetime.fromisoformat("2026-04-24T01:00+03:00")
    assert day_began(Times(zone="Asia/Kolkata"), datetime.fromisoformat("2026-04-24T00:10+05:30")) == datetime.fromisoformat("2026-04-24T00:00+05:30")
