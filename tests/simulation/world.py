"""One run: two notifiers on one store and one log, told and disturbed as the plan says, until all is calm and nothing is left to do.

Plan -> World.run() -> Evidence -> checker.problems(evidence)
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import importlib
import logging
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch

import sqlalchemy as sa
import structlog
import ulid
from prometheus_client import CollectorRegistry
from structlog.typing import EventDict
from ulid import ULIDGenerator

from schemas.topics import POLICY_EVENTS, POLICY_SIGNALS
from services.notifier import deliver, service
from services.notifier.names import load_names
from services.notifier.outbox import Relay
from services.notifier.settings import NotifierSettings
from services.notifier.wording import load_templates
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Unavailable
from services.runtime.http import HttpClient
from services.runtime.service import Service
from services.store import migrate
from services.store.accounts import WantedAccount, WantedDestination, WantedSubscription
from services.store.engine import Store, metadata
from services.store.secrets import open_cipher
from tests.simulation.broker import SESSION, SimulatedBroker, Trouble
from tests.simulation.loop import OWNER, Owner, SimulatedLoop, Stuck
from tests.simulation.plan import BUSY, Incident, Plan, chance_of
from tests.simulation.receivers import HOST, Receivers, Request

T = TypeVar("T")

ACCOUNT = "desk"
SECRET = "whsec_" + base64.b64encode(b"simulated receivers share one.").decode()
LEASE = timedelta(seconds=80)
PATIENCE = timedelta(seconds=20)
"""How often a notifier looks for what nobody announced: seldom, because every look costs the run some time."""
LONGEST = 3600.0
"""Seconds that the notifiers may run after the busy time until everything has come to its end."""
LOOK = 10.0
"""Seconds between looks at whether it has."""
IDLE = 60.0
"""When nothing is due for longer than so many seconds, the notifiers are stopped until then: a night costs nothing."""

_WATCHED = """
CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, old TEXT, new TEXT, token TEXT, attempts INTEGER);
CREATE TRIGGER seen_new AFTER INSERT ON deliveries BEGIN
  INSERT INTO seen (id, old, new, token, attempts) VALUES (new.id, NULL, new.state, new.lease_token, new.attempts); END;
CREATE TRIGGER seen_change AFTER UPDATE ON deliveries BEGIN
  INSERT INTO seen (id, old, new, token, attempts) VALUES (new.id, old.state, new.state, new.lease_token, new.attempts); END;
CREATE TRIGGER seen_fanned AFTER UPDATE OF fanned_out_at ON alerts WHEN old.fanned_out_at IS NULL AND new.fanned_out_at IS NOT NULL BEGIN
  INSERT INTO seen (id, old, new) VALUES (new.id, 'alert', 'fanned'); END;
"""
"""What becomes of deliveries, in the order in which it was committed."""


@dataclass
class Evidence:
    """All that is known of a run: what was wanted, what the receivers saw, and what the store says at the end."""

    plan: Plan
    requests: list[Request]
    claims: dict[int, int]
    """For each request, how much of the store's history there was when it began."""
    incidents: list[tuple[float, str, str]] = field(default_factory=list)
    """When, to which process, what."""
    broken: list[str] = field(default_factory=list)
    published: list[Record] = field(default_factory=list)
    dead: int = 0
    finished: bool = False
    ended_at: float = 0.0
    steps: int = 0
    db: sqlite3.Connection | None = None
    log: list[str] = field(default_factory=list)


