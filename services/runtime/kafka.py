"""The broker on Apache Kafka, by aiokafka: the only module that knows it.

    publish   idempotent, acks=all; one Kafka batch for each partition
    batch     getmany; from then until commit or rewind the batch is in hand, and a rebalance waits for it (bounded)
    commit    exactly what was handled; late ones are Lost

The library has traps, each measured on a real broker. The comments here name them; `tests/integration/runtime/test_kafka.py` shows that we step around them.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from aiokafka import (  # type: ignore[import-untyped]  # the library ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic  # type: ignore[import-untyped]  # as above
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # type: ignore[import-untyped]  # as above
from aiokafka.errors import (  # type: ignore[import-untyped]  # as above
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]  # as above

from schemas.topics import Topic
from services.runtime.broker import Batch, Hooks, NoHooks, Partition, Record
from services.runtime.broker_options import KafkaOptions
from services.runtime.errors import Lost, Misconfigured, Rejected, Unavailable
from services.runtime.limits import check

T = TypeVar("T")

logger = structlog.get_logger(__name__)

_BATCH_BYTES = 1_048_576
"""At most Kafka's `message.max.bytes`: a batch that the broker refuses would leave the idempotent producer stuck for good."""

_TOPIC_CONFIG = 1
"""`config_source` of a setting that was made for the topic itself, in the answer of DescribeConfigs."""

_STOP_SECONDS = 5
"""How long a client of the library may take to stop."""

_partition_for = DefaultPartitioner()
"""The Java client's: other programs that write to our topics agree where a key belongs."""


@asynccontextmanager
async def open_kafka(servers: str, *, options: KafkaOptions | None = None, hooks: Hooks | None = None) -> AsyncIterator[KafkaBroker]:
    """The cluster at `host:port[,host:port]`. Raises Unavailable when nobody answers there, or refuses us."""
    cluster = _Cluster(servers, options or KafkaOptions())
    admin = await cluster.started(AIOKafkaAdminClient(**cluster.connection))
    broker = KafkaBroker(cluster, admin, hooks or NoHooks())
    try:
        yield broker
    finally:
        await broker.close()


class _Cluster:
    """Where the brokers are and how to log in."""

    def __init__(self, servers: str, options: KafkaOptions) -> None:
        self.servers, self.options = servers, options
        protocol = ("SASL_" if options.sasl else "") + ("SSL" if options.tls else "PLAINTEXT")
        self.connection: dict[str, Any] = {
            "bootstrap_servers": servers,
            "client_id": "chipwire",
            "security_protocol": protocol,
            "request_timeout_ms": _milliseconds(options.request_timeout),
            "metadata_max_age_ms": 60_000,
        }
        if options.tls:
            self.connection["ssl_context"] = _tls(options)
        if options.sasl:
            self.connection |= {"sasl_mechanism": options.sasl, "sasl_plain_username": options.username, "sasl_plain_password": options.password}

    async def started(self, client: Any) -> Any:
        """The client, connected; or Unavailable, with the best guess why."""
        try:
            async with asyncio.timeout(self.options.start_timeout.total_seconds()):
                await client.start()
        except BaseException as exc:
            await _stopped(client)
            if isinstance(exc, KafkaError | TimeoutError):
                raise await self._unreachable() from exc
            raise
        return client

    async def _unreachable(self) -> Unavailable:
        """The library says the same for a wrong password as for a dead broker, so we knock ourselves."""
        if not await self._listens():
            return Unavailable(f"no Kafka broker answers at {self.servers}")
        if self.options.sasl or self.options.tls:
            return Unavailable(f"Kafka at {self.servers} answers but does not let us in; check the user name, the password and the TLS settings")
        return Unavailable(f"Kafka at {self.servers} accepts connections but does not answer; it may still be starting, or expect TLS or a login")

    async def _listens(self) -> bool:
        for server in self.servers.split(","):
            host, _, port = server.rpartition(":")
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                    writer.close()
                    return True
        return False


