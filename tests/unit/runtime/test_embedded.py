"""What only the embedded broker does: its file, its lock, what it deletes and what it never deletes, and how it waits when full."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.topics import Topic
from services.runtime.broker import Partition, Record
from services.runtime.broker_options import EmbeddedOptions
from services.runtime.embedded import EmbeddedBroker, open_embedded, read_embedded
from services.runtime.embedded_groups import shares
from services.runtime.embedded_log import Lane
from services.runtime.errors import Misconfigured, Unavailable
from tests.servers.brokers import new_group, new_topic, next_batch, numbered, numbers, read_all, take

SMALL = EmbeddedOptions(max_bytes=300_000)


class SetClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, duration: timedelta) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def broker(path: Path, clock: SetClock) -> AsyncIterator[EmbeddedBroker]:
    async with open_embedded(path, clock=clock) as broker:
        yield broker


@pytest.fixture
async def small(path: Path) -> AsyncIterator[EmbeddedBroker]:
    """Full after some 250 records of a kilobyte."""
    async with open_embedded(path, options=SMALL) as broker:
        yield broker


async def ensured(broker: EmbeddedBroker, *args, **kwargs) -> Topic:
    topic = new_topic(*args, **kwargs)
    await broker.ensure([topic])
    return topic


def kilobytes(topic: Topic, count: int) -> list[Record]:
    return [Record(topic.name, b"x" * 1000, b"key") for _ in range(count)]


def content(path: Path) -> bytes:
    return path.read_bytes()


def size(path: Path) -> int:
    return path.stat().st_size


# the file and its lock


async def test_a_second_process_on_the_file_is_refused_with_a_sentence(broker: EmbeddedBroker, path: Path) -> None:
    with pytest.raises(
        Misconfigured, match=rf"another chipwire runs on .*broker\.db \(process {os.getpid()}\); stop it, or give this one its own CHIPWIRE_BROKER"
    ):
        async with open_embedded(path):
            pass


async def test_the_file_is_free_again_after_closing(path: Path) -> None:
    for _ in range(2):
        async with open_embedded(path) as broker:
            await broker.ping()


async def test_another_process_may_read_while_one_runs(broker: EmbeddedBroker, path: Path) -> None:
    topic = await ensured(broker)
    await broker.publish(numbered(topic, range(3)))

    async with read_embedded(path) as reader:
        await reader.ping()
        assert numbers(await read_all(reader, topic)) == [0, 1, 2]
        await broker.publish(numbered(topic, range(3, 5)))
        assert numbers(await read_all(reader, topic)) == [0, 1, 2, 3, 4]


async def test_a_reader_follows_what_another_process_writes(broker: EmbeddedBroker, path: Path) -> None:
    topic = await ensured(broker)
    await broker.publish(numbered(topic, range(1)))
    found = []

    async with read_embedded(path) as reader, aclosing(reader.read(topic, follow=True)) as records:
        async for record in records:
            found.append(record)
            if len(found) == 2:
                break
            await broker.publish(numbered(topic, range(1, 2)))

    assert numbers(found) == [0, 1]


async def test_who_only_reads_cannot_write(broker: EmbeddedBroker, path: Path) -> None:
    topic = await ensured(broker)

    async with read_embedded(path) as reader:
        with pytest.raises(Misconfigured, match="reading only"):
            await reader.publish(numbered(topic, range(1)))
        with pytest.raises(Misconfigured, match="reading only"):
            await reader.ensure([topic])
        with pytest.raises(Misconfigured, match="reading only"):
            reader.subscribe("group", [topic])


async def test_reading_a_file_that_is_not_there_says_what_makes_it(path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"there is no broker file .*broker\.db yet; `chipwire run` makes it"):
        async with read_embedded(path):
            pass
    assert not path.exists()  # noqa: ASYNC240 a test may block


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: path.write_bytes(b"no database at all, but long enough to look like something" * 50), "cannot be used as the broker's file"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE others (x)").connection.close(), "a database of another program"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, prepare, sentence: str) -> None:
    prepare(path)
    before = content(path)[100:]  # SQLite may note the journal mode in its header

    with pytest.raises(Misconfigured, match=sentence):
        async with open_embedded(path):
            pass

    assert before == content(path)[100:]


async def test_a_file_of_another_layout_is_refused(path: Path) -> None:
    async with open_embedded(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(Misconfigured, match="layout 99"):
        async with open_embedded(path):
            pass


async def test_a_closed_broker_says_so(path: Path) -> None:
    async with open_embedded(path) as broker:
        topic = await ensured(broker)

    with pytest.raises(Unavailable, match="closed"):
        await broker.publish(numbered(topic, range(1)))
    with pytest.raises(Unavailable, match="closed"):
        await broker.ping()


async def test_it_can_be_told_to_survive_a_power_cut(path: Path) -> None:
    async with open_embedded(path, options=EmbeddedOptions(power_safe=True)) as broker:
        [level] = await broker._writer.aside(lambda db: db.execute("PRAGMA synchronous").fetchone())

    assert level == 2  # FULL


PUBLISHER = """
import asyncio, sys
from pathlib import Path
from services.runtime.embedded import open_embedded
from tests.servers.brokers import new_topic, numbered
from dataclasses import replace

