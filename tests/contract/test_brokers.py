"""The broker's promise, kept by both: `embedded` on a file and `kafka` on a real Apache Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.topics import Topic
from services.runtime.broker import Batch, Broker, Partition, Record
from services.runtime.errors import Lost, Misconfigured, Rejected
from services.runtime.limits import LARGEST_VALUE
from tests.servers.brokers import Embedded, Kafka, Kind, new_group, new_topic, next_batch, numbered, numbers, read_all, take

SOON = timedelta(milliseconds=200)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    return Embedded(tmp_path) if request.param == "embedded" else Kafka(request.getfixturevalue("kafka"))


@pytest.fixture
async def broker(kind: Kind) -> AsyncIterator[Broker]:
    async with kind.open() as broker:
        yield broker


@pytest.fixture
async def topic(broker: Broker) -> Topic:
    """With one partition."""
    topic = new_topic()
    await broker.ensure([topic])
    return topic


@pytest.fixture
async def wide(broker: Broker) -> Topic:
    """With four partitions."""
    topic = new_topic(4)
    await broker.ensure([topic])
    return topic


# what goes in comes out


async def test_a_record_comes_out_as_it_went_in(broker: Broker, topic: Topic) -> None:
    headers = (("ce_id", b"1"), ("odd", bytes(range(256))), ("empty", b""), ("ce_id", b"2"))

    await broker.publish([Record(topic.name, b'{"a": 1}', b"key", headers)])

    async with broker.subscribe(new_group(), [topic]) as subscription:
        [record] = await take(subscription, 1)
    assert record.timestamp is not None
    assert replace(record, timestamp=None) == Record(topic.name, b'{"a": 1}', b"key", headers, 0, 0)
    assert abs(record.timestamp - datetime.now(UTC)) < timedelta(minutes=1)
    assert record.header("ce_id") == "2"


async def test_empty_values_tombstones_and_the_largest_value_come_out_as_they_went_in(broker: Broker, topic: Topic) -> None:
    values = [b"", None, b"x" * LARGEST_VALUE, b"after"]

    await broker.publish([Record(topic.name, value, b"key") for value in values])

    assert values == [record.value for record in await read_all(broker, topic)]


async def test_a_record_that_is_too_large_is_rejected_and_harms_nothing(broker: Broker, topic: Topic) -> None:
    with pytest.raises(Rejected, match="too large"):
        await broker.publish([Record(topic.name, b"x" * (LARGEST_VALUE + 1), b"key")])
    with pytest.raises(Rejected, match="key and headers"):
        await broker.publish([Record(topic.name, b"x", b"key", (("h", b"x" * 50_000),))])

    await broker.publish([Record(topic.name, b"next", b"key")])

    assert [record.value for record in await read_all(broker, topic)] == [b"next"]


async def test_a_tombstone_without_a_key_is_rejected(broker: Broker, topic: Topic) -> None:
    with pytest.raises(Rejected, match="neither key nor value"):
        await broker.publish([Record(topic.name, None)])


async def test_a_topic_that_nobody_made_is_named_in_a_sentence(broker: Broker) -> None:
    topic = new_topic()

    with pytest.raises(Rejected, match=topic.name):
        await broker.publish([Record(topic.name, b"x")])
    with pytest.raises(Misconfigured, match=topic.name):
        async with broker.subscribe(new_group(), [topic]):
            pass
    with pytest.raises(Misconfigured, match=topic.name):
        await read_all(broker, topic)


async def test_publishing_nothing_is_done_at_once(broker: Broker) -> None:
    await broker.publish([])


async def test_it_answers_a_ping_and_is_not_full(broker: Broker, topic: Topic) -> None:
    await broker.ping()

    assert not broker.full(topic)


# order and partitions


async def test_records_of_a_key_stay_in_order_whatever_else_flows(broker: Broker, wide: Topic) -> None:
    await asyncio.gather(*(publish_in_turn(broker, wide, key) for key in ("a", "b", "c")))

    async with broker.subscribe(new_group(), [wide]) as subscription:
        found = await take(subscription, 60, max_records=7)
    by_key = defaultdict(list)
    for record in found:
        by_key[record.key].append(int(record.value or b""))
    assert {key: list(range(20)) for key in (b"a", b"b", b"c")} == by_key


async def publish_in_turn(broker: Broker, topic: Topic, key: str) -> None:
    for number in range(0, 20, 2):
        await broker.publish([Record(topic.name, str(each).encode(), key.encode()) for each in (number, number + 1)])


async def test_a_key_has_its_partition_and_many_keys_use_them_all(broker: Broker, wide: Topic) -> None:
    await broker.publish(numbered(wide, range(200), keys=50))
    await broker.publish(numbered(wide, range(200, 400), keys=50))

    places = defaultdict(set)
    for record in await read_all(broker, wide):
        places[record.key].add(record.partition)
    assert all(len(partitions) == 1 for partitions in places.values())
    assert {0, 1, 2, 3} == set.union(*places.values())


async def test_records_without_a_key_are_spread(broker: Broker, wide: Topic) -> None:
    await broker.publish([Record(wide.name, b"x") for _ in range(100)])

    spread = Counter(record.partition for record in await read_all(broker, wide))
    assert {0, 1, 2, 3} == spread.keys()


async def test_offsets_are_dense_and_positions_name_the_next_one(broker: Broker, topic: Topic) -> None:
    await broker.publish(numbered(topic, range(10)))

    async with broker.subscribe(new_group(), [topic]) as subscription:
        batch = await next_batch(subscription, max_records=4)
        assert [record.offset for record in batch.records] == [0, 1, 2, 3]
        assert {Partition(topic.name, 0): 4} == batch.positions
        assert list(range(4, 10)) == [record.offset for record in await take(subscription, 6)]


async def test_one_subscription_reads_several_topics(broker: Broker, topic: Topic, wide: Topic) -> None:
    await broker.publish([*numbered(topic, range(5)), *numbered(wide, range(5, 10), keys=5)])

    async with broker.subscribe(new_group(), [topic, wide]) as subscription:
        assert list(range(10)) == sorted(numbers(await take(subscription, 10)))


# groups


async def test_every_group_gets_every_record_from_the_oldest_on(broker: Broker, topic: Topic) -> None:
    await broker.publish(numbered(topic, range(10)))

    for group in (new_group(), new_group()):
        async with broker.subscribe(group, [topic]) as subscription:
            assert list(range(10)) == numbers(await take(subscription, 10))


async def test_a_group_goes_on_where_it_committed(broker: Broker, topic: Topic) -> None:
    group = new_group()
    await broker.publish(numbered(topic, range(10)))
    async with broker.subscribe(group, [topic]) as subscription:
        await subscription.commit(await next_batch(subscription, max_records=4))
        await next_batch(subscription, max_records=3)  # handled or not: never committed

    async with broker.subscribe(group, [topic]) as subscription:
        assert list(range(4, 10)) == numbers(await take(subscription, 6))


async def test_what_was_never_committed_is_delivered_again(broker: Broker, topic: Topic) -> None:
    group = new_group()
    await broker.publish(numbered(topic, range(3)))
    async with broker.subscribe(group, [topic]) as subscription:
        assert numbers(await take(subscription, 3, commit=False)) == [0, 1, 2]

    async with broker.subscribe(group, [topic]) as subscription:
        assert numbers(await take(subscription, 3)) == [0, 1, 2]


async def test_a_commit_covers_exactly_the_positions_it_names(broker: Broker, topic: Topic) -> None:
    group = new_group()
    await broker.publish(numbered(topic, range(10)))
    async with broker.subscribe(group, [topic]) as subscription:
        batch = await next_batch(subscription)
        await subscription.commit(Batch(batch.records[:6], {Partition(topic.name, 0): 6}))

    async with broker.subscribe(group, [topic]) as subscription:
        assert list(range(6, 10)) == numbers(await take(subscription, 4))


async def test_a_rewound_batch_comes_again_in_place(broker: Broker, wide: Topic) -> None:
    await broker.publish(numbered(wide, range(40), keys=8))

    async with broker.subscribe(new_group(), [wide]) as subscription:
        first = await next_batch(subscription, max_records=15)
        await subscription.rewind(first)
        found = await take(subscription, 40, max_records=15)

    assert list(range(40)) == sorted(numbers(found))
    assert in_order_by_key(found)


def in_order_by_key(records: list[Record]) -> bool:
    last: dict[bytes | None, int] = {}
    for record in records:
        if int(record.value or b"") <= last.get(record.key, -1):
            return False
        last[record.key] = int(record.value or b"")
    return True


async def test_waiting_for_a_batch_ends_when_something_is_published(broker: Broker, topic: Topic) -> None:
    async with broker.subscribe(new_group(), [topic]) as subscription:
        waiting = asyncio.create_task(subscription.batch(max_records=10, max_wait=timedelta(seconds=30)))
        await asyncio.sleep(0)

        await broker.publish(numbered(topic, range(1)))

        async with asyncio.timeout(10):
            assert numbers((await waiting).records) == [0]


async def test_a_batch_is_empty_when_nothing_came_in_time(broker: Broker, topic: Topic) -> None:
    async with broker.subscribe(new_group(), [topic]) as subscription:
        batch = await subscription.batch(max_records=10, max_wait=SOON)

        assert not batch
        await subscription.commit(batch)


async def test_a_paused_member_gets_nothing_until_it_resumes(broker: Broker, wide: Topic) -> None:
    async with broker.subscribe(new_group(), [wide]) as subscription:
        subscription.pause()
        await broker.publish(numbered(wide, range(10), keys=5))
        assert not await subscription.batch(max_records=10, max_wait=SOON)

        subscription.resume()

        assert list(range(10)) == sorted(numbers(await take(subscription, 10)))


async def test_lag_counts_what_is_not_committed(broker: Broker, topic: Topic) -> None:
    partition = Partition(topic.name, 0)
    await broker.publish(numbered(topic, range(10)))

    async with broker.subscribe(new_group(), [topic]) as subscription:
        batch = await next_batch(subscription, max_records=4)
        assert {partition: 10} == await subscription.lag()
        await subscription.commit(batch)
        assert {partition: 6} == await subscription.lag()
        await take(subscription, 6)
        assert {partition: 0} == await subscription.lag()


# members


async def test_members_share_the_partitions_and_a_leaver_hands_over(broker: Broker, wide: Topic) -> None:
    group = new_group()
    async with broker.subscribe(group, [wide]) as one:
        async with broker.subscribe(group, [wide]) as two:
            await until_shared(one, two)
            await broker.publish(numbered(wide, range(100), keys=20))
            found = await asyncio.gather(take_until_quiet(one), take_until_quiet(two))
            assert list(range(100)) == sorted(numbers(found[0] + found[1]))
            assert not {r.partition for r in found[0]} & {r.partition for r in found[1]}

        await broker.publish(numbered(wide, range(100, 200), keys=20))
        assert list(range(100, 200)) == sorted(numbers(await take(one, 100)))


async def until_shared(*members) -> None:
    """Until each member has as many partitions as the others."""
    while True:
        shares = [len(await member.lag()) for member in members]
        if all(shares) and sum(shares) == 4:
            return
        for member in members:
            await member.batch(max_records=1, max_wait=timedelta(milliseconds=50))


async def take_until_quiet(subscription) -> list[Record]:
    found: list[Record] = []
    while batch := await subscription.batch(max_records=100, max_wait=timedelta(seconds=1)):
        found.extend(batch.records)
        await subscription.commit(batch)
    return found


async def test_a_commit_after_the_partition_went_elsewhere_is_lost_and_its_work_is_repeated(broker: Broker, wide: Topic) -> None:
    group = new_group()
    await broker.publish(numbered(wide, range(40), keys=20))
    async with broker.subscribe(group, [wide]) as slow:
        held = await next_batch(slow)
        while len(held.positions) < 4:
            await slow.rewind(held)
            held = await next_batch(slow)
        async with broker.subscribe(group, [wide]) as other:  # joins while the batch is in hand
            first = await next_batch(other)

            with pytest.raises(Lost) as lost:
                await slow.commit(held)

            moved = {Partition(wide.name, record.partition or 0) for record in first.records}
            assert moved <= lost.value.partitions
            await other.commit(first)
            rest = await asyncio.gather(take_until_quiet(slow), take_until_quiet(other))
        committed_by_slow = [r for r in held.records if Partition(wide.name, r.partition or 0) not in lost.value.partitions]
        handled = {*numbers(first.records), *numbers(rest[0]), *numbers(rest[1]), *numbers(committed_by_slow)}
        assert set(range(40)) == handled


async def test_nothing_is_lost_while_members_join_and_leave_under_load(broker: Broker, wide: Topic) -> None:
    group, seen, grown = new_group(), Counter(), asyncio.Condition()

    async def member(stop: asyncio.Event) -> None:
        async with broker.subscribe(group, [wide]) as subscription:
            while not stop.is_set():
                batch = await subscription.batch(max_records=20, max_wait=timedelta(milliseconds=100))
                try:
                    await subscription.commit(batch)
                except Lost as lost:
                    batch = Batch([r for r in batch.records if Partition(r.topic, r.partition or 0) not in lost.partitions])
                async with grown:
                    seen.update(numbers(batch.records))
                    grown.notify_all()

    async def until(count: int) -> None:
        async with grown:
            await grown.wait_for(lambda: len(seen) >= count)

    async def publish() -> None:
        for start in range(0, 1200, 25):
            await broker.publish(numbered(wide, range(start, start + 25), keys=40))
            await until(start // 2)  # keeps the load going for as long as members come and go

    async with asyncio.TaskGroup() as tasks:
        stops = [asyncio.Event() for _ in range(4)]
        tasks.create_task(member(stops[0]))
        tasks.create_task(publish())
        await until(200)
        tasks.create_task(member(stops[1]))
        tasks.create_task(member(stops[2]))
        await until(500)
        stops[0].set()
        await until(800)
        tasks.create_task(member(stops[3]))
        stops[1].set()
        await until(1200)
        for stop in stops:
            stop.set()

    assert set(range(1200)) == seen.keys()
    async with broker.subscribe(group, [wide]) as last:
        assert not await last.batch(max_records=10, max_wait=SOON)


# reading without a group


async def test_reading_without_a_group_gives_all_there_is_and_commits_nothing(broker: Broker, wide: Topic) -> None:
    await broker.publish(numbered(wide, range(50), keys=10))

    assert list(range(50)) == sorted(numbers(await read_all(broker, wide)))
    assert list(range(50)) == sorted(numbers(await read_all(broker, wide)))


async def test_reading_an_empty_topic_ends(broker: Broker, wide: Topic) -> None:
    assert await read_all(broker, wide) == []


async def test_reading_since_a_time_leaves_out_what_is_older(broker: Broker, wide: Topic) -> None:
    await broker.publish(numbered(wide, range(20), keys=10))
    since = await a_later_time(max(record.timestamp for record in await read_all(broker, wide) if record.timestamp))
    await broker.publish(numbered(wide, range(20, 25), keys=10))

    assert list(range(20, 25)) == sorted(numbers([record async for record in broker.read(wide, since=since)]))
    assert [record async for record in broker.read(wide, since=datetime.now(UTC) + timedelta(hours=1))] == []


async def a_later_time(than: datetime) -> datetime:
    """A moment after it, to the millisecond, that has already come."""
    while (now := datetime.now(UTC)) < than + timedelta(milliseconds=3):  # noqa: ASYNC110 only the clock can tell
        await asyncio.sleep(0)
    return now - timedelta(milliseconds=1)


async def test_following_gives_what_is_there_and_then_what_comes(broker: Broker, topic: Topic) -> None:
    await broker.publish(numbered(topic, range(3)))
    found: list[Record] = []

    async with aclosing(broker.read(topic, follow=True)) as records:
        async for record in records:
            found.append(record)
            if len(found) == 3:
                await broker.publish(numbered(topic, range(3, 5)))
            if len(found) == 5:
                break

    assert list(range(5)) == numbers(found)


# topics


@pytest.mark.parametrize(
    ("cleanup", "retention", "expected"),
    [("delete", timedelta(days=35), 35 * 86_400_000), ("compact", None, None)],
)
async def test_a_new_topic_has_what_it_promises(kind: Kind, broker: Broker, cleanup, retention, expected) -> None:
    topic = new_topic(3, cleanup=cleanup, retention=retention)

    await broker.ensure([topic, topic.dead])

    assert {"partitions": 3, "cleanup": cleanup, "retention": expected} == await kind.settings(broker, topic)
    assert await kind.settings(broker, topic.dead) == {"partitions": 3, "cleanup": "delete", "retention": 30 * 86_400_000}


async def test_ensuring_again_grows_and_changes_but_never_removes(kind: Kind, broker: Broker) -> None:
    topic = new_topic(2)
    await broker.ensure([topic])
    await broker.publish(numbered(topic, range(10), keys=5))

    await broker.ensure([replace(topic, partitions=4, cleanup="compact", retention=None)])
    await broker.ensure([replace(topic, partitions=1, cleanup="compact", retention=None)])

    async with asyncio.timeout(10):  # a cluster shows changed settings a moment later
        while (found := await kind.settings(broker, topic)) != {"partitions": 4, "cleanup": "compact", "retention": None}:
            assert found["partitions"] == 4
            await asyncio.sleep(0.05)
    assert list(range(10)) == sorted(numbers(await read_all(broker, topic)))


# crashes and restarts


async def test_a_publish_that_was_cancelled_leaves_a_working_broker(broker: Broker, topic: Topic) -> None:
    tasks = [asyncio.create_task(broker.publish(numbered(topic, range(10 * n, 10 * n + 10)))) for n in range(20)]
    for turns, task in enumerate(tasks):
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    await broker.publish(numbered(topic, range(1000, 1010)))

    found = await read_all(broker, topic)
    assert list(range(len(found))) == [record.offset for record in found]
    assert list(range(1000, 1010)) == numbers(found[-10:])
    done = {10 * n for n, outcome in enumerate(outcomes) if outcome is None}
    assert done <= set(numbers(found))


async def test_everything_is_there_after_a_restart(kind: Kind) -> None:
    kind.may_restart()
    topic, group = new_topic(2), new_group()
    async with kind.open() as broker:
        await broker.ensure([topic])
        await broker.publish(numbered(topic, range(20), keys=6))
        before = await read_all(broker, topic)
        async with broker.subscribe(group, [topic]) as subscription:
            first = await next_batch(subscription, max_records=8)
            await subscription.commit(first)

    kind.restart()

    async with kind.open() as broker:
        assert before == await read_all(broker, topic)
        async with broker.subscribe(group, [topic]) as subscription:
            rest = await take(subscription, 20 - len(first.records))
        assert list(range(20)) == sorted(numbers([*first.records, *rest]))
        await broker.publish(numbered(topic, range(20, 21)))
        assert len(await read_all(broker, topic)) == 21
