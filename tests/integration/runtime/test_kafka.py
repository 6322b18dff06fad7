"""What only Kafka does: the traps of its library, each shown on a real broker, and outages."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import OutOfOrderSequenceNumber
from aiokafka.structs import TopicPartition
from structlog.testing import capture_logs

from schemas.topics import Topic
from services.runtime.broker import NoHooks, Partition, Record
from services.runtime.broker_options import KafkaOptions
from services.runtime.errors import Lost, Rejected, Unavailable
from services.runtime.kafka import KafkaBroker, open_kafka
from tests.servers.brokers import Kafka, new_group, new_topic, next_batch, numbered, numbers, read_all, take
from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka


class Notes(NoHooks):
    """Keeps what the broker told."""

    def __init__(self) -> None:
        self.gaps: list[tuple[Partition, int, int]] = []
        self.rebuilt: list[str] = []

    def on_gap(self, partition: Partition, wanted: int, found: int) -> None:
        self.gaps.append((partition, wanted, found))

    def on_rebuild(self, what: str) -> None:
        self.rebuilt.append(what)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def broker(kafka: Any, notes: Notes) -> AsyncIterator[KafkaBroker]:
    async with open_kafka(kafka.address, options=Kafka.OPTIONS, hooks=notes) as broker:
        yield broker


async def ensured(broker: KafkaBroker, partitions: int = 1) -> Topic:
    topic = new_topic(partitions)
    await broker.ensure([topic])
    return topic


async def delete_before(kafka: Any, topic: Topic, offset: int) -> None:
    """As retention would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.delete_records({TopicPartition(topic.name, 0): RecordsToDelete(offset)})
    await admin.close()


