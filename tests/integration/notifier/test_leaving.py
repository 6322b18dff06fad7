"""Readers unsubscribe by one click, and reports come in, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from services.notifier.leaving import Doors, Leaving
from services.notifier.suppressed import Suppressed
from services.runtime.clock import SystemClock
from services.store import accounts
from services.store.accounts import DestinationKey, WantedAccount, WantedDestination
from services.store.engine import Store, metadata
from services.store.secrets import cipher, new_key
from tests.unit.notifier.test_bounce import REPORT

LEAVING = Leaving(b"a key of the links", "https://alerts.example.com/")
ANA = DestinationKey("desk", "ana")


@dataclass
class Rig:
    """The routes, and the store behind them."""

    http: httpx.AsyncClient
    store: Store
    suppressed: Suppressed

    async def disabled(self) -> str | None:
        return (await self.store.read(lambda db: accounts.list_destinations(db, "desk")))[0].disabled


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = SystemClock()
    wanted = WantedAccount("desk", (WantedDestination("ana", "email", "ana@example.com"),), ())
    async with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        await store.run(metadata.create_all)
        await store.run(lambda db: accounts.apply(db, [wanted], cipher([new_key()]), clock.now()))
        suppressed = Suppressed(store, b"a key of the hashes", clock)
        app = Starlette(routes=list(Doors(store, LEAVING, suppressed, clock, bounce_token="token").routes()))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://process") as http:
            yield Rig(http, store, suppressed)


def path(key: DestinationKey = ANA) -> str:
    return LEAVING.url(*key).removeprefix("https://alerts.example.com")


async def test_looking_at_the_link_changes_nothing_and_shows_a_button(rig: Rig) -> None:
    page = await rig.http.get(path())

    assert (page.status_code, await rig.disabled()) == (200, None)
    assert '<form method="post">' in page.text
    assert "ana" not in page.text


async def test_one_click_ends_the_alerts_and_may_be_repeated(rig: Rig) -> None:
    for _ in range(2):
        done = await rig.http.post(path(), content="List-Unsubscribe=One-Click", headers={"content-type": "application/x-www-form-urlencoded"})
        assert (done.status_code, await rig.disabled()) == (200, "unsubscribed")


async def test_a_token_that_was_changed_unsubscribes_nobody(rig: Rig) -> None:
    forged = Leaving(b"another key", "https://alerts.example.com").token(ANA)

    for token in (forged, LEAVING.token(ANA)[:-2], "x", "%ff", LEAVING.token(ANA) + "AAAA"):
        assert (await rig.http.post(f"/u/{token}")).status_code == 404
    assert await rig.disabled() is None


@given(st.text(st.characters(codec="ascii"), max_size=80))
def test_no_garbage_is_a_token(garbage: str) -> None:
    assert LEAVING.read(garbage) is None


async def test_a_report_suppresses_what_does_not_exist_and_nothing_else(rig: Rig) -> None:
    answer = await rig.http.post("/v1/bounces", content=REPORT, headers={"authorization": "Bearer token"})

    assert (answer.status_code, answer.json()) == (200, {"suppressed": 1})
    assert await rig.suppressed.why("Ana@Example.com") == "no_mailbox"
    assert await rig.suppressed.why("ben@example.com") is None


async def test_a_report_from_a_stranger_or_without_end_is_refused(rig: Rig) -> None:
    assert (await rig.http.post("/v1/bounces", content=REPORT)).status_code == 401
    assert (await rig.http.post("/v1/bounces", content=b"x" * 1_100_000, headers={"authorization": "Bearer token"})).status_code == 413
    assert await rig.suppressed.why("ana@example.com") is None
