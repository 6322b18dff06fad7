from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    before = logging.getLogger().handlers, logging.getLogger().level, structlog.get_config()
    yield io.StringIO()
    logging.getLogger().handlers, level, found = before
    logging.getLogger().setLevel(level)
    structlog.configure(**found)
    logs._known_secrets.clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sent to ana.lee+x@mail.example.org today", "sent to <address> today"),
        ("postgresql://chip:pa55w0rd@db.example/line", "postgresql://***@db.example/line"),
        ("Authorization: Bearer eyJhbGciOi.abc-123", "Authorization: Bearer ***"),
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret whsec_***"),
        ("push_token=abc123&x=1", "push_token=***&x=1"),
        ('{"password": "hunter2", "user": "a"}', '{"password": "***", "user": "a"}'),
        ("api-key: 12345, next", "api-key: ***, next"),
        ("the token bucket is empty", "the token bucket is empty"),
        ("https://news.example/2026/03/h20?id=7", "https://news.example/2026/03/h20?id=7"),
        ("أبلغت ana@example.org عن القيود", "أبلغت <address> عن القيود"),
    ],
)
def test_addresses_and_secrets_are_scrubbed_and_the_rest_stays(text: str, expected: str) -> None:
    assert logs.scrub(text) == expected


@given(name=st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?", fullmatch=True), before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_address_passes_whatever_stands_around_it(name: str, before: str, after: str) -> None:
    assert f"{name}@mail.example" not in logs.scrub(f"{before} {name}@mail.example {after}")


def test_a_line_is_json_with_a_static_event_and_its_fields(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)

    structlog.get_logger().info("delivery_sent", delivery="msg_1", seconds=0.4, to=["ana@example.org"], token="abc")

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["delivery"], line["seconds"]) == ("delivery_sent", "info", "msg_1", 0.4)
    assert (line["to"], line["token"]) == (["<address>"], "***")
    assert line["timestamp"].endswith("Z")


def test_known_secrets_are_hidden_wherever_they_turn_up(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out, secrets=["correct horse", ""])

    structlog.get_logger().info("odd", said={"deep": ["it is correct horse!"]})

    assert json.loads(out.getvalue())["said"] == {"deep": ["it is ***!"]}


def test_a_traceback_is_scrubbed_too(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)

    try:
        raise ValueError("ana@example.org with Bearer abcdefgh")
    except ValueError:
        structlog.get_logger().exception("bug")

    assert "ValueError: <address> with Bearer ***" in json.loads(out.getvalue())["exception"]


def test_what_libraries_log_takes_the_same_way_out(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)

    logging.getLogger("aiokafka.cluster").warning("no broker at %s for %s", "10.0.0.1", "ana@example.org")

    line = json.loads(out.getvalue())
    assert (line["logger"], line["level"], line["event"]) == ("aiokafka.cluster", "warning", "no broker at 10.0.0.1 for <address>")


def test_a_library_that_repeats_itself_is_cut_short(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)

    for port in range(100):
        logging.getLogger("aiokafka.conn").error("connection to port %s refused", port)

    assert len(out.getvalue().splitlines()) == 3


def test_lines_below_the_level_are_not_written(out: io.StringIO) -> None:
    logs.configure(style="json", level="warning", stream=out)

    structlog.get_logger().info("unit_done")
    logging.getLogger("anything").info("chatter")

    assert out.getvalue() == ""


def test_lines_for_people_are_scrubbed_too(out: io.StringIO) -> None:
    logs.configure(style="pretty", stream=out)

    structlog.get_logger().warning("waiting", reason="smtp://chip:pa55@mail.example refused")

    assert "smtp://***@mail.example refused" in out.getvalue()


def test_what_was_held_back_is_counted_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("services.runtime.logs.time.monotonic", lambda: now)
    limit = logs.RateLimit(count=2, seconds=60)

    def record() -> logging.LogRecord:
        return logging.LogRecord("x", logging.ERROR, "f", 1, "connection refused", None, None)

    assert [limit.filter(record()) for _ in range(5)] == [True, True, False, False, False]
    now += 61
    last = record()
    assert limit.filter(last)
    assert last.getMessage() == "connection refused (3 more like it in the last 61 s)"
