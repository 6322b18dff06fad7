from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

from schemas.events.base import Moment
from schemas.topics import POLICY_SIGNALS
from services.notifier import known
from services.notifier.known import Imported, KnownMeasure
from services.notifier.place import Placer
from services.store import threads
from services.store.engine import Store
from services.store.wake import Waker
from tests import make
from tests.fakes import FakeClock

_IDS = itertools.count(1)


def line(**fields: Any) -> str:
    """A measure made up for the tests: China wants licences for gallium."""
    measure = {
        "id": "cn-2025-gallium",
        "date": "2025-10-09",
        "title": "China wants licences for gallium",
        "action": "tighten",
        "direction": "tighten",
        "stage": "published",
        "imposer": "CN",
        "agency": "MOFCOM",
        "targets": ["*"],
        "products": ["gallium"],
        "companies": ["Applied Materials"],
        "instrument": "MOFCOM Announcements 55-57 and 61 of 2025",
        "severity": 4,
        "effective": "2025-11-08",
        "class": "alert",
        "confidence": "high",
    }
    return json.dumps(measure | fields)


def suspension(**fields: Any) -> str:
    return line(
        id="cn-2025-susp", date="2025-11-07", action="suspend", direction="loosen", relates_to=["cn-2025-gallium"], until="2026-11-10", effective=None, **fields
    )


async def imported(store: Store, *lines: str) -> Imported:
    measures, problems = known.parse(lines)
    assert problems == []
    return await store.run(lambda db: known.import_known(db, measures, make.NOW, mint=lambda: f"event{next(_IDS)}", headline=lambda facts: "told"))


async def test_known_measures_are_stored_and_nobody_is_told(store: Store) -> None:
    assert await imported(store, line(), suspension()) == Imported(added=2, known=0)

    events = {event.slug: event for event in await store.read(threads.list_events)}
    assert set(events) == {"cn-2025-gallium", "cn-2025-susp"}
    assert [(each.event, each.relation) for each in events["cn-2025-susp"].relations] == [(events["cn-2025-gallium"].id, "suspends")]
    assert await store.read(lambda db: threads.unfanned_alerts(db, 10)) == []


async def test_a_repeated_import_adds_only_what_is_new(store: Store) -> None:
    await imported(store, line())

    assert await imported(store, line(), suspension()) == Imported(added=1, known=1)
    assert await imported(store, line(), suspension()) == Imported(added=0, known=2)


async def test_later_news_finds_the_measure_it_suspends(store: Store) -> None:
    await imported(store, line())
    placer = Placer(store, FakeClock(), Waker(store), headline=lambda facts: "", count=lambda outcome: None, mint=lambda: "new")
    at = Moment.parse("2025-11-07").at
    item = make.item_header(published=Moment.of(at), observed_at=at + timedelta(minutes=1))
    news = make.signal(item, action="suspend", stage="announced", imposers=("CN",), targets=("US",), products=("gallium",), companies=())

    await placer.handle([make.record(news, topic=POLICY_SIGNALS, key=item.id)])

    event, suspended = await store.read(lambda db: (threads.event(db, "new"), threads.event(db, "cn-2025-gallium")))
    assert event is not None
    assert suspended is not None
    assert [(each.event, each.relation) for each in event.relations] == [(suspended.id, "suspends")]
    assert [alert.kind for alert in await store.read(lambda db: threads.unfanned_alerts(db, 10))] == ["reversal"]


def test_a_bad_line_is_told_with_its_number_and_the_others_are_read() -> None:
    measures, problems = known.parse([line(), "{", "", line(id="x", action="forbid"), line(id="y", date="2025-13"), line(id="z", colour="red")])

    assert [measure.id for measure in measures] == ["cn-2025-gallium"]
    assert [problem.partition(":")[0] for problem in problems] == ["line 2", "line 4", "line 5", "line 6"]
    assert "'forbid' is none of tighten, loosen" in problems[1]


def test_the_words_for_instruments_become_ids() -> None:
    def ids(text: str) -> tuple[str, ...]:
        (measure,), _ = known.parse([line(instrument=text)])
        assert isinstance(measure, KnownMeasure)
        return known.facts_of(measure).instruments

    assert ids("MOFCOM Announcements 55-57 and 61 of 2025") == ("MOFCOM 55/2025", "MOFCOM 56/2025", "MOFCOM 57/2025", "MOFCOM 61/2025")
    assert ids("90 FR 47201 (a rule)") == ("90 FR 47201",)
    assert ids("Delegated Regulation (EU) 2025/2003") == ("(EU) 2025/2003",)
    assert ids("Licence policy") == ("Licence policy",)
    assert ids("H.R. 8170; S. 4281") == ("H.R. 8170", "S. 4281")
