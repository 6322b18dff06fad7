"""Delivering for real: a queue in a database, HTTP and SMTP on loopback, crashes in between."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.config.subscriptions import When
from services.notifier.attempt import Words
from services.notifier.channels.outcome import Channel, Message, Outcome, Sent
from services.notifier.channels.webhook import WebhookChannel
from services.notifier.deliver import Deliverer
from services.notifier.digest import Digests
from services.notifier.fanout import Audience, FanOut
from services.notifier.metrics import NotifierMetrics
from services.notifier.schedule import SCHEDULE
from services.notifier.settings import NotifierSettings
from services.runtime.clock import SystemClock
from services.runtime.errors import Unavailable
from services.runtime.http import HttpClient
from services.store import accounts, brakes, delivery, digests, threads
from services.store.accounts import WantedSubscription
from services.store.engine import Connection, Store
from services.store.queue import Claimed
from services.store.wake import Waker
from tests import make
from tests.alerting import CIPHER, DESK, NAMES, account, deliveries, hook, key, raise_alert, states, subscribe
from tests.servers import hook as hooks

CLOCK = SystemClock()


@pytest.fixture
async def receiver() -> AsyncIterator[hooks.Hook]:
    async with hooks.hook() as at_work:
        yield at_work


def words(claimed: Claimed) -> Words:
    return Words(f"headline {claimed.alert_id}", "subject", "text", claimed.language)


@dataclass
class Recording:
    """A channel that notes what it is given and does as it is told."""

    act: Callable[[Message], Awaitable[Outcome]]
    deadline: timedelta = timedelta(seconds=1)
    messages: list[Message] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> Outcome:
        self.messages.append(message)
        self.came.set()
        return await self.act(message)

    async def close(self) -> None:
        pass


async def accept(_message: Message) -> Outcome:
    return Sent()


async def hang(_message: Message) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("nobody wakes it")


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Returns when the condition holds. The database tells nobody when a row changes, so this asks."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 see above
            await asyncio.sleep(0.01)


@dataclass
class Line:
    """Fan-out and delivery at work on one store."""

    store: Store
    registry: CollectorRegistry
    waker: Waker
    stop: asyncio.Event
    tasks: list[asyncio.Task[None]]

    async def tell(self, *alerts: Any) -> None:
        """Raises alerts, as placing would."""
        await self.store.run(lambda db: [raise_alert(db, event, now=CLOCK.now()) for event in alerts])
        self.waker.wake("alerts")

    async def until(self, condition: Callable[[Connection], bool], *, seconds: float = 20) -> None:
        """Returns when the store fulfils the condition."""
        await eventually(lambda: self.store.read(condition), seconds=seconds)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"chipwire_notifier_{name}", labels) or 0.0

    async def end(self) -> None:
        self.stop.set()
        await asyncio.gather(*self.tasks)


@asynccontextmanager
async def line(store: Store, channel: Channel, **settings: Any) -> AsyncIterator[Line]:
    paced = NotifierSettings().model_copy(update={"poll": timedelta(milliseconds=50)} | settings)
    registry, waker, stop = CollectorRegistry(), Waker(store), asyncio.Event()
    metrics = NotifierMetrics(registry)
    fanout = FanOut(store, Audience(NAMES), waker=waker, clock=CLOCK, metrics=metrics, poll=paced.poll)
    channels = dict.fromkeys(("webhook", "email", "terminal", "file"), channel)
    deliverer = Deliverer(store, CIPHER, channels, words, settings=paced, waker=waker, clock=CLOCK, metrics=metrics, jitter=lambda: 0.5)
    later = Digests(store, NAMES, waker=waker, clock=CLOCK, metrics=metrics)
    tasks = [asyncio.create_task(each.run(stop)) for each in (fanout, later, deliverer)]
    running = Line(store, registry, waker, stop, tasks)
    try:
        yield running
    finally:
        await running.end()


@asynccontextmanager
async def webhooks() -> AsyncIterator[WebhookChannel]:
    async with HttpClient(allow=[ipaddress.ip_network("127.0.0.0/8")]) as http:
        yield WebhookChannel(http, CLOCK, timedelta(seconds=5))


def all_are(state: str) -> Callable[[Connection], bool]:
    return lambda db: {state} == set(states(db).values())


async def make_due(store: Store) -> None:
    """Lets waiting retries and pauses be over."""
    await store.run(lambda db: db.execute(delivery.deliveries.update().values(due_at=make.NOW)))
    await store.run(lambda db: db.execute(accounts.destinations.update().values(paused_until=None)))


async def test_an_alert_arrives_once_and_is_measured_from_the_source_to_the_receiver(store: Store, receiver: hooks.Hook) -> None:
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url))))

    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(make.event())
        await receiver.wait_for(1)
        await running.until(all_are("sent"))

    assert len(receiver.calls) == 1
    assert running.metric("deliveries_total", channel="webhook", outcome="sent") == 1
    assert running.metric("published_to_accepted_seconds_count", channel="webhook") == 1


async def test_the_headers_of_a_destination_travel_from_the_store_to_the_receiver_and_into_no_log(
    store: Store, receiver: hooks.Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answer = hooks.status(401)
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url, headers={"authorization": "Bearer hidden"}))))

    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(make.event())
        await receiver.wait_for(1)
        await running.until(lambda db: [one.attempts for one in deliveries(db)] == [1])

    assert receiver.calls[0].headers["authorization"] == "Bearer hidden"
    assert "hidden" not in "".join(capsys.readouterr())


async def test_a_hundred_destinations_all_hear_it_with_their_own_numbers(store: Store, receiver: hooks.Hook) -> None:
    names = [f"hook{number}" for number in range(100)]
    await store.run(lambda db: subscribe(db, account(*(hook(name, receiver.url) for name in names))))

    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(make.event(), make.event(id="E2"))
        await running.until(lambda db: len(states(db)) == 200 and all_are("sent")(db))

    assert len({call.id for call in receiver.calls}) == len(receiver.calls) == 200
    assert Counter(call.headers["chipwire-sequence"] for call in receiver.calls) == {"1": 100, "2": 100}


async def test_what_was_sent_and_not_journaled_comes_again_with_the_same_id(store: Store, receiver: hooks.Hook) -> None:
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url))))
    async with webhooks() as channel:
        async with line(store, channel) as running:
            await running.tell(make.event())
            await receiver.wait_for(1)
            await running.until(all_are("sent"))
        as_before = {"state": "sending", "lease_token": "of the dead", "lease_until": make.NOW, "ended_at": None}
        unwritten = (delivery.deliveries.update().values(**as_before), delivery.attempts.delete())
        await store.run(lambda db: [db.execute(statement) for statement in unwritten])  # as if it had died before the journal

        async with line(store, channel) as running:
            await receiver.wait_for(2)
            await running.until(all_are("sent"))

    first, second = receiver.calls
    assert (first.id, first.body) == (second.id, second.body)
    assert running.metric("leases_expired_total") == 1


async def test_two_deliverers_on_one_store_send_nothing_twice(store: Store, receiver: hooks.Hook) -> None:
    names = [f"hook{number}" for number in range(40)]
    await store.run(lambda db: subscribe(db, account(*(hook(name, receiver.url) for name in names))))
    events = [make.event(id=f"E{number}") for number in range(5)]

    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(webhooks())
        first = await stack.enter_async_context(line(store, channel, concurrency=8))
        second = await stack.enter_async_context(line(store, channel, concurrency=8))
        await first.tell(*events)
        second.waker.wake("alerts")
        await first.until(lambda db: len(states(db)) == 200 and all_are("sent")(db))

    assert len({call.id for call in receiver.calls}) == len(receiver.calls) == 200


async def test_an_endpoint_that_is_away_gets_everything_when_it_is_back(store: Store, receiver: hooks.Hook) -> None:
    receiver.answer = hooks.status(503)
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url))))

    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(*(make.event(id=f"E{number}") for number in range(3)))
        await running.until(lambda db: [one.attempts for one in deliveries(db) if one.state == "pending"] == [1, 1, 1])
        receiver.answer = hooks.status(204)
        await make_due(store)
        await running.until(all_are("sent"))

    tries = Counter(call.id for call in receiver.calls)
    assert sorted(tries.values()) == [2, 2, 2]
    assert {one.sequence for one in await store.read(deliveries)} == {1, 2, 3}, "a number is taken once"


async def test_an_endpoint_that_is_gone_is_disabled_and_hears_no_more(store: Store, receiver: hooks.Hook) -> None:
    receiver.answer = hooks.status(410)
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url))))

    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(make.event())
        await running.until(all_are("failed"))
        await running.tell(make.event(id="E2"))
        await running.until(lambda db: not threads.unfanned_alerts(db, 1))

    assert len(receiver.calls) == 1
    assert [one.disabled for one in await store.read(lambda db: accounts.list_destinations(db, DESK))] == ["gone"]


async def test_a_slow_endpoint_does_not_hold_up_the_others(store: Store, receiver: hooks.Hook) -> None:
    slow = account(hook("slow", "https://slow.example"), hook("quick", receiver.url))
    await store.run(lambda db: subscribe(db, slow))

    async def act(message: Message) -> Outcome:
        return await (hang(message) if message.destination_id == "slow" else accept(message))

    channel = Recording(act, deadline=timedelta(seconds=30))
    async with line(store, channel, per_destination=2, concurrency=4, drain=timedelta(0)) as running:
        await running.tell(*(make.event(id=f"E{number}") for number in range(20)))
        await running.until(lambda db: [one.state for one in deliveries(db) if one.destination.id == "quick"] == ["sent"] * 20)
        assert running.metric("deliveries_in_flight") == 2

    assert Counter(message.destination_id for message in channel.messages) == {"slow": 2, "quick": 20}


async def test_stopping_finishes_what_is_being_sent_and_takes_nothing_new(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))
    go_on = asyncio.Event()

    async def act(_message: Message) -> Outcome:
        await go_on.wait()
        return Sent()

    channel = Recording(act, deadline=timedelta(seconds=30))
    async with line(store, channel, per_destination=1) as running:
        await running.tell(make.event(), make.event(id="E2"))
        await running.until(lambda db: len(states(db)) == 2)
        await channel.came.wait()
        running.stop.set()
        await asyncio.sleep(0)
        go_on.set()

    assert sorted((await store.read(states)).values()) == ["pending", "sent"]
    assert len(channel.messages) == 1


async def test_what_cannot_be_finished_in_time_goes_back_with_its_number(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))
    channel = Recording(hang, deadline=timedelta(seconds=30))

    async with line(store, channel, drain=timedelta(milliseconds=20)) as running:
        await running.tell(make.event())
        await channel.came.wait()

    (left,) = await store.read(deliveries)
    assert (left.state, left.why, left.attempts, left.sequence) == ("pending", "interrupted", 1, 1)


async def test_a_bug_in_a_channel_costs_one_attempt_and_stops_nobody(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook("bad"), hook("good"))))

    async def act(message: Message) -> Outcome:
        if message.destination_id == "bad":
            raise KeyError("nobody thought of this")
        return Sent()

    async with line(store, Recording(act)) as running:
        await running.tell(make.event())
        await running.until(lambda db: {one.state for one in deliveries(db) if one.attempts} == {"sent", "pending"})

    assert {one.destination.id: one.why for one in await store.read(deliveries)} == {"good": "accepted", "bad": "bug"}


async def test_too_little_lease_left_means_no_connection(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))
    channel = Recording(accept, deadline=timedelta(seconds=20))

    async with line(store, channel, lease=timedelta(seconds=10)) as running:
        await running.tell(make.event())
        await running.until(lambda db: states(db) != {} and all_are("pending")(db))

    assert channel.messages == []
    assert [one.attempts for one in await store.read(deliveries)] == [0]


async def test_a_database_that_is_away_for_a_while_loses_nothing(store: Store, receiver: hooks.Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.run(lambda db: subscribe(db, account(hook(url=receiver.url))))
    run, away = store.run, asyncio.Event()

    async def run_unless_away(work: Callable[[Connection], Any]) -> Any:
        if away.is_set():
            raise Unavailable("the database does not answer")
        return await run(work)

    async def answer(call: hooks.Call, writer: asyncio.StreamWriter) -> None:
        away.set()
        await hooks.status(204)(call, writer)

    receiver.answer = answer
    async with webhooks() as channel, line(store, channel) as running:
        await running.tell(make.event())
        monkeypatch.setattr(store, "run", run_unless_away)
        await receiver.wait_for(1)
        assert await store.read(all_are("sending"))
        away.clear()
        await running.until(all_are("sent"))

    assert len(receiver.calls) == 1


async def test_a_late_holder_of_a_lease_counts_as_fenced(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))

    async def act(_message: Message) -> Outcome:
        await store.run(lambda db: db.execute(delivery.deliveries.update().values(lease_token="of another")))
        return Sent()

    async with line(store, Recording(act)) as running:
        await running.tell(make.event())
        await eventually(lambda: asyncio.sleep(0, running.metric("deliveries_total", channel="webhook", outcome="fenced") == 1))

    assert await store.read(all_are("sending")), "its row belongs to the other"


def test_the_schedule_lasts_three_days() -> None:
    assert timedelta(days=3) < sum(SCHEDULE, timedelta()) < timedelta(days=4)


async def test_too_much_sent_in_a_while_puts_the_brake_on_and_nothing_is_lost(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))

    async with line(store, Recording(accept), brake_at=3, per_destination=2, concurrency=2) as running:
        await running.tell(*(make.event(id=f"E{number}") for number in range(30)))
        await running.until(lambda db: bool(brakes.list_brakes(db)))
        await running.until(lambda db: "sending" not in states(db).values())
        sent_before = sum(state == "sent" for state in (await store.read(states)).values())
        await store.run(lambda db: brakes.resume(db, brakes.ALL))
        await running.until(lambda db: len(brakes.list_brakes(db)) == 1 or all_are("sent")(db))

    assert 3 < sent_before <= 30
    assert set((await store.read(states)).values()) <= {"sent", "pending"}


async def test_a_channel_that_hangs_past_its_deadline_is_cut_off(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook())))

    async with line(store, Recording(hang, deadline=timedelta(seconds=-5))) as running:
        await running.tell(make.event())
        await running.until(lambda db: [one.why for one in deliveries(db)] == ["deadline"])

    assert await store.read(all_are("pending"))


async def test_a_digest_is_composed_when_its_time_comes_and_delivered_like_any_other(store: Store) -> None:
    channel = Recording(accept)
    hourly = WantedSubscription("mine", ("hook",), When(), "hourly")
    await store.run(lambda db: subscribe(db, account(hook(), subscriptions=[hourly])))

    async with line(store, channel) as running:
        await running.tell(make.event(id="E1"), make.event(id="E2"))
        await running.until(lambda db: len(digests.waits(db, [key("hook")])) == 2)
        await store.run(lambda db: db.execute(digests.waiting.update().values(due_at=CLOCK.now())))  # the hour is over
        running.waker.wake("waiting")
        await running.until(all_are("sent"))

    (told,) = channel.messages
    assert told.digest is not None
    assert {alert.alert_id for alert in told.digest.alerts} == {"E1.1", "E2.1"}
    assert (told.kind, told.sequence, told.reasons) == ("digest", 1, ("mine: everything",))
    assert (running.metric("put_off_total"), running.metric("digests_total")) == (2, 1)


async def test_an_outage_of_the_database_delays_a_digest_and_loses_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = WantedSubscription("mine", ("hook",), When(), "hourly")
    await store.run(lambda db: subscribe(db, account(hook(), subscriptions=[hourly])))
    channel, failures, real = Recording(accept), Counter[str](), digests.due

    def away(*arguments: Any) -> Any:
        failures["due"] += 1
        if failures["due"] <= 2:
            raise Unavailable("the database does not answer")
        return real(*arguments)

    monkeypatch.setattr(digests, "due", away)
    async with line(store, channel) as running:
        await running.tell(make.event(id="E1"))
        await running.until(lambda db: len(digests.waits(db, [key("hook")])) == 1)
        await store.run(lambda db: db.execute(digests.waiting.update().values(due_at=CLOCK.now())))
        running.waker.wake("waiting")
        await running.until(all_are("sent"))

    assert [message.kind for message in channel.messages] == ["digest"]
