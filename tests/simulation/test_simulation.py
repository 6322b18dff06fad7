"""The notifier's promises under a seeded scheduler: many lives in a minute, and every one that once went wrong again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.simulation.loop import OWNER, Owner, SimulatedLoop, Stuck
from tests.simulation.plan import Plan
from tests.simulation.search import KeptCase, Search

SEEDS, PORTION = 320, 10
"""How many lives `make test` runs, and how many a test: what a worker takes at once."""


@pytest.fixture(scope="module")
def search() -> Iterator[Search]:
    with Search.open() as opened:
        yield opened


@pytest.mark.parametrize("first", range(0, SEEDS, PORTION))
def test_every_promise_is_kept_whatever_goes_wrong(search: Search, first: int) -> None:
    failures = [str(failure) for seed in range(first, first + PORTION) if (failure := search.run(seed))]

    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("case", KeptCase.read(), ids=lambda case: str(case.seed))
def test_what_once_went_wrong_does_so_no_more(search: Search, case: KeptCase) -> None:
    failure = search.run(case.seed, case.without)

    assert failure is None, f"{failure}\nit had found: {case.found}"


def test_a_seed_tells_the_same_life_again(search: Search) -> None:
    search.run(7)
    first = list(search.log)
    search.run(8)
    search.run(7)

    assert search.log == first


def test_a_plan_can_be_told_without_any_of_its_parts() -> None:
    plan = Plan.of(3)

    assert plan.without(plan.parts).parts == []
    assert plan.without(()) == plan == Plan.of(3)


async def _order(loop: SimulatedLoop, said: list[str]) -> None:
    async def say(word: str) -> None:
        await asyncio.sleep(0)
        said.append(word)

    await asyncio.gather(*(say(word) for word in "abcdef"))


def test_the_order_of_what_is_ready_is_the_seeds() -> None:
    orders = set()
    for seed in ("1", "1", "2", "3"):
        loop, said = SimulatedLoop(seed), list[str]()
        loop.run_until_complete(_order(loop, said))
        loop.close()
        orders.add("".join(said))

    assert len(orders) == 3


def test_a_killed_process_runs_nothing_more_not_even_what_it_would_do_at_its_end() -> None:
    loop, owner, said = SimulatedLoop("1"), Owner("victim"), list[str]()

    async def live() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            said.append("ended")

    async def main() -> None:
        OWNER.set(owner)
        asyncio.get_running_loop().create_task(live())
        OWNER.set(None)
        await asyncio.sleep(1)
        owner.alive = False
        await asyncio.sleep(100)

    loop.run_until_complete(main())

    assert said == []
    loop.close()


def test_a_frozen_process_goes_on_late_and_the_world_does_not_wait() -> None:
    loop, owner, said = SimulatedLoop("1"), Owner("frozen"), list[tuple[str, float]]()

    async def tell(word: str, after: float) -> None:
        await asyncio.sleep(after)
        said.append((word, loop.time()))

    async def main() -> None:
        OWNER.set(owner)
        frozen = asyncio.get_running_loop().create_task(tell("frozen", 5))
        OWNER.set(None)
        await asyncio.sleep(1)
        owner.frozen_until = 60.0
        await tell("world", 10)
        await frozen

    loop.run_until_complete(main())
    loop.close()

    assert said == [("world", 11.0), ("frozen", 60.0)]


def test_a_world_in_which_nothing_can_happen_any_more_says_so() -> None:
    loop = SimulatedLoop("1")

    async def wait_for_nobody() -> None:
        await loop.create_future()

    with pytest.raises(Stuck):
        loop.run_until_complete(wait_for_nobody())
    loop.close()
