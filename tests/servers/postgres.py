"""A real PostgreSQL for the tests: found on this machine, started once a run, with a database of its own for each test.

`CHIPWIRE_TEST_POSTGRES=postgresql://user@host/name` uses an existing server instead. Where none can be had, tests skip and say so.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from tests.servers.missing import not_available

_OWNER = ("nobody", "nogroup")


class NotAvailable(Exception):
    """Why no PostgreSQL can be had here."""


@dataclass(frozen=True)
class Postgres:
    """A running server. `url` reaches its maintenance database."""

    url: str

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a new database, dropped afterwards."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url_of(name)
        finally:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url_of(self, name: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{name}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this run. Skips, loudly, where there is none."""
    try:
        with running() as server:
            yield server
    except NotAvailable as exc:
        not_available("PostgreSQL", exc)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A new and empty database."""
    with postgres.database() as url:
        yield url


@contextmanager
def running() -> Iterator[Postgres]:
    """The server that a variable names, or one of our own. Raises NotAvailable."""
    if existing := os.environ.get("CHIPWIRE_TEST_POSTGRES"):
        yield Postgres(existing)
        return
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="chipwire-postgres-") as folder:
        home = Path(folder)
        if os.getuid() == 0:
            shutil.chown(home, *_OWNER)
        with _started(programs, home) as port:
            yield Postgres(f"postgresql://test@127.0.0.1:{port}/postgres")


def _programs() -> Path:
    """Where initdb and postgres are: on PATH, or where Debian keeps them."""
    on_path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    for place in (*([Path(on_path).resolve().parent] if on_path else []), *installed):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise NotAvailable("no initdb on PATH nor under /usr/lib/postgresql; install postgresql 15 or later, or set CHIPWIRE_TEST_POSTGRES")


@contextmanager
def _started(programs: Path, home: Path) -> Iterator[int]:
    data, log = home / "data", home / "log"
    _call([programs / "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], home)
    port = _free_port()
    fast = [
        word
        for setting in ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200")
        for word in ("-c", setting)
    ]
    command = [programs / "postgres", "-D", data, "-p", str(port), "-k", home, "-c", "listen_addresses=127.0.0.1", *fast]
    with log.open("wb") as sink, subprocess.Popen(_as_user(command), cwd=home, stdout=sink, stderr=subprocess.STDOUT) as server:
        try:
            _await(port, server, log)
            yield port
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: open connections are ended
            server.wait(timeout=30)


def _await(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + 30
    while True:
        try:
            psycopg.connect(f"postgresql://test@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError as exc:
            if server.poll() is not None or monotonic() > deadline:
                raise NotAvailable(f"the server does not start: {log.read_text(errors='replace')[-500:]}") from exc
            sleep(0.05)
        else:
            return


def _call(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run(_as_user(command), cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise NotAvailable(f"{Path(command[0]).name} failed: {done.stderr[-500:]}")


def _as_user(command: list[str | Path]) -> list[str]:
    """PostgreSQL refuses to run as root; then it runs as nobody."""
    words = [str(word) for word in command]
    user, group = _OWNER
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *words] if os.getuid() == 0 else words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