class KafkaBroker:
    """Made by `open_kafka`."""

    def __init__(self, cluster: _Cluster, admin: Any, hooks: Hooks) -> None:
        self._cluster, self._admin, self._hooks = cluster, admin, hooks
        self._options = cluster.options
        self._producer = _Producer(cluster, hooks)
        self._known: frozenset[str] = frozenset()

    # publishing

    async def publish(self, records: Sequence[Record]) -> None:
        """A try that was given up may still arrive, once; the caller's next try is then a second copy."""
        for record in records:
            check(record)
        if not records:
            return
        producer = None
        try:
            async with asyncio.timeout(self._options.publish_timeout.total_seconds()):
                await self._must_exist({record.topic for record in records})
                producer = await self._producer.ready()
                await self._send(producer, records)
        except TimeoutError as exc:
            await self._producer.drop(producer)  # it would keep these records, and the next try's, and send them all one day
            raise Unavailable(f"Kafka at {self._cluster.servers} did not confirm the records within {self._options.publish_timeout}") from exc

    def full(self, topic: Topic) -> bool:  # noqa: ARG002 the Protocol's signature
        return False

    async def _send(self, producer: Any, records: Sequence[Record]) -> None:
        try:
            sent = [await _queued(producer, lane, built) for lane, of_lane in (await _placed(producer, records)).items() for built in _built(producer, of_lane)]
            await asyncio.wait(sent)
            for future in sent:
                future.result()
        except MessageSizeTooLargeError as exc:
            await self._producer.drop(producer)
            raise Rejected(f"Kafka refuses the records as too large; the topic's max.message.bytes must be at least {_BATCH_BYTES}") from exc
        except KafkaError as exc:
            if not exc.retriable:  # among them OutOfOrderSequenceNumber: every later send would fail too
                await self._producer.drop(producer)
            raise Unavailable(f"Kafka did not take the records: {type(exc).__name__}") from exc

    async def _must_exist(self, topics: Iterable[str]) -> None:
        """Asking first: the library waits a whole request timeout for a topic that is not there, and some clusters create it by the way."""
        if not self._known.issuperset(topics):
            self._known = frozenset(await self._ask(self._admin.list_topics()))
            missing = set(topics) - self._known
            if missing:
                raise Rejected(f"Kafka has no topic {', '.join(sorted(missing))}; `chipwire topics ensure` creates it")

    # reading

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[Topic]) -> AsyncIterator[KafkaSubscription]:
        try:
            await self._must_exist({topic.name for topic in topics})  # without them the library would wait for ever
        except Rejected as exc:
            raise Misconfigured(str(exc)) from exc
        subscription = KafkaSubscription(self._cluster, self._admin, self._hooks, group, [topic.name for topic in topics])
        await subscription.join()
        try:
            yield subscription
        finally:
            await subscription.leave()

    async def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        consumer = await self._cluster.started(AIOKafkaConsumer(**self._cluster.connection, auto_offset_reset="earliest", enable_auto_commit=False))
        try:
            lanes = await self._assigned(consumer, topic)
            ends = {} if follow else await consumer.end_offsets(lanes)
            if since is not None:
                await _seek(consumer, lanes, since)
            async for record in _sweep(consumer, ends):
                yield record
        except KafkaError as exc:
            raise Unavailable(f"Kafka cannot be read: {type(exc).__name__}") from exc
        finally:
            await _stopped(consumer)

    async def _assigned(self, consumer: Any, topic: Topic) -> list[TopicPartition]:
        numbers = (await self._partitions()).get(topic.name)
        if not numbers:
            raise Misconfigured(f"Kafka has no topic {topic.name}; `chipwire topics ensure` creates it")
        lanes = [TopicPartition(topic.name, number) for number in range(numbers)]
        consumer.assign(lanes)
        return lanes

    # topics

    async def ensure(self, topics: Sequence[Topic]) -> None:
        there = await self._partitions()
        await self._create([topic for topic in topics if topic.name not in there])
        await self._grow([topic for topic in topics if 0 < there.get(topic.name, 0) < topic.partitions])
        await self._configure([topic for topic in topics if topic.name in there])
        await _asked(self._until_all_lead(topics), self._options.start_timeout)

    async def ping(self) -> None:
        await self._ask(self._admin.describe_cluster())

    async def _create(self, topics: Sequence[Topic]) -> None:
        if topics:
            copies = self._options.replication or min(3, len((await self._ask(self._admin.describe_cluster()))["brokers"]))
            wanted = [NewTopic(topic.name, topic.partitions, copies, topic_configs=_config(topic)) for topic in topics]
            answer = await self._ask(self._admin.create_topics(wanted))
            for name, code, *message in answer.topic_errors:
                if for_code(code) is not TopicAlreadyExistsError:
                    _raise(code, f"Kafka did not create topic {name}: {' '.join(filter(None, message))}")

    async def _grow(self, topics: Sequence[Topic]) -> None:
        if topics:
            await self._ask(self._admin.create_partitions({topic.name: NewPartitions(topic.partitions) for topic in topics}))

    async def _configure(self, topics: Sequence[Topic]) -> None:
        """Sends each topic's full set: what AlterConfigs is not told, it sets back to the default, also what operators chose."""
        set_now = await self._settings(topics)
        changed = [topic for topic in topics if not _config(topic).items() <= set_now[topic.name].items()]
        if changed:
            wanted = [ConfigResource(ConfigResourceType.TOPIC, topic.name, set_now[topic.name] | _config(topic)) for topic in changed]
            for answer in await self._ask(self._admin.alter_configs(wanted)):
                for code, message, _, name in answer.resources:
                    _raise(code, f"Kafka did not change the settings of topic {name}: {message or ''}")

    async def _settings(self, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for answer in await self._ask(self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics])):
            for code, message, _, name, entries in answer.resources:
                _raise(code, f"Kafka does not tell the settings of topic {name}: {message or ''}")
                found[name] = {key: value for key, value, _, source, *_ in entries if source == _TOPIC_CONFIG}
        return found

    async def _partitions(self) -> dict[str, int]:
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._ask(self._admin.describe_topics())}

    async def _until_all_lead(self, topics: Sequence[Topic]) -> None:
        while not await self._all_lead(topics):  # noqa: ASYNC110 only asking tells
            await asyncio.sleep(0.1)

    async def _all_lead(self, topics: Sequence[Topic]) -> bool:
        """Whether every partition is there and has a leader: a new topic is not usable at once."""
        leads = {topic["topic"]: sum(partition["leader"] >= 0 for partition in topic["partitions"]) for topic in await self._ask(self._admin.describe_topics())}
        return all(leads.get(topic.name, 0) >= topic.partitions for topic in topics)

    async def _ask(self, call: Awaitable[T]) -> T:
        return await _asked(call, self._options.request_timeout)

    async def close(self) -> None:
        await self._producer.close()
        await _stopped(self._admin)


