from __future__ import annotations

import pytest

from services.runtime.tracing import next_step, onward, parse
from tests import make

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_header_is_read_and_written_back() -> None:
    assert str(parse(PARENT)) == PARENT


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ],
)
def test_what_breaks_the_standard_is_no_context(header: str | None) -> None:
    assert parse(header) is None


def test_a_later_version_with_more_fields_is_understood() -> None:
    context = parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more")

    assert context is not None
    assert context.sampled


def test_what_is_made_of_a_record_stays_in_its_trace_as_a_new_step() -> None:
    record = make.record(headers=(("traceparent", PARENT.encode()),))

    context = parse(onward(record))

    assert context is not None
    assert (context.trace_id, context.sampled) == ("4bf92f3577b34da6a3ce929d0e0e4736", True)
    assert context.span_id != "00f067aa0ba902b7"


def test_without_a_parent_a_trace_begins() -> None:
    assert next_step().trace_id != next_step().trace_id
    assert parse(onward(make.record())) is not None
