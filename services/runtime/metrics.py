"""Metrics of the process: a registry of its own, the buckets, and what every worker counts.

Names are `chipwire_<service>_<what>_<unit>`; labels come from closed sets and their children exist from the start, so that a rate is
0 before the first failure and not absent.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, disable_created_metrics, generate_latest

from services.runtime.broker import Partition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""For work of ours: a batch, a request, an attempt."""
NEWS_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86_400, 7 * 86_400)
"""For the product's own number, from published by the source to accepted by the receiver: sources are seconds to days behind themselves."""

OUTCOMES = ("handled", "malformed", "rejected", "bug")


def new_registry() -> CollectorRegistry:
    """A registry with the process, the platform and the build; services add their own to it."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library is untyped here; a second series for every counter is nothing anybody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    build = Gauge("chipwire_build_info", "Always 1; the labels say what runs.", ["version", "python"], registry=registry)
    build.labels(chipwire_version(), platform.python_version()).set(1)
    return registry


def chipwire_version() -> str:
    """The version of the installed distribution, or "dev" in a checkout."""
    try:
        return version("chipwire")
    except PackageNotFoundError:
        return "dev"


def exposition(registry: CollectorRegistry) -> bytes:
    """What `/metrics` answers, in the text format."""
    return generate_latest(registry)


class WorkerMetrics:
    """What a worker counts, named after its service."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        prefix = f"chipwire_{service}"
        records = Counter(f"{prefix}_records_total", "Records whose fate is settled, by outcome.", ["outcome"], registry=registry)
        letters = Counter(f"{prefix}_dead_letters_total", "Dead letters published, by reason.", ["reason"], registry=registry)
        self.records = {outcome: records.labels(outcome) for outcome in OUTCOMES}
        self.dead_letters = {reason: letters.labels(reason) for reason in OUTCOMES[1:]}
        self.published = Counter(f"{prefix}_published_total", "Records published.", registry=registry)
        self.rewinds = Counter(f"{prefix}_rewinds_total", "Batches rewound because something was unavailable.", registry=registry)
        self.lost = Counter(f"{prefix}_lost_partitions_total", "Partitions that went to another member before their commit.", registry=registry)
        self.held = Gauge(f"{prefix}_held_records", "Bad records held back until a good one ends their run.", registry=registry)
        self.lag = Gauge(f"{prefix}_lag_records", "Records not yet committed in the partitions this process owns.", registry=registry)
        self.batch_seconds = Histogram(f"{prefix}_batch_seconds", "From records in hand to committed.", buckets=SECONDS, registry=registry)
        self.age_seconds = Histogram(
            f"{prefix}_record_age_seconds", "From a record's publication to its commit, the oldest of each batch.", buckets=NEWS_SECONDS, registry=registry
        )


class BrokerMetrics:
    """What the broker counts: things that should never happen often. It keeps the Hooks of `services.runtime.broker`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._missed = Counter("chipwire_broker_missed_records_total", "Records that were deleted before they were read.", registry=registry)
        rebuilds = Counter("chipwire_broker_rebuilds_total", "Broken clients that were made anew.", ["what"], registry=registry)
        self._rebuilds = {what: rebuilds.labels(what) for what in ("consumer", "producer")}

    def on_gap(self, partition: Partition, wanted: int, found: int) -> None:  # noqa: ARG002 a partition is no label
        self._missed.inc(max(0, found - wanted))

    def on_rebuild(self, what: str) -> None:
        self._rebuilds[what].inc()
