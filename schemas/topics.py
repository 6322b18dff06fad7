"""Every topic: name, model, key, partitions, cleanup, retention. The map of the line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from schemas.events.event import PolicyEvent
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the line. `retention` None keeps for ever; `model` None means bytes as they came."""

    name: str
    model: type[BaseModel] | None
    key: str
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention: timedelta | None

    @property
    def dead(self) -> Topic:
        """Where records of this topic go that could not be handled."""
        return replace(self, name=f"{self.name}.dead", model=None, key="as at the origin", cleanup="delete", retention=timedelta(days=30))


NEWS_ITEMS = Topic("news.items.v1", NewsItem, "item id", 12, "delete", timedelta(days=35))
POLICY_SIGNALS = Topic("policy.signals.v1", PolicySignal, "item id", 6, "delete", timedelta(days=100))
POLICY_EVENTS = Topic("policy.events.v1", PolicyEvent, "event id", 6, "compact", None)

CONSUMED = (NEWS_ITEMS, POLICY_SIGNALS)
"""The topics that a service of ours consumes, each with dead letters."""

TOPICS = (NEWS_ITEMS, POLICY_SIGNALS, POLICY_EVENTS, *(topic.dead for topic in CONSUMED))
