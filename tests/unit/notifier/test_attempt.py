"""When to try again, and how long the world's clock ran."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.events.base import Moment
from services.notifier.attempt import published_at
from services.notifier.schedule import LONGEST_WAIT, SCHEDULE, retry_in
from tests import make

jitters = st.floats(0, 1)
waits = st.none() | st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=365))


def test_the_first_retry_is_seconds_away_and_the_last_half_a_day() -> None:
    assert retry_in(1, None, 0.5) == timedelta(seconds=5)
    assert retry_in(len(SCHEDULE), None, 0.5) == timedelta(hours=12)
    assert retry_in(len(SCHEDULE) + 1, None, 0.5) is None


@given(attempt=st.integers(1, len(SCHEDULE)), jitter=jitters)
def test_a_wait_is_spread_by_a_fifth(attempt: int, jitter: float) -> None:
    wait = retry_in(attempt, None, jitter)

    assert wait is not None
    assert SCHEDULE[attempt - 1] * 0.79 < wait < SCHEDULE[attempt - 1] * 1.21


@given(attempt=st.integers(1, len(SCHEDULE)), after=waits, jitter=jitters)
def test_a_receiver_may_ask_for_longer_but_not_for_ever_and_never_for_less(attempt: int, after: timedelta | None, jitter: float) -> None:
    wait, plain = retry_in(attempt, after, jitter), retry_in(attempt, None, jitter)

    assert wait is not None
    assert plain is not None
    assert plain <= wait <= max(plain, LONGEST_WAIT * 1.2)
    assert after is None or wait >= min(after, LONGEST_WAIT)


def test_the_clock_of_the_world_starts_with_the_newest_source_that_said_when() -> None:
    old = make.event_source(make.item_header(published=Moment.parse("2026-03-01T08:00:00Z"), observed_at=make.NOW - timedelta(days=1)))
    new = make.event_source(make.item_header(published=Moment.parse("2026-03-02T09:00:00Z"), observed_at=make.NOW))
    vague = make.event_source(make.item_header(published=Moment.parse("2026-03-02"), observed_at=make.NOW))

    assert published_at(make.event(sources=(new, old))) == make.NOW - timedelta(minutes=30)
    assert published_at(make.event(sources=(vague,))) is None
    assert published_at(make.event(sources=())) is None
