"""The body of a webhook: one alert, as told to one destination. Signed after Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.events.base import Event
from schemas.events.event import PolicyEvent

TYPE = "policy.alert.v1"


class WebhookAlert(Event):
    """One alert. The same delivery has the same body however often it is tried.

    Receivers drop what they have seen by `delivery` (the `webhook-id` header), and find gaps by `sequence`: it rises by one from `previous` to the next
    delivery of this destination, in the order of release, within one `epoch`.
    """

    type: str = TYPE
    timestamp: AwareDatetime = Field(description="When the alert was raised.")
    delivery: str = Field(description="Id of the delivery, the same as the webhook-id header.")
    alert: str = Field(description="Id of the alert: event and version.")
    kind: str = Field(description="new, update, reversal, correction, withdrawal or reminder.")
    headline: str = Field(description="In `language`, stage word first.")
    text: str = Field(description="The alert in words, in `language`, with the evidence quoted in the original.")
    language: str
    reasons: tuple[str, ...] = Field(default=(), description="Which subscriptions matched, and why.")
    sequence: int = Field(description="Number of this delivery at its destination.")
    previous: int = Field(description="The number before it; 0 before the first of an epoch.")
    epoch: int = Field(description="Rises when the numbers start again, after a restore.")
    event: PolicyEvent
