"""An event loop whose time is simulated and whose order is the seed's: whatever is ready may run next, and time passes only while nothing is.

Every callback belongs to a process, or to the world. A process can be killed, and then nothing of it ever runs again, not even its `finally`; or frozen, and
then all of it waits while the time goes on. What is handed to a thread pool runs on the loop too, whole, after a delay and with the faults of the `Faults` given.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(eq=False)
class Owner:
    """A process, as far as the loop knows it."""

    name: str
    alive: bool = True
    frozen_until: float = 0.0
    steps: int = 0


OWNER: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)
"""Whose code is running; None for the world's."""


class Faults(Protocol):
    """What may happen to a process at its next step, and to a call that it hands to a thread."""

    def step(self, owner: Owner) -> None:
        """Called before each step. May kill or freeze its process."""
        ...

    def thread_delay(self) -> float:
        """How long a call waits for its thread, or its answer for the loop, in seconds."""
        ...

    def before_call(self, owner: Owner) -> None:
        """Called before a thread's call is run. May kill or freeze its process."""
        ...

    def run_call(self, owner: Owner | None, call: Callable[[], T]) -> T:
        """Runs the call in place of a thread; raises what it is to fail with, before or after."""
        ...


class NoFaults:
    """All goes well, at once."""

    def step(self, owner: Owner) -> None: ...

    def thread_delay(self) -> float:
        return 0.0

    def before_call(self, owner: Owner) -> None: ...

    def run_call(self, owner: Owner | None, call: Callable[[], T]) -> T:
        return call()


class Stuck(Exception):
    """Nothing is ready, and nothing ever will be."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs one step after the other, each chosen by chance among those that are ready."""

    def __init__(self, seed: str, faults: Faults | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 what can be repeated is what is wanted
        self.faults: Faults = faults or NoFaults()
        self.steps = 0
        self.broken: list[tuple[Owner | None, str, BaseException | None]] = []
        """What nobody caught."""
        self._now = 0.0
        self._ready: list[tuple[asyncio.Handle, Owner | None]] = []
        self._timers: list[tuple[float, int, asyncio.Handle, Owner | None]] = []
        self._timer_count = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._closed = False

    # ---- time and order

    def time(self) -> float:
        return self._now

    def run_until_complete(self, future: Any) -> Any:
        task = future if isinstance(future, asyncio.Future) else self.create_task(future)
        asyncio._set_running_loop(self)
        try:
            while not task.done():
                self._step()
        finally:
            asyncio._set_running_loop(None)
        return task.result()

    def _step(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            _, _, handle, owner = heapq.heappop(self._timers)
            self._ready.append((handle, owner))
        at = self._choice()
        if at is None:
            self._pass_time()
            return
        handle, owner = self._ready[at]
        self._ready[at] = self._ready[-1]
        self._ready.pop()
        if handle.cancelled() or (owner is not None and not owner.alive):
            return
        if owner is not None:
            owner.steps += 1
            self.faults.step(owner)
            if not owner.alive or owner.frozen_until > self._now:
                self._ready.append((handle, owner))
                return
        self.steps += 1
        handle._run()

    def _choice(self) -> int | None:
        """The place of a step that can run now; None when there is none."""
        count = len(self._ready)
        if not count:
            return None
        at = self._chance.randrange(count)
        owner = self._ready[at][1]
        if owner is None or owner.frozen_until <= self._now:
            return at
        free = [number for number, (_, owner) in enumerate(self._ready) if owner is None or owner.frozen_until <= self._now]
        return self._chance.choice(free) if free else None

    def _pass_time(self) -> None:
        thaws = [owner.frozen_until for _, owner in self._ready if owner is not None]
        nexts = thaws + ([self._timers[0][0]] if self._timers else [])
        if not nexts:
            raise Stuck
        self._now = max(self._now, min(nexts))

    # ---- what tasks and futures ask of a loop

    def call_soon(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append((handle, context.get(OWNER)))
        return handle

    def call_soon_threadsafe(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, handle, context.get(OWNER)))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 2000:
            self._tasks = [each for each in self._tasks if not each.done()]
        return task

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """The call runs on the loop, whole, later; its answer comes later still. It is not cancelled with who waits for it."""
        answer: asyncio.Future[T] = self.create_future()
        self.call_later(self.faults.thread_delay(), self._run_call, lambda: func(*args), answer)
        return answer

    def _run_call(self, call: Callable[[], T], answer: asyncio.Future[T]) -> None:
        owner = OWNER.get()
        if owner is not None:
            self.faults.before_call(owner)
            if not owner.alive or owner.frozen_until > self._now:
                self.call_soon(self._run_call, call, answer)
                return
        try:
            result = self.faults.run_call(owner, call)
        except Exception as exc:  # noqa: BLE001 as a thread does: whatever it is goes to who waits
            self.call_later(self.faults.thread_delay(), _fail, answer, exc)
        else:
            self.call_later(self.faults.thread_delay(), _answer, answer, result)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        owner = OWNER.get()
        if owner is None or owner.alive:
            self.broken.append((owner, str(context.get("message")), context.get("exception")))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends every task that is left, without running anything of it that counts."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # of a killed process: it was never to end
                _abandon(task.get_coro())
        self._tasks.clear()


class _Abandoned(BaseException):
    """Ends a coroutine that will not run again."""


def _abandon(coroutine: Coroutine[Any, Any, Any]) -> None:
    for _ in range(50):
        try:
            coroutine.throw(_Abandoned())
        except BaseException:  # noqa: BLE001 it has ended: how does not matter any more
            return


def _answer(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], exc: Exception) -> None:
    if not future.done():
        future.set_exception(exc)
