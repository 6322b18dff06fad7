from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.events.event import PolicyEvent
from services import app
from services.cli import command
from services.runtime.errors import Misconfigured, Rejected
from services.store.engine import Store
from tests import make
from tests.alerting import SECRET, raise_alert

FILE = """\
accounts:
  - id: desk
    destinations:
      - {id: hook, webhook: {url: "https://example.com/hidden", env: HOOK}}
      - {id: ana, email: ana@example.com}
    subscriptions:
      - {id: chips, to: [hook, ana], when: {products: [H20]}, language: ar}
"""


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setattr(app, "SERVICES", {"notifier": app.SERVICES["notifier"]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "subscriptions.yaml"
    path.write_text(FILE)
    return path


def called(*words: object) -> str:
    result = CliRunner().invoke(command(), ["subscriptions", *map(str, words)])
    if result.exception is not None:
        raise result.exception
    assert "hidden" not in result.output
    assert "ana@" not in result.output
    return result.output


def test_applying_tells_what_changed_and_the_second_time_that_nothing_did(file: Path) -> None:
    first = [json.loads(line) for line in called("apply", file, "--json").splitlines()]

    assert [(one["what"], one["id"], one["done"]) for one in first] == [
        ("account", "desk", "created"),
        ("destination", "hook", "created"),
        ("destination", "ana", "created"),
        ("subscription", "chips", "created"),
    ]
    assert called("apply", file) == "nothing changed\n"


def test_a_file_that_is_wrong_changes_nothing(file: Path) -> None:
    file.write_text(FILE.replace("H20", "20"))

    with pytest.raises(Misconfigured, match=r"subscriptions\.yaml:7:\d+: .*20 is no text; put it in quotes"):
        called("apply", file)
    assert called("list", "--json") == ""


def test_subscriptions_are_listed_with_where_they_go(file: Path) -> None:
    called("apply", file)
    file.write_text(FILE.replace("to: [hook, ana]", "to: [ana]").replace("      - {id: hook", "      # - {id: hook"))
    called("apply", file)

    (only,) = [json.loads(line) for line in called("list", "--json").splitlines()]

    assert tuple(only[name] for name in ("account", "id", "when", "language", "active")) == ("desk", "chips", {"products": {"any": ["H20"]}}, "ar", True)
    assert only["to"] == {"id": "ana", "kind": "email", "active": True, "disabled": None, "last_sequence": 0, "times": {}}
    assert "chips" in called("list")


def stored(tmp_path: Path, *events: PolicyEvent) -> None:
    async def put() -> None:
        async with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
            for event in events:
                await store.run(lambda db, event=event: raise_alert(db, event, now=event.opened_at))

    asyncio.run(put())


def recent(number: int, days: float, **fields: Any) -> PolicyEvent:
    at = datetime.now(UTC) - timedelta(days=days)
    return make.event(id=f"E{number}", slug=f"story-{number}", opened_at=at, updated_at=at, **fields)


def test_an_event_is_explained_clause_by_clause(file: Path, tmp_path: Path) -> None:
    file.write_text(FILE.replace("when: {products: [H20]}", "when: {products: [H20], severity: {gte: 4}}"))
    called("apply", file)
    stored(tmp_path, recent(1, 1, severity=3))

    told = called("explain", "desk/chips", "story-1")
    answer = json.loads(called("explain", "chips", "E1", "--json"))

    assert "yes  when.products: any of H20; the event has H20\n" in told
    assert "no   when.severity: at least 4; the event has 3   <- stops it\n" in told
    assert "not told: the filter stops it" in told
    assert (answer["holds"], [clause["stops"] for clause in answer["clauses"]]) == (False, [False, True])
    assert (answer["cadence"], [place["id"] for place in answer["destinations"]]) == ("daily", ["ana", "hook"])


def test_an_event_that_comes_is_explained_with_when(file: Path, tmp_path: Path) -> None:
    called("apply", file)
    stored(tmp_path, recent(1, 1, severity=5, origins=2))

    told = called("explain", "chips", "story-1")

    assert "told: rank 5, cadence by_rank, so immediate" in told
    assert "hook, if it came now: at once" in told


@pytest.mark.parametrize(
    ("subscription", "event", "said"), [("nobody", "story-1", "no subscription is called 'nobody'"), ("chips", "story-2", "no event has the id or slug")]
)
def test_what_is_not_there_cannot_be_explained(file: Path, tmp_path: Path, subscription: str, event: str, said: str) -> None:
    called("apply", file)
    stored(tmp_path, recent(1, 1))

    with pytest.raises(Rejected, match=said):
        called("explain", subscription, event)


def test_a_preview_shows_what_would_have_come_and_how_much_a_week(file: Path, tmp_path: Path) -> None:
    called("apply", file)
    stored(tmp_path, recent(1, 5, severity=5, origins=2), recent(2, 20, severity=3, origins=2), recent(3, 30, products=("EUV",)), recent(4, 100))

    told = called("preview", "chips")
    answer = json.loads(called("preview", "chips", "--days", "10", "--json"))

    assert "story-1" in told
    assert "story-2" in told
    assert "2 of 3 events in 90 days, 0.2 a week: 1 hourly, 1 immediate" in told
    assert (answer["matched"], answer["looked_at"], answer["a_week"]) == (1, 1, 0.7)
    assert sum(answer["weeks"].values()) == 1


def test_a_preview_takes_a_file_before_it_is_applied(file: Path, tmp_path: Path) -> None:
    called("apply", file)
    stored(tmp_path, recent(1, 5, products=("EUV",)))
    file.write_text(FILE.replace("[H20]", "[EUV]"))

    assert "0 of 1 events" in called("preview", "chips")
    assert "1 of 1 events" in called("preview", "chips", "--file", file)