class _Producer:
    """The library's producer: made when it is first needed, and anew after it was dropped."""

    def __init__(self, cluster: _Cluster, hooks: Hooks) -> None:
        self._cluster, self._hooks = cluster, hooks
        self._made: asyncio.Task[Any] | None = None
        self._now: Any = None

    async def ready(self) -> Any:
        """Started in a task of its own: cancelled while it connects, the library leaves the connection open. Raises Unavailable."""
        if self._made is None:
            self._made = asyncio.create_task(self._make(), name="kafka-producer-start")
            self._made.add_done_callback(self._forget_failure)
        return await asyncio.shield(self._made)

    async def drop(self, producer: Any) -> None:
        """With all that it still holds."""
        if producer is not None and self._now is producer:
            self._made = self._now = None
            self._hooks.on_rebuild("producer")
            logger.warning("kafka_producer_dropped")
            await _abandoned(producer)

    async def close(self) -> None:
        if self._made is not None:
            await asyncio.wait([self._made])
        if self._now is not None:
            await _finished(self._now)
        self._made = self._now = None

    async def _make(self) -> Any:
        self._now = await self._cluster.started(
            AIOKafkaProducer(
                **self._cluster.connection,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=_BATCH_BYTES,
                max_request_size=_BATCH_BYTES,
                compression_type=self._cluster.options.compression,
            )
        )
        return self._now

    def _forget_failure(self, made: asyncio.Task[Any]) -> None:
        """The next publish tries again."""
        if (made.cancelled() or made.exception()) and self._made is made:
            self._made = None