class Room:
    """What runs share, because it is dear to make: the tables, the words, the keys. One run at a time."""

    def __init__(self, directory: Path) -> None:
        for module in migrate.TABLE_MODULES:
            importlib.import_module(module)
        config = ConfigDir()
        self.names, self.templates = load_names(config), load_templates(config, "en")
        keys = directory / "keys"
        open_cipher(keys, create=True)
        self._settings = NotifierSettings(
            keys_file=keys, poll=PATIENCE, housekeeping=PATIENCE, batch_wait=PATIENCE, lease=LEASE,
            concurrency=3, per_destination=2, breaker_longest=timedelta(minutes=1), drain=timedelta(seconds=10), batch_records=3,
        )  # fmt: skip
        self._engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False, "isolation_level": None})
        self.connection = cast("sqlite3.Connection", self._engine.raw_connection().driver_connection)
        self.connection.execute("PRAGMA foreign_keys=ON")
        metadata.create_all(self._engine)
        self.connection.executescript(_WATCHED)
        self._empty = sqlite3.connect(":memory:", check_same_thread=False)
        self.connection.backup(self._empty)
        self._wanted: list[WantedAccount] = []
        self.log: list[str] = []

    def reset(self, plan: Plan, now: Callable[[], datetime]) -> None:
        """As at the beginning of a run."""
        self._empty.backup(self.connection)
        self._wanted = [_account(plan)]
        self.log.clear()
        chance = chance_of("ids", plan.seed)
        random.seed(f"jitter:{plan.seed}")
        ulid.default_generator = ULIDGenerator(lambda: round(now().timestamp() * 1000), lambda _: chance.randbytes(10))

    def build(self, world: World) -> Service:
        """A notifier as the process builds it, on simulated ground."""
        store, registry, http = Store(self._engine, 1), CollectorRegistry(), cast("HttpClient", world.receivers)
        return service.build(self._settings, world.broker, store, clock=world, registry=registry, http=http, config=ConfigDir())

    def history(self) -> int:
        """How much has become of deliveries."""
        return cast("int", self.connection.execute("SELECT coalesce(max(n), 0) FROM seen").fetchone()[0])

    def left(self) -> str:
        """What has not come to its end yet; empty when all has."""
        return next((what for what, query in _LEFT.items() if self.connection.execute(query).fetchone()[0]), "")

    def next_due(self) -> datetime | None:
        """When the next of what is left is due; None when something is under way."""
        if self.connection.execute(_UNDER_WAY).fetchone()[0]:
            return None
        [due] = self.connection.execute(_NEXT).fetchone()
        return None if due is None else datetime.fromtimestamp(due / 1e6, UTC)

    @contextmanager
    def open(self) -> Iterator[Room]:
        """Puts what is shared, known or slow in place of what is read and made anew at each start."""
        before, generator, chance = structlog.get_config(), ulid.default_generator, random.getstate()
        with ExitStack() as stack:
            stack.enter_context(patch.object(service, "load_names", lambda _: self.names))
            stack.enter_context(patch.object(service, "load_templates", lambda _: self.templates))
            stack.enter_context(patch.object(service.subscriptions, "of_team", lambda *_: self._wanted))
            stack.enter_context(patch.object(service, "Relay", partial(Relay, look_every=PATIENCE)))
            stack.enter_context(patch.object(deliver, "LOOK", PATIENCE))
            structlog.configure(processors=[self._keep], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
            try:
                yield self
            finally:
                structlog.configure(**before)
                ulid.default_generator = generator
                random.setstate(chance)

    def _keep(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        owner = OWNER.get()
        self.log.append(f"{asyncio.get_running_loop().time() if asyncio._get_running_loop() else 0.0:10.3f} {owner.name if owner else '-'} {dict(event)}")
        raise structlog.DropEvent


_LEFT = {
    "deliveries": "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')",
    "fan-out": "SELECT count(*) FROM alerts WHERE fanned_out_at IS NULL",
    "outbox": "SELECT count(*) FROM outbox",
    "waiting": "SELECT count(*) FROM waiting_alerts WHERE state = 'waiting'",
    "calendar": "SELECT count(*) FROM timers WHERE state = 'waiting'",
}
_UNDER_WAY = "SELECT (SELECT count(*) FROM deliveries WHERE state = 'sending') + (SELECT count(*) FROM alerts WHERE fanned_out_at IS NULL) + (SELECT count(*) FROM outbox)"
_NEXT = """SELECT min(at) FROM (SELECT due_at AS at FROM deliveries WHERE state = 'pending'
    UNION SELECT due_at FROM waiting_alerts WHERE state = 'waiting' UNION SELECT due_at FROM timers WHERE state = 'waiting')"""


def _account(plan: Plan) -> WantedAccount:
    destinations = [WantedDestination(reader.id, "webhook", HOST + reader.id, SECRET, reader.times) for reader in plan.readers]
    subscriptions = [
        WantedSubscription(f"{reader.id}{number}", (reader.id,), reader.when, reader.cadence) for reader in plan.readers for number in range(1 + reader.twice)
    ]
    return WantedAccount(ACCOUNT, tuple(destinations), tuple(subscriptions))


class World:
    """The run of a plan."""

    def __init__(self, plan: Plan, room: Room) -> None:
        self.plan = plan
        self.room = room
        self.loop = SimulatedLoop(f"order:{plan.seed}", self)
        self.chance = chance_of("faults", plan.seed)
        moods = {reader.id: reader.moods for reader in plan.readers}
        self.receivers = Receivers(self.loop, moods, BUSY, chance_of("receivers", plan.seed))
        self.receivers.notice = self._notice
        self.broker = SimulatedBroker(self.now, _BrokerTrouble(self))
        self.notifiers = [Notifier(self, number) for number in range(2)]
        self.pending = [_Pending(incident) for incident in plan.incidents]
        self.evidence = Evidence(plan, self.receivers.requests, {}, log=room.log)
        self._world = contextvars.Context()

    # ---- the clock

    def now(self) -> datetime:
        return self.plan.begin + timedelta(seconds=self.loop.time())

    def monotonic(self) -> float:
        return self.loop.time()

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(max(0.0, duration.total_seconds()))

    # ---- the story

    def run(self) -> Evidence:
        """Tells the plan to its end."""
        self.room.reset(self.plan, self.now)
        evidence = self.evidence
        try:
            self.loop.run_until_complete(self._live())
        except Stuck:
            evidence.broken.append("nothing was ready and nothing ever would be")
        except Exception as exc:  # noqa: BLE001 what breaks the run is what it has found
            evidence.broken.append(f"the run broke: {type(exc).__name__}: {exc}")
        evidence.broken += [f"{owner.name if owner else 'world'}: {what}: {exc!r}" for owner, what, exc in self.loop.broken]
        evidence.ended_at, evidence.steps = self.loop.time(), self.loop.steps
        evidence.published = self.broker.records(POLICY_EVENTS)
        evidence.dead = len(self.broker.records(POLICY_SIGNALS.dead))
        evidence.db = self.room.connection
        self.loop.close()
        return evidence

    async def _live(self) -> None:
        for story in self.plan.stories:
            for telling in story.tellings:
                signal = telling.signal
                record = codec.encode(POLICY_SIGNALS, signal, key=signal.item.id, id=signal.id, source="/chipwire/simulation", time=signal.judged_at)
                for at in telling.at:
                    self.loop.call_at(at, self.broker.append, [record])
        for notifier in self.notifiers:
            notifier.start()
        for pending in self.pending:
            if pending.incident.where == "time":
                self.loop.call_at(pending.incident.since, self._at_its_time, pending)
        await asyncio.sleep(BUSY)
        await self._until_settled()
        for notifier in self.notifiers:
            await notifier.stop(for_good=True)

    async def _until_settled(self) -> None:
        ran = 0.0
        while ran < LONGEST:
            await asyncio.sleep(LOOK)
            if not all(notifier.runs for notifier in self.notifiers):
                continue
            ran += LOOK
            if self.broker.behind(service.GROUP, POLICY_SIGNALS):
                continue
            if not self.room.left():
                self.evidence.finished = True
                return
            await self._pass_the_night()

    async def _pass_the_night(self) -> None:
        """Where all that is left is due much later, nobody runs until shortly before."""
        due = self.room.next_due()
        wait = (due - self.now()).total_seconds() if due else 0.0
        if wait < IDLE:
            return
        for notifier in self.notifiers:
            await notifier.stop()
        await asyncio.sleep(wait - 5.0)
        for notifier in self.notifiers:
            notifier.start()

    # ---- what goes wrong

    @property
    def calm(self) -> bool:
        return self.loop.time() >= BUSY

    def step(self, owner: Owner) -> None:
        if self.pending:
            self._strike(owner, "step")

    def _notice(self, owner: Owner | None, where: str) -> None:
        if where == "begin":
            self.evidence.claims[len(self.receivers.requests) - 1] = self.room.history()
        if owner is not None and self.pending:
            self._strike(owner, where)

    def _at_its_time(self, pending: _Pending) -> None:
        owner = self.notifiers[pending.incident.process].owner
        if pending in self.pending and owner is not None:
            self._happen(pending, owner)

    def _strike(self, owner: Owner, where: str) -> None:
        now = self.loop.time()
        for pending in self.pending:
            incident = pending.incident
            if incident.where == where and incident.since <= now and self.notifiers[incident.process].owner is owner:
                pending.left -= 1
                if pending.left <= 0:
                    self._happen(pending, owner)
                    return

    def _happen(self, pending: _Pending, owner: Owner) -> None:
        self.pending.remove(pending)
        incident = pending.incident
        if self.calm or not owner.alive:
            return
        self.evidence.incidents.append((self.loop.time(), owner.name, incident.what))
        self.note(f"{owner.name} {incident.what} at {incident.where} for {incident.seconds} s")
        notifier = self.notifiers[incident.process]
        if incident.what == "freeze":
            owner.frozen_until = max(owner.frozen_until, self.loop.time() + incident.seconds)
            self.loop.call_later(SESSION, self._session_ends, owner, context=self._world)
        elif incident.what == "kill":
            owner.alive = False
            self.loop.call_later(SESSION, self.broker.put_out, owner, context=self._world)
            self.loop.call_later(incident.seconds, notifier.start, context=self._world)
        else:
            self.loop.create_task(notifier.restart(incident.seconds), context=contextvars.Context())

    def _session_ends(self, owner: Owner) -> None:
        if owner.frozen_until > self.loop.time():
            self.broker.put_out(owner)

    def thread_delay(self) -> float:
        return self.delay()

    def delay(self) -> float:
        """Mostly a moment, now and then seconds."""
        if not self.calm and self.chance.random() < self.plan.rates.slow:
            return self.chance.uniform(0, 6)
        return self.chance.uniform(0, 0.004)

    def fails(self, rate: str) -> bool:
        """Whether this call does."""
        return not self.calm and self.chance.random() < getattr(self.plan.rates, rate)

    def before_call(self, owner: Owner) -> None:
        if self.pending:
            self._strike(owner, "commit")

    def run_call(self, owner: Owner | None, call: Callable[[], T]) -> T:
        if owner is not None and self.fails("store"):
            raise Unavailable("the database does not answer")
        result = call()
        if owner is not None and self.fails("store_lost"):
            raise Unavailable("the database's answer is lost")
        if owner is not None and self.pending:
            self._strike(owner, "committed")
        return result

    def note(self, what: str) -> None:
        """A line for whoever reads the run."""
        self.room.log.append(f"{self.loop.time():10.3f} {what}")


@dataclass
class _Pending:
    incident: Incident

    def __post_init__(self) -> None:
        self.left = self.incident.count * (40 if self.incident.where == "step" else 1)


class _BrokerTrouble(Trouble):
    def __init__(self, world: World) -> None:
        self._world = world

    async def call(self, what: str) -> None:
        await asyncio.sleep(self._world.delay())
        if self._world.fails("broker"):
            raise Unavailable(f"the broker does not answer to {what}")

    async def answer(self, what: str) -> None:
        await asyncio.sleep(self._world.delay())
        if self._world.fails("broker_lost"):
            raise Unavailable(f"the broker's answer to {what} is lost")


class Notifier:
    """One process, started again and again."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._number = number
        self._lives = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self.owner: Owner | None = None

    @property
    def runs(self) -> bool:
        return self.owner is not None and self.owner.alive and not self._stop.is_set() and self.owner.frozen_until <= self._world.loop.time()

    def start(self) -> None:
        """A new process."""
        self._lives += 1
        self.owner = Owner(f"n{self._number}.{self._lives}")
        context = contextvars.copy_context()
        context.run(OWNER.set, self.owner)
        self._world.note(f"{self.owner.name} starts")
        built = context.run(self._world.room.build, self._world)
        self._stop = asyncio.Event()
        self._tasks = [self._world.loop.create_task(self._task(name, task(self._stop)), name=name, context=context) for name, task in built.tasks.items()]

    async def _task(self, name: str, running: Any) -> None:
        try:
            await running
        except Exception as exc:
            self._world.evidence.broken.append(f"{name} died: {type(exc).__name__}: {exc}")
            raise
        if not self._stop.is_set():
            self._world.evidence.broken.append(f"{name} ended before it was asked to")

    async def stop(self, *, for_good: bool = False) -> None:
        """Asks it to stop and waits until it has."""
        owner, tasks = self.owner, self._tasks
        if owner is None or not owner.alive:
            return
        self._world.note(f"{owner.name} is asked to stop")
        self._stop.set()
        _, late = await asyncio.wait(tasks, timeout=600)
        if late and owner.alive:
            self._world.evidence.broken.append(f"{owner.name} has not stopped within 600 s: {sorted(task.get_name() for task in late)}")
        owner.alive = False

    async def restart(self, seconds: float) -> None:
        """Stops it, and starts it a while later."""
        owner = self.owner
        await self.stop()
        await asyncio.sleep(seconds)
        if self.owner is owner:  # it was not killed and started meanwhile
            self.start()
