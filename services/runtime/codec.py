"""Models to records and back: JSON in the value, CloudEvents 1.0 attributes in the headers (binary mode), W3C trace context beside them."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.topics import Topic
from services.runtime.broker import Record
from services.runtime.errors import Malformed

M = TypeVar("M", bound=BaseModel)


def encode(topic: Topic, value: BaseModel, *, key: str, id: str, source: str, time: datetime, traceparent: str | None = None) -> Record:  # noqa: A002 the CloudEvents attribute is called id
    """The record that carries `value`. `source` is a URI reference such as `/chipwire/classifier`."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", topic.name.encode()),
        ("ce_time", time.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return Record(topic.name, value.model_dump_json(by_alias=True).encode(), key.encode(), tuple(headers))


def decode(record: Record, model: type[M]) -> M:
    """The model in the record. Raises Malformed, saying what does not fit and where, without quoting the content."""
    if record.value is None:
        raise Malformed(f"the record has no value; expected a {model.__name__}")
    try:
        return model.model_validate_json(record.value)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole value"
        raise Malformed(f"not a {model.__name__}: {where}: {first['msg']}") from exc