class KafkaSubscription:
    """One member of a group."""

    def __init__(self, cluster: _Cluster, admin: Any, hooks: Hooks, group: str, topics: Sequence[str]) -> None:
        self._cluster, self._admin, self._hooks, self._group, self._topics = cluster, admin, hooks, group, topics
        self._options = cluster.options
        self._consumer: Any = None
        self._given: set[Partition] = set()
        """Partitions whose records were given out since the last rebalance. Only these may be committed."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._paused = False

    async def join(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._cluster.connection,
            group_id=self._group,  # and no group_instance_id: static members do not leave, and their partitions idle for a session timeout
            enable_auto_commit=False,
            auto_offset_reset="none",  # "earliest" would skip deleted records in silence
            session_timeout_ms=_milliseconds(self._options.session_timeout),
            heartbeat_interval_ms=_milliseconds(self._options.session_timeout) // 10,
            rebalance_timeout_ms=_milliseconds(max(self._options.session_timeout, self._options.revoke_grace + timedelta(seconds=10))),
            max_poll_interval_ms=_milliseconds(self._options.handle_timeout),
            fetch_max_wait_ms=250,
            fetch_max_bytes=16 * 1024**2,
        )
        consumer.subscribe(self._topics, listener=_Listener(self.revoked, self.assigned))
        self._consumer = await self._cluster.started(consumer)

    async def leave(self) -> None:
        self._idle.set()
        if self._consumer is not None:
            await _stopped(self._consumer)

    async def batch(self, *, max_records: int, max_wait: timedelta) -> Batch:
        self._idle.set()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_wait.total_seconds()
        while True:
            batch = await self._fetched(max_records, max(0.0, deadline - loop.time()))
            if batch or loop.time() >= deadline:
                return batch

    async def commit(self, batch: Batch) -> None:
        mine = {TopicPartition(*partition): offset for partition, offset in batch.positions.items() if partition in self._given}
        try:
            if mine:
                await self._store(mine)
        finally:
            self._idle.set()
        lost = {partition for partition in batch.positions if TopicPartition(*partition) not in mine}
        if lost:
            raise Lost(lost)

    async def rewind(self, batch: Batch) -> None:
        for partition, offset in _firsts(batch).items():
            if partition in self._given:
                with suppress(IllegalStateError):  # revoked: whoever has it now starts at what was committed
                    self._consumer.seek(TopicPartition(*partition), offset)
        self._idle.set()

    def pause(self) -> None:
        self._paused = True
        self._apply_pause()

    def resume(self) -> None:
        self._paused = False
        self._apply_pause()

    async def lag(self) -> Mapping[Partition, int]:
        lanes = list(self._consumer.assignment()) if self._consumer else []
        if not lanes:
            return {}
        ask = self._options.request_timeout
        committed = await _asked(self._admin.list_consumer_group_offsets(self._group, partitions=lanes), ask)
        starts = await _asked(self._consumer.beginning_offsets(lanes), ask)
        ends = await _asked(self._consumer.end_offsets(lanes), ask)
        return {Partition(*lane): ends[lane] - max(committed[lane].offset, starts[lane]) for lane in lanes}

    # rebalances

    async def revoked(self) -> None:
        """Waits for the batch in hand to be committed, so that a clean join or leave repeats nothing. Bounded: a slow handler must not hold up the group."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.revoke_grace.total_seconds()):
                await self._idle.wait()
        self._given.clear()

    def assigned(self) -> None:
        self._apply_pause()

    def _apply_pause(self) -> None:
        """The library forgets a pause at every rebalance."""
        if self._consumer is not None:
            change = self._consumer.pause if self._paused else self._consumer.resume
            change(*self._consumer.assignment())

    # fetching

    async def _fetched(self, max_records: int, seconds: float) -> Batch:
        if self._consumer is None:
            await self.join()
        try:
            async with asyncio.timeout(seconds + 1):  # in a rebalance the library waits as long as that takes
                found = await self._consumer.getmany(timeout_ms=round(seconds * 1000), max_records=max_records)
                return self._in_hand(found)
        except TimeoutError:
            return Batch(())
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as exc:
            await self._start_at_the_oldest(exc)
        except asyncio.CancelledError:
            if _cancelled_by_someone():
                raise
            await self._rebuild()  # a handler was too slow in a rebalance; the library's consumer is dead, and would say so for ever
        except KafkaError as exc:
            raise Unavailable(f"Kafka cannot be read: {type(exc).__name__}") from exc
        return Batch(())

    def _in_hand(self, found: Mapping[TopicPartition, Sequence[Any]]) -> Batch:
        records = [_record(raw) for of_lane in found.values() for raw in of_lane]
        positions = {Partition(*lane): of_lane[-1].offset + 1 for lane, of_lane in found.items() if of_lane}
        if records:
            self._given.update(positions)
            self._idle.clear()
        return Batch(records, positions)

    async def _start_at_the_oldest(self, exc: KafkaError) -> None:
        """A new group begins there. For an old one records were deleted before it read them: told loudly."""
        gaps = exc.args[0] if isinstance(exc, OffsetOutOfRangeError) else {}
        for lane in gaps or [exc.args[0]]:
            with suppress(IllegalStateError):  # revoked meanwhile
                await _asked(self._consumer.seek_to_beginning(lane), self._options.request_timeout)
                if lane in gaps:
                    self._tell_gap(Partition(*lane), gaps[lane], await _asked(self._consumer.position(lane), self._options.request_timeout))

    def _tell_gap(self, partition: Partition, wanted: int, found: int) -> None:
        self._hooks.on_gap(partition, wanted, found)
        logger.error("kafka_records_gone_before_read", group=self._group, topic=partition.topic, partition=partition.number, wanted=wanted, found=found)

    async def _rebuild(self) -> None:
        self._hooks.on_rebuild("consumer")
        logger.warning("kafka_consumer_rebuilt", group=self._group)
        broken, self._consumer = self._consumer, None
        self._given.clear()
        await _stopped(broken)
        await self.join()

    async def _store(self, offsets: Mapping[TopicPartition, int]) -> None:
        lanes = [Partition(*lane) for lane in offsets]
        try:
            async with asyncio.timeout(self._options.request_timeout.total_seconds()):  # the library tries for ever
                await self._consumer.commit(dict(offsets))
        except (CommitFailedError, IllegalStateError) as exc:  # two names for one thing: too late
            raise Lost(lanes) from exc
        except (KafkaError, TimeoutError) as exc:
            raise Unavailable(f"Kafka did not store the offsets of group {self._group}: {type(exc).__name__}") from exc


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library ships no types
    """What the library calls in a rebalance."""

    def __init__(self, revoked: Callable[[], Awaitable[None]], assigned: Callable[[], None]) -> None:
        self._revoked, self._assigned = revoked, assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 the library's signature
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:  # noqa: ARG002 the library's signature
        self._assigned()


