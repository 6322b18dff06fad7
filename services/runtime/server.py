"""The one HTTP port of a process: health, metrics, the services' own routes, and what the command line asks a running process to do.

    GET  /livez /readyz /metrics      open
    POST /-/reload /-/records         with the process's token, as a bearer token

The token stands in `run.json` in the data directory, readable by its owner alone. Signals belong to the process, not to the server.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime import metrics
from services.runtime.broker import Record
from services.runtime.errors import ChipwireError, Malformed, Misconfigured, Rejected, Unavailable
from services.runtime.service import Check

MAX_BODY = 32_000_000  # bytes; routes may set less
BODY_DEADLINE = timedelta(seconds=30)
FROM_THE_START = ("/livez", "/readyz", "/metrics", "/-/reload", "/-/records")
"""Paths that every process has, before its services are built and add theirs."""
CHECK_DEADLINE = timedelta(seconds=5)

Publish = Callable[[Sequence[Record]], Awaitable[None]]
Reload = Callable[[], Awaitable[None]]


@dataclass
class Health:
    """What the port answers; filled while the process starts."""

    ready: dict[str, Check] = field(default_factory=dict)
    live: dict[str, Check] = field(default_factory=dict)
    starting: str | None = "starting"
    """Why it is not ready, until everything has started."""
    stopping: bool = False
    """Set when the process was told to stop: not ready, and what is not about health is refused."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """How the command line finds the running process."""

    host: str
    port: int
    token: str
    pid: int
    broker: str
    """The URL of its broker: the command line writes through the process only where both mean the same."""

    @property
    def reachable_host(self) -> str:
        """Where a client on this machine finds it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 recognised, not bound

    @classmethod
    def path(cls, data_dir: Path) -> Path:
        """Where it stands."""
        return data_dir / "run.json"

    @classmethod
    def find(cls, data_dir: Path) -> RunFile | None:
        """The process that runs on this data directory, or None. One that was killed left its file behind; its id tells."""
        try:
            found = cls(**json.loads(cls.path(data_dir).read_bytes()))
            os.kill(found.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return found


@contextmanager
def run_file(data_dir: Path, run: RunFile) -> Iterator[None]:
    """The file exists while the context lasts. It is written whole, and its owner alone may read it."""
    path = RunFile.path(data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{run.pid}")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(run)), "utf-8")
    part.replace(path)
    try:
        yield
    finally:
        found = RunFile.find(data_dir)
        if found is not None and found.pid == run.pid:
            path.unlink(missing_ok=True)


def listen(host: str, port: int) -> socket.socket:
    """A socket on the address. Raises Misconfigured when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise Misconfigured(f"CHIPWIRE_HTTP_HOST is {host!r}, which is no address of this machine: {exc.strerror}") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as exc:
        listener.close()
        why = "is in use" if isinstance(exc, OSError) and exc.errno == 98 else f"cannot be had ({exc.strerror})"
        raise Misconfigured(f"port {port} on {host} {why}; set CHIPWIRE_HTTP_PORT or CHIPWIRE_HTTP_HOST") from exc
    listener.setblocking(False)
    return listener


def make_app(health: Health, registry: CollectorRegistry, *, token: str, publish: Publish, reload: Reload) -> Starlette:
    """The application with the routes that every process has. Services add theirs to `app.routes`."""

    is_ready = Gauge("chipwire_ready", "1 while everything the process needs answers, asked at every scrape.", registry=registry)

    async def livez(_: Request) -> Response:
        return await _report(health.live, None)

    async def readyz(_: Request) -> Response:
        return await _report(health.ready, "stopping" if health.stopping else health.starting)

    async def show_metrics(request: Request) -> Response:
        is_ready.set((await readyz(request)).status_code == 200)
        return Response(await asyncio.to_thread(metrics.exposition, registry), media_type=metrics.CONTENT_TYPE)

    async def reload_now(request: Request) -> Response:
        _admit(request, token)
        await reload()
        return JSONResponse({"reloaded": True})

    async def take_records(request: Request) -> Response:
        _admit(request, token)
        records = from_wire(await request.body())
        await publish(records)
        return JSONResponse({"published": len(records)})

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", show_metrics),
            Route("/-/reload", reload_now, methods=["POST"]),
            Route("/-/records", take_records, methods=["POST"]),
        ],
        exception_handlers={ChipwireError: _as_answer, _Refused: _as_refusal, _BodyError: _as_body_error},
    )


@asynccontextmanager
async def serve(app: Starlette, health: Health, listener: socket.socket, routes: Sequence[BaseRoute] = ()) -> AsyncIterator[None]:
    """The port answers while the context lasts; requests under way at its end get two seconds to finish."""
    app.router.routes.extend(routes)
    server = _Server(
        uvicorn.Config(
            _Guard(app, health),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=15,
            h11_max_incomplete_event_size=65_536,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="http-server")
    try:
        await server.is_up.wait()
        yield
    finally:
        server.should_exit = True
        await serving


def to_wire(records: Sequence[Record]) -> bytes:
    """Records as the body of `POST /-/records`: one JSON object a line, bytes in base64."""
    return b"\n".join(json.dumps(_record_to_json(record)).encode() for record in records)


def from_wire(body: bytes) -> list[Record]:
    """The records in such a body. Raises Malformed."""
    try:
        return [_record_from_json(json.loads(line)) for line in body.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as exc:
        raise Malformed("expected one JSON object a line with topic, key, value and headers, bytes in base64") from exc


def _record_to_json(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "key": _text(record.key), "value": _text(record.value), "headers": [[name, _text(value)] for name, value in record.headers]}


def _record_from_json(data: dict[str, Any]) -> Record:
    headers = tuple((str(name), base64.b64decode(value, validate=True)) for name, value in data["headers"])
    return Record(str(data["topic"]), _bytes(data["value"]), _bytes(data["key"]), headers)


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


async def _report(checks: dict[str, Check], trouble: str | None) -> JSONResponse:
    """Every check and its sentence; 503 when one has something to say."""
    names = list(checks)
    said = dict(zip(names, await asyncio.gather(*[_ask(checks[name]) for name in names]), strict=True))
    if trouble:
        said["process"] = trouble
    well = all(sentence == "ok" for sentence in said.values())
    return JSONResponse({"status": "ok" if well else "unavailable", "checks": said}, status_code=200 if well else 503)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_DEADLINE.total_seconds()):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_DEADLINE.total_seconds():.0f} s"
    except ChipwireError as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 a broken check is an unhealthy one
        return f"the check failed: {type(exc).__name__}"
    return "ok"


class _Refused(Exception):
    """Without the token."""


def _admit(request: Request, token: str) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise _Refused


async def _as_refusal(_: Request, __: Exception) -> Response:
    return _sentence(401, "the process's token is missing or wrong; it stands in run.json in the data directory", {"www-authenticate": "Bearer"})


async def _as_answer(_: Request, error: Exception) -> Response:
    """Errors of ours as answers: the class decides."""
    if isinstance(error, Malformed):
        return _sentence(400, str(error))
    if isinstance(error, Rejected):
        return _sentence(422, str(error))
    if isinstance(error, Misconfigured):
        return JSONResponse({"error": "the files cannot be used; the last good set stays", "problems": list(error.problems)}, status_code=422)
    after = error.retry_after if isinstance(error, Unavailable) and error.retry_after else timedelta(seconds=5)
    return _sentence(503, str(error), {"retry-after": str(max(1, round(after.total_seconds())))})


async def _as_body_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, _BodyError)  # noqa: S101 Starlette's signature knows no better
    return _sentence(error.status, error.sentence, {"connection": "close"})


def _sentence(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


class _Server(uvicorn.Server):
    """Installs no signal handlers, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class _Guard:
    """Bounds the size of a request and the time its body may take, and refuses work before the process has started and while it stops."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._health.stopping and scope["method"] not in ("GET", "HEAD"):
            await _sentence(503, "the process is stopping", {"retry-after": "5"})(scope, receive, send)
            return
        if self._health.starting and scope["path"] not in FROM_THE_START:  # a 404 would tell a client to give up
            await _sentence(503, f"the process has not started yet: {self._health.starting}", {"retry-after": "5"})(scope, receive, send)
            return
        reader = _BoundedBody(receive, MAX_BODY, BODY_DEADLINE)
        if reader.declares_too_much(scope):
            await _sentence(413, f"the body is larger than {MAX_BODY} bytes", {"connection": "close"})(scope, receive, send)
            return
        await self._app(scope, reader, send)


class _BodyError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class _BoundedBody:
    """Receives a body up to a size and within a time."""

    def __init__(self, receive: Receive, most: int, deadline: timedelta) -> None:
        self._receive = receive
        self._most = most
        self._until = asyncio.get_running_loop().time() + deadline.total_seconds()
        self._seen = 0
        self._whole = False

    def declares_too_much(self, scope: Scope) -> bool:
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        return declared.isdigit() and int(declared) > self._most

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()  # waits for the client to leave, for as long as the answer takes
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise _BodyError(408, "the body did not arrive in time") from None
        self._seen += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._seen > self._most:
            raise _BodyError(413, f"the body is larger than {self._most} bytes")
        return message
