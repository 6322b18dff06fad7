"""The worker loop: at least once, in order within a partition, and never past a bad release.

    batch -> handle -> publish what it returned -> publish dead letters -> commit
             | Unavailable           rewind, wait, again: not ready, still alive
             | any other error       halve the batch, down to the guilty record, and set that one aside
             | N guilty ones in a row stop: a bad release, not bad data

Publish first, commit after: a crash in between repeats work, and ids made from content make the repeat harmless; the other order loses it.

**Stop-loss.** The dead letters of a run of bad records, and the commit of their offsets, are held back until a good record ends the run. When
the run reaches `stop_loss`, nothing of it is committed and StopLoss is raised: the next start meets the same records again, so a bad release
cannot drain a topic into the bin, restart by restart.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from schemas.topics import Topic
from services.runtime import dead
from services.runtime.broker import Batch, Broker, Partition, Record, Subscription
from services.runtime.clock import Clock
from services.runtime.errors import Lost, Rejected, StopLoss, Unavailable
from services.runtime.metrics import WorkerMetrics
from services.runtime.retry import Backoff, pause

log = structlog.get_logger()

Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Record]]]
"""Gets a batch and returns the records to publish. All or nothing, and harmless when repeated. Raises Malformed, Rejected or Unavailable."""

Place = tuple[Partition, int]
"""Where a record stands: its partition and offset."""

_LAG_EVERY = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker paces itself."""

    batch_records: int = 500
    batch_wait: timedelta = timedelta(seconds=1)
    batch_limit: timedelta = timedelta(minutes=2)
    stop_loss: int = 100
    backoff: Backoff = field(default_factory=Backoff)


@dataclass
class _Tally:
    """What becomes of one batch: letters to publish now, and the run of bad records that is still open."""

    limit: int
    held: dict[Place, Record]
    released: list[Record] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def good(self, records: Iterable[Record]) -> None:
        """A good record ends the run: its letters may go."""
        for record in records:
            self.held.pop(_place(record), None)  # it came again, and is good now
            self.outcomes.append("handled")
        self.released += self.held.values()
        self.held.clear()

    def bad(self, record: Record, letter: Record, reason: str) -> None:
        """Raises StopLoss when the run is as long as it may get."""
        self.held[_place(record)] = letter
        self.outcomes.append(reason)
        if len(self.held) >= self.limit:
            raise StopLoss(
                f"{len(self.held)} records in a row could not be handled, the last one {letter.header('dl_id')}: {letter.header('dl_error')}; "
                "none of them is committed. Mend or roll back the release, or raise the stop-loss if the data really are bad"
            )


class _Rejoin(Exception):
    """The membership cannot be trusted any more."""