async def _placed(producer: Any, records: Sequence[Record]) -> dict[TopicPartition, list[Record]]:
    numbers = {topic: sorted(await producer.partitions_for(topic)) for topic in {record.topic for record in records}}
    lanes = defaultdict(list)
    for record in records:
        among = numbers[record.topic]
        lanes[TopicPartition(record.topic, _partition_for(record.key, among, among))].append(record)
    return lanes


async def _queued(producer: Any, lane: TopicPartition, built: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = await producer.send_batch(built, lane.topic, partition=lane.partition)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at, also when the publisher has given up
    return future


def _built(producer: Any, records: Sequence[Record]) -> list[Any]:
    """As many of the library's batches as the records of one partition need."""
    batches = [producer.create_batch()]
    for record in records:
        content = {"timestamp": None, "key": record.key, "value": record.value, "headers": list(record.headers)}
        if batches[-1].append(**content) is None:  # full
            batches.append(producer.create_batch())
            batches[-1].append(**content)
    return batches


async def _sweep(consumer: Any, ends: Mapping[TopicPartition, int]) -> AsyncIterator[Record]:
    """Up to `ends`, or for ever where there are none."""
    while True:
        if ends and all([await consumer.position(lane) >= end for lane, end in ends.items()]):
            return
        for lane, found in (await consumer.getmany(timeout_ms=250, max_records=500)).items():
            for raw in found:
                if raw.offset < ends.get(lane, raw.offset + 1):
                    yield _record(raw)


async def _seek(consumer: Any, lanes: Sequence[TopicPartition], since: datetime) -> None:
    found = await consumer.offsets_for_times(dict.fromkeys(lanes, _milliseconds(since - _EPOCH)))
    for lane, place in found.items():
        if place is None:  # everything is older
            await consumer.seek_to_end(lane)
        else:
            consumer.seek(lane, place.offset)


def _record(raw: Any) -> Record:
    return Record(raw.topic, raw.value, raw.key, tuple(raw.headers), raw.partition, raw.offset, _EPOCH + timedelta(milliseconds=raw.timestamp))


def _firsts(batch: Batch) -> dict[Partition, int]:
    return {Partition(record.topic, record.partition or 0): record.offset or 0 for record in reversed(batch.records)}


def _config(topic: Topic) -> dict[str, str]:
    return {"cleanup.policy": topic.cleanup, "retention.ms": "-1" if topic.retention is None else str(_milliseconds(topic.retention))}


def _raise(code: int, sentence: str) -> None:
    """The admin client returns errors instead of raising them."""
    if code:
        error = for_code(code)
        raise (Unavailable if error.retriable else Misconfigured)(f"{sentence.rstrip(': ')} ({error.__name__})")


async def _asked(call: Awaitable[T], limit: timedelta) -> T:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await call
    except TimeoutError as exc:
        raise Unavailable(f"Kafka did not answer within {limit}") from exc
    except KafkaError as exc:
        raise Unavailable(f"Kafka {'does not answer' if exc.retriable else 'refuses'}: {type(exc).__name__}") from exc


async def _stopped(client: Any) -> None:
    """Stops a client of the library, whatever state it is in."""
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await stop()
    except (KafkaError, TimeoutError) as exc:
        logger.warning("kafka_client_not_stopped_cleanly", client=type(client).__name__, reason=type(exc).__name__)
    except asyncio.CancelledError:
        if _cancelled_by_someone():
            raise


async def _finished(producer: Any) -> None:
    """Stops a producer once its records are taken. Its own `stop` would wait for ever while no broker answers."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.flush()
    except TimeoutError:
        await _abandoned(producer)
    else:
        await _stopped(producer)


async def _abandoned(producer: Any) -> None:
    """Stops a producer with all that it still holds. Nobody waits for that any more: the publishers were told."""
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer._sender.close()  # noqa: SLF001 the library has no other way
    _fail_all(producer._message_accumulator)  # noqa: SLF001 as above
    await _stopped(producer)


def _fail_all(accumulator: Any) -> None:
    held = [*itertools.chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]  # noqa: SLF001 as above
    accumulator.fail_all(KafkaError("given up"))
    for batch in held:
        if batch._drain_waiter.done():  # noqa: SLF001 as above
            batch._drain_waiter.exception()  # noqa: SLF001 looked at: else asyncio logs that nobody did


def _cancelled_by_someone() -> bool:
    """Whether this task was really cancelled. The library also raises CancelledError by mistake."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _tls(options: KafkaOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.certificate_file:
            context.load_cert_chain(options.certificate_file, options.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise Misconfigured(f"the TLS files for Kafka cannot be used: {exc}") from exc
    return context


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
