from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.runtime import server
from services.runtime.broker import Record
from services.runtime.errors import Malformed, Misconfigured, Rejected, Unavailable
from services.runtime.server import Health, RunFile, from_wire, listen, make_app, run_file, serve, to_wire
from tests import make

TOKEN = "t0ken"


class Port:
    """A port that answers, and what came through it."""

    def __init__(self) -> None:
        self.health = Health(starting=None)
        self.published: list[Record] = []
        self.publish_error: Exception | None = None
        self.reload_error: Exception | None = None
        self.number = 0

    async def publish(self, records: Sequence[Record]) -> None:
        if self.publish_error:
            raise self.publish_error
        self.published += records

    async def reload(self) -> None:
        if self.reload_error:
            raise self.reload_error

    async def ask(self, method: str, path: str, body: bytes = b"", *, token: str = TOKEN, headers: str = "") -> tuple[int, Any]:
        head, content = await self.exchange(
            f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n{headers}connection: close\r\n\r\n".encode()
            + body
        )
        return int(head.split()[1]), json.loads(content) if b"json" in head else content

    async def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        head, _, content = answer.partition(b"\r\n\r\n")
        return head.lower(), content


@asynccontextmanager
async def a_port(*routes: Route) -> AsyncIterator[Port]:
    port = Port()
    listener = listen("127.0.0.1", 0)
    port.number = listener.getsockname()[1]
    app = make_app(port.health, CollectorRegistry(), token=TOKEN, publish=port.publish, reload=port.reload)
    async with serve(app, port.health, listener, routes):
        yield port


def saying(sentence: str | None, error: type[Exception] = Unavailable) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if sentence:
            raise error(sentence)

    return check


async def test_a_scrape_asks_whether_the_process_is_ready() -> None:
    async with a_port() as port:
        port.health.ready = {"store": saying(None)}
        _, well = await port.ask("GET", "/metrics")
        port.health.ready = {"store": saying("the database does not answer")}
        _, away = await port.ask("GET", "/metrics")

    assert b"\nchipwire_ready 1.0\n" in well
    assert b"\nchipwire_ready 0.0\n" in away


async def test_readiness_lists_every_check_with_its_sentence() -> None:
    async with a_port() as port:
        port.health.ready = {"broker": saying(None), "store": saying("the database does not answer"), "odd": saying("boo", ZeroDivisionError)}

        status, said = await port.ask("GET", "/readyz")

    assert status == 503
    assert said == {"status": "unavailable", "checks": {"broker": "ok", "store": "the database does not answer", "odd": "the check failed: ZeroDivisionError"}}


async def test_a_process_that_starts_or_stops_is_alive_but_not_ready() -> None:
    async with a_port() as port:
        port.health.starting = "waiting for the broker"
        assert await port.ask("GET", "/readyz") == (503, {"status": "unavailable", "checks": {"process": "waiting for the broker"}})
        port.health.starting = None
        assert (await port.ask("GET", "/readyz"))[0] == 200
        port.health.stopping = True
        assert await port.ask("GET", "/readyz") == (503, {"status": "unavailable", "checks": {"process": "stopping"}})
        assert (await port.ask("GET", "/livez"))[0] == 200


async def test_a_check_that_hangs_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CHECK_DEADLINE", timedelta(milliseconds=20))

    async def hang() -> None:
        await asyncio.Event().wait()

    async with a_port() as port:
        port.health.live = {"worker": hang}
        status, said = await port.ask("GET", "/livez")

    assert (status, said["checks"]["worker"]) == (503, "no answer within 0 s")


async def test_records_are_published_with_the_token_only() -> None:
    records = [make.record(b"\x00\xff", headers=(("ce_id", b"1"),)), Record("news.items.v1", None, b"key"), Record("news.items.v1", b"x", None)]
    async with a_port() as port:
        assert (await port.ask("POST", "/-/records", to_wire(records), token="guess"))[0] == 401
        assert port.published == []
        assert await port.ask("POST", "/-/records", to_wire(records)) == (200, {"published": 3})

    assert port.published == records


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[1]", b"nonsense", b'{"topic": "t", "key": "\xc3\xa9", "value": null, "headers": []}', b'{"topic":"t","key":null,"value":"!","headers":[]}'],
)
async def test_what_is_no_record_is_refused_in_a_sentence(body: bytes) -> None:
    async with a_port() as port:
        status, said = await port.ask("POST", "/-/records", body)

    assert (status, said["error"]) == (400, "expected one JSON object a line with topic, key, value and headers, bytes in base64")