class Worker:
    """Consumes topics as a member of a group and hands batches to `handle`. Run by `run`; `ready` and `live` are its checks."""

    def __init__(
        self,
        *,
        name: str,
        topics: Sequence[Topic],
        group: str,
        handle: Handle,
        broker: Broker,
        clock: Clock,
        metrics: WorkerMetrics,
        settings: WorkerSettings = WorkerSettings(),
        published: Callable[[], None] = lambda: None,
    ) -> None:
        """`published` is called each time when what `handle` returned is safe, before `handle` is called again."""
        self._name = name
        self._topics = topics
        self._group = group
        self._handle = handle
        self._broker = broker
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._published = published
        self._held: dict[Place, Record] = {}
        self._withheld: dict[Partition, int] = {}  # where commits would stand, were it not for what is held
        self._trouble: str | None = f"{name} has not joined its group yet"
        self._failures = 0
        self._busy_since: float | None = None  # with records in hand, and not waiting for the broker
        self._lag_read = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; the batch in hand is finished and committed first. Raises StopLoss."""
        while not stop.is_set():
            try:
                async with self._broker.subscribe(self._group, self._topics) as subscription:
                    await self._consume(subscription, stop)
            except (Unavailable, _Rejoin) as exc:
                await self._wait_out(exc, stop)

    async def ready(self) -> None:
        """Raises Unavailable with a sentence while the worker waits for something."""
        if self._trouble is not None:
            raise Unavailable(self._trouble)

    async def live(self) -> None:
        """Raises Unavailable when the records in hand get nowhere within the limit. Waiting for a dependency is no reason."""
        if self._busy_since is None:
            return
        seconds = self._clock.monotonic() - self._busy_since
        if seconds > self._settings.batch_limit.total_seconds():
            raise Unavailable(f"{self._name} has got nowhere with the records in hand for {seconds:.0f} s")

    async def _consume(self, subscription: Subscription, stop: asyncio.Event) -> None:
        if not self._failures:
            self._trouble = None
        while not stop.is_set():
            try:
                batch = await subscription.batch(max_records=self._settings.batch_records, max_wait=self._settings.batch_wait)
                error = await self._work(subscription, batch) if batch else None
                if error is None:
                    await self._read_lag(subscription)
                    self._all_well()
            except Unavailable as exc:
                error = exc
            if error is not None:
                await self._wait_out(error, stop)

    async def _work(self, subscription: Subscription, batch: Batch) -> Unavailable | None:
        """Returns what was unavailable, with the batch rewound."""
        began = self._busy_since = self._clock.monotonic()
        try:
            await self._settle(subscription, batch)
        except Unavailable as exc:
            self._metrics.rewinds.inc()
            await self._rewind(subscription, batch)
            return exc
        finally:
            self._metrics.batch_seconds.observe(self._clock.monotonic() - began)
            self._busy_since = None
        return None

    async def _rewind(self, subscription: Subscription, batch: Batch) -> None:
        """Raises _Rejoin when the broker is away too: a new membership starts at the last commit, so that the batch is not skipped."""
        try:
            await subscription.rewind(batch)
        except Unavailable as exc:
            raise _Rejoin(str(exc)) from exc

    async def _settle(self, subscription: Subscription, batch: Batch) -> None:
        tally = _Tally(self._settings.stop_loss, dict(self._held))
        await self._sift(batch.records, tally)
        await self._bury(tally.released)
        reached = {**self._withheld, **batch.positions}
        lost = await self._commit(subscription, Batch(batch.records, _up_to(tally.held, reached)))
        self._held = {place: letter for place, letter in tally.held.items() if place[0] not in lost}
        self._withheld = {partition: reached[partition] for partition, _ in self._held if partition in reached}
        self._count(batch, tally)

    async def _sift(self, records: Sequence[Record], tally: _Tally) -> None:
        """All at once if possible, else by halves, in order."""
        error = await self._attempt(records)
        if error is None:
            tally.good(records)
        elif len(records) == 1:
            self._set_aside(records[0], error, tally)
        else:
            middle = len(records) // 2
            await self._sift(records[:middle], tally)
            await self._sift(records[middle:], tally)

    async def _attempt(self, records: Sequence[Record]) -> Exception | None:
        """Handles and publishes. Returns what went wrong with these records; Unavailable is nobody's fault and is raised."""
        try:
            outputs = await self._handle(records)
            if outputs:
                await self._publish(outputs)
            self._published()
        except Unavailable:
            raise
        except Exception as exc:  # noqa: BLE001 whatever a handler raises is judged by its class
            return exc
        self._metrics.published.inc(len(outputs))
        return None

    def _set_aside(self, record: Record, error: Exception, tally: _Tally) -> None:
        reason = dead.reason_of(error)
        letter = dead.to_letter(record, error, worker=self._name, at=self._clock.now())
        tell = log.error if reason == "bug" else log.warning
        tell("record_set_aside", worker=self._name, reason=reason, record=letter.header("dl_id"), error=letter.header("dl_error"))
        tally.bad(record, letter, reason)

    async def _bury(self, letters: Sequence[Record]) -> None:
        if not letters:
            return
        try:
            await self._publish(letters)
        except Rejected:  # one is too large with what we add: that one is left at its origin, and none is dropped
            for letter in letters:
                await self._bury_alone(letter)
        for letter in letters:
            self._metrics.dead_letters[letter.header("dl_reason") or "bug"].inc()

    async def _bury_alone(self, letter: Record) -> None:
        try:
            await self._publish([letter])
        except Rejected:
            await self._publish([dead.left_at_origin(letter)])

    async def _publish(self, records: Sequence[Record]) -> None:
        """A broker that is full makes publishers wait for readers that are behind: that is no fault of this worker's."""
        self._busy_since = None
        try:
            await self._broker.publish(records)
        finally:
            self._busy_since = self._clock.monotonic()

    async def _commit(self, subscription: Subscription, batch: Batch) -> frozenset[Partition]:
        """The partitions that went to another member, who repeats their work."""
        try:
            await subscription.commit(batch)
        except Lost as exc:
            self._metrics.lost.inc(len(exc.partitions))
            log.info("partitions_lost", worker=self._name, partitions=sorted(map(str, exc.partitions)))
            return exc.partitions
        return frozenset()

    async def _wait_out(self, error: Unavailable | _Rejoin, stop: asyncio.Event) -> None:
        if self._failures == 0:
            log.warning("waiting", worker=self._name, reason=str(error))
        self._failures += 1
        self._trouble = f"{self._name} waits: {error}"
        chance = random.random()  # noqa: S311 jitter is no secret
        delay = self._settings.backoff.delay(self._failures, chance=chance, asked=getattr(error, "retry_after", None))
        await pause(delay, clock=self._clock, stop=stop)

    def _all_well(self) -> None:
        if self._failures:
            log.info("going_on", worker=self._name, failures=self._failures)
        self._failures = 0
        self._trouble = None

    async def _read_lag(self, subscription: Subscription) -> None:
        now = self._clock.monotonic()
        if now - self._lag_read >= _LAG_EVERY:
            self._lag_read = now
            self._metrics.lag.set(sum((await subscription.lag()).values()))

    def _count(self, batch: Batch, tally: _Tally) -> None:
        for outcome in set(tally.outcomes):
            self._metrics.records[outcome].inc(tally.outcomes.count(outcome))
        self._metrics.held.set(len(self._held))
        published = [record.timestamp for record in batch.records if record.timestamp is not None]
        if published:
            self._metrics.age_seconds.observe((self._clock.now() - min(published)).total_seconds())


def _place(record: Record) -> Place:
    return Partition(record.topic, record.partition or 0), record.offset or 0


def _up_to(held: Iterable[Place], reached: Mapping[Partition, int]) -> dict[Partition, int]:
    """Where to commit: what was reached, but in each partition not past the first record held back."""
    positions = dict(reached)
    for partition, offset in held:
        positions[partition] = min(positions.get(partition, offset), offset)
    return positions
