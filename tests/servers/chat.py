"""An OpenAI-compatible endpoint on loopback: `/v1/chat/completions` under uvicorn. It answers as it is told, by turns; also with errors, delays, garbage and refusals.

async with chat.endpoint() as model:
    model.say(chat.verdict("no", reason="outlook"))
    ...
    assert model.questions[0].article["title"] == "..."
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def instructions(self) -> str:
        return self._message("system")

    @property
    def material(self) -> str:
        return self._message("user")

    @property
    def article(self) -> dict[str, str]:
        """What stands between the two marks."""
        first, data, last = self.material.splitlines()[:3]
        assert first.split()[-1] == last.split()[-1]
        article: dict[str, str] = json.loads(data)
        return article

    def _message(self, role: str) -> str:
        (content,) = [message["content"] for message in self.body["messages"] if message["role"] == role]
        return str(content)


Says = Callable[[Request, Asked], Awaitable[Response]]


def completion(content: str | None, *, refusal: str | None = None, finish: str = "stop", usage: tuple[int, int] | None = (900, 40), **fields: Any) -> Says:
    """A chat completion with this message. `usage` is what question and answer cost."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "judge-2026-11",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return answers(200, body | fields)


def verdict(said: str, *, reason: str = "change", quote: str = "", **more: Any) -> Says:
    """The answer that was asked for."""
    return completion(json.dumps({"quote": quote, "reason": reason, "verdict": said}, ensure_ascii=False), **more)


def answers(status: int, body: Any, **headers: str) -> Says:
    """Any answer. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def say(_request: Request, _asked: Asked) -> Response:
        return Response(content, status, named, media_type="application/json")

    return say


def error(status: int, code: str = "server_error", **headers: str) -> Says:
    """An error, with a message that quotes the key as some endpoints do."""
    return answers(status, {"error": {"message": "wrong key sk-very-secret", "type": code, "code": code}}, **headers)


async def hang(request: Request, _asked: Asked) -> Response:
    """Answers when whoever asked has left."""
    while not await request.is_disconnected():
        await request.receive()
    return Response()


async def break_off(_request: Request, _asked: Asked) -> Response:
    """Drops the line in the middle of the answer."""

    async def half() -> AsyncIterator[bytes]:
        yield b'{"choices": ['

    return StreamingResponse(half(), headers={"content-length": "1000"})


@dataclass
class Chat:
    """The endpoint. What it is told to say it says once, in turn; then what it always says."""

    url: str = ""
    always: Says = field(default_factory=lambda: verdict("no", reason="elsewhere"))
    questions: list[Asked] = field(default_factory=list)
    _turns: deque[Says] = field(default_factory=deque)

    def say(self, *turns: Says) -> None:
        self._turns.extend(turns)

    async def answer(self, request: Request) -> Response:
        asked = Asked(request.headers, json.loads(await request.body()))
        self.questions.append(asked)
        says = self._turns.popleft() if self._turns else self.always
        return await says(request, asked)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they belong to pytest


@asynccontextmanager
async def endpoint() -> AsyncIterator[Chat]:
    """An endpoint at work on a free loopback port."""
    chat = Chat()
    app = Starlette(routes=[Route("/v1/chat/completions", chat.answer, methods=["POST"]), Route("/{path:path}", _not_found)])
    listener = socket.create_server(("127.0.0.1", 0))
    chat.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2))
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="chat-endpoint")
    try:
        await server.is_up.wait()
        yield chat
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def _not_found(_request: Request) -> Response:
    return JSONResponse({"error": {"message": "no such path", "type": "invalid_request_error", "code": "not_found"}}, 404)