@given(
    st.lists(st.builds(Record, st.text(min_size=1), st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(st.text(), st.binary())).map(tuple)))
)
def test_records_survive_the_wire(records: list[Record]) -> None:
    assert from_wire(to_wire(records)) == records


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (Unavailable("the broker is away", retry_after=timedelta(seconds=7)), 503, "the broker is away"),
        (Rejected("too large"), 422, "too large"),
        (Malformed("no JSON"), 400, "no JSON"),
    ],
)
async def test_the_class_of_an_error_decides_the_answer(error: Exception, status: int, sentence: str) -> None:
    async with a_port() as port:
        port.publish_error = error
        assert await port.ask("POST", "/-/records", to_wire([make.record()])) == (status, {"error": sentence})


async def test_files_that_cannot_be_used_are_all_told_on_reload() -> None:
    async with a_port() as port:
        port.reload_error = Misconfigured("a.yaml:1:1: x", "b.yaml:2:2: y")
        status, said = await port.ask("POST", "/-/reload")
        assert (status, said["problems"]) == (422, ["a.yaml:1:1: x", "b.yaml:2:2: y"])
        port.reload_error = None
        assert await port.ask("POST", "/-/reload") == (200, {"reloaded": True})


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


ECHO = Route("/echo", echo, methods=["GET", "POST"])


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_BODY", 100)
    async with a_port(ECHO) as port:
        head, content = await port.exchange(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n")

    assert b" 413 " in head
    assert json.loads(content) == {"error": "the body is larger than 100 bytes"}


async def test_a_body_that_grows_too_large_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_BODY", 100)
    async with a_port(ECHO) as port:
        head, _ = await port.exchange(
            b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + b"28\r\n" + b"x" * 40 + b"\r\n" + b"50\r\n" + b"x" * 80 + b"\r\n"
        )

    assert b" 413 " in head


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_DEADLINE", timedelta(milliseconds=30))
    async with a_port(ECHO) as port:
        head, content = await port.exchange(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")

    assert b" 408 " in head
    assert json.loads(content) == {"error": "the body did not arrive in time"}


async def test_while_it_stops_nothing_new_is_taken_but_health_and_pages_answer() -> None:
    async with a_port(ECHO) as port:
        port.health.stopping = True

        assert await port.ask("POST", "/echo", b"abc") == (503, {"error": "the process is stopping"})
        assert (await port.ask("GET", "/echo"))[0] == 200


async def test_before_it_has_started_a_route_to_come_says_so_instead_of_not_found() -> None:
    async with a_port() as port:
        port.health.starting = "waiting for the broker"
        assert await port.ask("POST", "/v1/items", b"{}") == (503, {"error": "the process has not started yet: waiting for the broker"})
        assert (await port.ask("GET", "/metrics"))[0] == 200
        port.health.starting = None
        assert (await port.ask("POST", "/v1/items", b"{}"))[0] == 404


async def test_a_port_in_use_is_a_sentence_that_names_the_setting() -> None:
    taken = listen("127.0.0.1", 0)
    number = taken.getsockname()[1]

    with taken, pytest.raises(Misconfigured, match=f"port {number} on 127.0.0.1 is in use; set CHIPWIRE_HTTP_PORT"):
        listen("127.0.0.1", number)


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(Misconfigured, match=r"port 0 on 192\.0\.2\.1 cannot be had"):
        listen("192.0.2.1", 0)
    with pytest.raises(Misconfigured, match=r"CHIPWIRE_HTTP_HOST is 'no\.such\.host\.invalid'"):
        listen("no.such.host.invalid", 0)


def run_of(pid: int) -> RunFile:
    return RunFile("127.0.0.1", 8080, "t", pid, "embedded:")


def test_the_run_file_is_its_owners_alone_and_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    with run_file(tmp_path, run_of(os.getpid())):
        assert RunFile.find(tmp_path) == run_of(os.getpid())
        assert RunFile.path(tmp_path).stat().st_mode & 0o777 == 0o600

    assert RunFile.find(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_file_that_a_killed_process_left_is_nobodys(tmp_path: Path) -> None:
    with run_file(tmp_path, run_of(2**22 + 1)):
        assert RunFile.find(tmp_path) is None


def test_a_run_file_that_another_process_wrote_meanwhile_stays(tmp_path: Path) -> None:
    with run_file(tmp_path, run_of(os.getpid())):
        newer = run_of(os.getppid())
        RunFile.path(tmp_path).write_text(json.dumps({"host": newer.host, "port": newer.port, "token": newer.token, "pid": newer.pid, "broker": newer.broker}))

    assert RunFile.find(tmp_path) == newer


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"pid": 1}'])
def test_a_run_file_that_makes_no_sense_is_none(tmp_path: Path, content: bytes) -> None:
    RunFile.path(tmp_path).write_bytes(content)

    assert RunFile.find(tmp_path) is None


def test_the_socket_takes_a_free_port_when_asked_for_0() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
        assert listener.family == socket.AF_INET