async def alter(kafka: Any, topic: Topic, **settings: str) -> None:
    """As an operator would, with another tool."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, {key.replace("_", "."): value for key, value in settings.items()})])
    await admin.close()


# getting in


async def test_no_broker_is_told_in_a_sentence() -> None:
    with pytest.raises(Unavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1$"):
        async with open_kafka("127.0.0.1:1"):
            pass


async def test_a_wrong_password_is_told_apart_from_a_broker_that_is_away(own_kafka: KafkaServer) -> None:
    options = KafkaOptions(sasl="PLAIN", username="chipwire", password="wrong word")

    with pytest.raises(Unavailable, match="answers but does not let us in; check the user name, the password") as refused:
        async with open_kafka(own_kafka.login_address, options=options):
            pass

    assert "wrong word" not in str(refused.value) + repr(options)


async def test_the_right_password_lets_us_in(own_kafka: KafkaServer) -> None:
    options = KafkaOptions(sasl="PLAIN", username="chipwire", password="open sesame")
    topic = new_topic()

    async with open_kafka(own_kafka.login_address, options=options) as broker:
        await broker.ensure([topic])
        await broker.publish(numbered(topic, range(3)))
        async with broker.subscribe(new_group(), [topic]) as subscription:
            assert numbers(await take(subscription, 3)) == [0, 1, 2]


# records that are gone


async def test_records_deleted_before_a_group_read_them_are_told_loudly_and_it_goes_on(kafka: Any, broker: KafkaBroker, notes: Notes) -> None:
    topic, group = await ensured(broker), new_group()
    await broker.publish(numbered(topic, range(10)))
    async with broker.subscribe(group, [topic]) as subscription:
        await subscription.commit(await next_batch(subscription, max_records=2))
    await delete_before(kafka, topic, 6)

    with capture_logs() as logs:
        async with broker.subscribe(group, [topic]) as subscription:
            assert numbers(await take(subscription, 4)) == [6, 7, 8, 9]

    assert [(Partition(topic.name, 0), 2, 6)] == notes.gaps
    [loud] = [line for line in logs if line["event"] == "kafka_records_gone_before_read"]
    assert ("error", group, 2, 6) == (loud["log_level"], loud["group"], loud["wanted"], loud["found"])


async def test_a_new_group_on_a_topic_whose_start_is_gone_misses_nothing_and_tells_nothing(kafka: Any, broker: KafkaBroker, notes: Notes) -> None:
    topic = await ensured(broker)
    await broker.publish(numbered(topic, range(10)))
    await delete_before(kafka, topic, 6)

    async with broker.subscribe(new_group(), [topic]) as subscription:
        assert numbers(await take(subscription, 4)) == [6, 7, 8, 9]

    assert not notes.gaps


# the producer


async def test_a_batch_that_the_broker_refuses_does_not_spoil_the_next(kafka: Any, broker: KafkaBroker, notes: Notes) -> None:
    topic = await ensured(broker)
    await alter(kafka, topic, max_message_bytes="1000")
    await broker.publish(numbered(topic, range(1)))

    with pytest.raises(Rejected, match=r"max\.message\.bytes"):
        await broker.publish([Record(topic.name, os.urandom(50_000), b"key")])
    await broker.publish(numbered(topic, range(1, 2)))

    assert numbers(await read_all(broker, topic)) == [0, 1]
    assert notes.rebuilt == ["producer"]


async def test_a_producer_that_lost_its_sequence_is_made_anew(broker: KafkaBroker, notes: Notes) -> None:
    topic = await ensured(broker)
    await broker.publish(numbered(topic, range(1)))
    (await broker._producer.ready())._txn_manager.increment_sequence_number(TopicPartition(topic.name, 0), 5)

    with pytest.raises(Unavailable, match=OutOfOrderSequenceNumber.__name__):
        await broker.publish(numbered(topic, range(1, 2)))
    await broker.publish(numbered(topic, range(1, 2)))

    assert numbers(await read_all(broker, topic)) == [0, 1]
    assert notes.rebuilt == ["producer"]


# the consumer


async def test_a_consumer_that_the_library_left_for_dead_is_made_anew(broker: KafkaBroker, notes: Notes) -> None:
    """After a handler that was too slow in a rebalance the library raises CancelledError though nobody cancelled, at every call, for ever."""
    topic = await ensured(broker)
    async with broker.subscribe(new_group(), [topic]) as subscription:
        await broker.publish(numbered(topic, range(10)))
        held = await next_batch(subscription, max_records=4)
        task = subscription._consumer._coordinator._coordination_task
        task.cancel()  # what the library's own mistake does to itself
        await asyncio.wait([task])

        assert not await subscription.batch(max_records=10, max_wait=timedelta(0))

        with pytest.raises(Lost):
            await subscription.commit(held)
        assert list(range(10)) == numbers(await take(subscription, 10))
    assert notes.rebuilt == ["consumer"]


async def test_a_member_that_is_really_cancelled_ends(broker: KafkaBroker, notes: Notes) -> None:
    topic = await ensured(broker)
    async with broker.subscribe(new_group(), [topic]) as subscription:
        waiting = asyncio.create_task(subscription.batch(max_records=10, max_wait=timedelta(seconds=30)))
        await asyncio.sleep(0)
        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert not notes.rebuilt


async def test_joining_and_leaving_repeats_nothing_while_batches_are_in_hand(kafka: Any) -> None:
    async with Kafka(kafka).open(revoke_grace=timedelta(seconds=10)) as broker:
        topic, group = await ensured(broker, 6), new_group()
        seen: Counter[int] = Counter()

        async def member(until: int) -> None:
            async with broker.subscribe(group, [topic]) as subscription:
                while len(seen) < until:
                    batch = await subscription.batch(max_records=10, max_wait=timedelta(milliseconds=200))
                    await asyncio.sleep(0.02 if batch else 0)  # the handler
                    await subscription.commit(batch)  # Lost would fail the test
                    seen.update(numbers(batch.records))

        await broker.publish(numbered(topic, range(1500), keys=60))
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for until in (1500, 400, 700, 1500):
                tasks.create_task(member(until))
                while len(seen) < until // 5:  # noqa: ASYNC110 the handlers tell nobody
                    await asyncio.sleep(0.01)

    assert Counter(range(1500)) == seen


async def test_a_pause_outlives_a_rebalance(broker: KafkaBroker) -> None:
    topic, group = await ensured(broker, 4), new_group()
    async with broker.subscribe(group, [topic]) as paused:
        paused.pause()
        async with broker.subscribe(group, [topic]) as other:
            await broker.publish(numbered(topic, range(80), keys=40))
            await take(other, 1)
            while len(await paused.lag()) != 2:
                assert not await paused.batch(max_records=10, max_wait=timedelta(milliseconds=100))
            assert not await paused.batch(max_records=10, max_wait=timedelta(seconds=1))

            paused.resume()

            assert await next_batch(paused)


# topics


async def test_what_operators_set_on_a_topic_stays_when_we_change_ours(kafka: Any, broker: KafkaBroker) -> None:
    topic = await ensured(broker)
    await alter(kafka, topic, cleanup_policy="delete", retention_ms="1000", segment_bytes="2000000")

    await broker.ensure([topic])

    expected = {"cleanup.policy": "delete", "retention.ms": str(7 * 86_400_000), "segment.bytes": "2000000"}
    async with asyncio.timeout(10):  # shown a moment later
        while await broker._settings([topic]) != {topic.name: expected}:  # noqa: ASYNC110 only asking tells
            await asyncio.sleep(0.05)


async def test_a_topic_that_the_cluster_refuses_is_told_in_a_sentence(broker: KafkaBroker) -> None:
    broker._options = KafkaOptions(replication=7)

    with pytest.raises(Exception, match=r"Kafka did not create topic test\..*[Rr]eplication factor"):
        await broker.ensure([new_topic()])


# outages


async def test_an_outage_makes_publishers_wait_and_then_fail_and_everything_resumes_by_itself(own_kafka: KafkaServer) -> None:
    async with Kafka(own_kafka).open(publish_timeout=timedelta(seconds=2), request_timeout=timedelta(seconds=4)) as broker:
        topic = await ensured(broker, 2)
        async with broker.subscribe(new_group(), [topic]) as subscription:
            await broker.publish(numbered(topic, range(10), keys=5))
            await take(subscription, 10)

            await asyncio.to_thread(own_kafka.stop)
            with pytest.raises(Unavailable, match="did not confirm the records within 0:00:02"):
                await broker.publish(numbered(topic, range(10, 20), keys=5))
            with pytest.raises(Unavailable, match="no Kafka broker answers"):  # and so on: nothing gathers in memory
                await broker.publish(numbered(topic, range(10, 20), keys=5))
            with pytest.raises(Unavailable):
                await broker.ping()
            assert not await subscription.batch(max_records=10, max_wait=timedelta(milliseconds=200))
            await asyncio.to_thread(own_kafka.start)

            found = set()
            async with asyncio.timeout(60):
                await publish_until_taken(broker, numbered(topic, range(20, 30), keys=5))
                while not found.issuperset(range(20, 30)):
                    found.update(numbers(await take(subscription, 1)))
            await broker.ping()


async def publish_until_taken(broker: KafkaBroker, records: list[Record]) -> None:
    """As the worker does."""
    while True:
        try:
            return await broker.publish(records)
        except Unavailable:
            await asyncio.sleep(0.1)


async def test_closing_during_an_outage_does_not_hang(own_kafka: KafkaServer) -> None:
    async with Kafka(own_kafka).open(publish_timeout=timedelta(seconds=1)) as broker:
        topic = await ensured(broker)
        await broker.publish(numbered(topic, range(1)))
        await asyncio.to_thread(own_kafka.stop)
        try:
            with pytest.raises(Unavailable):
                await broker.publish(numbered(topic, range(1, 2)))
            async with asyncio.timeout(20):
                await broker.close()
        finally:
            await asyncio.to_thread(own_kafka.start)
