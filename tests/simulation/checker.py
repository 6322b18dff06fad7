"""The promises of the notifier, and whether a run has kept them. Shares no code with the notifier: it knows what was asked for, what the receivers saw, and the
store's tables as they stand.

    problems(evidence) -> ["lost: ...", "duplicate: ...", ...]      the word before the colon names the promise
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tests.simulation.plan import Reader
from tests.simulation.receivers import Request
from tests.simulation.world import LEASE, Evidence

CORRECTING = ("correction", "withdrawal")
SLACK = 1.0
"""Seconds by which what is measured on both sides of a call may differ."""


@dataclass(frozen=True)
class Told:
    """One alert inside what was sent to a receiver."""

    alert: str
    event: str
    version: int
    kind: str
    body: dict[str, Any]


@dataclass
class Case:
    """The evidence, read."""

    evidence: Evidence
    requests: list[Request]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Evidence) -> Case:
        case = cls(evidence, evidence.requests, {"timers": []})
        assert evidence.db is not None
        for (table,) in evidence.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            case.tables[table] = _rows(evidence.db, table)
        return case

    def of_reader(self, reader: str) -> list[tuple[int, Request]]:
        return [(number, request) for number, request in enumerate(self.requests) if request.reader == reader]


def problems(evidence: Evidence) -> list[str]:
    """What was promised and not kept, each with its promise; empty when all was."""
    found = [f"broken: {what}" for what in evidence.broken]
    if not evidence.finished:
        found.append("unfinished: hours after all was calm there was still something to do")
    case = Case.of(evidence)
    for promise, check in PROMISES.items():
        found += [f"{promise}: {what}" for what in check(case)]
    return found


# ---- what was told becomes events


def _placed(case: Case) -> Iterator[str]:
    """Every verdict stands, in the event of its story, and events tell no two stories."""
    home = {row["item_id"]: row["event_id"] for row in case.tables["event_items"]}
    stands = {row["item_id"]: row for row in case.tables["verdicts"]}
    owner: dict[str, int] = {}
    for number, story in enumerate(case.evidence.plan.stories):
        newest = {}
        for telling in story.tellings:
            item = telling.signal.item
            if item.id not in newest or item.observed_at > newest[item.id].item.observed_at:
                newest[item.id] = telling.signal
        for item_id, signal in newest.items():
            if item_id not in stands:
                yield f"no verdict on an item of story {number}"
            elif stands[item_id]["observed_at"] != _micros(signal.item.observed_at):
                yield f"an older verdict stands on an item of story {number}"
            elif signal.verdict == "alert" and signal.item.tier <= 2 and item_id not in home:
                yield f"an alert of story {number} ({story.shape}) is in no event"
            if item_id in home and owner.setdefault(home[item_id], number) != number:
                yield f"event {home[item_id]} tells of stories {owner[home[item_id]]} and {number}"


def _told_of(case: Case) -> Iterator[str]:
    """Every event has all its versions; what was opened was raised; and each story ends as it must."""
    versions = defaultdict(list)
    for row in case.tables["event_versions"]:
        versions[row["event_id"]].append(row["version"])
    raised = {(row["event_id"], row["version"]): row for row in case.tables["alerts"]}
    for row in case.tables["events"]:
        if sorted(versions[row["id"]]) != list(range(1, row["version"] + 1)):
            yield f"event {row['id']} stands at version {row['version']} and has {sorted(versions[row['id']])}"
        if (row["id"], 1) not in raised:
            yield f"event {row['id']} was opened without an alert"
        event = json.loads(row["event"])
        if row["status"] == "withdrawn" and raised.get((row["id"], row["version"]), {}).get("kind") != "withdrawal":
            yield f"event {row['id']} was withdrawn without an alert"
        if row["status"] == "open" and not event["sources"]:
            yield f"event {row['id']} is open and nobody tells it"
    yield from _endings(case)


def _endings(case: Case) -> Iterator[str]:
    events = {row["id"]: row for row in case.tables["events"]}
    homes = {row["item_id"]: row["event_id"] for row in case.tables["event_items"]}
    fresh = Counter(row["event_id"] for row in case.tables["alerts"] if row["fresh"])
    for number, story in enumerate(case.evidence.plan.stories):
        home = {homes[telling.signal.item.id] for telling in story.tellings if telling.signal.item.id in homes}
        facts = [json.loads(events[one]["event"])["facts"] for one in home]
        if story.shape != "reversed" and len(home) > 1:
            yield f"story {number} ({story.shape}) became {len(home)} events"
        if story.shape == "advanced" and home and facts[0]["stage"] != "published":
            yield f"story {number} was published and stands as {facts[0]['stage']}"
        if story.shape == "withdrawn" and any(events[one]["status"] != "withdrawn" for one in home):
            yield f"story {number} was taken back and stands"
        if story.shape == "turned" and any(one["direction"] != "loosen" for one in facts):
            yield f"story {number} was turned round and stands as it was"
        if story.shape == "backfill" and any(fresh[one] for one in home):
            yield f"story {number} is history and was raised"
        if story.shape in ("plain", "advanced", "reversed", "aggregated", "denied") and home and not any(fresh[one] for one in home):
            yield f"story {number} is news and was not raised"


def _relayed(case: Case) -> Iterator[str]:
    """Every version is published, and of each event the newest comes last."""
    wanted = {(row["event_id"], row["version"]) for row in case.tables["event_versions"]}
    found: list[tuple[str, int]] = []
    for record in case.evidence.published:
        event = json.loads(record.value or b"{}")
        found.append((event["id"], event["version"]))
    for event_id, version in sorted(wanted - set(found)):
        yield f"version {version} of {event_id} was never published"
    if any(what == "freeze" for _, _, what in case.evidence.incidents) or case.evidence.plan.rates.broker_lost:
        return  # who was frozen while publishing may come after who took over; readers go by the version
    last = dict(found)
    newest = {row["id"]: row["version"] for row in case.tables["events"]}
    for event_id, version in last.items():
        if version != newest.get(event_id):
            yield f"the last that was published of {event_id} is version {version} of {newest.get(event_id)}"


# ---- alerts reach whom they shall


def _lost(case: Case) -> Iterator[str]:
    """Whoever asked for an event knows its newest version that was raised; unless it is gone, or there was nothing to correct."""
    gone = {request.reader for request in case.requests if request.status == 410}
    alerts = _by_event(case)
    for reader in case.evidence.plan.readers:
        if reader.id in gone:
            continue
        known = _known(case, reader.id, only_taken=True)
        heard = _known(case, reader.id, only_taken=False)
        for event_id, raised in alerts.items():
            wanted = _wanted(reader, raised, heard.get(event_id, set()))
            if wanted is None or wanted in known.get(event_id, set()):
                continue
            yield f"{reader.id} was not told of version {wanted} of {event_id}, and knows {sorted(known.get(event_id, set()))}"


def _wanted(reader: Reader, raised: Sequence[dict[str, Any]], heard: set[int]) -> int | None:
    """The newest version that the reader must know; None when there is none."""
    wanted = None
    for alert in raised:
        version = alert["version"]
        if alert["kind"] in CORRECTING:
            wanted = version if any(one < version for one in heard) else None
        elif _matches(reader, json.loads(alert["event"])):
            wanted = version
    return wanted


def _wrong(case: Case) -> Iterator[str]:
    """Nobody gets what they did not ask for, what differs from what was raised, or a correction of what they cannot have heard of."""
    alerts = {row["id"]: row for row in case.tables["alerts"]}
    for reader in case.evidence.plan.readers:
        begun = _taken_up(case, reader.id)
        for _, request in case.of_reader(reader.id):
            for one in _told(request):
                raised = alerts.get(one.alert)
                if raised is None or not raised["fresh"]:
                    yield f"{reader.id} got {one.alert}, which was not raised"
                elif json.loads(raised["event"]) != one.body:
                    yield f"{reader.id} got another text of {one.alert} than was raised"
                elif raised["kind"] in CORRECTING:
                    if not any(version < one.version for version in begun[one.event]):
                        yield f"{reader.id} got the {raised['kind']} {one.alert} of what it was never sent"
                elif not _matches(reader, one.body) and not _matches_newest(case, reader, one.event):
                    yield f"{reader.id} got {one.alert}, which its filter does not let through"


def _taken_up(case: Case, reader: str) -> dict[str, set[int]]:
    """The versions of each event that were ever taken up for sending to a reader: whether it has heard of them, nobody but the reader can be sure."""
    up = {step["id"] for step in case.tables["seen"] if step["new"] == "sending"}
    begun: defaultdict[str, set[int]] = defaultdict(set)
    digests = {row["event_id"] for row in case.tables["deliveries"] if row["id"] in up and row["destination_id"] == reader}
    for row in case.tables["deliveries"]:
        if row["id"] in up and row["destination_id"] == reader:
            begun[row["event_id"]].add(row["version"])
    for row in case.tables["waiting_alerts"]:
        if row["digest_id"] in digests and row["destination_id"] == reader:
            begun[row["event_id"]].add(row["version"])
    return begun


def _stale(case: Case) -> Iterator[str]:
    """Nothing is taken up for sending after something newer about the same event was made for the same reader."""
    rows = {row["id"]: row for row in case.tables["deliveries"]}
    newest: dict[tuple[str, str], int] = {}
    for step in case.tables["seen"]:
        row = rows.get(step["id"])
        if row is None or row["kind"] == "digest":
            continue
        place = (row["destination_id"], row["event_id"])
        if step["old"] is None:
            newest[place] = max(newest.get(place, 0), row["version"])
        elif step["new"] == "sending" and step["old"] == "pending" and row["version"] < newest.get(place, 0):
            yield f"{place[0]} was sent version {row['version']} of {place[1]} after version {newest[place]} was made for it"


def _stale_digests(case: Case) -> Iterator[str]:
    """No digest tells at its first sending what was corrected before it was taken up."""
    corrected: dict[str, tuple[int, int]] = {}  # event: when in the store's history its correction was fanned out, and its version
    alerts = {row["id"]: row for row in case.tables["alerts"]}
    for step in case.tables["seen"]:
        alert = alerts.get(step["id"])
        if alert is not None and step["new"] == "fanned" and alert["kind"] in CORRECTING and alert["fresh"]:
            corrected[alert["event_id"]] = (step["n"], alert["version"])
    claimed: dict[str, int] = {}
    for step in case.tables["seen"]:
        if step["new"] == "sending" and step["old"] == "pending":
            claimed.setdefault(step["id"], step["n"])
    for request in case.requests:
        body = json.loads(request.body)
        for one in _told(request) if "alerts" in body else ():
            at, version = corrected.get(one.event, (0, 0))
            if one.version < version and at and claimed.get(request.id, 0) > at:
                yield f"{request.reader} was sent a digest with version {one.version} of {one.event} after its correction"


def _duplicates(case: Case) -> Iterator[str]:
    """Nothing comes twice but with the same id, and only where its sender could not know that it had come; never to two at once, short of a process that died or froze."""
    by_id: defaultdict[tuple[str, str], list[Request]] = defaultdict(list)
    for request in case.requests:
        by_id[request.reader, request.id].append(request)
    for (reader, one), requests in by_id.items():
        for before, after in pairwise(requests):
            if after.headers.get("chipwire-replay") != before.headers.get("chipwire-replay"):
                continue
            excused = _disturbed(case, before, after)
            if before.taken and not excused:
                yield f"{reader} got {one} at {before.begun_at:.1f} s, took it, and got it again at {after.begun_at:.1f} s"
            if not excused and (before.ended_at is None or after.begun_at < before.ended_at - SLACK):
                yield f"{reader} was sent {one} by two at once, at {before.begun_at:.1f} s and {after.begun_at:.1f} s"
    told: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for request in case.requests:
        for alert in _told(request):
            told[request.reader, alert.alert].add(request.id)
    for (reader, alert_id), ids in told.items():
        if len(ids) > 1:
            yield f"{reader} got {alert_id} under {len(ids)} ids"


def _disturbed(case: Case, before: Request, after: Request) -> bool:
    """Whether the sender died, froze or was stopped, or could not write for as long as its lease, between the one and the other."""
    name = before.owner.name if before.owner else ""
    ended = before.ended_at if before.ended_at is not None else before.begun_at
    struck = any(owner == name and at >= before.begun_at - LEASE.total_seconds() and at <= after.begun_at for at, owner, _ in case.evidence.incidents)
    if struck:
        return True
    rates = case.evidence.plan.rates
    return bool(rates.store or rates.store_lost or rates.slow) and after.begun_at - ended >= LEASE.total_seconds() - 30


def _sequence(case: Case) -> Iterator[str]:
    """Numbers have no gap: each that was taken is a delivery's, which keeps it; its receiver sees one number for one id, and its predecessor."""
    last = {row["id"]: row["last_sequence"] for row in case.tables["destinations"]}
    taken: defaultdict[str, list[int]] = defaultdict(list)
    for row in case.tables["deliveries"]:
        if row["sequence"] is not None:
            taken[row["destination_id"]].append(row["sequence"])
            if row["previous"] != row["sequence"] - 1:
                yield f"{row['destination_id']} has a number {row['sequence']} after {row['previous']}"
    for reader, highest in last.items():
        if sorted(taken[reader]) != list(range(1, highest + 1)):
            yield f"{reader} counts to {highest} and has {sorted(taken[reader])}"
    seen: dict[tuple[str, str], str] = {}
    for request in case.requests:
        number = request.headers["chipwire-sequence"]
        if seen.setdefault((request.reader, number), request.id) != request.id:
            yield f"{request.reader} got number {number} on two ids"
        if seen.setdefault((request.reader, request.id), number) != number:
            yield f"{request.reader} got {request.id} with two numbers"


