"""What the ingester counts. Labels are loaded source ids and closed lists; children are made when the sources are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events.news import NewsItem

OUTCOMES = ("read", "not_modified", "suspect", "refused", "failed", "held", "bug")
"""How a visit ended: read, not modified; not what the reader reads; the server refuses us; unreachable or erring; broker or database away; our fault."""
NOVELTIES = ("new", "changed", "unchanged")
PUSHES = ("taken", "partly_taken", "invalid", "unauthorised", "too_large", "busy", "unavailable", "off")
PUSH = "push"
"""Label of pushed items, whatever source they name."""

_AGES = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 43_200, 86_400)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)


class IngesterMetrics:
    """Every metric of the ingester, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.visits = Counter("chipwire_ingester_visits_total", "Visits to sources, by how they ended.", ["source", "outcome"], registry=registry)
        self.visit_seconds = Histogram("chipwire_ingester_visit_seconds", "Time of a visit, from the claim to its end.", buckets=_SECONDS, registry=registry)
        self.items = Counter("chipwire_ingester_items_total", "Items found or pushed, by novelty.", ["source", "novelty"], registry=registry)
        self.left_out = Counter("chipwire_ingester_left_out_total", "Parts of pages that could not be read.", ["source"], registry=registry)
        self.item_age = Histogram(
            "chipwire_ingester_item_age_seconds", "From published, as the source says it, to published by us; no history.", buckets=_AGES, registry=registry
        )
        self.last_success = Gauge("chipwire_ingester_source_last_success_timestamp_seconds", "Last healthy visit; 0 for never.", ["source"], registry=registry)
        self.last_new = Gauge(
            "chipwire_ingester_source_last_new_timestamp_seconds", "Last visit that found something new; 0 for never.", ["source"], registry=registry
        )
        self.failures = Gauge("chipwire_ingester_source_failures", "Failed visits in a row.", ["source"], registry=registry)
        self.silent = Gauge("chipwire_ingester_source_silent", "1 while a source is silent for longer than expected.", ["source"], registry=registry)
        self.suspicious = Gauge("chipwire_ingester_source_suspicious", "1 after a visit that found more than expected.", ["source"], registry=registry)
        self.sources = Gauge("chipwire_ingester_sources", "Sources that are visited.", registry=registry)
        self.pushes = Counter("chipwire_ingester_pushes_total", "Push requests, by answer.", ["outcome"], registry=registry)
        self.push_seconds = Histogram("chipwire_ingester_push_seconds", "Time of a push request.", buckets=_SECONDS, registry=registry)
        self.push_bytes = Gauge("chipwire_ingester_push_in_flight_bytes", "Bytes of pushes in hand.", registry=registry)
        for outcome in PUSHES:
            self.pushes.labels(outcome)
        self._open_items(PUSH)

    def open(self, sources: Iterable[str]) -> None:
        """Makes the children of these sources, so that a first failure is a change from 0."""
        for source in sources:
            for outcome in OUTCOMES:
                self.visits.labels(source, outcome)
            self._open_items(source)
            for gauge in (self.last_success, self.last_new, self.failures, self.silent, self.suspicious):
                gauge.labels(source)

    def count_items(self, source: str, *, new: int, changed: int, unchanged: int) -> None:
        """Adds what became of some items."""
        for novelty, count in zip(NOVELTIES, (new, changed, unchanged), strict=True):
            self.items.labels(source, novelty).inc(count)

    def observe_ages(self, items: Iterable[NewsItem], now: datetime) -> None:
        """How old these items were when we published them, where that is known to the second and no history."""
        for item in items:
            if item.published is not None and item.published.precision == "second" and not item.backfill:
                self.item_age.observe(max(0.0, (now - item.published.at).total_seconds()))

    def _open_items(self, source: str) -> None:
        for novelty in NOVELTIES:
            self.items.labels(source, novelty)
        self.left_out.labels(source)
