"""Builders for tests: set only what the test is about."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent
from schemas.events.news import ItemHeader, NewsItem
from schemas.events.signal import Company, Evidence, Facts, LanguageGuess, PolicySignal
from schemas.topics import NEWS_ITEMS, Topic
from services.runtime import codec
from services.runtime.broker import Record

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""The time in tests that name no other: a Monday morning."""


def news_item(**fields: Any) -> NewsItem:
    """One revision of one item. The id follows the URL and the revision the words, so that equal items are equal."""
    return NewsItem.model_validate(_item_fields({"text": "The commerce department eased the rule, two people said."} | fields))


def item_header(**fields: Any) -> ItemHeader:
    """Where an item came from and when, without its text."""
    return ItemHeader.model_validate(_item_fields(fields))


def facts(**fields: Any) -> Facts:
    """The facts of the H20 story, as far as a headline needs them."""
    defaults: dict[str, Any] = {
        "action": "shelve",
        "direction": "loosen",
        "stage": "reported",
        "imposers": ("US",),
        "targets": ("CN",),
        "products": ("H20",),
        "companies": (Company(id="NVIDIA", role="seller"),),
        "severity": 3,
        "confidence": 0.7,
    }
    return Facts.model_validate(defaults | fields)


def signal(item: ItemHeader | None = None, **fields: Any) -> PolicySignal:
    """An alert on `item`. Fields of Facts may be given directly: `make.signal(stage="announced")`."""
    header = ItemHeader.model_validate((item or item_header()).model_dump(include=set(ItemHeader.model_fields)))
    stated = {name: fields.pop(name) for name in tuple(fields) if name in Facts.model_fields}
    ruleset = fields.get("ruleset", "rules1")
    defaults: dict[str, Any] = {
        "id": _hash(header.id, header.revision, ruleset),
        "item": header,
        "verdict": "alert",
        "score": 0.9,
        "language": LanguageGuess(tag="en", confidence=0.99),
        "facts": facts(**stated),
        "evidence": (evidence(header.title),) if header.title else (),
        "ruleset": ruleset,
        "ruleset_activated_at": NOW - timedelta(days=1),
        "judged_at": header.observed_at + timedelta(seconds=1),
    }
    return PolicySignal.model_validate(defaults | fields)


def evidence(text: str, **fields: Any) -> Evidence:
    """The whole of `text`, taken as the title, as evidence for the action."""
    return Evidence.model_validate({"fact": "action", "field": "title", "start": 0, "end": len(text), "text": text} | fields)


def event(**fields: Any) -> PolicyEvent:
    """The first version of an event that one item tells. Fields of Facts may be given directly."""
    stated = {name: fields.pop(name) for name in tuple(fields) if name in Facts.model_fields}
    defaults: dict[str, Any] = {
        "id": "01JQ8ZK5V6T7M3N9R2C4X1B0AG",
        "slug": "us-2026-h20-shelve",
        "version": 1,
        "headline": "REPORTED: US drops planned export curbs on NVIDIA H20 to China",
        "facts": facts(**stated),
        "changes": ("opened",),
        "sources": (event_source(),),
        "opened_at": NOW,
        "updated_at": NOW,
    }
    return PolicyEvent.model_validate(defaults | fields)


def event_source(item: ItemHeader | None = None, **fields: Any) -> EventSource:
    """`item` as an event names it."""
    header = item or item_header()
    defaults: dict[str, Any] = {
        "item": header.id,
        "outlet": header.outlet,
        "source": header.source,
        "url": header.url,
        "tier": header.tier,
        "language": header.language,
        "published": header.published,
        "first_seen_at": header.observed_at,
        "title": header.title,
        "stage": "reported",
        "evidence": (evidence(header.title),) if header.title else (),
    }
    return EventSource.model_validate(defaults | fields)


def record(value: bytes | BaseModel | None = b"{}", *, topic: Topic = NEWS_ITEMS, key: str = "key", **fields: Any) -> Record:
    """A record of `topic`. A model is encoded as the services do it."""
    if isinstance(value, BaseModel):
        encoded = codec.encode(topic, value, key=key, id=key, source="/chipwire/test", time=NOW)
        return Record(**{"topic": topic.name, "value": encoded.value, "key": encoded.key, "headers": encoded.headers, **fields})
    return Record(**{"topic": topic.name, "value": value, "key": key.encode(), **fields})


def _item_fields(given: dict[str, Any]) -> dict[str, Any]:
    url = given.get("url", "https://news.example/2026/03/h20")
    title = given.get("title", "US drops plan to curb exports of the H20 chip to China")
    defaults: dict[str, Any] = {
        "id": _hash(str(given.get("source", "example")), str(url)),
        "revision": _hash(str(title), str(given.get("text", ""))),
        "source": "example",
        "outlet": "Example Wire",
        "url": url,
        "tier": 1,
        "language": "en",
        "title": title,
        "published": Moment.of(NOW - timedelta(minutes=5)),
        "observed_at": NOW,
    }
    return defaults | given


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:24]