def _journal(case: Case) -> Iterator[str]:
    """What has ended stays ended; and the journal says of each delivery what its receiver would."""
    taken = {(request.reader, request.id) for request in case.requests if request.read_at is not None and request.status is not None and request.status < 300}
    for step in case.tables["seen"]:
        if step["old"] in ("sent", "superseded", "withheld", "failed") and step["new"] != step["old"]:
            yield f"{step['id']} was {step['old']} and became {step['new']}"
    for row in case.tables["deliveries"]:
        if row["state"] == "sent" and (row["destination_id"], row["id"]) not in taken:
            yield f"{row['id']} is called sent, and {row['destination_id']} never took it"
    for row in case.tables["attempts"]:
        if row["reason"] == "bug":
            yield f"an attempt at {row['delivery_id']} ended in a bug"
    if case.evidence.dead:
        yield f"{case.evidence.dead} dead letters"


def _digests(case: Case) -> Iterator[str]:
    """No alert is in two digests of a reader, nor in a digest and alone; none that waited is forgotten."""
    inside = Counter((row["destination_id"], row["alert_id"]) for row in case.tables["waiting_alerts"] if row["digest_id"] is not None)
    alone = {(row["destination_id"], row["alert_id"]) for row in case.tables["deliveries"] if row["kind"] != "digest"}
    for reader, alert in inside:
        if (reader, alert) in alone:
            yield f"{reader} has {alert} in a digest and alone"
    made = {row["event_id"] for row in case.tables["deliveries"] if row["kind"] == "digest"}
    for row in case.tables["waiting_alerts"]:
        if row["digest_id"] is not None and row["digest_id"] not in made:
            yield f"{row['destination_id']} has {row['alert_id']} in a digest that was never made"


