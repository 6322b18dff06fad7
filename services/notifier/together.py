"""A question that many ask at once, put to the database in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    """Who asks while an answer is under way gets the next one, together with all who came meanwhile: no answer is older than its question."""

    def __init__(self, find: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._find = find
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V | None:
        """What was found under the key; None when nothing was. Raises what finding raises."""
        answer = self._asked.setdefault(key, asyncio.get_running_loop().create_future())
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer(), name="notifier.together")
        return await asyncio.shield(answer)  # who leaves does not take the others along

    async def _answer(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._answer_these(asked)
        finally:
            self._answering = None

    async def _answer_these(self, asked: Mapping[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._find(asked.keys())
        except Exception as exc:  # noqa: BLE001 it belongs to whoever asked
            for answer in asked.values():
                answer.set_exception(exc)
                answer.exception()  # nobody may be left to look at it
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
