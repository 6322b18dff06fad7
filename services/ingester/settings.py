"""Settings of the ingester: CHIPWIRE_INGESTER_*."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr

from schemas.config.duration import Duration
from services.runtime.settings import Settings, Words


class IngesterSettings(Settings, env_prefix="CHIPWIRE_INGESTER_"):
    """How sources are visited and pushes taken."""

    poll: bool = True
    """Whether this process visits sources. Off, it takes pushes only."""
    only: Words = ()
    """Ids of the sources that this process visits, such as `eu-trade,uk-ecju`; all by default."""
    contact: str = ""
    """An address or page for whoever runs a source that we visit; told in the User-Agent header. Some official sources demand one."""
    visits_at_once: int = Field(default=50, ge=1, le=200)
    """Visits under way at the same time, at most one for each host. Enough that sources which hang never keep the others waiting."""
    host_gap: Duration = timedelta(seconds=1)
    """Pause between two visits to the same host."""
    visit_deadline: Duration = Field(default=timedelta(seconds=20), ge=timedelta(milliseconds=10))
    """Time for one request, to the last byte."""
    visit_lease: Duration = Field(default=timedelta(minutes=2), ge=timedelta(seconds=1))
    """A visit that takes longer may be repeated by another process. Keep it well above the deadline."""
    max_page: int = Field(default=10_000_000, ge=1_000)
    """Most bytes of one page, after decompression."""
    held_wait: Duration = timedelta(seconds=15)
    """When the broker or the database is away: how long until a visit is tried again. The source is not to blame."""
    seen_kept: Duration = timedelta(days=400)
    """How long an item that has left its source is remembered."""
    push_token: SecretStr = SecretStr("")
    """Bearer token of `POST /v1/items`; without one nothing can be pushed."""
    push_max_body: int = Field(default=8_000_000, ge=1_000)
    """Most bytes of one push."""
    push_max_items: int = Field(default=1_000, ge=1, le=10_000)
    """Most items of one push."""
    push_in_flight: int = Field(default=32_000_000, ge=1_000)
    """Bytes of pushes in hand at which further ones are told to wait."""
    push_deadline: Duration = timedelta(seconds=15)
    """Longest time a push waits for the broker before it is told to come again."""