def _quiet(case: Case) -> Iterator[str]:
    """Nothing is made for a reader in its quiet hours, but what breaks through, and corrections."""
    for reader in case.evidence.plan.readers:
        if reader.times.quiet is None or reader.times.zone != "UTC":
            continue
        begins, ends = reader.times.quiet.from_, reader.times.quiet.to
        for row in case.tables["deliveries"]:
            at = datetime.fromtimestamp(row["created_at"] / 1e6, UTC).time()
            if row["destination_id"] != reader.id or row["kind"] in CORRECTING or not (begins <= at < ends if begins < ends else at >= begins or at < ends):
                continue
            alert = next(one for one in case.tables["alerts"] if one["id"] == row["alert_id"])
            if row["kind"] == "digest" or json.loads(alert["event"])["facts"]["severity"] < (reader.times.break_through or 6):
                yield f"{reader.id} was to be told {row['alert_id']} at {at}, in its quiet hours"


def _calendar(case: Case) -> Iterator[str]:
    """Each date of an event that the calendar has reached is told once."""
    reached = [row for row in case.tables["timers"] if row["state"] == "done" and row["why"] is None]
    by_calendar = [row for row in case.tables["event_versions"] if {"by_calendar", "reminder"} & {*json.loads(row["changes"])}]
    if len(reached) != len(by_calendar):
        yield f"{len(reached)} dates were reached and {len(by_calendar)} versions tell of one"


