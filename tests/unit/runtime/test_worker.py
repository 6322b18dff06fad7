from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS
from services.runtime.broker import Partition, Record
from services.runtime.errors import Lost, Malformed, Rejected, StopLoss, Unavailable
from services.runtime.metrics import WorkerMetrics
from services.runtime.worker import Worker, WorkerSettings
from tests import make
from tests.fakes import FakeBroker, FakeClock

DEAD = NEWS_ITEMS.dead


class Handler:
    """Copies each record to the next topic; what a record's value starts with says what goes wrong."""

    def __init__(self, *, away: int = 0) -> None:
        self.batches: list[list[bytes]] = []
        self.handled: list[Record] = []
        self.away = away
        self.flaky: set[tuple[int | None, int | None]] = set()

    async def __call__(self, records: Sequence[Record]) -> Sequence[Record]:
        self.batches.append([record.value or b"" for record in records])
        if self.away:
            self.away -= 1
            raise Unavailable("the database does not answer")
        for record in records:
            self._judge(record)
        self.handled += records
        return [make.record(record.value, topic=POLICY_SIGNALS) for record in records]

    def _judge(self, record: Record) -> None:
        value = record.value or b""
        if value.startswith(b"malformed"):
            raise Malformed("not a NewsItem: title: expected a valid string")
        if value.startswith(b"rejected"):
            raise Rejected("no such source")
        if value.startswith(b"bug"):
            raise ZeroDivisionError("told to ana@example.org with Bearer abcdef123456")
        if value.startswith(b"flaky") and (record.partition, record.offset) not in self.flaky:
            self.flaky.add((record.partition, record.offset))
            raise Unavailable("busy", retry_after=timedelta(seconds=77))


