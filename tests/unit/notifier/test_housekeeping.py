"""When the brake goes on by itself."""

from __future__ import annotations

from datetime import timedelta

from services.notifier.housekeeping import Sent

WITHIN = timedelta(minutes=5)


def test_more_than_so_many_within_a_while_are_too_many() -> None:
    sent = Sent(10, WITHIN)

    assert [sent.note(5, 0.0), sent.note(5, 100.0), sent.note(1, 200.0)] == [False, False, True]


def test_what_was_sent_before_the_while_does_not_count() -> None:
    sent = Sent(10, WITHIN)

    assert [sent.note(10, 0.0), sent.note(10, 300.0), sent.note(1, 599.0)] == [False, False, True]


def test_once_told_it_counts_anew() -> None:
    sent = Sent(1, WITHIN)

    assert [sent.note(2, 0.0), sent.note(1, 1.0), sent.note(1, 2.0)] == [True, False, True]


def test_without_a_limit_nothing_is_too_much() -> None:
    assert not Sent(0, WITHIN).note(1_000_000, 0.0)
