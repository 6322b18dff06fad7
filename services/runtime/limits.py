"""How large a record may be: the same for every broker, so that what one takes the other takes too."""

from __future__ import annotations

from services.runtime.broker import Record
from services.runtime.errors import Rejected

LARGEST_VALUE = 1_000_000
"""Bytes in a value. Kafka's own default for a batch of one record is 1,048,588, headers and key included."""

LARGEST_REST = 40_000
"""Bytes in key and headers together."""


def check(record: Record) -> None:
    """Raises Rejected for a record that no broker would take, before anything is sent."""
    if record.value is None and record.key is None:
        raise Rejected(f"a record for {record.topic} has neither key nor value; a tombstone needs the key it deletes")
    if len(record.value or b"") > LARGEST_VALUE:
        raise Rejected(f"a value of {len(record.value or b'')} bytes is too large for {record.topic}; at most {LARGEST_VALUE} are possible")
    rest = len(record.key or b"") + sum(len(name) + len(value) for name, value in record.headers)
    if rest > LARGEST_REST:
        raise Rejected(f"key and headers of {rest} bytes are too large for {record.topic}; at most {LARGEST_REST} are possible")
