"""How much each destination may have in hand, and how much may be sent late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.pace import SLOW, LateBudget, Pace
from tests.alerting import key

ONE, OTHER = key("one"), key("other")


def taken(pace: Pace, *keys: tuple[str, str], now: float = 0.0, probe: bool = False) -> list[bool]:
    offer = pace.offer(now)
    answers = [offer.take(one, probe=probe) for one in keys]  # type: ignore[arg-type]
    for one, yes in zip(keys, answers, strict=True):
        if yes:
            pace.took(one, now, probe=probe)  # type: ignore[arg-type]
    return answers


def ended(pace: Pace, *, sent: bool, seconds: float = 0.01, times: int = 1) -> None:
    for _ in range(times):
        pace.ended(ONE, sent=sent, seconds=seconds)
        pace.let_go(ONE)


def test_a_destination_gets_its_share_and_another_its_own() -> None:
    pace = Pace(places=10, per_destination=2)

    assert taken(pace, ONE, ONE, ONE, OTHER) == [True, True, False, True]
    assert pace.offer(0).full() == [ONE]


def test_what_is_let_go_makes_room_again() -> None:
    pace = Pace(places=10, per_destination=1)
    taken(pace, ONE)
    ended(pace, sent=True)

    assert (pace.total, taken(pace, ONE)) == (0, [True])


def test_a_destination_that_is_probed_gets_one_and_no_more_until_it_ended() -> None:
    pace = Pace(places=10, per_destination=4)

    assert taken(pace, ONE, ONE, probe=True) == [True, False]
    assert taken(pace, ONE, ONE, probe=False) == [False, False]


def test_a_destination_that_comes_back_starts_slowly_and_doubles_with_each_round() -> None:
    pace = Pace(places=100, per_destination=16)
    taken(pace, ONE, probe=True)
    ended(pace, sent=False)
    taken(pace, ONE, probe=True)
    ended(pace, sent=True)

    rounds = []
    for _ in range(5):
        rounds.append(sum(taken(pace, *[ONE] * 16)))
        ended(pace, sent=True, times=rounds[-1])

    assert rounds == [2, 4, 8, 16, 16]


def test_one_failure_halves_what_a_busy_destination_has() -> None:
    pace = Pace(places=100, per_destination=16)
    taken(pace, *[ONE] * 16)
    pace.ended(ONE, sent=False, seconds=0.1)

    assert pace.share(ONE, 0) == 8


def test_slow_destinations_never_take_the_last_places() -> None:
    pace = Pace(places=8, per_destination=8)
    for slow in (ONE, OTHER):
        taken(pace, slow)
        pace.ended(slow, sent=True, seconds=SLOW * 10)
        pace.let_go(slow)

    assert sum(taken(pace, *[ONE] * 8, *[OTHER] * 8)) == 4
    assert taken(pace, key("quick")) == [True]


def test_a_rate_lets_a_seconds_worth_through_and_then_one_at_a_time() -> None:
    pace = Pace(places=100, per_destination=100, per_second=4)

    burst = sum(sum(taken(pace, ONE, now=100.0)) for _ in range(20))
    later = sum(sum(taken(pace, ONE, now=100.25)) for _ in range(20))

    assert (burst, later) == (5, 1)


def test_late_deliveries_have_a_budget_that_is_refilled_by_the_second() -> None:
    budget = LateBudget(floor=10)
    budget.spend(budget.left(0.0))

    assert (budget.left(0.0), budget.left(0.5), budget.left(60.0)) == (0, 5, 10)


def test_the_budget_for_late_ones_is_what_usually_comes_in() -> None:
    budget = LateBudget(floor=10)
    for _ in range(120):
        budget.came_in(1000, seconds=5)

    assert 150 < budget.per_second <= 200


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 500)), max_size=50))
def test_a_budget_never_lets_more_through_than_its_rate_and_one_seconds_worth(steps: list[tuple[float, int]]) -> None:
    budget, now, spent = LateBudget(floor=10), 0.0, 0
    for wait, wanted in steps:
        now += wait
        granted = min(wanted, budget.left(now))
        budget.spend(granted)
        spent += granted

    assert spent <= 10 * now + 11
