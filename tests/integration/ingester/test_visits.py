"""Visits over real HTTP on loopback, with a real store; the broker is a fake."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from schemas.config.source import Source
from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.ingester.fetch import MOST_UNMODIFIED, Limits
from services.ingester.housekeeping import Housekeeping
from services.ingester.intake import Intake
from services.ingester.metrics import IngesterMetrics
from services.ingester.poller import Poller
from services.ingester.settings import IngesterSettings
from services.ingester.visit import Visit, Visitor
from services.runtime.errors import Rejected, Unavailable
from services.runtime.http import HttpClient
from services.store import ingest
from services.store.engine import Store, metadata
from services.store.ingest import SourceState
from tests.fakes import FakeBroker, FakeClock
from tests.servers import feeds

HOUR = timedelta(hours=1)


def rss(*titles: str) -> bytes:
    items = "".join(f"<item><title>{title}</title><link>https://news.example/{title.split()[0]}</link></item>" for title in titles)
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{items}</channel></rss>'.encode()


class Line:
    """An ingester without its process: everything real but the broker and the time."""

    def __init__(self, site: feeds.Site, store: Store, http: HttpClient) -> None:
        self.site = site
        self.store = store
        self.http = http
        self.clock = FakeClock()
        self.broker = FakeBroker(self.clock)
        self.registry = CollectorRegistry()
        self.metrics = IngesterMetrics(self.registry)
        self.settings = IngesterSettings(host_gap=timedelta(0), visit_lease=timedelta(days=1_000))  # the clock of the tests runs ahead of real requests
        self.limits = Limits(timedelta(seconds=2), 1_000_000, "chipwire (news monitor; tests)")

    def source(self, **fields: Any) -> Source:
        return Source.model_validate({"id": "wire", "title": "Wire", "tier": 1, "reader": "feed", "url": self.site.url("/rss"), "every": "5m"} | fields)

    def visitor(self) -> Visitor:
        return Visitor(
            Intake(self.broker, self.store, self.clock, self.metrics), self.http, self.clock, self.limits, held_wait=timedelta(seconds=15), luck=lambda: 0.5
        )

    def poller(self, *sources: Source) -> Poller:
        self.metrics.open(source.id for source in sources)
        return Poller({each.id: each for each in sources}, self.visitor(), store=self.store, clock=self.clock, metrics=self.metrics, settings=self.settings)

    async def visit(self, state: SourceState | None = None, **fields: Any) -> Visit:
        source = self.source(**fields)
        return await self.visitor().visit(source, state or SourceState(source.id, source.url))

    def items(self) -> list[NewsItem]:
        return [NewsItem.model_validate_json(value or b"") for value in self.broker.values(NEWS_ITEMS)]

    def titles(self) -> set[str]:
        return {item.title or "" for item in self.items()}

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"chipwire_ingester_{name}", labels) or 0.0


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Line]:
    async with feeds.site() as site, HttpClient(allow=[ip_network("127.0.0.0/8")]) as http, Store.open(f"sqlite:///{path / 'store.db'}") as store:
        await store.run(metadata.create_all)
        yield Line(site, store, http)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with opened(tmp_path) as line:
        yield line


async def running(poller: Poller, until: Any) -> None:
    """Runs the poller until the condition holds, then stops it as a process does."""
    stop = asyncio.Event()
    task = asyncio.create_task(poller.run(stop))
    async with asyncio.timeout(10):
        while not until():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.001)
        stop.set()
        await task


async def test_what_a_feed_holds_is_published_under_its_item_id(line: Line) -> None:
    line.site.put("/rss", rss("first", "second"))

    visit = await line.visit()

    assert (visit.outcome, visit.taken.new) == ("read", 2)
    assert {"first", "second"} == line.titles()
    assert {item.id.encode() for item in line.items()} == {record.key for record in line.broker.records(NEWS_ITEMS)}


async def test_the_second_visit_asks_with_the_validators_of_the_first(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"', Last_Modified="Mon, 02 Mar 2026 09:00:00 GMT")

    first = await line.visit()
    second = await line.visit(first.state)

    assert "if-none-match" not in line.site.requests[0].headers
    assert line.site.requests[1].headers["if-none-match"] == '"1"'
    assert line.site.requests[1].headers["if-modified-since"] == "Mon, 02 Mar 2026 09:00:00 GMT"
    assert (second.outcome, second.state.unmodified) == ("not_modified", 1)
    assert len(line.items()) == 1


async def test_only_what_is_new_or_changed_is_published(line: Line) -> None:
    line.site.put("/rss", rss("first", "second"))
    before = await line.visit()
    line.site.put("/rss", rss("first", "second rewritten", "third"))

    after = await line.visit(before.state)

    assert (after.taken.new, after.taken.changed, after.taken.unchanged) == (1, 1, 1)
    assert {"second rewritten"} == {item.title for item in line.items() if item.revised}


async def test_a_changed_body_is_read_though_the_etag_stays(line: Line) -> None:
    line.site.put("/rss", rss("first"), ETag='"same"')
    before = await line.visit()
    line.site.put("/rss", rss("first", "second"), ETag='"same"')

    await line.visit(before.state)

    assert {"first", "second"} == line.titles()


async def test_a_server_that_says_not_modified_for_ever_is_asked_for_the_whole_page_at_times(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"')
    state = (await line.visit()).state
    for _ in range(MOST_UNMODIFIED):
        state = (await line.visit(state)).state
    line.site.put("/rss", rss("first", "second"), etag='"1"')

    await line.visit(state)

    assert "second" in line.titles()


async def test_not_modified_after_a_failure_does_not_count_as_healthy(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"')
    healthy = await line.visit()
    line.site.put("/rss", b"<html>Sign in</html>", etag='"2"')
    broken = await line.visit(healthy.state)
    line.site.put("/rss", status=304)

    still_broken = await line.visit(broken.state)

    assert (broken.outcome, still_broken.outcome, still_broken.state.failures) == ("suspect", "suspect", 2)
    assert "if-none-match" not in line.site.requests[-1].headers
    assert healthy.state.last_success_at == still_broken.state.last_success_at


async def test_a_web_page_with_status_200_is_suspect_and_keeps_the_old_validators(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"')
    healthy = await line.visit()
    line.site.put("/rss", b"<!doctype html><title>For sale</title>", etag='"parked"')

    visit = await line.visit(healthy.state)

    assert visit.outcome == "suspect"
    assert "web page" in visit.why
    assert visit.state.etag == '"1"'


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, "failed"), (503, "failed"), (500, "failed"), (401, "refused"), (403, "refused"), (404, "refused"), (410, "refused")]
)
async def test_a_refusal_is_a_failure_of_the_source(line: Line, status: int, outcome: str) -> None:
    line.site.put("/rss", status=status)

    visit = await line.visit()

    assert (outcome, 1) == (visit.outcome, visit.state.failures)
    assert line.items() == []


async def test_a_server_that_asks_for_time_gets_it_up_to_a_day(line: Line) -> None:
    line.site.put("/rss", status=429, Retry_After="7200")
    patient = await line.visit()
    line.site.put("/rss", status=429, Retry_After="316800")
    capped = await line.visit()

    assert 2 * HOUR <= patient.wait < 2.3 * HOUR
    assert 24 * HOUR <= capped.wait < 27 * HOUR


async def test_a_compressed_feed_is_read(line: Line) -> None:
    line.site.put("/rss", gzip.compress(rss("first")), Content_Encoding="gzip")

    await line.visit()

    assert {"first"} == line.titles()


async def test_a_compression_bomb_is_a_failure(line: Line) -> None:
    line.site.put("/rss", gzip.compress(b" " * 20_000_000), Content_Encoding="gzip")

    assert (await line.visit()).outcome == "failed"


async def test_a_page_that_never_ends_is_given_up_at_the_deadline(line: Line) -> None:
    line.limits = Limits(timedelta(milliseconds=100), 1_000_000, "chipwire")
    line.site.put("/rss", rss("first"), hangs=True)

    visit = await line.visit()

    assert visit.outcome == "failed"
    assert "in time" in visit.why


async def test_a_redirect_to_a_file_is_refused(line: Line) -> None:
    line.site.put("/rss", status=302, Location="file:///etc/passwd")

    assert (await line.visit()).outcome == "failed"


async def test_a_moved_feed_is_followed(line: Line) -> None:
    line.site.put("/rss", status=301, Location="/new")
    line.site.put("/new", rss("first"))

    assert (await line.visit()).outcome == "read"


async def test_we_say_who_asks(line: Line) -> None:
    line.site.put("/rss", rss("first"))

    await line.visit()

    assert line.site.requests[0].headers["user-agent"] == "chipwire (news monitor; tests)"


async def test_the_first_successful_visit_is_history_and_the_next_is_news(line: Line) -> None:
    line.site.put("/rss", status=503)
    failed = await line.visit()
    line.site.put("/rss", rss("old"))
    first = await line.visit(failed.state)
    line.site.put("/rss", rss("old", "new"))

    await line.visit(first.state)

    assert {item.title: item.backfill for item in line.items()} == {"old": True, "new": False}


async def test_a_source_without_backfill_brings_news_at_once(line: Line) -> None:
    line.site.put("/rss", rss("first"))

    await line.visit(backfill=False)

    assert [item.backfill for item in line.items()] == [False]


async def test_the_age_of_news_is_measured_and_that_of_history_is_not(line: Line) -> None:
    def dated(title: str) -> bytes:
        published = line.clock.now() - timedelta(minutes=7)
        return rss(title).replace(b"</item>", f"<pubDate>{published.isoformat()}</pubDate></item>".encode())

    line.site.put("/rss", dated("old"))
    first = await line.visit()
    line.site.put("/rss", dated("new"))

    await line.visit(first.state)

    assert (line.metric("item_age_seconds_count"), line.metric("item_age_seconds_sum")) == (1, 420)


async def test_a_broker_that_is_away_holds_the_visit_and_blames_nobody(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"')
    line.broker.fail("publish", Unavailable("the broker is away"))
    held = await line.visit()
    again = await line.visit(held.state)

    assert (held.outcome, held.state.failures, held.state.etag) == ("held", 0, None)
    assert held.wait <= timedelta(seconds=15)
    assert (again.outcome, again.taken.new) == ("read", 1)
    assert [item.backfill for item in line.items()] == [True]


async def test_a_crash_between_publishing_and_remembering_repeats_the_same_items(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.site.put("/rss", rss("first", "second"), etag='"1"')
    with monkeypatch.context() as crash:
        crash.setattr(ingest, "remember", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            await line.visit()

    await line.visit()

    told = [(item.id, item.revision) for item in line.items()]
    assert (len(told), len(set(told))) == (4, 2)


async def test_a_bug_of_ours_stops_one_source_only(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.site.put("/rss", rss("first"))
    monkeypatch.setattr("services.ingester.visit.to_items", lambda *_, **__: 1 / 0)

    visit = await line.visit()

    assert (visit.outcome, visit.why) == ("bug", "division by zero")


async def test_an_item_that_the_broker_will_never_take_stops_one_source_only(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    line.broker.fail("publish", Rejected("a record of 2,000,000 bytes"))

    assert (await line.visit()).outcome == "bug"


async def test_a_local_file_is_read_again_when_it_changes(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "my items.jsonl"
    file.write_text('{"id": "1", "title": "first"}\n', "utf-8")
    fields: dict[str, Any] = {"reader": "jsonl", "url": file.as_uri(), "backfill": False}
    first = await line.visit(**fields)
    same = await line.visit(first.state, **fields)
    file.write_text('{"id": "1", "title": "first"}\n{"id": "2", "title": "second"}\n{"id": 3}\n', "utf-8")

    more = await line.visit(same.state, **fields)

    assert (first.outcome, same.outcome, more.outcome) == ("read", "not_modified", "read")
    assert {"first", "second"} == line.titles()
    assert more.problems == ("line 3: id: Input should be a valid string",)


async def test_a_local_file_that_is_missing_is_waited_for(line: Line, tmp_path: Path) -> None:
    visit = await line.visit(reader="jsonl", url=(tmp_path / "none.jsonl").as_uri())

    assert visit.outcome == "failed"
    assert "No such file" in visit.why


async def test_a_poller_visits_every_source_again_and_again(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    line.site.put("/other", rss("other"))
    poller = line.poller(line.source(), line.source(id="other", url=line.site.url("/other")))

    await running(poller, lambda: len(line.site.requests) >= 6)

    assert {"first", "other"} == line.titles()
    assert len(line.items()) == 2
    assert line.metric("visits_total", source="wire", outcome="read") >= 2
    assert line.metric("items_total", source="wire", novelty="new") == 1


async def test_a_source_that_fails_does_not_stop_the_others(line: Line) -> None:
    line.site.put("/rss", b"rubbish")
    line.site.put("/other", rss("other"))
    poller = line.poller(line.source(), line.source(id="other", url=line.site.url("/other")))

    await running(poller, lambda: line.metric("visits_total", source="other", outcome="read") >= 3)

    assert line.metric("visits_total", source="wire", outcome="suspect") >= 1


async def test_sources_that_never_answered_are_told_once_in_one_line(line: Line) -> None:
    sources = [line.source(id=f"wire-{number}", url=line.site.url(f"/gone?{number}")) for number in range(3)]

    with capture_logs() as told:
        await running(line.poller(*sources), lambda: len(line.site.requests) >= 9)

    (only,) = [entry for entry in told if entry["log_level"] != "debug"]
    assert (only["event"], only["sources"]) == ("sources_not_answering_yet", ["wire-0", "wire-1", "wire-2"])


async def test_a_source_that_breaks_and_recovers_is_told_once_each(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    asked = 0

    def enough() -> bool:
        nonlocal asked
        asked = len(line.site.requests)
        line.site.put("/rss", *([rss("first")] if not 2 <= asked < 6 else [b"rubbish"]))
        return asked >= 9

    with capture_logs() as told:
        await running(line.poller(line.source()), enough)

    assert [entry["event"] for entry in told if entry["event"].startswith("source_")] == ["source_failing", "source_recovered"]


async def test_one_host_gets_one_visit_at_a_time(line: Line) -> None:
    sources = [line.source(id=f"wire-{number}", url=line.site.url(f"/rss?{number}")) for number in range(5)]
    line.site.put("/rss", rss("first"))

    await running(line.poller(*sources), lambda: len(line.site.requests) >= 10)

    assert line.site.most_at_once == 1


async def test_stopping_ends_the_visit_in_hand_and_notes_it(line: Line) -> None:
    line.site.put("/rss", rss("first"), etag='"1"')
    poller = line.poller(line.source())

    await running(poller, lambda: bool(line.site.requests))

    (state,) = await line.store.read(lambda db: ingest.states(db, ["wire"]))
    assert state.etag == '"1"'
    assert {"first"} == line.titles()


async def test_two_pollers_on_one_store_share_the_visits(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    sources = [line.source(id=f"wire-{number}", url=line.site.url(f"/rss?{number}"), every="999d") for number in range(6)]
    everything = {f"/rss?{number}" for number in range(6)}

    def all_asked() -> bool:
        return {asked.path for asked in line.site.requests} == everything

    await asyncio.gather(running(line.poller(*sources), all_asked), running(line.poller(*sources), all_asked))

    assert len(line.site.requests) == len(sources)


async def test_a_store_that_is_away_is_waited_for(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.site.put("/rss", rss("first"))
    run, left = line.store.run, [3]

    async def flaky(work: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise Unavailable("the database does not answer")
        return await run(work)

    monkeypatch.setattr(line.store, "run", flaky)
    await running(line.poller(line.source()), lambda: "first" in line.titles())

    assert left[0] == 0


async def test_sources_may_be_replaced_while_the_poller_runs(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    line.site.put("/new", rss("new"))
    poller = line.poller(line.source())

    def replaced() -> bool:
        if "first" in line.titles() and "new" not in poller.sources:
            line.metrics.open(["new"])
            poller.sources = {"new": line.source(id="new", url=line.site.url("/new"))}
        return "new" in line.titles()

    await running(poller, replaced)


async def test_a_silent_source_raises_its_gauge(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    source = line.source(expect={"at_least_one_in": "1d"})
    await running(line.poller(source), lambda: bool(line.items()))
    keeping = Housekeeping(lambda: {source.id: source}, line.store, line.clock, line.metrics, seen_kept=timedelta(days=400))

    await keeping.look()
    before = line.metric("source_silent", source="wire")
    line.clock.advance(timedelta(hours=36))
    await keeping.look()

    assert (before, line.metric("source_silent", source="wire")) == (0, 1)


async def test_items_that_left_their_source_long_ago_are_forgotten(line: Line) -> None:
    line.site.put("/rss", rss("first"))
    visit = await line.visit()
    line.clock.advance(timedelta(days=401))
    keeping = Housekeeping(dict, line.store, line.clock, line.metrics, seen_kept=timedelta(days=400))

    await keeping.look()

    assert await line.store.read(lambda db: ingest.revisions(db, [item.id for item in visit.items])) == {}
