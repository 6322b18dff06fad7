"""One event whole, for `chipwire events show`: versions, items, relations, dates ahead, alerts, deliveries, and what was done by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from schemas.events.event import EventSource, PolicyEvent
from services.notifier import operate
from services.notifier.conflicts import conflicts
from services.store import delivery, interventions, threads, timers
from services.store.delivery import Delivery
from services.store.engine import Connection
from services.store.interventions import Intervention
from services.store.threads import Alert
from services.store.timers import Planned


@dataclass(frozen=True)
class Thread:
    """All that is kept of one event."""

    event: PolicyEvent
    versions: Sequence[PolicyEvent]
    related: Sequence[PolicyEvent]
    timers: Sequence[Planned]
    alerts: Sequence[tuple[Alert, bool]]
    deliveries: Sequence[Delivery]
    interventions: Sequence[Intervention]

    @classmethod
    def of(cls, db: Connection, name: str) -> Thread:
        """The event with this id or slug. Raises Rejected."""
        event = operate.find(db, name)
        return cls(
            event,
            threads.versions(db, event.id),
            threads.related(db, event.id),
            timers.list_timers(db, event.id),
            threads.alerts_of(db, event.id),
            delivery.list_deliveries(db, event_id=event.id),
            interventions.list_interventions(db, event.id),
        )


def as_json_object(thread: Thread) -> dict[str, Any]:
    """The event's own fields, and beside them the lists of what belongs to it."""
    return thread.event.model_dump(mode="json", by_alias=True) | {
        "versions": [{"version": each.version, "at": each.updated_at, "changes": each.changes, "note": each.note} for each in thread.versions],
        "timers": [asdict(each.timer) | {"state": each.state, "why": each.why} for each in thread.timers],
        "alerts": [{"id": alert.id, "kind": alert.kind, "rank": alert.rank, "at": alert.created_at, "pushed": fresh} for alert, fresh in thread.alerts],
        "deliveries": [asdict(each) | {"destination": "/".join(each.destination)} for each in thread.deliveries],
        "interventions": [asdict(each) for each in thread.interventions],
    }


def as_lines(thread: Thread) -> list[str]:
    """The same for people."""
    event = thread.event
    relations = {relation.event: relation.relation for relation in event.relations}
    parts = (
        ("versions", (f"  {each.version}  {each.updated_at:%Y-%m-%d %H:%M}  {', '.join(each.changes) or 'sources'}" for each in thread.versions)),
        ("sources", _sources(event)),
        ("sources differ", (f"  {conflict.about}  {'; '.join(map(_said, conflict.said))}" for conflict in conflicts(event))),
        ("related", (f"  {relations.get(other.id, 'named by')}  {other.slug}  {other.headline}" for other in thread.related)),
        ("by calendar", (_timer(each) for each in thread.timers)),
        ("alerts", (_alert(alert, fresh=fresh) for alert, fresh in thread.alerts)),
        ("deliveries", (_delivery(each) for each in reversed(thread.deliveries))),
        ("by hand", (_intervention(each) for each in thread.interventions)),
    )
    lines = [event.headline, f"{event.slug}  {event.id}  version {event.version}  {event.status}  {event.origins} origins"]
    for title, found in parts:
        told = list(found)
        lines += ["", title, *told] if told else []
    return lines


def _sources(event: PolicyEvent) -> Iterable[str]:
    for source in event.sources:
        name = source.title or source.url or source.item
        yield f"  tier {source.tier}  {source.outlet or source.source}  {_published(source)}  {name}"
        yield f"    item {source.item}" + (f"; origin {source.origin}" if source.origin else "")
        if source.why_joined:
            yield f"    joined by {', '.join(source.why_joined)}"


def _published(source: EventSource) -> str:
    return str(source.published or f"{source.first_seen_at:%Y-%m-%d %H:%M}")


def _timer(one: Planned) -> str:
    state = one.state + (f" ({one.why})" if one.why else "")
    return f"  {one.timer.due_at:%Y-%m-%d %H:%M}  {one.timer.kind.replace('_', ' ')}  {state}"


def _alert(alert: Alert, *, fresh: bool) -> str:
    return f"  {alert.id}  {alert.created_at:%Y-%m-%d %H:%M}  {alert.kind}  rank {alert.rank}  {'pushed' if fresh else 'shown only'}"


def _delivery(one: Delivery) -> str:
    return f"  {one.id}  {'/'.join(one.destination)}  {one.kind}  {one.state}" + (f" ({one.why})" if one.why else "")


def _intervention(one: Intervention) -> str:
    return f"  {one.at:%Y-%m-%d %H:%M}  {one.verb} by {one.operator}: {one.reason}"


def _said(one: tuple[str, tuple[str, ...]]) -> str:
    value, outlets = one
    return f"{value} ({', '.join(outlets)})"
