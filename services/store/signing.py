"""The secrets of a webhook while they change hands: the newest signs, and for a while older ones sign beside it (Standard Webhooks v1). Pure.

They are kept as one text, encrypted as one: `whsec_newest whsec_older@2026-11-25T15:00:00+00:00`, each older one with the moment until which it signs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

GRACE = timedelta(hours=24)
"""How long an older secret signs, where nobody says otherwise."""

MOST = 3
"""Secrets at once: each costs a signature in every request."""


def newest(kept: str) -> str:
    """The secret that was given last."""
    return kept.partition(" ")[0]


def in_force(kept: str, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    first, *older = kept.split(" ")
    written = [one.partition("@") for one in older]
    return (first, *(secret for secret, _, until in written if now < datetime.fromisoformat(until)))


def rotated(kept: str, new: str, *, now: datetime, grace: timedelta = GRACE) -> str:
    """The same with a new secret; the one before signs for the grace, and those before it as long as they were to."""
    if new == newest(kept):
        return kept
    still = set(in_force(kept, now)[1:])
    older = [one for one in kept.split(" ")[1:] if one.partition("@")[0] in still - {new}]
    before = [f"{newest(kept)}@{(now + grace).isoformat()}"] if grace > timedelta() else []
    return " ".join([new, *before, *older][:MOST])
