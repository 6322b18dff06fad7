"""A webhook receiver on loopback: keeps every request that came, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request, as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Receiver:
    """What arrived so far. `answer` gives the status for each request; replace it to misbehave."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], int] = lambda _request: 204
    _came: threading.Condition = field(default_factory=threading.Condition)

    def take(self, request: Received) -> int:
        with self._came:
            self.requests.append(request)
            self._came.notify_all()
        return self.answer(request)

    def wait_for(self, condition: Callable[[list[Received]], bool], *, seconds: float) -> bool:
        """Waits until what arrived fulfils the condition; False when the time is up."""
        with self._came:
            return self._came.wait_for(lambda: condition(self.requests), timeout=seconds)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver at work on a loopback port, by default a free one."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status = receiver.take(Received({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is http.server's
            """Silent: a test says itself what it saw."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # many senders at once must not wait for a second knock

        def handle_error(self, request: object, client_address: object) -> None:
            """Silent: a sender that is killed drops its lines."""

    server = Server(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, name="webhook-receiver", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
