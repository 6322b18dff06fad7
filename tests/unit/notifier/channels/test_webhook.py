"""Reading an endpoint's wish to be left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.webhook import seconds_to
from tests.make import NOW


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        (None, None),
        ("0", None),
        ("120", timedelta(minutes=2)),
        (" 5 ", timedelta(seconds=5)),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Mon, 02 Mar 2026 09:35:00 GMT", timedelta(minutes=5)),
        ("Mon, 02 Mar 2026 09:35:00", timedelta(minutes=5)),
        ("Mon, 02 Mar 2020 09:35:00 GMT", None),
        ("9" * 400, timedelta(seconds=10**7)),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(written: str | None, wait: timedelta | None) -> None:
    assert seconds_to(written, NOW) == wait


@given(st.text(max_size=40))
def test_garbage_in_retry_after_breaks_nothing(written: str) -> None:
    wait = seconds_to(written, NOW)

    assert wait is None or wait > timedelta()