class Line:
    """A worker on a broker in memory."""

    def __init__(self, handler: Callable[..., object] | None = None, **settings: object) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker(self.clock)
        self.handler = Handler()
        self.registry = CollectorRegistry()
        self.stop = asyncio.Event()
        self.settings = WorkerSettings(**settings)  # type: ignore[arg-type]
        self.handle = handler or self.handler
        self.worker = self.new_worker(self.registry)

    def new_worker(self, registry: CollectorRegistry) -> Worker:
        return Worker(
            name="classifier",
            topics=[NEWS_ITEMS],
            group="classifier",
            handle=self.handle,  # type: ignore[arg-type]
            broker=self.broker,
            clock=self.clock,
            metrics=WorkerMetrics(registry, "classifier"),
            settings=self.settings,
        )

    async def publish(self, *values: bytes, key: str = "a") -> None:
        await self.broker.publish([make.record(value, key=key) for value in values])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Runs the worker until the condition holds, then stops it as the process would."""
        self.stop.clear()
        running = asyncio.create_task(self.worker.run(self.stop))
        async with asyncio.timeout(10):
            while not condition() and not running.done():  # noqa: ASYNC110 conditions over the whole line have no event
                await asyncio.sleep(0)
        self.stop.set()
        await asyncio.wait_for(running, 10)

    def out(self) -> list[bytes | None]:
        return self.broker.values(POLICY_SIGNALS)

    def committed(self) -> int:
        return sum(offset for (_, partition), offset in self.broker.committed.items() if partition.topic == NEWS_ITEMS.name)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"chipwire_classifier_{name}", labels)


async def test_records_are_handled_published_and_committed() -> None:
    line = Line()
    await line.publish(b"one", b"two", b"three")

    await line.until(lambda: line.committed() == 3)

    assert line.out() == [b"one", b"two", b"three"]
    assert line.metric("records_total", outcome="handled") == 3
    assert line.metric("lag_records") == 0


async def test_what_is_published_is_safe_before_the_commit() -> None:
    line = Line()
    await line.publish(b"one")
    line.broker.calls.clear()

    await line.until(lambda: line.committed() == 1)

    assert [call for call in line.broker.calls if call in ("publish", "commit")] == ["publish", "commit"]


async def test_a_bad_record_is_set_aside_and_the_others_go_on() -> None:
    line = Line()
    await line.publish(b"one", b"malformed", b"two", b"rejected", b"three", b"bug", b"four")

    await line.until(lambda: line.committed() == 7)

    assert line.out() == [b"one", b"two", b"three", b"four"]
    letters = line.broker.records(DEAD)
    assert [(letter.value, letter.header("dl_reason")) for letter in letters] == [(b"malformed", "malformed"), (b"rejected", "rejected"), (b"bug", "bug")]
    assert line.metric("records_total", outcome="bug") == 1
    assert line.metric("dead_letters_total", reason="malformed") == 1


async def test_a_dead_letter_keeps_the_bytes_the_key_and_the_headers_and_says_where_it_came_from() -> None:
    line = Line()
    await line.broker.publish([make.record(b"malformed \xff", key="k", headers=(("ce_id", b"7"),))])
    await line.publish(b"good", key="k")

    await line.until(lambda: line.committed() == 2)

    letter = line.broker.records(DEAD)[0]
    origin = next(record for record in line.broker.records(NEWS_ITEMS) if record.key == b"k")
    assert (letter.value, letter.key, letter.header("ce_id")) == (b"malformed \xff", b"k", "7")
    assert letter.header("dl_id") == f"news.items.v1/{origin.partition}/{origin.offset}"
    assert letter.header("dl_error") == "not a NewsItem: title: expected a valid string"
    assert (letter.header("dl_worker"), letter.header("dl_at"), letter.header("dl_traceback")) == ("classifier", make.NOW.isoformat(), None)


async def test_a_bug_leaves_its_traceback_without_addresses_or_tokens() -> None:
    line = Line()
    await line.publish(b"bug", b"good")

    await line.until(lambda: line.committed() == 2)

    letter = line.broker.records(DEAD)[0]
    traceback = letter.header("dl_traceback") or ""
    assert "in _judge" in traceback
    assert letter.header("dl_error") == "ZeroDivisionError: told to <address> with Bearer ***"
    assert "ana@" not in traceback
    assert "abcdef" not in traceback


async def test_a_bad_record_costs_halvings_not_one_call_each() -> None:
    line = Line()
    values = [b"good %d" % number for number in range(128)]
    values[77] = b"malformed"
    await line.publish(*values)

    await line.until(lambda: line.committed() == 128)

    assert len(line.handler.batches) == 1 + 2 * 7


async def test_an_unavailable_dependency_is_tried_again_in_place_and_nothing_is_lost() -> None:
    line = Line()
    line.handler.away = 3
    await line.publish(b"one", b"two")

    await line.until(lambda: line.committed() == 2)

    assert line.handler.batches == [[b"one", b"two"]] * 4
    assert line.out() == [b"one", b"two"]
    assert line.metric("rewinds_total") == 3
    assert line.broker.values(DEAD) == []


async def test_the_waits_grow_and_what_is_asked_for_is_kept() -> None:
    line = Line()
    line.handler.away = 4
    await line.publish(b"flaky")

    await line.until(lambda: line.committed() == 1)

    waits = [wait.total_seconds() for wait in line.clock.slept]
    assert all(first / 2 <= wait <= first for first, wait in zip([0.5, 1, 2, 4], waits, strict=False))
    assert waits[4] == 77


@pytest.mark.parametrize(("call", "times"), [("batch", 2), ("publish", 2), ("commit", 2), ("rewind", 2), ("lag", 1)])
async def test_a_broker_that_is_away_for_a_while_loses_nothing(call: str, times: int) -> None:
    line = Line()
    line.handler.away = 2  # so that there are rewinds
    await line.publish(b"one", b"two")
    line.broker.fail(call, Unavailable("the broker does not answer"), times=times)

    await line.until(lambda: line.committed() == 2 and not line.broker._pending(call))

    assert set(line.out()) == {b"one", b"two"}


async def test_while_waiting_the_worker_is_not_ready_but_alive() -> None:
    line = Line()
    seen: list[str] = []

    async def handle(records: Sequence[Record]) -> Sequence[Record]:
        if not seen:
            seen.append("away")
            raise Unavailable("the database does not answer")
        with pytest.raises(Unavailable, match="classifier waits: the database does not answer"):
            await line.worker.ready()
        await line.worker.live()
        seen.append("asked")
        return []

    line.handle = handle
    line.worker = line.new_worker(CollectorRegistry())
    await line.publish(b"one")

    await line.until(lambda: line.committed() == 1)

    assert seen == ["away", "asked"]
    await line.worker.ready()


async def test_a_worker_is_ready_once_it_has_joined_its_group() -> None:
    line = Line()
    with pytest.raises(Unavailable, match="classifier has not joined its group yet"):
        await line.worker.ready()

    await line.until(lambda: "batch" in line.broker.calls)

    await line.worker.ready()


async def test_a_batch_that_does_not_end_is_told_by_the_liveness_check() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(records: Sequence[Record]) -> Sequence[Record]:
        begun.set()
        await go_on.wait()
        return []

    line = Line(handle, batch_limit=timedelta(minutes=2))
    await line.publish(b"one")
    running = asyncio.create_task(line.worker.run(line.stop))
    await asyncio.wait_for(begun.wait(), 5)

    await line.worker.live()
    line.clock.advance(timedelta(minutes=3))
    with pytest.raises(Unavailable, match="got nowhere with the records in hand for 180 s"):
        await line.worker.live()

    go_on.set()
    line.stop.set()
    await asyncio.wait_for(running, 5)
    await line.worker.live()


async def test_waiting_for_room_at_a_full_broker_is_no_reason_to_be_restarted() -> None:
    line = Line(batch_limit=timedelta(minutes=2))
    waiting, room = asyncio.Event(), asyncio.Event()
    publish = line.broker.publish

    async def publish_when_there_is_room(records: Sequence[Record]) -> None:
        waiting.set()
        await room.wait()
        await publish(records)

    await line.publish(b"one")
    line.broker.publish = publish_when_there_is_room  # type: ignore[method-assign]
    running = asyncio.create_task(line.worker.run(line.stop))
    await asyncio.wait_for(waiting.wait(), 5)

    line.clock.advance(timedelta(hours=1))
    await line.worker.live()

    line.stop.set()
    room.set()
    await asyncio.wait_for(running, 5)
    assert line.committed() == 1


async def test_stopping_finishes_the_batch_in_hand_and_commits_it() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(records: Sequence[Record]) -> Sequence[Record]:
        begun.set()
        await go_on.wait()
        return [make.record(record.value, topic=POLICY_SIGNALS) for record in records]

    line = Line(handle, batch_records=2)
    await line.publish(b"one", b"two", b"three")
    running = asyncio.create_task(line.worker.run(line.stop))
    await asyncio.wait_for(begun.wait(), 5)

    line.stop.set()
    go_on.set()
    await asyncio.wait_for(running, 5)

    assert line.out() == [b"one", b"two"]
    assert line.committed() == 2


async def test_stopping_does_not_wait_for_a_dependency_to_come_back() -> None:
    line = Line()
    line.handler.away = 1_000_000
    await line.publish(b"one")

    await line.until(lambda: len(line.handler.batches) > 3)

    assert line.committed() == 0


async def test_partitions_lost_before_the_commit_are_forgotten() -> None:
    line = Line()
    await line.publish(b"one")
    partition = Partition(NEWS_ITEMS.name, line.broker.records(NEWS_ITEMS)[0].partition or 0)
    line.broker.fail("commit", Lost([partition]))

    await line.until(lambda: line.committed() == 1)

    assert line.handler.batches == [[b"one"], [b"one"]]
    assert line.metric("lost_partitions_total") == 1


async def test_an_output_that_the_broker_refuses_sets_its_record_aside() -> None:
    async def handle(records: Sequence[Record]) -> Sequence[Record]:
        return [make.record(b"x" * (2_000_000 if record.value == b"two" else 1), topic=POLICY_SIGNALS) for record in records]

    line = Line(handle)
    await line.publish(b"one", b"two", b"three")

    await line.until(lambda: line.committed() == 3)

    assert [letter.header("dl_error") for letter in line.broker.records(DEAD)] == ["a record of 2000000 bytes; expected at most 1,000,000"]
    assert {b"x"} == set(line.out())


async def test_a_record_too_large_to_be_kept_twice_is_told_and_left_at_its_origin() -> None:
    line = Line()
    line.broker.fail("publish", Rejected("too large"), times=2, when=lambda records: records[0].topic == DEAD.name)
    await line.publish(b"malformed", b"good")

    await line.until(lambda: line.committed() == 2)

    letter = line.broker.records(DEAD)[0]
    assert (letter.value, letter.header("dl_left_at_origin")) == (b"", "yes")


async def test_dead_letters_that_cannot_be_written_are_not_dropped() -> None:
    line = Line()
    line.broker.fail("publish", Unavailable("away"), times=3, when=lambda records: records[0].topic == DEAD.name)
    await line.publish(b"malformed", b"good")

    await line.until(lambda: line.committed() == 2)

    assert line.broker.values(DEAD) == [b"malformed"]


async def test_a_run_of_bad_records_is_held_back_until_a_good_one_ends_it() -> None:
    line = Line(batch_records=1)
    await line.publish(b"good", b"malformed 1", b"malformed 2")

    await line.until(lambda: len(line.handler.batches) == 3)

    assert line.broker.values(DEAD) == []
    assert line.committed() == 1
    assert line.metric("held_records") == 2

    await line.publish(b"good again")
    await line.until(lambda: line.committed() == 4)

    assert line.broker.values(DEAD) == [b"malformed 1", b"malformed 2"]
    assert line.metric("held_records") == 0


async def test_a_run_may_stretch_over_partitions_and_ends_for_all_of_them() -> None:
    line = Line(batch_records=1)
    await line.publish(b"malformed 1", key="a")
    await line.publish(b"malformed 2", key="b")
    assert len({record.partition for record in line.broker.records(NEWS_ITEMS)}) == 2
    await line.publish(b"good", key="b")  # read last

    await line.until(lambda: line.committed() == 3)

    assert line.handler.batches == [[b"malformed 1"], [b"malformed 2"], [b"good"]]
    assert sorted(line.broker.values(DEAD), key=str) == [b"malformed 1", b"malformed 2"]


@pytest.mark.parametrize("batch_records", [1, 3, 500])
async def test_a_long_run_stops_the_worker_and_nothing_of_it_is_committed(batch_records: int) -> None:
    line = Line(batch_records=batch_records, stop_loss=5)
    await line.publish(b"good", *[b"bug %d" % number for number in range(20)])

    with pytest.raises(StopLoss, match="5 records in a row could not be handled, the last one news"):
        await line.until(lambda: False)

    assert line.committed() <= 1
    assert line.broker.values(DEAD) == []


async def test_a_bad_release_drains_nothing_however_often_it_is_restarted() -> None:
    line = Line(stop_loss=5, batch_records=3)
    await line.publish(*[b"bug %d" % number for number in range(12)], b"good")

    for _ in range(6):
        line.worker = line.new_worker(CollectorRegistry())
        with pytest.raises(StopLoss):
            await line.until(lambda: False)

    assert (line.committed(), line.broker.values(DEAD)) == (0, [])


async def test_what_comes_again_after_a_rewind_counts_once_in_a_run() -> None:
    line = Line(stop_loss=4, batch_records=10)
    await line.publish(b"malformed 1", b"malformed 2", b"flaky", b"malformed 3", b"good")

    await line.until(lambda: line.committed() == 5)

    assert line.broker.values(DEAD) == [b"malformed 1", b"malformed 2", b"malformed 3"]


async def test_a_handler_that_hangs_can_be_given_up_and_its_records_come_again() -> None:
    begun = asyncio.Event()

    async def handle(records: Sequence[Record]) -> Sequence[Record]:
        begun.set()
        await asyncio.Event().wait()
        return []

    line = Line(handle)
    await line.publish(b"one")
    running = asyncio.create_task(line.worker.run(line.stop))
    await asyncio.wait_for(begun.wait(), 5)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert line.committed() == 0


KINDS = st.sampled_from([b"good", b"good", b"good", b"malformed", b"rejected", b"bug", b"flaky"])


@given(
    records=st.lists(st.tuples(KINDS, st.sampled_from("abcdefg")), min_size=1, max_size=40),
    batch_records=st.integers(1, 12),
    stop_loss=st.integers(2, 6),
    faults=st.lists(st.sampled_from(["publish", "commit", "batch"]), max_size=3),
)
def test_every_record_is_handled_and_committed_or_dead_once_or_held_by_the_stop_loss(
    records: list[tuple[bytes, str]], batch_records: int, stop_loss: int, faults: list[str]
) -> None:
    asyncio.run(_check_the_promise(records, batch_records, stop_loss, faults))


async def _check_the_promise(records: list[tuple[bytes, str]], batch_records: int, stop_loss: int, faults: list[str]) -> None:
    line = Line(batch_records=batch_records, stop_loss=stop_loss)
    for number, (kind, key) in enumerate(records):
        await line.publish(b"%s %d" % (kind, number), key=key)
    await line.publish(b"good last", key="a")
    for call in faults:
        line.broker.fail(call, Unavailable("away"))
    stopped = False
    try:
        await line.until(lambda: len(line.handler.handled) >= 1 and _all_settled(line))
    except StopLoss:
        stopped = True

    committed = {
        record.value
        for record in line.broker.records(NEWS_ITEMS)
        if (record.offset or 0) < line.broker.committed["classifier", Partition(NEWS_ITEMS.name, record.partition or 0)]
    }
    handled = {record.value for record in line.handler.handled}
    letters = Counter(letter.header("dl_id") for letter in line.broker.records(DEAD))
    dead = {letter.value for letter in line.broker.records(DEAD)}
    bad = {value for value in committed if value and value.startswith((b"malformed", b"rejected", b"bug"))}
    assert committed - bad <= handled
    assert bad <= dead
    assert handled.isdisjoint(dead)
    assert all(count == 1 for count in letters.values()) or "commit" in faults or b"flaky" in {kind for kind, _ in records}
    if not stopped:
        assert _all_settled(line) or line.metric("held_records")
    _check_order(line)


def _all_settled(line: Line) -> bool:
    if line.worker._busy_since is not None:
        return False  # in the middle of a batch
    held = line.metric("held_records") or 0
    lag = len(line.broker.records(NEWS_ITEMS)) - line.committed()
    return lag == 0 or (held > 0 and lag == held)


def _check_order(line: Line) -> None:
    """Within a partition, the first time of each record follows the log."""
    for number in {record.partition for record in line.handler.handled}:
        offsets = list(dict.fromkeys(record.offset or 0 for record in line.handler.handled if record.partition == number))
        assert offsets == sorted(offsets)


async def test_whoever_waits_for_the_outputs_is_told_once_they_are_safe() -> None:
    line = Line()
    safe: list[int] = []
    line.worker = Worker(
        name="classifier",
        topics=[NEWS_ITEMS],
        group="classifier",
        handle=line.handler,
        broker=line.broker,
        clock=line.clock,
        metrics=WorkerMetrics(CollectorRegistry(), "classifier"),
        published=lambda: safe.append(len(line.broker.values(POLICY_SIGNALS))),
    )
    line.broker.fail("publish", Unavailable("away"), when=lambda records: records[0].topic == POLICY_SIGNALS.name)
    await line.broker.publish([make.record(b"good")])
    running = asyncio.create_task(line.worker.run(line.stop))
    async with asyncio.timeout(10):
        await anext(aiter(line.broker.read(POLICY_SIGNALS, follow=True)))
        line.stop.set()
        await running

    assert safe == [1]
