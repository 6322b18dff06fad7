"""Operators' verbs on one store: what they change, and who hears of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from schemas.config.subscriptions import When
from schemas.events.base import Moment
from schemas.events.event import PolicyEvent
from schemas.events.signal import PolicySignal
from services.notifier import operate
from services.notifier.operate import By, Done
from services.notifier.threads import Means
from services.runtime.errors import Rejected
from services.store import interventions, threads
from services.store.accounts import WantedSubscription
from services.store.engine import Store
from tests import alerting, make
from tests.fakes import FakeBroker, FakeClock
from tests.placing import Line

HOUR = timedelta(hours=1)


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store, FakeClock(), FakeBroker())


def told(outlet: str, after: timedelta = timedelta(0), **facts: Any) -> PolicySignal:
    at = make.NOW + after
    item = make.item_header(url=f"https://{outlet}.example/1", outlet=outlet, tier=1, published=Moment.of(at), observed_at=at)
    return make.signal(item, **facts)


H200 = {"products": ("H200",), "companies": (), "action": "tighten", "direction": "tighten"}


def by(line: Line, reason: str = "misread") -> By:
    return By("ana", reason, line.clock.now())


def means() -> Means:
    ids = count(1)
    return Means(lambda: f"split{next(ids)}", headline=lambda facts: f"{facts.stage}: {facts.action}")


async def act(line: Line, verb: Any, *args: Any, reason: str = "misread") -> Done:
    return await line.store.run(lambda db: verb(db, *args, by(line, reason), means()))


async def subscribed(line: Line, *hooks: str) -> None:
    await line.store.run(lambda db: alerting.subscribe(db, alerting.account(*map(alerting.hook, hooks or ("hook",)))))


async def delivered(line: Line) -> None:
    """Fans out what waits, and sends all of it."""

    def work(db: Any) -> None:
        alerting.fan_out_all(db, line.clock.now())
        claimed = alerting.claim(db, now=line.clock.now())
        alerting.write(db, *map(alerting.sent, claimed), now=line.clock.now())

    await line.store.run(work)


async def kinds(line: Line) -> list[tuple[str, str]]:
    """What each destination was told, in order."""
    return [(one.destination.id, one.kind) for one in await line.store.read(alerting.deliveries) if one.state == "sent"]


async def event(line: Line, event_id: str) -> PolicyEvent:
    (found,) = await line.store.read(lambda db: threads.events_by_id(db, [event_id]))
    return found


async def test_a_retraction_goes_to_exactly_those_who_were_told(line: Line) -> None:
    await subscribed(line)
    await line.place(told("NPR"))
    await delivered(line)
    await line.store.run(lambda db: alerting.subscribe(db, alerting.account(alerting.hook("hook"), alerting.hook("late"))))

    done = await act(line, operate.retract, "event1", reason="the outlet took it back")
    await delivered(line)

    assert done.corrects == 1
    assert await kinds(line) == [("hook", "new"), ("hook", "withdrawal")]
    stands = await event(line, "event1")
    assert (stands.status, stands.changes, stands.note) == ("retracted", ("withdrawn",), "the outlet took it back")


async def test_what_nobody_was_told_is_retracted_silently(line: Line) -> None:
    await subscribed(line)
    await line.place(told("NPR"))

    assert (await act(line, operate.retract, "event1")).corrects == 0
    await delivered(line)

    assert "withdrawal" not in [kind for _, kind in await kinds(line)]


async def test_an_item_that_told_a_retracted_event_opens_no_other_however_often_it_is_judged_anew(line: Line) -> None:
    first = told("NPR")
    await line.place(first)
    await act(line, operate.retract, "event1")

    for hour in (1, 2):
        item = first.item.model_copy(update={"observed_at": make.NOW + hour * HOUR, "revision": str(hour)})
        await line.place(first.model_copy(update={"item": item, "id": str(hour)}))

    assert [each.id for each in await line.events()] == ["event1"]
    assert line.outcomes["unplaced"] == 2


async def test_a_correction_sets_facts_and_tells_those_who_were_told(line: Line) -> None:
    await subscribed(line)
    await line.place(told("NPR"))
    await delivered(line)

    done = await act(line, operate.correct, "event1", {"direction": "tighten", "action": "tighten"})
    await delivered(line)

    assert await kinds(line) == [("hook", "new"), ("hook", "correction")]
    assert (done.event.facts.direction, done.event.facts.action, done.event.headline) == ("tighten", "tighten", "reported: tighten")
    assert done.event.changes == ("direction_corrected", "corrected")


async def test_what_an_operator_has_set_is_not_undone_by_judging_a_known_item_anew(line: Line) -> None:
    first = told("NPR")
    await line.place(first)
    await act(line, operate.correct, "event1", {"direction": "tighten", "targets": ("RU",)})
    item = first.item.model_copy(update={"observed_at": make.NOW + HOUR, "revision": "2"})

    await line.place(first.model_copy(update={"item": item, "id": "again"}))

    stands = await event(line, "event1")
    assert (stands.facts.direction, stands.facts.targets) == ("tighten", ("RU",))
    assert stands.changes == ()


async def test_a_correction_that_changes_nothing_is_refused(line: Line) -> None:
    await line.place(told("NPR"))

    with pytest.raises(Rejected, match="says so already"):
        await act(line, operate.correct, "event1", {"direction": "loosen"})


async def test_a_corrected_date_moves_what_the_calendar_will_tell(line: Line) -> None:
    from services.notifier.facts import read_facts
    from services.store import timers
    from tests.alerting import NAMES

    await line.place(told("NPR", stage="announced", action="tighten", direction="tighten"))
    stands = await event(line, "event1")

    await act(line, operate.correct, "event1", read_facts(["effective=2026-06-01"], stands.facts, NAMES))
    (first, *_) = await line.store.read(lambda db: timers.list_timers(db, waiting=True))
    await act(line, operate.correct, "event1", read_facts(["effective="], stands.facts, NAMES))

    assert first.timer.kind == "effective_reminder"
    assert await line.store.read(lambda db: timers.list_timers(db, waiting=True)) == []


async def test_a_merge_sends_nothing_and_later_corrections_go_to_those_who_were_told_of_either(line: Line) -> None:
    wanted = [WantedSubscription(name.casefold(), (name.casefold(),), When.model_validate({"products": {"any": [name]}})) for name in ("H20", "H200")]
    await line.store.run(lambda db: alerting.subscribe(db, alerting.account(alerting.hook("h20"), alerting.hook("h200"), subscriptions=wanted)))
    await line.place(told("NPR"))
    await line.place(told("FT", HOUR, **H200))
    await delivered(line)
    before = await kinds(line)

    done = await act(line, operate.merge, "event2", "event1")
    await delivered(line)
    assert (done.corrects, await kinds(line)) == (0, before)

    await act(line, operate.retract, "event1")
    await delivered(line)

    assert sorted(await kinds(line)) == [("h20", "new"), ("h20", "withdrawal"), ("h200", "new"), ("h200", "withdrawal")]


async def test_after_a_merge_the_items_tell_the_event_that_stays(line: Line) -> None:
    second = told("FT", HOUR, **H200)
    await line.place(told("NPR"))
    await line.place(second)

    done = await act(line, operate.merge, "event2", "event1")

    assert done.other is not None
    assert (done.event.status, done.event.merged_into, done.other.merged) == ("merged", "event1", ("event2",))
    assert [source.outlet for source in done.other.sources] == ["NPR", "FT"]
    assert await line.store.read(lambda db: threads.events_of_items(db, [second.item.id])) == {second.item.id: "event1"}
    with pytest.raises(Rejected, match="was merged into event1"):
        await act(line, operate.retract, "event2")


async def test_a_split_corrects_those_who_got_the_wrong_thread_and_tells_the_new_one_as_news(line: Line) -> None:
    await subscribed(line)
    other = told("FT", HOUR, stage="announced")
    await line.place(told("NPR"))
    await line.place(other)
    await delivered(line)
    assert len(await line.events()) == 1

    done = await act(line, operate.split, "event1", [other.item.url])
    await delivered(line)

    assert done.other is not None
    assert [source.outlet for source in done.event.sources] == ["NPR"]
    assert [source.outlet for source in done.other.sources] == ["FT"]
    assert (done.event.facts.stage, done.other.facts.stage) == ("reported", "announced")
    assert [kind for _, kind in await kinds(line)][-2:] in (["correction", "new"], ["new", "correction"])
    assert await line.store.read(lambda db: threads.events_of_items(db, [other.item.id])) == {other.item.id: "split1"}


async def test_what_is_no_news_any_more_is_split_off_silently(line: Line) -> None:
    await subscribed(line)
    other = told("FT", HOUR, stage="announced")
    await line.place(told("NPR"))
    await line.place(other)
    await delivered(line)
    line.clock.advance(timedelta(days=10))

    await act(line, operate.split, "event1", [other.item.id])
    await delivered(line)

    assert [kind for _, kind in await kinds(line)].count("new") == 1


async def test_a_split_that_cannot_be_is_refused_with_what_to_do(line: Line) -> None:
    first = told("NPR")
    await line.place(first)

    with pytest.raises(Rejected, match="retract it instead"):
        await act(line, operate.split, "event1", [first.item.id])
    with pytest.raises(Rejected, match="has no item 'nothing'"):
        await act(line, operate.split, "event1", ["nothing"])


async def test_everything_done_by_hand_is_written_down(line: Line) -> None:
    await line.place(told("NPR"))
    await act(line, operate.correct, "event1", {"severity": 5}, reason="a flagship")
    await act(line, operate.retract, "event1", reason="no such rule")

    done = await line.store.read(lambda db: interventions.list_interventions(db, "event1"))

    assert [(each.operator, each.verb, each.reason) for each in done] == [("ana", "correct", "a flagship"), ("ana", "retract", "no such rule")]
    assert done[0].what == {"severity": {"was": 3, "is": 5}}
    assert isinstance(done[0].at, datetime)


async def test_nothing_is_done_twice_or_without_a_reason(line: Line) -> None:
    await line.place(told("NPR"))
    await act(line, operate.retract, "event1")

    with pytest.raises(Rejected, match="is retracted already"):
        await act(line, operate.retract, "event1")
    with pytest.raises(Rejected, match="say why"):
        By("ana", " ", make.NOW)


async def test_events_of_like_facts_are_told_apart_by_a_number_in_their_slugs(line: Line) -> None:
    await line.place(told("NPR"))
    await line.place(told("FT", timedelta(days=100)))
    await line.place(told("Reuters", timedelta(days=200)))

    first, second, third = (event.slug for event in await line.events())

    assert (second, third) == (f"{first}-2", f"{first}-3")


async def test_a_slug_that_several_events_share_is_not_enough(line: Line) -> None:
    await line.place(told("NPR"))
    await line.place(told("FT", timedelta(days=100)))
    first, _ = await line.events()
    await line.store.run(lambda db: db.execute(threads.events.update().values(slug=first.slug)))  # as an import may name one

    with pytest.raises(Rejected, match="name one by its id: event1, event2"):
        await act(line, operate.retract, first.slug)
