"""The body of a webhook that tells several alerts at once: a digest, as told to one destination. Signed and numbered like a single alert."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.events.base import Event
from schemas.events.event import PolicyEvent

TYPE = "policy.digest.v1"


class DigestedAlert(Event):
    """One alert of a digest."""

    alert: str = Field(description="Id of the alert: event and version.")
    kind: str = Field(description="new, update or reversal.")
    event: PolicyEvent


class WebhookDigest(Event):
    """One digest: the alerts that a destination gathers by the hour, the day or the week, and those beyond its daily cap.

    `delivery`, `sequence`, `previous` and `epoch` mean what they mean in `policy.alert.v1`, and run on through both. What was corrected or taken back before the
    digest was sent does not stand in it; what is corrected later is told by an alert of its own.
    """

    type: str = TYPE
    timestamp: AwareDatetime = Field(description="When the digest was composed.")
    delivery: str = Field(description="Id of the delivery, the same as the webhook-id header.")
    digest: str = Field(description="Id of the digest: one destination has one at a time.")
    headline: str = Field(description="Of the weightiest alert, in `language`.")
    text: str = Field(description="The digest in words, in `language`.")
    language: str
    reasons: tuple[str, ...] = Field(default=(), description="Which subscriptions matched, and why.")
    sequence: int = Field(description="Number of this delivery at its destination.")
    previous: int = Field(description="The number before it; 0 before the first of an epoch.")
    epoch: int = Field(description="Rises when the numbers start again, after a restore.")
    alerts: tuple[DigestedAlert, ...] = Field(description="The weightiest first.")