async def main():
    async with open_embedded(Path(sys.argv[1])) as broker:
        topic = replace(new_topic(3), name="test.killed")
        await broker.ensure([topic])
        for start in range(0, 10**9, 50):
            await broker.publish(numbered(topic, range(start, start + 50), keys=9))
            print(start + 50, flush=True)

asyncio.run(main())
"""


async def test_killed_while_publishing_it_keeps_all_that_was_confirmed_and_no_half_batch(path: Path) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 nothing else runs here
        (sys.executable, "-c", PUBLISHER, str(path)), stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(40)]
        child.send_signal(signal.SIGKILL)
        confirmed = int((lines + child.stdout.readlines())[-1])

    async with open_embedded(path) as broker:
        topic = Topic("test.killed", None, "", 3, "delete", None)
        found = sorted(numbers(await read_all(broker, topic)))
        assert list(range(len(found))) == found
        assert len(found) in {confirmed, confirmed + 50}
        await broker.publish(numbered(topic, range(len(found), len(found) + 5)))
        assert len(found) + 5 == len(await read_all(broker, topic))


async def test_cancelled_publishes_are_there_whole_or_not_at_all(broker: EmbeddedBroker) -> None:
    topic = await ensured(broker, 3)
    tasks = [asyncio.create_task(broker.publish([Record(topic.name, str(n).encode(), str(k).encode()) for k in range(100)])) for n in range(30)]
    for turns, task in enumerate(tasks):
        for _ in range(turns % 5):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await broker.publish(numbered(topic, range(1)))  # behind all that had begun

    found = numbers(await read_all(broker, topic))[:]
    assert {0, 100} >= {found.count(n) for n in range(1, 30)}


# members


async def test_a_lane_that_stays_with_its_member_is_not_delivered_twice(broker: EmbeddedBroker) -> None:
    topic, group = await ensured(broker, 4), new_group()
    await broker.publish(numbered(topic, range(100), keys=30))

    async with broker.subscribe(group, [topic]) as one:
        held = await next_batch(one)
        async with broker.subscribe(group, [topic]):
            kept = set(await one.lag())
            assert not await one.batch(max_records=100, max_wait=timedelta(0))
            await one.commit(type(held)((), {p: offset for p, offset in held.positions.items() if p in kept}))
        rest = await take(one, 1)

    assert {Partition(topic.name, r.partition or 0) for r in rest} == set(held.positions) - kept


async def test_new_partitions_are_read_by_members_that_are_there_already(broker: EmbeddedBroker) -> None:
    topic = await ensured(broker, 1)
    async with broker.subscribe(new_group(), [topic]) as subscription:
        grown = Topic(topic.name, None, "", 4, "delete", None)

        await broker.ensure([grown])
        await broker.publish(numbered(topic, range(40), keys=20))

        assert list(range(40)) == sorted(numbers(await take(subscription, 40)))


async def test_a_batch_is_bounded_in_bytes_too(broker: EmbeddedBroker) -> None:
    topic = await ensured(broker)
    await broker.publish([Record(topic.name, b"x" * 1_000_000) for _ in range(40)])

    async with broker.subscribe(new_group(), [topic]) as subscription:
        first = await next_batch(subscription, max_records=100)
        assert len(first.records) == 34  # 32 MiB, and the record that passes it
        assert len((await next_batch(subscription)).records) == 6


@given(members=st.integers(1, 8), partitions=st.integers(1, 20))
def test_every_lane_has_one_owner_and_shares_differ_by_one_at_most(members: int, partitions: int) -> None:
    lanes = [Lane(number, Partition("t", number)) for number in range(partitions)]

    dealt = shares({"t": lanes, "other": [Lane(99, Partition("other", 0))]}, [{"t"}] * members)

    assert sorted(lane.id for share in dealt for lane in share) == list(range(partitions))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_a_member_gets_lanes_of_its_own_topics_only() -> None:
    lanes = {topic: [Lane(number, Partition(topic, number)) for number in range(2)] for topic in ("a", "b")}

    dealt = shares(lanes, [{"a"}, {"a", "b"}])

    assert [[lane.partition.topic for lane in share] for share in dealt] == [["a"], ["a", "b", "b"]]


# what is deleted, and what never


async def test_records_older_than_the_topic_keeps_are_deleted(broker: EmbeddedBroker, clock: SetClock) -> None:
    topic = await ensured(broker, retention=timedelta(days=7))
    await broker.publish(numbered(topic, range(5)))
    clock.time += timedelta(days=5)
    await broker.publish(numbered(topic, range(5, 8)))
    clock.time += timedelta(days=3)

    await broker.tidy()

    assert numbers(await read_all(broker, topic)) == [5, 6, 7]


async def test_what_a_known_group_has_not_read_is_never_deleted_however_old(path: Path, clock: SetClock) -> None:
    async with open_embedded(path, clock=clock) as broker:
        topic, group = await ensured(broker, retention=timedelta(days=7)), new_group()
        async with broker.subscribe(group, [topic]) as subscription:
            await broker.publish(numbered(topic, range(10)))
            await subscription.commit(await next_batch(subscription, max_records=4))
    clock.time += timedelta(days=400)

    async with open_embedded(path, clock=clock) as broker:  # nobody of the group is here
        await broker.tidy()
        assert list(range(4, 10)) == numbers(await read_all(broker, topic))
        async with broker.subscribe(group, [topic]) as subscription:
            await take(subscription, 6)
        await broker.tidy()
        assert await read_all(broker, topic) == []


async def test_offsets_go_on_after_everything_was_deleted(path: Path, clock: SetClock) -> None:
    async with open_embedded(path, clock=clock) as broker:
        topic = await ensured(broker, retention=timedelta(days=7))
        await broker.publish(numbered(topic, range(10)))
        clock.time += timedelta(days=8)
        await broker.tidy()

    async with open_embedded(path, clock=clock) as broker:
        await broker.publish(numbered(topic, range(10, 11)))
        assert [record.offset for record in await read_all(broker, topic)] == [10]
        async with broker.subscribe(new_group(), [topic]) as subscription:
            assert {Partition(topic.name, 0): 1} == await subscription.lag()
            assert numbers(await take(subscription, 1)) == [10]


async def test_a_topic_without_retention_is_kept_for_ever(broker: EmbeddedBroker, clock: SetClock) -> None:
    topic = await ensured(broker, retention=None)
    await broker.publish(numbered(topic, range(3)))
    clock.time += timedelta(days=4000)

    await broker.tidy()

    assert numbers(await read_all(broker, topic)) == [0, 1, 2]


async def test_compaction_keeps_the_newest_of_each_key_and_drops_old_tombstones(broker: EmbeddedBroker, clock: SetClock) -> None:
    topic = await ensured(broker, cleanup="compact", retention=None)
    await broker.publish([Record(topic.name, value, key) for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", b"1"), (b"b", None)]])

    await broker.tidy()
    assert [(r.key, r.value) for r in await read_all(broker, topic)] == [(b"a", b"2"), (b"c", b"1"), (b"b", None)]

    clock.time += timedelta(days=2)
    await broker.tidy()
    assert [(r.key, r.value) for r in await read_all(broker, topic)] == [(b"a", b"2"), (b"c", b"1")]


async def test_compaction_leaves_what_a_known_group_has_not_read(broker: EmbeddedBroker) -> None:
    topic, group = await ensured(broker, cleanup="compact", retention=None), new_group()
    async with broker.subscribe(group, [topic]) as subscription:
        await broker.publish(numbered(topic, range(6)))  # all of one key
        await subscription.commit(await next_batch(subscription, max_records=2))

        await broker.tidy()

        assert numbers(await read_all(broker, topic)) == [2, 3, 4, 5]
        assert numbers(await take(subscription, 4)) == [2, 3, 4, 5]


async def test_the_file_shrinks_when_records_go(path: Path, clock: SetClock) -> None:
    async with open_embedded(path, clock=clock) as broker:
        topic = await ensured(broker)
        await broker.publish(kilobytes(topic, 5000))
        await broker._writer.aside(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        before = size(path)
        clock.time += timedelta(days=8)

        await broker.tidy()

    assert size(path) < before / 4


async def test_housekeeping_that_fails_is_told_by_the_ping_until_it_works_again(path: Path) -> None:
    async with open_embedded(path, options=EmbeddedOptions(tidy_every=timedelta(milliseconds=10))) as broker:
        await ensured(broker)
        working, broker._writer = broker._writer, Broken()
        with pytest.raises(Unavailable, match="the disk is full"):
            await ping_on(broker)
        broker._writer = working
        while broker._trouble:  # noqa: ASYNC110 housekeeping tells nobody but the ping
            await asyncio.sleep(0.01)
        await broker.ping()


async def ping_on(broker: EmbeddedBroker) -> None:
    while True:
        await broker.ping()


class Broken:
    """A writer whose disk is full."""

    async def run(self, work, then=None):
        raise Unavailable("the disk is full")


# full


async def fill(broker: EmbeddedBroker, topic: Topic) -> int:
    """Publishes until the next would have to wait. Returns how many there are."""
    count = 0
    while not broker.full(topic):
        await broker.publish(kilobytes(topic, 20))
        count += 20
    return count


async def test_when_full_publishing_waits_until_readers_catch_up(small: EmbeddedBroker) -> None:
    topic = await ensured(small)
    async with small.subscribe(new_group(), [topic]) as subscription:
        count = await fill(small, topic)
        waiting = asyncio.create_task(small.publish(kilobytes(topic, 1)))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        assert small.full(topic)

        await take(subscription, count)

        async with asyncio.timeout(10):
            await waiting
            assert len((await next_batch(subscription)).records) == 1


async def test_a_publish_that_waits_for_space_can_be_cancelled(small: EmbeddedBroker) -> None:
    topic = await ensured(small)
    async with small.subscribe(new_group(), [topic]):
        count = await fill(small, topic)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await small.publish(kilobytes(topic, 1))

        assert count == len(await read_all(small, topic))


async def test_when_full_the_end_of_the_line_still_takes_records_so_that_it_can_drain(small: EmbeddedBroker) -> None:
    behind, caught_up, unread_by_anyone = await ensured(small), await ensured(small), await ensured(small)
    async with small.subscribe(new_group(), [behind]), small.subscribe(new_group(), [caught_up]):
        await fill(small, behind)

        async with asyncio.timeout(10):
            await small.publish(kilobytes(caught_up, 1))
            await small.publish(kilobytes(unread_by_anyone, 1))

        assert small.full(behind)
        assert not small.full(unread_by_anyone)


async def test_a_full_file_is_told_once_with_the_groups_that_are_behind(small: EmbeddedBroker) -> None:
    topic, group = await ensured(small), new_group()
    async with small.subscribe(group, [topic]):
        with capture_logs() as logs:
            count = await fill(small, topic)
            await small.tidy()
            await small.tidy()

    [told] = [line for line in logs if line["event"] == "broker_file_full"]
    assert told["behind"] == [f"{group}: {count} records to read"]


async def test_when_full_the_oldest_that_everyone_has_read_goes_early_and_the_unread_stays(small: EmbeddedBroker) -> None:
    topic, group = await ensured(small), new_group()
    async with small.subscribe(group, [topic]) as subscription:
        for _ in range(10):  # ten times 100 kB through a file of 300 kB
            await small.publish(kilobytes(topic, 100))
            await take(subscription, 100)
        await small.publish(kilobytes(topic, 50))
        await small.tidy()

        kept = [record.offset for record in await read_all(small, topic)]
        assert len(kept) < 300
        assert kept[-50:] == list(range(1000, 1050))
        assert len(await take(subscription, 50)) == 50
