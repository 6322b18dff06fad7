from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.config.duration import Duration, format_duration

DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


@given(st.integers(0, 10**10).map(lambda milliseconds: timedelta(milliseconds=milliseconds)))
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    assert DURATION.validate_python(format_duration(duration)) == duration


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        duration = DURATION.validate_python(text)
    except ValidationError:
        return
    assert duration >= timedelta(0)


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 parsecs", "1h-30m", "P", "15m and more", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(text)


def test_the_json_schema_takes_text_and_numbers() -> None:
    assert DURATION.json_schema()["type"] == ["string", "number"]
    assert DURATION.dump_json(timedelta(minutes=90)) == b'"1h30m"'
