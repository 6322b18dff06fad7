"""A resolver of its own mind: it answers each name as it is told, by turns, and lies where that is the test."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from aiohttp.abc import AbstractResolver


class Names(AbstractResolver):
    """`Names(hooks_example=[["1.1.1.1"], ["127.0.0.1"]])`: first public, then home; the last answer stands. An answer may hold several addresses."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(each) for name, each in answers.items()}

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        answers = self._answers.get(host.rstrip("."))
        if answers is None:
            raise OSError(f"no such name: {host}")
        return [_found(host, port, address) for address in (answers.pop(0) if len(answers) > 1 else answers[0])]

    async def close(self) -> None: ...


def _found(host: str, port: int, address: str) -> dict[str, Any]:
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": socket.AI_NUMERICHOST}