PROMISES = {
    "placed": _placed,
    "told of": _told_of,
    "relayed": _relayed,
    "lost": _lost,
    "wrong": _wrong,
    "stale": _stale,
    "stale digest": _stale_digests,
    "duplicate": _duplicates,
    "sequence": _sequence,
    "journal": _journal,
    "digest": _digests,
    "quiet": _quiet,
    "calendar": _calendar,
}
"""Each promise and the check of it."""


# ---- reading the evidence


def _told(request: Request) -> list[Told]:
    body = json.loads(request.body)
    parts = body.get("alerts", [body])
    return [Told(one["alert"], one["event"]["id"], one["event"]["version"], one["kind"], one["event"]) for one in parts]


def _known(case: Case, reader: str, *, only_taken: bool) -> dict[str, set[int]]:
    """The versions of each event that a reader has taken; or only those whose sender was told so. Who answers with an error has not taken it."""
    known: defaultdict[str, set[int]] = defaultdict(set)
    for _, request in case.of_reader(reader):
        if request.read_at is not None and ((request.status is None and not only_taken) or (request.status is not None and request.status < 300)):
            for one in _told(request):
                known[one.event].add(one.version)
    return known


def _by_event(case: Case) -> dict[str, list[dict[str, Any]]]:
    raised: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(case.tables["alerts"], key=lambda row: row["version"]):
        if row["fresh"]:
            raised[row["event_id"]].append(row)
    return raised


def _matches(reader: Reader, event: dict[str, Any]) -> bool:
    facts = event["facts"]
    return facts["severity"] >= reader.severity and (reader.imposers is None or bool({*reader.imposers} & {*facts["imposers"]}))


def _matches_newest(case: Case, reader: Reader, event_id: str) -> bool:
    return any(row["id"] == event_id and _matches(reader, json.loads(row["event"])) for row in case.tables["events"])


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


def _rows(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    cursor = db.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
