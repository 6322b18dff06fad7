from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli import command
from services.runtime.errors import Rejected
from services.store import migrate
from services.store.accounts import WantedDestination
from services.store.engine import Store
from tests import make
from tests.alerting import account, claim, deliveries, fan_out_all, hook, raise_alert, retried, sent, states, write

A1 = f"{make.event().id}.1"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A delivery that was sent to `hook`, and one to `ana` that has failed."""
    from services.store import accounts, secrets

    monkeypatch.setenv("CHIPWIRE_STORE", f"sqlite:///{tmp_path}/store.db")
    cipher = secrets.open_cipher(tmp_path / "keys", create=True)
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    migrate.upgrade(store)
    wanted = account(hook(), WantedDestination("ana", "email", "ana@example.com"))
    store.run_sync(lambda db: accounts.apply(db, [wanted], cipher, make.NOW))
    store.run_sync(lambda db: (raise_alert(db), fan_out_all(db)))
    results = [sent(one) if one.channel == "webhook" else retried(one, wait=None) for one in store.run_sync(lambda db: claim(db, now=make.NOW))]
    store.run_sync(lambda db: write(db, *results, now=make.NOW))
    yield store
    store.close_sync()


def called(*words: str) -> str:
    result = CliRunner().invoke(command(), [*words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert "ana@" not in result.output
    return result.output


def ids(store: Store) -> dict[str, str]:
    return {one.destination.id: one.id for one in store.read_sync(deliveries)}


def test_deliveries_are_listed_by_destination_state_and_time(store: Store) -> None:
    everything = [json.loads(line) for line in called("deliveries", "list", "--json").splitlines()]
    failed = [json.loads(line) for line in called("deliveries", "list", "--state", "failed", "--json").splitlines()]

    assert {(one["destination"], one["state"], one["why"]) for one in everything} == {("hook", "sent", "accepted"), ("ana", "failed", "server_error")}
    assert [one["destination"] for one in failed] == ["ana"]
    assert "no deliveries" in called("deliveries", "list", "--destination", "desk/other")
    assert "no deliveries" in called("deliveries", "list", "--since", "2999-01-01")
    assert "msg_" in called("deliveries", "list")


def test_one_delivery_is_shown_with_its_attempts(store: Store) -> None:
    shown = json.loads(called("deliveries", "show", ids(store)["ana"], "--json"))

    assert [(one["number"], one["outcome"], one["status"]) for one in shown["tried"]] == [(1, "retry", 503)]
    assert "server_error" in called("deliveries", "show", ids(store)["ana"])
    with pytest.raises(Rejected, match="no delivery has the id"):
        called("deliveries", "show", "msg_none")


def test_only_the_failed_are_sent_once_more(store: Store) -> None:
    assert called("deliveries", "replay", "--failed") == "sent once more: 1\n"
    assert store.read_sync(states) == {("hook", A1): "sent", ("ana", A1): "pending"}


def test_one_is_sent_once_more_and_an_unknown_one_is_told(store: Store) -> None:
    with pytest.raises(Rejected, match="sent once more: 1; not msg_none"):
        called("deliveries", "replay", ids(store)["hook"], "msg_none")
    assert store.read_sync(states) == {("hook", A1): "pending", ("ana", A1): "failed"}


def test_a_replay_of_everything_has_to_be_asked_for(store: Store) -> None:
    with pytest.raises(typer.BadParameter, match="name the deliveries"):
        called("deliveries", "replay")


def test_the_brake_is_put_on_shown_and_taken_off(store: Store) -> None:
    assert called("deliveries", "brakes") == "nothing is paused\n"
    assert called("deliveries", "pause", "--channel", "email", "--why", "the relay complains") == "paused: channel:email\n"
    assert called("deliveries", "pause", "--channel", "email") == "already paused: channel:email\n"
    assert called("deliveries", "pause", "--destination", "desk/hook") == "paused: destination:desk/hook\n"
    assert "the relay complains" in called("deliveries", "brakes")
    assert called("deliveries", "resume", "--channel", "email") == "resumed: channel:email\n"
    assert [json.loads(line)["scope"] for line in called("deliveries", "brakes", "--json").splitlines()] == ["destination:desk/hook"]
    assert called("deliveries", "resume") == "not paused: all\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause", "--destination", "hook"), "expected ACCOUNT/ID"),
        (("pause", "--destination", "desk/none"), "there is no destination 'desk/none'"),
        (("pause", "--channel", "pigeon"), "expected one of webhook"),
        (("pause", "--channel", "email", "--destination", "desk/hook"), "not both"),
        (("list", "--state", "lost"), "expected one of pending"),
    ],
)
def test_what_does_not_fit_is_told(store: Store, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        called("deliveries", *words)


def test_a_destination_is_erased_with_its_files_and_the_proof_names_no_address(store: Store, tmp_path: Path) -> None:
    mine = ids(store)["ana"]
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    (outbox / f"{mine}.eml").write_text("To: ana@example.com")
    (outbox / "msg_other.eml").write_text("To: bob@example.com")

    proof = json.loads(called("destinations", "erase", "desk/ana", "--yes"))

    assert (proof["erased"], proof["kind"], proof["deliveries"], proof["attempts"], proof["files"]) == ("desk/ana", "email", 1, 1, 1)
    assert [file.name for file in outbox.iterdir()] == ["msg_other.eml"]
    assert store.read_sync(states) == {("hook", A1): "sent"}
    with pytest.raises(Rejected, match="there is no destination"):
        called("destinations", "erase", "desk/ana", "--yes")
