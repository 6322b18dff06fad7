"""The events that placing has looked at lately, with their profiles and keys: a version never changes, so what is read once need not be read again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.events.event import PolicyEvent
from services.notifier import keys
from services.notifier.threads import Candidate

MOST = 1000
"""So many events are kept, some 10 KB each: the news of years. More would cost more in garbage collection than it saves in reading."""


@dataclass(frozen=True)
class Known:
    """One version of an event as placing sees it: what it is compared by, and what it is found by."""

    candidate: Candidate
    keys: frozenset[str]

    @classmethod
    def of(cls, event: PolicyEvent) -> Known:
        return cls(Candidate.of(event), keys.index(event) | {f"item:{source.item}" for source in event.sources})

    @property
    def event(self) -> PolicyEvent:
        return self.candidate.event


class Memory:
    """Committed versions, those that were looked at last. The store says which version stands; this only saves reading it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()

    def recall(self, versions: Mapping[str, int]) -> list[Known]:
        """Those of these versions that are remembered."""
        with self._lock:
            found = (self._known.get(event_id) for event_id in versions)
            return [known for known in found if known is not None and known.event.version == versions[known.event.id]]

    def keep(self, committed: Iterable[Known]) -> None:
        """Remembers versions that stand in the store."""
        with self._lock:
            for known in committed:
                self._known.pop(known.event.id, None)
                self._known[known.event.id] = known
            for oldest in list(self._known)[: max(len(self._known) - self._most, 0)]:
                del self._known[oldest]
