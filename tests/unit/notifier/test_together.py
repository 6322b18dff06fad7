from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from services.notifier.together import Together
from services.runtime.errors import Unavailable


class Library:
    """Notes what is asked for, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.came = asyncio.Event()
        self.open = asyncio.Event()
        self.known = {"a": "A"}
        self.away = False

    async def find(self, keys: Collection[str]) -> Mapping[str, str]:
        self.asked.append(sorted(keys))
        self.came.set()
        known = dict(self.known)
        await self.open.wait()
        if self.away:
            raise Unavailable("the database is away")
        return known


async def test_who_asks_together_is_answered_together() -> None:
    library = Library()
    library.open.set()
    together = Together(library.find)

    found = await asyncio.gather(*(together.ask(key) for key in ("a", "b", "a")))

    assert found == ["A", None, "A"]
    assert library.asked == [["a", "b"]]


async def test_who_asks_while_an_answer_is_under_way_gets_the_next_one() -> None:
    library = Library()
    together = Together(library.find)
    first = asyncio.create_task(together.ask("b"))
    await asyncio.wait_for(library.came.wait(), 5)
    library.known["b"] = "B"
    later = asyncio.create_task(together.ask("b"))
    library.open.set()

    assert (await first, await later) == (None, "B"), "no answer is older than its question"
    assert library.asked == [["b"], ["b"]]


async def test_a_failure_is_told_to_all_who_asked_and_to_nobody_after() -> None:
    library = Library()
    library.away = True
    library.open.set()
    together = Together(library.find)

    failed = await asyncio.gather(together.ask("a"), together.ask("b"), return_exceptions=True)
    library.away = False

    assert [str(one) for one in failed] == ["the database is away"] * 2
    assert await together.ask("a") == "A"


async def test_who_leaves_does_not_take_the_others_along() -> None:
    library = Library()
    together = Together(library.find)
    one, other = (asyncio.create_task(together.ask("a")) for _ in range(2))
    await asyncio.wait_for(library.came.wait(), 5)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    library.open.set()

    assert await other == "A"
