"""A webhook gets a new secret, and is asked to say a word back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli import command
from services.cli.listen import Receiver
from services.notifier.channels.webhook import signed_headers
from services.runtime.errors import Misconfigured, Rejected
from services.store import accounts, migrate, secrets
from services.store.accounts import DestinationKey
from services.store.engine import Store
from services.store.signing import in_force
from tests import make
from tests.alerting import SECRET, account, hook

KEY = DestinationKey("desk", "hook")


@pytest.fixture
def endpoint() -> Iterator[HTTPServer]:
    """Says back what it is asked to, or `{}` when its `silent` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.came = dict(self.headers)  # type: ignore[attr-defined]  # read by the tests
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}" if getattr(server, "silent", False) else body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="endpoint")
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: HTTPServer) -> Iterator[Store]:
    url = f"http://127.0.0.1:{endpoint.server_port}/hook"
    (tmp_path / "hook.secret").write_text(SECRET)
    webhook = f"{{url: '{url}', secret_file: hook.secret}}"
    (tmp_path / "subscriptions.yaml").write_text(f"accounts: [{{id: desk, destinations: [{{id: hook, webhook: {webhook}}}]}}]\n")
    for name, value in {"STORE": f"sqlite:///{tmp_path}/store.db", "CONFIG": str(tmp_path), "ALLOW_NETWORKS": "127.0.0.0/8"}.items():
        monkeypatch.setenv(f"CHIPWIRE_{name}", value)
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    migrate.upgrade(store)
    cipher = secrets.open_cipher(tmp_path / "keys", create=True)
    store.run_sync(lambda db: accounts.apply(db, [account(hook(url=url, headers={"x-team": "chips"}))], cipher, make.NOW))
    yield store
    store.close_sync()


def called(*words: str) -> str:
    result = CliRunner().invoke(command(), [*words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def kept(store: Store, tmp_path: Path) -> str:
    cipher = secrets.open_cipher(tmp_path / "keys", create=False)
    found = store.read_sync(lambda db: accounts.opened(db, KEY, cipher))
    assert found is not None
    return str(found.secret)


def test_a_rotated_secret_stands_in_its_file_and_both_sign_until_the_grace_is_over(store: Store, tmp_path: Path) -> None:
    said = called("destinations", "rotate", "desk/hook", "--grace", "1h")

    new = (tmp_path / "hook.secret").read_text().strip()
    first, second = in_force(kept(store, tmp_path), make.NOW)
    assert ((first, second), (tmp_path / "hook.secret").stat().st_mode & 0o777) == ((new, SECRET), 0o600)
    assert new not in said
    headers = signed_headers("msg_1", b"{}", kept(store, tmp_path), make.NOW)
    assert all(Receiver([secret]).take(headers, b"{}", make.NOW.timestamp()).id == "msg_1" for secret in (new, SECRET))


def test_without_a_configuration_directory_it_says_that_no_file_was_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHIPWIRE_CONFIG")

    with pytest.raises(Misconfigured, match=r"no subscriptions\.yaml was read; expected one in the directory that CHIPWIRE_CONFIG names"):
        called("destinations", "rotate", "desk/hook")


def test_after_a_restore_every_destination_has_a_new_epoch_once_somebody_has_said_so(store: Store) -> None:
    def numbers() -> list[tuple[int, int]]:
        return store.read_sync(lambda db: [(one.epoch, one.last_sequence) for one in accounts.list_destinations(db, "desk")])

    with pytest.raises(typer.Abort):
        called("destinations", "restored")
    assert numbers() == [(1, 0)]
    assert called("destinations", "restored", "--yes") == "a new epoch begins at 1 destination\n"
    assert numbers() == [(2, 0)]


def test_a_secret_that_is_changed_in_its_file_is_rotated_with_grace_and_only_once(store: Store, tmp_path: Path, endpoint: HTTPServer) -> None:
    cipher = secrets.open_cipher(tmp_path / "keys", create=False)
    other = account(hook(url=f"http://127.0.0.1:{endpoint.server_port}/hook", secret="whsec_" + "B" * 32))

    done = [[change.done for change in store.run_sync(lambda db: accounts.apply(db, [other], cipher, make.NOW))] for _ in range(2)]

    assert done == [["updated"], []]
    assert in_force(kept(store, tmp_path), make.NOW) == ("whsec_" + "B" * 32, SECRET)


def test_an_endpoint_is_verified_by_the_word_it_says_back_and_takes_nothing_until_it_does(store: Store, endpoint: HTTPServer) -> None:
    def verified() -> bool:
        return store.read_sync(lambda db: accounts.list_destinations(db, "desk"))[0].verified

    endpoint.silent = True  # type: ignore[attr-defined]  # the handler above reads it
    with pytest.raises(Rejected, match="did not say the word back"):
        called("destinations", "verify", "desk/hook")
    assert not verified()

    del endpoint.silent  # type: ignore[attr-defined]
    assert "desk/hook is verified" in called("destinations", "verify", "desk/hook")
    assert endpoint.came["x-team"] == "chips"  # type: ignore[attr-defined]  # as every request to it
    assert verified()
