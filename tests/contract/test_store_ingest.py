"""What the ingester remembers, on every store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.store import ingest
from services.store.engine import Store, metadata
from services.store.ingest import SeenItem, SourceState

LEASE = timedelta(minutes=2)
EVERY = timedelta(minutes=5)
URLS = {f"wire-{number}": f"https://news.example/{number}" for number in range(4)}


class Pollers:
    """Several processes on one store, on one clock that is close to the database's."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = datetime.now(UTC)

    async def enrol(self, urls: dict[str, str] | None = None) -> None:
        await self.store.run(lambda db: ingest.enrol(db, URLS if urls is None else urls, self.now))

    async def claim(self, token: str, *, limit: int = 10, lease: timedelta = LEASE) -> list[SourceState]:
        return await self.store.run(lambda db: ingest.claim(db, URLS, limit=limit, lease=lease, token=token, now=datetime.now(UTC)))

    async def release(self, state: SourceState, token: str, wait: timedelta = EVERY) -> bool:
        return await self.store.run(lambda db: ingest.release(db, state, token=token, next_visit_in=wait, now=datetime.now(UTC)))

    async def state(self, source: str) -> SourceState:
        (state,) = await self.store.read(lambda db: ingest.states(db, [source]))
        return state


async def test_a_new_source_is_due_at_once(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()

    claimed = await pollers.claim("a")

    assert {state.source: state.url for state in claimed} == URLS
    assert all(state == SourceState(state.source, state.url) for state in claimed)


async def test_a_claimed_source_is_nobody_elses(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    mine = await pollers.claim("a", limit=2)

    theirs = await pollers.claim("b")

    assert {state.source for state in mine}.isdisjoint(state.source for state in theirs)
    assert len(mine) + len(theirs) == len(URLS)


async def test_many_processes_claim_each_source_once(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()

    claims = await asyncio.gather(*(pollers.claim(f"process {number}", limit=1) for number in range(8)))

    assert sorted(state.source for states in claims for state in states) == sorted(URLS)


async def test_what_a_release_writes_is_there_at_the_next_claim(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    (state, *_) = await pollers.claim("a")
    known = replace(
        state, etag='"1"', last_modified="yesterday", unmodified=3, outcome="read", failures=2, first_success_at=pollers.now, last_success_at=pollers.now
    )

    assert await pollers.release(known, "a", wait=timedelta(0))

    assert await pollers.claim("b") == [known]


async def test_a_released_source_is_not_due_before_its_time(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    for state in await pollers.claim("a"):
        await pollers.release(state, "a")

    assert await pollers.claim("b") == []
    due = await store.read(lambda db: ingest.next_due(db, URLS, datetime.now(UTC)))
    assert due is not None
    assert EVERY - timedelta(seconds=30) < due <= EVERY


async def test_a_lease_that_ran_out_is_claimed_anew_and_the_late_one_writes_nothing(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    late = await pollers.claim("late", lease=timedelta(0))
    await pollers.claim("new")

    written = await pollers.release(replace(late[0], etag='"late"'), "late")

    assert not written
    assert (await pollers.state(late[0].source)).etag is None


async def test_nothing_is_due_sooner_than_a_lease_ends(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    await pollers.claim("a")

    due = await store.read(lambda db: ingest.next_due(db, URLS, datetime.now(UTC)))

    assert due is not None
    assert LEASE - timedelta(seconds=30) < due <= LEASE


async def test_without_sources_nothing_is_ever_due(store: Store) -> None:
    await Pollers(store).enrol({})

    assert await store.read(lambda db: ingest.next_due(db, [], datetime.now(UTC))) is None


async def test_enrolling_again_changes_nothing(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    (state, *_) = await pollers.claim("a")
    known = replace(state, etag='"1"')
    await pollers.release(known, "a")

    await pollers.enrol()

    assert await pollers.state(state.source) == known
    assert state.source not in {each.source for each in await pollers.claim("b")}


async def test_a_source_with_another_url_is_asked_at_once_and_without_the_old_validators(store: Store) -> None:
    pollers = Pollers(store)
    await pollers.enrol()
    for state in await pollers.claim("a"):
        await pollers.release(replace(state, etag='"1"', last_modified="yesterday", first_success_at=pollers.now), "a")

    await pollers.enrol(URLS | {"wire-0": "https://news.example/moved"})

    (moved,) = await pollers.claim("b")
    assert (moved.url, moved.etag, moved.last_modified) == ("https://news.example/moved", None, None)
    assert moved.first_success_at is not None


async def test_the_last_published_revision_is_remembered(store: Store) -> None:
    now = datetime.now(UTC)
    await store.run(lambda db: ingest.remember(db, [SeenItem("b", "1", "wire"), SeenItem("a", "1", "wire")], now))
    await store.run(lambda db: ingest.remember(db, [SeenItem("a", "2", "wire")], now))

    assert await store.read(lambda db: ingest.revisions(db, ["a", "b", "c"])) == {"a": "2", "b": "1"}


async def test_more_items_than_one_statement_takes_are_found(store: Store) -> None:
    items = [SeenItem(str(number), "1", "wire") for number in range(1_200)]
    await store.run(lambda db: ingest.remember(db, items, datetime.now(UTC)))

    assert len(await store.read(lambda db: ingest.revisions(db, [item.item for item in items]))) == 1_200


async def test_what_is_still_there_is_not_forgotten(store: Store) -> None:
    now = datetime.now(UTC)
    await store.run(lambda db: ingest.remember(db, [SeenItem("gone", "1", "wire"), SeenItem("there", "1", "wire")], now - timedelta(days=10)))
    await store.run(lambda db: ingest.remember(db, [SeenItem("there", "1", "wire")], now))

    gone = await store.run(lambda db: ingest.forget(db, unseen_since=now - timedelta(days=5)))

    assert gone == 1
    assert await store.read(lambda db: ingest.revisions(db, ["gone", "there"])) == {"there": "1"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123")), max_size=20))
def test_remembering_is_a_map_from_item_to_its_last_revision(told: list[tuple[str, str]]) -> None:
    store = Store.open("sqlite:///:memory:", threads=1)
    with store.engine.connect() as db:
        metadata.create_all(db)
        for item, revision in told:
            ingest.remember(db, [SeenItem(item, revision, "wire")], datetime.now(UTC))

        assert ingest.revisions(db, ["a", "b", "c"]) == dict(told)
    asyncio.run(store.close())
