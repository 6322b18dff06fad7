from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.clock import SystemClock
from services.runtime.retry import Backoff, pause, until
from tests.fakes import FakeClock


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (7, 30.0), (5000, 30.0)])
def test_the_delay_doubles_up_to_the_most(attempt: int, seconds: float) -> None:
    backoff = Backoff(first=timedelta(seconds=1), most=timedelta(seconds=30))

    assert backoff.delay(attempt, chance=1.0) == timedelta(seconds=seconds)


@given(attempt=st.integers(1, 200), chance=st.floats(0, 1, exclude_max=True))
def test_half_of_the_delay_is_chance(attempt: int, chance: float) -> None:
    delay = Backoff().delay(attempt, chance=chance)

    assert Backoff().delay(attempt, chance=0) <= delay <= 2 * Backoff().delay(attempt, chance=0)
    assert delay <= Backoff().most


def test_what_the_other_side_asks_for_is_never_undercut_but_has_an_end() -> None:
    backoff = Backoff(longest_asked=timedelta(minutes=5))

    assert backoff.delay(1, chance=0, asked=timedelta(minutes=2)) == timedelta(minutes=2)
    assert backoff.delay(1, chance=0, asked=timedelta(hours=88)) == timedelta(minutes=5)
    assert backoff.delay(1, chance=0, asked=timedelta(seconds=-5)) == backoff.delay(1, chance=0)


async def test_a_pause_takes_the_time_of_its_clock() -> None:
    clock = FakeClock()

    await pause(timedelta(minutes=3), clock=clock, stop=asyncio.Event())

    assert clock.slept == [timedelta(minutes=3)]


async def test_stopping_cuts_a_pause_short() -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(pause(timedelta(hours=1), clock=SystemClock(), stop=stop))
    await asyncio.sleep(0)

    stop.set()

    await asyncio.wait_for(waiting, 1)


async def test_work_is_done_or_given_up_when_stopping_is_asked_for() -> None:
    stop = asyncio.Event()
    assert await until(stop, asyncio.sleep(0, "done")) == "done"

    stop.set()
    async with asyncio.timeout(10):
        assert await until(stop, asyncio.Event().wait()) is None


async def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await until(asyncio.Event(), fail())
