"""Models to records and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.runtime.broker import Record
from services.runtime.codec import decode, encode
from services.runtime.errors import Malformed
from tests import make

AT = datetime(2025, 4, 9, 21, 10, tzinfo=UTC)


def test_a_record_carries_cloudevents_attributes_and_the_trace_in_its_headers() -> None:
    item = make.news_item()

    record = encode(NEWS_ITEMS, item, key=item.id, id="signal-1", source="/chipwire/ingester", time=AT, traceparent="00-a-b-01")

    assert (record.topic, record.key) == ("news.items.v1", item.id.encode())
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"signal-1",
        "ce_source": b"/chipwire/ingester",
        "ce_type": b"news.items.v1",
        "ce_time": b"2025-04-09T21:10:00+00:00",
        "content-type": b"application/json",
        "traceparent": b"00-a-b-01",
    }


def test_what_was_encoded_is_decoded_the_same() -> None:
    item = make.news_item(title="美国放弃限制英伟达H20", text="\u202bنص\u202c")

    assert decode(encode(NEWS_ITEMS, item, key=item.id, id="1", source="/x", time=AT), NewsItem) == item


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no value"),
        (b"", "the whole value"),
        (b"\xff\xfe", "the whole value"),
        (b'{"id": "a"', "the whole value"),
        (b"[]", "the whole value"),
        (b'{"id": "a", "revision": "b", "source": "c"}', "observed_at"),
        (b'{"id": "a", "revision": "b", "source": "c", "observed_at": "secret words"}', "observed_at"),
    ],
)
def test_bytes_that_do_not_fit_are_malformed_and_the_sentence_does_not_quote_them(value: bytes | None, told: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(Record("news.items.v1", value), NewsItem)

    assert "NewsItem" in str(caught.value)
    assert told in str(caught.value)
    assert "secret words" not in str(caught.value)
