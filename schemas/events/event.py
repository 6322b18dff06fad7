"""A thread: all signals about one measure, in versions. One version is material when subscribers are told about it."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.events.base import Event, Moment
from schemas.events.signal import Amount, Evidence, FactDate, Facts

RELATIONS = ("supersedes", "implements", "codifies", "reverses", "suspends", "extends", "corrects", "responds_to")
STATUSES = ("open", "withdrawn", "retracted", "merged")
CHANGES = (
    "opened", "stage_raised", "date_set", "date_moved", "target_added", "product_added", "party_added", "direction_corrected", "imposer_corrected",
    "severity_raised", "denied", "corrected", "withdrawn", "by_calendar", "reminder",
)  # fmt: skip


class Relation(Event):
    """How this event relates to another."""

    event: str = Field(description="Id of the other event.")
    relation: str = Field(description=f"One of {', '.join(RELATIONS)}.")


class EventSource(Event):
    """One item that tells this event, with the words it rests on (at most 300 characters of any source)."""

    item: str
    outlet: str | None = None
    source: str
    url: str | None = None
    tier: int
    verdict: str = Field(default="alert", description="alert: the event stands on it; context: attached only.")
    language: str | None = None
    published: Moment | None = None
    first_seen_at: AwareDatetime
    title: str | None = None
    origin: str | None = None
    stage: str | None = None
    evidence: tuple[Evidence, ...] = ()
    amounts: tuple[Amount, ...] = Field(default=(), description="As this source gives them, also where another says otherwise.")
    dates: tuple[FactDate, ...] = Field(default=(), description="Likewise.")
    why_joined: tuple[str, ...] = Field(default=(), description="What made it the same event, such as instrument:91 FR 1684.")


class PolicyEvent(Event):
    """One version of one event. Versions ascend; the newest stands."""

    id: str = Field(description="Minted once, a ULID.")
    slug: str = Field(description="Readable, such as us-2025-h20-shelve, or -2 where another event is called so; imported history may share one.")
    version: int
    status: str = Field(default="open", description=f"One of {', '.join(STATUSES)}.")
    headline: str = Field(description="In English, stage word first.")
    facts: Facts
    changes: tuple[str, ...] = Field(default=(), description=f"What made this version material: some of {', '.join(CHANGES)}. Empty: the source list grew.")
    relations: tuple[Relation, ...] = ()
    sources: tuple[EventSource, ...] = ()
    note: str | None = Field(default=None, description="What an operator says of this version, such as why it was taken back.")
    settled: tuple[str, ...] = Field(default=(), description="Facts that an operator has set: judging a known item anew does not change them.")
    merged: tuple[str, ...] = Field(default=(), description="Ids of the events that were merged into this one.")
    merged_into: str | None = Field(default=None, description="Id of the event that this one was merged into.")
    origins: int = Field(default=1, description="How many independent origins tell it; rewrites of one report count once.")
    opened_at: AwareDatetime
    updated_at: AwareDatetime
