"""What the notifier counts. Labels come from closed sets, and their children exist from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.config.subscriptions import KINDS
from services.notifier.place import OUTCOMES as PLACED
from services.notifier.place import TIMER_OUTCOMES
from services.notifier.timers import KINDS as TIMERS
from services.runtime.metrics import NEWS_SECONDS, SECONDS
from services.store.notices import KINDS as NOTICES

OUTCOMES = ("sent", "retry", "failed", "fenced")


class NotifierMetrics:
    """The notifier's metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._placements = Counter("chipwire_notifier_placements_total", "Verdicts placed, by what became of them.", ["outcome"], registry=registry)
        self._timers = Counter(
            "chipwire_notifier_timers_total", "Dates reached by the calendar, by what became of them.", ["kind", "outcome"], registry=registry
        )
        self.timers_waiting = Gauge("chipwire_notifier_timers_waiting", "Dates ahead on which the calendar will tell something.", registry=registry)
        self.timers_overdue_seconds = Gauge(
            "chipwire_notifier_timers_overdue_seconds", "How long the oldest date has been reached and nothing was told yet.", registry=registry
        )
        self._owner_mails = Counter(
            "chipwire_notifier_owner_mails_total", "Mails to accounts about their own destinations.", ["kind", "outcome"], registry=registry
        )
        self.disabled = Counter(
            "chipwire_notifier_destinations_given_up_total", "Destinations switched off because they failed for too long.", registry=registry
        )
        self.alerts_fanned_out = Counter("chipwire_notifier_alerts_fanned_out_total", "Alerts whose deliveries are all made.", registry=registry)
        self.superseded = Counter("chipwire_notifier_superseded_total", "Deliveries ended by a newer version of their event.", registry=registry)
        self.put_off = Counter("chipwire_notifier_put_off_total", "Alerts that wait for quiet hours to end, or for a digest.", registry=registry)
        self.dropped_waiting = Counter(
            "chipwire_notifier_put_off_dropped_total", "Alerts that waited, and were not told: taken back, overtaken or unwanted meanwhile.", registry=registry
        )
        self.digests = Counter("chipwire_notifier_digests_total", "Digests composed.", registry=registry)
        self.withheld = Counter("chipwire_notifier_withheld_total", "Deliveries to destinations that take no alerts any more.", registry=registry)
        self.leases_expired = Counter(
            "chipwire_notifier_leases_expired_total",
            "Deliveries in hand whose sender froze or died: each may arrive twice, with the same id.",
            registry=registry,
        )
        deliveries = Counter("chipwire_notifier_deliveries_total", "Attempts by how they ended.", ["channel", "outcome"], registry=registry)
        attempt_seconds = Histogram("chipwire_notifier_attempt_seconds", "How long an attempt takes.", ["channel"], buckets=SECONDS, registry=registry)
        published_to_accepted = Histogram(
            "chipwire_notifier_published_to_accepted_seconds",
            "From published by the source to accepted by the receiver: the product's own number.",
            ["channel"],
            buckets=NEWS_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "chipwire_notifier_deliveries_in_flight", "Deliveries in hand: being sent, waiting for their turn or for the journal.", registry=registry
        )
        self.queue_depth = Gauge("chipwire_notifier_queue_depth", "Deliveries waiting, those of a later retry included.", registry=registry)
        self.brakes = Gauge("chipwire_notifier_brakes", "Send brakes that are on: for all, a channel or a destination.", registry=registry)
        self.oldest_due_seconds = Gauge("chipwire_notifier_queue_oldest_due_seconds", "How long the oldest due delivery has been due.", registry=registry)
        for outcome in PLACED:
            self._placements.labels(outcome)
        for kind in NOTICES:
            for outcome in ("sent", "failed"):
                self._owner_mails.labels(kind, outcome)
        for kind in TIMERS:
            for outcome in TIMER_OUTCOMES:
                self._timers.labels(kind, outcome)
        self._deliveries = {(channel, outcome): deliveries.labels(channel, outcome) for channel in KINDS for outcome in OUTCOMES}
        self._attempt_seconds = {channel: attempt_seconds.labels(channel) for channel in KINDS}
        self._published_to_accepted = {channel: published_to_accepted.labels(channel) for channel in KINDS}

    def placed(self, outcome: str) -> None:
        """Counts one placement."""
        self._placements.labels(outcome).inc()

    def timer(self, kind: str, outcome: str) -> None:
        """Counts one date that the calendar has reached."""
        self._timers.labels(kind, outcome).inc()

    def owner_mailed(self, kind: str, outcome: str) -> None:
        """Counts one mail about a destination."""
        self._owner_mails.labels(kind, outcome).inc()

    def attempted(self, channel: str, seconds: float) -> None:
        """Notes how long one attempt took."""
        self._attempt_seconds[channel].observe(seconds)

    def accepted(self, channel: str, seconds: float) -> None:
        """Notes how long it took from the source to the receiver."""
        self._published_to_accepted[channel].observe(max(0.0, seconds))

    def ended(self, channel: str, outcome: str) -> None:
        """Counts one attempt by how it ended."""
        self._deliveries[channel, outcome].inc()
