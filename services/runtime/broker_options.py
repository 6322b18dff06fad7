"""What the two brokers may be told beyond their URL. Every field has a default that suits one machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """Options of the embedded broker."""

    power_safe: bool = False
    """Sync the disk at every commit, so that a power cut loses nothing either. Without it kill -9 loses nothing, a power cut perhaps the last seconds."""
    max_bytes: int = 2 * 1024**3
    """The size at which old records that everyone has read go early, and publishers wait where readers are behind."""
    tidy_every: timedelta = timedelta(minutes=1)
    """How often retention, compaction and vacuum run."""
    keep_tombstones: timedelta = timedelta(days=1)
    """How long a compacted topic keeps a tombstone, so that readers can see it."""


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Options of the Kafka broker."""

    sasl: str = ""
    """How to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or empty for not at all."""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    """Whom to trust; the system's authorities when None."""
    certificate_file: Path | None = None
    """Our own certificate, where the cluster wants one, with its key."""
    key_file: Path | None = None
    compression: str | None = "lz4"
    """gzip, snappy, lz4, zstd or None."""
    replication: int | None = None
    """Copies of each new topic; as many as there are brokers, at most three, when None."""
    start_timeout: timedelta = timedelta(seconds=15)
    """For opening, and for joining a group."""
    publish_timeout: timedelta = timedelta(seconds=30)
    """After this `publish` raises Unavailable. What was sent may still arrive, once."""
    request_timeout: timedelta = timedelta(seconds=30)
    session_timeout: timedelta = timedelta(seconds=10)
    """A member that does not answer for so long has lost its partitions."""
    handle_timeout: timedelta = timedelta(minutes=5)
    """The longest a member may hold a batch before its partitions are given away."""
    revoke_grace: timedelta = timedelta(seconds=30)
    """How long a rebalance waits for the batch in hand to be committed."""
