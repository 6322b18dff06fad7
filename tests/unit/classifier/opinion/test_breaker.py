from __future__ import annotations

from datetime import timedelta

from services.classifier.opinion.breaker import LIMIT, Breaker

NOW = 1000.0


def failed(times: int, *, asked: timedelta | None = None) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(NOW, chance=0.5, asked=asked)
    return breaker


def test_nobody_waits_while_all_is_well() -> None:
    assert Breaker().wait(NOW) == timedelta(0)


def test_a_failure_or_two_make_it_wait_a_moment() -> None:
    assert not failed(LIMIT - 1).is_open
    assert timedelta(0) < failed(LIMIT - 1).wait(NOW) <= timedelta(seconds=4)


def test_a_run_of_failures_opens_it_and_each_failed_probe_keeps_it_open_for_longer() -> None:
    waits = [failed(times).wait(NOW) for times in (LIMIT, LIMIT + 1, LIMIT + 2, LIMIT + 50)]

    assert failed(LIMIT).is_open
    assert waits == sorted(waits)
    assert waits[0] >= timedelta(seconds=15)
    assert waits[-1] <= timedelta(minutes=15)


def test_the_wait_passes() -> None:
    breaker = failed(LIMIT)

    assert breaker.wait(NOW + breaker.wait(NOW).total_seconds()) == timedelta(0)


def test_what_the_endpoint_asks_for_is_granted_up_to_a_limit() -> None:
    assert failed(LIMIT, asked=timedelta(minutes=5)).wait(NOW) == timedelta(minutes=5)
    assert failed(LIMIT, asked=timedelta(days=5)).wait(NOW) == timedelta(minutes=15)


def test_an_answer_closes_it() -> None:
    breaker = failed(LIMIT + 2)

    breaker.succeeded()

    assert not breaker.is_open
    assert breaker.wait(NOW) == timedelta(0)
