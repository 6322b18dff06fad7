"""One thread that writes to one SQLite file: all work that waits becomes one transaction (group commit).

A transaction is whole or not there at all, whoever is cancelled meanwhile: work that has begun runs to its end.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from services.runtime.errors import Unavailable

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]


class Writer:
    """Runs work in the order it came. `then` is called in the event loop with the result, even when the caller is gone."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Work[Any], Future[Any]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="broker-writer")
        self._closed = False

    async def run(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """The result, once it is safe in the file. Raises Unavailable, and then nothing was written."""
        if self._closed:
            raise Unavailable("the broker is closed")
        future: Future[T] = Future()
        if then is not None:
            future.add_done_callback(lambda done: self._tell(done, then))
        self._waiting.append((work, future))
        self._thread.submit(self._drain)
        return await asyncio.wrap_future(future)

    async def aside(self, work: Work[T]) -> T:
        """Work that must not be in a transaction, such as a checkpoint."""
        return await self._loop.run_in_executor(self._thread, work, self._db)

    async def close(self) -> None:
        """Finishes what waits."""
        self._closed = True
        await self._loop.run_in_executor(None, self._thread.shutdown)

    def _tell(self, done: Future[T], then: Callable[[T], None]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._loop.call_soon_threadsafe(then, done.result())

    def _drain(self) -> None:
        """In the thread. Whatever has gathered while the last transaction was written goes into this one."""
        taken = [(work, future) for work, future in iter(self._next, None) if future.set_running_or_notify_cancel()]
        if not taken:
            return
        try:
            results = self._commit([work for work, _ in taken])
        except Exception as exc:  # noqa: BLE001 whatever went wrong belongs to those who wait for the result
            for _, future in taken:
                future.set_exception(translated(exc))
        else:
            for (_, future), result in zip(taken, results, strict=True):
                future.set_result(result)

    def _next(self) -> tuple[Work[Any], Future[Any]] | None:
        return self._waiting.popleft() if self._waiting else None

    def _commit(self, works: list[Work[Any]]) -> list[Any]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            results = [work(self._db) for work in works]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results


def translated(exc: Exception) -> Exception:
    """What SQLite says, in our words."""
    if not isinstance(exc, sqlite3.Error):
        return exc
    problem = Unavailable(f"the broker's file cannot be used now: {exc}")
    problem.__cause__ = exc
    return problem
