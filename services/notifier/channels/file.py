"""Alerts appended to a file, one JSON object a line: `<directory>/<destination>.jsonl`. For programs on the same machine, and for looking."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Self

from services.notifier.channels.body import body_of
from services.notifier.channels.outcome import Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.tools import Tools


class FileChannel:
    """JSON lines. After a crash the last alert may stand there twice, with the same `delivery`."""

    deadline = timedelta(seconds=10)

    @classmethod
    def build(cls, tools: Tools) -> Self:  # noqa: ARG003 every channel is built alike
        return cls()

    async def send(self, message: Message) -> Outcome:
        try:
            await asyncio.to_thread(_append, Path(message.address), message.destination_id, body_of(message) + b"\n")
        except OSError:
            return Retry(Reason.DISK)
        return Sent()

    async def close(self) -> None:
        """Nothing is held open."""


def _append(directory: Path, name: str, line: bytes) -> None:
    """One write with O_APPEND, so that lines of two writers never mix."""
    directory.mkdir(parents=True, exist_ok=True)
    file = os.open(directory / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        if os.write(file, line) != len(line):
            raise OSError("the line was cut")
    finally:
        os.close(file)
