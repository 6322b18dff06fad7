"""A deliverer dies at every boundary of its journal, and a frozen one comes back: nothing is lost, and what is repeated was in flight."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from services.runtime.clock import SystemClock
from services.store import accounts, migrate, secrets
from services.store.delivery import attempts, deliveries
from services.store.engine import Store
from tests import make
from tests.acceptance import crashing, told
from tests.alerting import account, fan_out_all, hook, raise_alert, states
from tests.servers.webhooks import Received, Receiver

pytestmark = pytest.mark.timeout(300)

CLOCK = SystemClock()
HOOKS = ("one", "two")
MOST_BOUNDARIES = 200


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.acceptance.crashing"])  # a process then starts in no time


def ended(process: BaseProcess, *, seconds: float = 60) -> int | None:
    """The exit code; negative for the signal that ended it."""
    process.join(seconds)
    code = process.exitcode
    if code is None:
        process.kill()
    return code


class Queue:
    """A store with two hooks at the receiver, and processes that deliver from it."""

    def __init__(self, url: str, receiver: Receiver, directory: Path) -> None:
        self.store, self._url, self._key, self._directory, self._events = Store.open(url), url, secrets.new_key(), directory, 0
        migrate.upgrade(self.store, by_hand=True)
        wanted = account(*(hook(name, receiver.url) for name in HOOKS))
        self.store.run_sync(lambda db: accounts.apply(db, [wanted], secrets.cipher([self._key]), CLOCK.now() - timedelta(days=1)))

    def fill(self, alerts: int) -> None:
        """So many more alerts, each for both hooks."""
        for _ in range(alerts):
            self._events += 1
            event = make.event(id=f"E{self._events:04}")
            self.store.run_sync(lambda db, event=event: raise_alert(db, event, now=CLOCK.now()))
        self.store.run_sync(lambda db: fan_out_all(db, CLOCK.now()))

    def start(self, at: int = 0) -> BaseProcess:
        """A process that delivers, and dies at this boundary."""
        process = PROCESSES.Process(target=crashing.deliver, args=(self._url, self._key, at, self._directory / "log"))
        process.start()
        return process

    def until_killed(self, at: int) -> bool:
        """Whether the process was killed at this boundary; False when it had no such boundary, and did everything."""
        return ended(self.start(at)) == -signal.SIGKILL

    def let_leases_run_out(self) -> None:
        """As if so much time had passed."""
        past = CLOCK.now() - timedelta(hours=1)
        held = deliveries.update().where(deliveries.c.state == "sending").values(lease_until=past)
        self.store.run_sync(lambda db: db.execute(held))

    def attempts(self) -> Counter[str]:
        return Counter(self.store.read_sync(lambda db: list(db.execute(attempts.select().with_only_columns(attempts.c.outcome)).scalars())))

    def states(self) -> set[str]:
        return set(self.store.read_sync(states).values())


@pytest.fixture
def waiting(url: str, receiver: Receiver, tmp_path: Path) -> Iterator[Queue]:
    made = Queue(url, receiver, tmp_path)
    yield made
    made.store.close_sync()


def test_a_deliverer_that_dies_at_any_boundary_of_its_journal_loses_nothing(waiting: Queue, receiver: Receiver) -> None:
    boundary, died = 0, True
    while died:
        boundary += 1
        assert boundary < MOST_BOUNDARIES, "it never came to its end"
        waiting.fill(1)
        died = waiting.until_killed(boundary)
        waiting.let_leases_run_out()

    repeated, outcomes = told.repeats(receiver.requests), waiting.attempts()
    assert waiting.states() == {"sent"}
    assert boundary > 15, "there are fewer boundaries than a claim and a journal have statements"
    assert len({request.id for request in receiver.requests}) == len(HOOKS) * boundary == outcomes["sent"]
    assert sum(len(of_one) - 1 for of_one in repeated) <= outcomes["abandoned"], "each repetition was in flight when its sender died"
    _check_the_same(repeated)
    _check_numbers(receiver.requests)


@pytest.mark.postgres
def test_a_deliverer_frozen_past_its_lease_repeats_at_most_what_it_had_in_flight(postgres_url: str, receiver: Receiver, tmp_path: Path) -> None:
    shared = Queue(postgres_url, receiver, tmp_path)
    shared.fill(200)
    frozen, other = shared.start(), shared.start()
    assert receiver.wait_for(lambda requests: len(requests) > 40, seconds=60)

    os.kill(frozen.pid or 0, signal.SIGSTOP)
    assert ended(other, seconds=90) == 0, "the other one delivers everything, that of the frozen one too, once its lease ran out"
    before = len(receiver.requests)
    os.kill(frozen.pid or 0, signal.SIGCONT)
    assert ended(frozen) == 0

    expired = shared.attempts()["abandoned"]
    repeated = told.repeats(receiver.requests)
    assert shared.states() == {"sent"}
    assert len({request.id for request in receiver.requests}) == 400
    assert len(repeated) <= expired <= crashing.PER_DESTINATION * len(HOOKS)
    assert all(len(of_one) == 2 for of_one in repeated)
    assert len(receiver.requests) == before, "woken up, it sends nothing that it has lost"
    _check_the_same(repeated)
    _check_numbers(receiver.requests)
    shared.store.close_sync()


def _check_the_same(repeated: Sequence[Sequence[Received]]) -> None:
    for of_one in repeated:
        assert len({request.body for request in of_one}) == 1


def _check_numbers(requests: Sequence[Received]) -> None:
    """Each hook can tell that nothing is missing: the numbers are without gap, and none is given twice."""
    by_id = {request.id: request.data["sequence"] for request in requests}
    counted = Counter(by_id.values())
    assert counted == dict.fromkeys(range(1, len(by_id) // len(HOOKS) + 1), len(HOOKS))
