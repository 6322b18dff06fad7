from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from schemas.events.signal import Opinion
from schemas.topics import POLICY_SIGNALS
from services.classifier.opinion import ledger as books
from services.classifier.opinion.answer import Answer
from services.classifier.opinion.ledger import SOURCE, Ledger
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.errors import Unavailable
from tests import make
from tests.fakes import FakeBroker, FakeClock


def opinion(**fields: Any) -> Opinion:
    defaults = {"model": "judge", "question": "q1", "asked_at": make.NOW, "before": "alert", "said": "no", "reason": "outlook", "outcome": "lowered"}
    return Opinion.model_validate({**defaults, "tokens_in": 900, "tokens_out": 100} | fields)


def told(given: Opinion, *, source: str = SOURCE) -> Record:
    signal = make.signal(opinion=given)
    return codec.encode(POLICY_SIGNALS, signal, key=signal.item.id, id=signal.id, source=source, time=make.NOW)


def new_ledger(broker: Any = None, clock: FakeClock | None = None) -> Ledger:
    return Ledger(broker or FakeBroker(), clock or FakeClock(), daily=2_500)


@asynccontextmanager
async def at_work(ledger: Ledger) -> AsyncIterator[Ledger]:
    stop = asyncio.Event()
    running = asyncio.create_task(ledger.run(stop))
    async with asyncio.timeout(10):
        await ledger.read.wait()
        yield ledger
        stop.set()
        await running


def test_what_is_spent_today_counts_once_and_what_is_cached_costs_nothing() -> None:
    ledger = new_ledger()
    for each in (opinion(), opinion(), opinion(question="q2"), opinion(asked_at=make.NOW + timedelta(seconds=1), cached=True)):
        ledger.note(each)

    assert ledger.spent == 2_000
    assert ledger.affords(500)
    assert not ledger.affords(501)


def test_a_day_begins_with_nothing_spent() -> None:
    clock = FakeClock()
    ledger = new_ledger(clock=clock)
    ledger.note(opinion())
    ledger.note(opinion(asked_at=make.NOW - timedelta(days=1), question="of yesterday"))
    assert ledger.spent == 1_000

    clock.advance(timedelta(days=1))

    assert ledger.spent == 0


def test_answers_are_remembered_and_failures_are_not() -> None:
    ledger = new_ledger()
    ledger.note(opinion(quote="some words"))
    ledger.note(opinion(question="q2", said=None, reason=None, outcome="refused"))
    ledger.note(opinion(question="q3", said=None, reason=None, outcome="unanswered"))

    assert ledger.answer("q1") == (Answer("no", "outlook", "some words"), "judge")
    assert ledger.answer("q2") == (Answer(None, instead="refused"), "judge")
    assert ledger.answer("q3") is None


def test_only_so_many_answers_are_remembered_the_latest(monkeypatch: Any) -> None:
    monkeypatch.setattr(books, "MOST_ANSWERS", 2)
    ledger = new_ledger()
    for number in range(3):
        ledger.note(opinion(question=f"q{number}"))

    assert [ledger.answer(f"q{number}") is not None for number in range(3)] == [False, True, True]


async def test_it_reads_what_others_told_before_and_goes_on_reading() -> None:
    broker = FakeBroker()
    await broker.publish([told(opinion()), told(opinion(question="no opinion of ours"), source="/elsewhere"), make.record(b"{", topic=POLICY_SIGNALS)])
    async with at_work(new_ledger(broker)) as ledger:
        assert ledger.spent == 1_000

        await broker.publish([told(opinion(question="q2"))])
        while ledger.answer("q2") is None:  # noqa: ASYNC110 the ledger tells nobody
            await asyncio.sleep(0)

        assert ledger.spent == 2_000


async def test_what_cannot_be_read_as_a_signal_is_passed_over() -> None:
    broker = FakeBroker()
    await broker.publish([make.record(b"{", topic=POLICY_SIGNALS, headers=(("ce_source", SOURCE.encode()),)), told(opinion())])

    async with at_work(new_ledger(broker)) as ledger:
        assert ledger.spent == 1_000


class Away(FakeBroker):
    """Cannot be read for a while."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def read(self, topic: Any, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        if self.times:
            self.times -= 1
            raise Unavailable("Kafka cannot be read")
        async for record in super().read(topic, since=since, follow=follow):
            yield record


async def test_a_broker_that_is_away_for_a_while_is_read_later() -> None:
    broker = Away(3)
    await broker.publish([told(opinion())])

    async with at_work(new_ledger(broker)) as ledger:
        assert ledger.spent == 1_000
