"""Secrets that change hands."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.store.signing import MOST, in_force, newest, rotated
from tests import make

NOW, HOUR = make.NOW, timedelta(hours=1)


def test_the_secret_before_signs_beside_the_new_one_until_its_grace_is_over() -> None:
    kept = rotated("whsec_a", "whsec_b", now=NOW, grace=HOUR)

    assert newest(kept) == "whsec_b"
    assert in_force(kept, NOW + HOUR - timedelta(seconds=1)) == ("whsec_b", "whsec_a")
    assert in_force(kept, NOW + HOUR) == ("whsec_b",)


def test_without_grace_only_the_new_one_signs() -> None:
    assert in_force(rotated("whsec_a", "whsec_b", now=NOW, grace=timedelta()), NOW) == ("whsec_b",)


def test_going_back_to_the_secret_before_does_not_sign_twice_with_it() -> None:
    kept = rotated(rotated("whsec_a", "whsec_b", now=NOW), "whsec_a", now=NOW)

    assert in_force(kept, NOW) == ("whsec_a", "whsec_b")


@given(st.lists(st.sampled_from(["whsec_a", "whsec_b", "whsec_c", "whsec_d", "whsec_e"]), max_size=12))
def test_however_often_it_is_changed_the_newest_signs_first_and_none_twice(changes: list[str]) -> None:
    kept = "whsec_0"
    for number, secret in enumerate(changes):
        kept = rotated(kept, secret, now=NOW + number * HOUR)
        signing = in_force(kept, NOW + number * HOUR)
        assert signing[0] == secret
        assert len(signing) == len(set(signing)) <= MOST
