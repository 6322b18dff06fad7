"""Accounts, destinations and subscriptions, on every store."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from schemas.config.subscriptions import When
from schemas.config.times import Times
from services.store import accounts, secrets
from services.store.accounts import Change, DestinationKey, WantedAccount, WantedDestination, WantedSubscription
from services.store.engine import Store
from tests.alerting import CIPHER, DESK, LONG_AGO, SECRET, account, hook, key, subscribe
from tests.make import NOW


async def test_applying_creates_and_the_second_time_changes_nothing(store: Store) -> None:
    wanted = account(hook(), WantedDestination("inbox", "email", "ana@example.com"))

    first = await store.run(lambda db: subscribe(db, wanted))
    again = await store.run(lambda db: subscribe(db, wanted))

    expected = [("account", DESK), ("destination", "hook"), ("destination", "inbox"), ("subscription", "all")]
    assert [Change(DESK, what, one, "created") for what, one in expected] == first
    assert again == []


async def test_applying_updates_what_is_written_differently(store: Store) -> None:
    await store.run(subscribe)
    narrow = WantedSubscription("all", ("hook",), When.model_validate({"severity": {"gte": 4}}), language="ar")

    changes = await store.run(lambda db: subscribe(db, account(hook(url="https://example.com/new"), subscriptions=[narrow])))

    assert [(one.what, one.done) for one in changes] == [("destination", "updated"), ("subscription", "updated")]
    kept = (await store.read(lambda db: accounts.list_subscriptions(db, DESK)))[0]
    assert ("ar", narrow.when, LONG_AGO) == (kept.language, kept.when, kept.created_at)


async def test_applying_switches_off_what_is_gone_and_on_what_comes_back(store: Store) -> None:
    both = account(hook(), hook("pager"))
    await store.run(lambda db: subscribe(db, both))

    gone = await store.run(lambda db: subscribe(db, account(hook("pager"), subscriptions=[])))
    back = await store.run(lambda db: subscribe(db, both, now=NOW))

    assert {("destination", "hook", "deactivated"), ("subscription", "all", "deactivated")} == {(one.what, one.id, one.done) for one in gone}
    assert {("destination", "hook", "reactivated"), ("subscription", "all", "reactivated")} == {(one.what, one.id, one.done) for one in back}
    assert {NOW} == {one.created_at for one in await store.read(lambda db: accounts.list_subscriptions(db, DESK))}, "what was missed meanwhile stays untold"


async def test_applying_leaves_accounts_alone_that_are_not_named(store: Store) -> None:
    await store.run(subscribe)

    await store.run(lambda db: subscribe(db, WantedAccount("other", (hook(),), ())))

    assert [one.active for one in await store.read(lambda db: accounts.list_destinations(db, DESK))] == [True]
    assert await store.read(accounts.account_ids) == [DESK, "other"]


async def test_the_same_id_in_two_accounts_is_two_destinations(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(hook()), WantedAccount("other", (hook(),), ())))

    assert [DestinationKey("other", "hook")] == [one.key for one in await store.read(lambda db: accounts.list_destinations(db, "other"))]


async def test_neither_address_nor_secret_stands_in_the_database_in_clear(store: Store) -> None:
    await store.run(subscribe)

    row = await store.read(lambda db: db.execute(sa.select(accounts.destinations)).mappings().one())

    assert not any(b"example.com" in bytes(value) or SECRET.encode() in bytes(value) for value in (row["address"], row["secret"]))
    assert CIPHER.decrypt(row["address"]) == "https://example.com/hook"
    assert CIPHER.decrypt(row["secret"]) == SECRET


async def test_headers_are_kept_encrypted_and_other_ones_are_a_new_beginning(store: Store) -> None:
    with_headers = account(hook(headers={"authorization": "Bearer hidden"}))
    await store.run(lambda db: subscribe(db, with_headers))
    await store.run(lambda db: db.execute(accounts.destinations.update().values(disabled="gone")))

    again = await store.run(lambda db: subscribe(db, with_headers))
    row = await store.read(lambda db: db.execute(sa.select(accounts.destinations)).mappings().one())
    found = await store.read(lambda db: accounts.opened(db, key("hook"), CIPHER))
    other = await store.run(lambda db: subscribe(db, account(hook(headers={"authorization": "Bearer new"}))))
    (after,) = await store.read(lambda db: accounts.list_destinations(db, DESK))
    none = await store.run(lambda db: subscribe(db))
    bare = await store.read(lambda db: accounts.opened(db, key("hook"), CIPHER))

    assert again == []
    assert b"hidden" not in row["headers"]
    assert found is not None
    assert bare is not None
    assert (found.headers, bare.headers) == ({"authorization": "Bearer hidden"}, {})
    assert "hidden" not in repr(found)
    assert [[one.done for one in changes] for changes in (other, none)] == [["updated"], ["updated"]]
    assert after.disabled is None


async def test_applying_again_mends_what_a_lost_key_has_cost(store: Store) -> None:
    await store.run(subscribe)
    other = secrets.cipher([secrets.new_key()])

    (change,) = await store.run(lambda db: accounts.apply(db, [account(hook())], other, NOW))

    row = await store.read(lambda db: db.execute(sa.select(accounts.destinations)).mappings().one())
    assert (change.id, change.done) == ("hook", "updated")
    assert other.decrypt(row["address"]) == "https://example.com/hook"


async def test_a_disabled_destination_stays_so_until_it_is_another(store: Store) -> None:
    await store.run(subscribe)
    await store.run(lambda db: db.execute(accounts.destinations.update().values(disabled="gone")))

    unchanged = await store.run(subscribe)
    still = await store.read(lambda db: accounts.list_destinations(db, DESK))
    await store.run(lambda db: subscribe(db, account(hook(url="https://example.com/moved"))))
    moved = await store.read(lambda db: accounts.list_destinations(db, DESK))

    assert (unchanged, still[0].disabled, moved[0].disabled) == ([], "gone", None)


async def test_only_what_has_changed_is_read_again(store: Store) -> None:
    other = WantedAccount("other", (hook(),), (WantedSubscription("all", ("hook",), When()),))
    await store.run(lambda db: subscribe(db, account(hook()), other))
    revision, everything = await store.read(lambda db: accounts.changed_since(db, 0))

    await store.run(lambda db: subscribe(db, account(hook(), subscriptions=[])))
    later, changed = await store.read(lambda db: accounts.changed_since(db, revision))
    await store.run(lambda db: subscribe(db, other))

    assert {account_id: [one.id for one in ones] for account_id, ones in everything.items()} == {DESK: ["all"], "other": ["all"]}
    assert changed == {DESK: []}
    assert later > revision
    assert (later, {}) == await store.read(lambda db: accounts.changed_since(db, later)), "the same once more is no change"


async def test_a_destination_added_to_an_old_subscription_hears_nothing_of_before(store: Store) -> None:
    await store.run(subscribe)
    await store.run(lambda db: subscribe(db, account(hook(), hook("pager")), now=NOW + timedelta(seconds=1)))

    found = await store.read(lambda db: accounts.list_subscriptions(db, DESK))

    assert {"hook": LONG_AGO, "pager": NOW + timedelta(seconds=1)} == {one.destination.id: one.since for one in found}


async def test_reachable_is_who_takes_alerts_and_is_still_pointed_at_with_their_times(store: Store) -> None:
    times = Times(zone="Asia/Tokyo", most_a_day=3)
    destinations = [WantedDestination("night", "webhook", "https://example.com/hook", SECRET, times), hook("gone"), hook("lonely")]
    one = WantedSubscription("all", ("night", "gone"), When())
    await store.run(lambda db: subscribe(db, account(*destinations, subscriptions=[one])))
    await store.run(lambda db: db.execute(accounts.destinations.update().where(accounts.destinations.c.id == "gone").values(disabled="gone")))

    found = await store.read(lambda db: accounts.reachable(db, [DestinationKey(DESK, name) for name in ("night", "gone", "lonely", "nobody")]))

    assert {DestinationKey(DESK, "night"): times} == found


async def test_other_times_are_a_change(store: Store) -> None:
    await store.run(subscribe)

    changes = await store.run(lambda db: subscribe(db, account(hook(times=Times(zone="Europe/Paris")))))

    assert [Change(DESK, "destination", "hook", "updated")] == changes
