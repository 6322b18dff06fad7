"""Composition: names -> services on one broker and one store, in one process.

    settings -> logs -> port -> broker -> topics -> store -> services -> run until told to stop -> drain -> exit code

SIGTERM and SIGINT stop: nothing new is taken and what is in hand is finished, within the drain; a second signal exits at once. SIGHUP reads
the hand-written files again. A task that ends before it was asked to stops the whole process: limping on is worse.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from schemas.topics import TOPICS
from services.runtime import logs
from services.runtime.broker import Broker, Hooks, NoHooks
from services.runtime.broker_options import EmbeddedOptions, KafkaOptions
from services.runtime.brokers import BrokerSetup, Mode, open_broker
from services.runtime.clock import Clock, SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import ChipwireError, Misconfigured, StopLoss, Unavailable
from services.runtime.exit_codes import ExitCode
from services.runtime.http import HttpClient
from services.runtime.metrics import BrokerMetrics, chipwire_version, new_registry
from services.runtime.retry import Backoff, pause
from services.runtime.server import Health, RunFile, listen, make_app, run_file, serve
from services.runtime.service import PutIntoUse, Service
from services.runtime.settings import RuntimeSettings, Setting, Settings, catalogue, load

log = logs.logger()  # and logs is the first module of ours here: it loads structlog without extras

T = TypeVar("T")

_ONCE_CANCELLED = 3.0  # seconds for tasks that were given up to let go


@dataclass(frozen=True, slots=True)
class Part:
    """A service as the process finds it: its module with `build`, its settings class, and whether it uses the store."""

    module: str
    settings: str
    store: bool = True


SERVICES: Mapping[str, Part] = {
    "ingester": Part("services.ingester.service", "services.ingester.settings:IngesterSettings"),
    "classifier": Part("services.classifier.service", "services.classifier.settings:ClassifierSettings", store=False),
    "notifier": Part("services.notifier.service", "services.notifier.settings:NotifierSettings"),
}
"""Imported only when they run: a process that only classifies knows no mail."""


def main(names: Sequence[str] = (), *, parts: Mapping[str, Part] = SERVICES, clock: Clock | None = None) -> ExitCode:
    """Runs the named services, or all, until they are told to stop. Problems are sentences on stderr."""
    try:
        return asyncio.run(run(tuple(dict.fromkeys(names)) or tuple(parts), parts=parts, clock=clock))
    except Misconfigured as exc:
        print(*exc.problems, sep="\n", file=sys.stderr)  # noqa: T201 for people, before or instead of logs
        return ExitCode.MISUSED
    except Unavailable as exc:
        print(exc, file=sys.stderr)  # noqa: T201 likewise
        return ExitCode.AWAY


async def run(names: Sequence[str], *, parts: Mapping[str, Part] = SERVICES, clock: Clock | None = None) -> ExitCode:
    """The process. Raises Misconfigured before anything has started, Unavailable when a dependency stays away at the start."""
    settings, own = load_settings(names, parts)
    process = _Process(settings, clock or SystemClock())
    logs.configure(style=settings.log_format, level=settings.log_level, secrets=_secret_values([settings, *own.values()]))
    try:
        with _signals(process):
            async with process.opened():
                with _nothing_is_garbage():
                    await process.build([(name, parts[name], own[name]) for name in names])
                return await process.supervise()
    except Unavailable:
        if process.stop.is_set():
            return ExitCode.DONE  # told to stop while it waited
        raise


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Code, terms and tables are loaded once and stay: meanwhile the collector pauses, and afterwards it never walks over them again."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def load_settings(names: Sequence[str], parts: Mapping[str, Part]) -> tuple[RuntimeSettings, dict[str, Settings]]:
    """The settings of the process and of each service. All are read, whichever run, so that a typing error never hides."""
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise Misconfigured(f"there is no service {', '.join(map(repr, unknown))}; expected some of {', '.join(parts)}")
    runtime, *others = load(RuntimeSettings, *[_attribute(part.settings) for part in parts.values()])
    assert isinstance(runtime, RuntimeSettings)  # noqa: S101 for the type checker: `load` keeps the order
    return runtime, dict(zip(parts, others, strict=True))


def all_settings(parts: Mapping[str, Part] = SERVICES) -> list[Setting]:
    """Every setting there is, for documentation and tests."""
    return catalogue(RuntimeSettings, *[_attribute(part.settings) for part in parts.values()])


def broker_of(settings: RuntimeSettings, *, mode: Mode = "run", hooks: Hooks | None = None) -> AbstractAsyncContextManager[Broker]:
    """The broker that the settings name: `async with broker_of(settings) as broker`."""
    kafka = KafkaOptions(
        sasl=settings.kafka_sasl,
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value(),
        tls=settings.kafka_tls,
        ca_file=settings.kafka_ca_file,
        certificate_file=settings.kafka_certificate_file,
        key_file=settings.kafka_key_file,
    )
    embedded = EmbeddedOptions(power_safe=settings.embedded_power_safe, max_bytes=settings.embedded_max_bytes)
    setup = BrokerSetup(mode=mode, data_dir=settings.data_dir, embedded=embedded, kafka=kafka, hooks=hooks or NoHooks())
    return open_broker(settings.broker, setup)


class _Process:
    """What the services share, opened in order and closed in reverse."""

    def __init__(self, settings: RuntimeSettings, clock: Clock) -> None:
        self.stop = asyncio.Event()
        self._settings = settings
        self._clock = clock
        self._registry = new_registry()
        self._broker_metrics = BrokerMetrics(self._registry)
        self._health = Health()
        self._services: list[Service] = []
        self._reloading = asyncio.Lock()
        self._asked_to_reload = asyncio.Event()
        self._stack = AsyncExitStack()
        self._broker: Broker | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The port and the broker. Raises Misconfigured or Unavailable."""
        async with self._stack:
            self._routes = await self._open_port()
            self._health.starting = "waiting for the broker"
            self._broker = await self._patiently("the broker", self._open_broker)
            self._stack.enter_context(run_file(self._settings.data_dir, self._run))  # now that the files are ours
            yield

    async def build(self, chosen: Sequence[tuple[str, Part, Settings]]) -> None:
        """Opens the store where one is needed, and builds the services."""
        self._health.starting = "building the services"
        store = await self._patiently("the database", self._open_store) if any(part.store for _, part, _ in chosen) else None
        shared: dict[str, Any] = {
            "clock": self._clock,
            "registry": self._registry,
            "http": await self._stack.enter_async_context(HttpClient(allow=self._settings.allowed)),
            "config": ConfigDir(self._settings.config, cache=self._settings.data_dir / "cache"),
        }
        for _, part, own in chosen:
            needed = (self._broker, store) if part.store else (self._broker,)
            self._services.append(importlib.import_module(part.module).build(own, *needed, **shared))
        for service in self._services:
            self._health.ready |= {f"{service.name}.{name}": check for name, check in service.ready.items()}
            self._health.live |= {f"{service.name}.{name}": check for name, check in service.live.items()}
            self._routes.extend(service.routes)
        self._health.starting = None

    async def supervise(self) -> ExitCode:
        """Runs every task until the process is told to stop or one ends by itself; then drains."""
        tasks = {asyncio.create_task(_awaited(task(self.stop)), name=name) for service in self._services for name, task in service.tasks.items()}
        tasks.add(asyncio.create_task(self._reload_on_signal(), name="reload"))
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        log.info("started", services=[service.name for service in self._services], port=self._port, version=chipwire_version())
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        early = [task for task in tasks if task.done()] if not self.stop.is_set() else []
        self.ask_to_stop()
        await stopping
        await _drain(tasks, self._settings.drain)
        code = _worst(tasks, early)
        log.info("stopped", exit_code=int(code))
        return code

    def ask_to_stop(self) -> None:
        """Nothing new is taken from now on."""
        self._health.stopping = True
        self.stop.set()
        self._asked_to_reload.set()  # wakes the task that waits for it, so that it ends

    def ask_to_reload(self) -> None:
        self._asked_to_reload.set()

    async def reload(self) -> None:
        """The services read their files again, all or nothing. Raises Misconfigured with every problem; what cannot be used changes nothing."""
        async with self._reloading:
            for put_into_use in await self._read_again():
                await put_into_use()
        log.info("reloaded")

    async def _read_again(self) -> list[PutIntoUse]:
        read: list[PutIntoUse] = []
        problems: list[str] = []
        for service in self._services:
            if service.read_again is None:
                continue
            try:
                read.append(await service.read_again())
            except Misconfigured as exc:
                problems += exc.problems
            except ChipwireError as exc:
                problems.append(f"{service.name}: {exc}")
        if problems:
            log.error("reload_refused", problems=problems)
            raise Misconfigured(*problems)
        return read

    async def _reload_on_signal(self) -> None:
        while True:
            await self._asked_to_reload.wait()
            self._asked_to_reload.clear()
            if self.stop.is_set():
                return
            try:
                await self.reload()
            except Misconfigured:
                continue  # logged, and the last good set stays
            except Exception:
                log.exception("reload_failed")  # a bug in reading files is no reason to stop sending alerts

    async def _open_port(self) -> list[Any]:
        listener = self._listen()
        self._port = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        app = make_app(self._health, self._registry, token=token, publish=self._publish, reload=self.reload)
        await self._stack.enter_async_context(serve(app, self._health, listener))
        self._run = RunFile(self._settings.http_host, self._port, token, os.getpid(), self._settings.broker)
        return app.router.routes

    def _listen(self) -> Any:
        try:
            return listen(self._settings.http_host, self._settings.http_port)
        except Misconfigured as exc:
            other = RunFile.find(self._settings.data_dir)
            if other is not None and other.port == self._settings.http_port:
                raise Misconfigured(
                    f"another chipwire (process {other.pid}) runs on {self._settings.data_dir} and port {other.port}; "
                    "stop it, or give this one its own CHIPWIRE_DATA_DIR and CHIPWIRE_HTTP_PORT"
                ) from exc
            raise

    async def _publish(self, records: Any) -> None:
        if self._broker is None:
            raise Unavailable("the broker is not open yet")
        await self._broker.publish(records)

    async def _open_broker(self) -> Broker:
        async with AsyncExitStack() as attempt:
            broker = await attempt.enter_async_context(broker_of(self._settings, hooks=self._broker_metrics))
            await broker.ensure(TOPICS)
            self._stack.push_async_exit(attempt.pop_all())
        self._health.ready["broker"] = broker.ping
        return broker

    async def _open_store(self) -> Any:
        from services.store import migrate
        from services.store.engine import Store

        store = Store.open(self._settings.store_url)
        try:
            await asyncio.to_thread(migrate.upgrade, store)
        except BaseException:
            await store.close()
            raise
        self._stack.push_async_callback(store.close)
        self._health.ready["store"] = store.ping
        return store

    async def _patiently(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries until it works. Raises Unavailable when it stays away beyond the limit, or when the process is told to stop."""
        until = self._clock.monotonic() + self._settings.start_limit.total_seconds()
        for failures in range(1, sys.maxsize):
            try:
                return await attempt()
            except Unavailable as exc:
                if failures == 1:
                    log.warning("waiting_at_start", what=what, reason=str(exc))
                self._health.starting = str(exc)
                delay = Backoff(most=timedelta(seconds=5)).delay(failures, chance=0.5, asked=exc.retry_after)
                if self.stop.is_set() or self._clock.monotonic() + delay.total_seconds() > until:
                    raise
                await pause(delay, clock=self._clock, stop=self.stop)
        raise AssertionError("a loop without an end has ended")


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _drain(tasks: set[asyncio.Task[None]], grace: timedelta) -> None:
    """Waits for what is in hand; what takes longer is given up."""
    _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
    for task in late:
        log.error("given_up", task=task.get_name(), seconds=grace.total_seconds())
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_ONCE_CANCELLED)


def _worst(tasks: set[asyncio.Task[None]], early: Sequence[asyncio.Task[None]]) -> ExitCode:
    """The exit code for how the tasks ended, each trouble logged."""
    codes = {ExitCode.DONE}
    for task in sorted(tasks, key=asyncio.Task.get_name):
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None:
            expected = isinstance(error, ChipwireError)
            log.error("task_died", task=task.get_name(), error=str(error), cause=repr(error.__cause__), exc_info=None if expected else error)
            codes.add(_code_of(error))
        elif task in early:
            log.error("task_ended_early", task=task.get_name())
            codes.add(ExitCode.FAILED)
    return max(codes, key=[ExitCode.DONE, ExitCode.AWAY, ExitCode.FAILED, ExitCode.STOP_LOSS].index)


def _code_of(error: BaseException) -> ExitCode:
    if isinstance(error, StopLoss):
        return ExitCode.STOP_LOSS
    return ExitCode.AWAY if isinstance(error, Unavailable) else ExitCode.FAILED


@contextmanager
def _signals(process: _Process) -> Iterator[None]:
    """Restores what it found. After the first signal the second needs no event loop: it exits even if a handler hangs."""
    loop = asyncio.get_running_loop()
    stops = (signal.SIGTERM, signal.SIGINT)
    found = {number: signal.getsignal(number) for number in (*stops, signal.SIGHUP)}

    def first() -> None:
        process.ask_to_stop()
        for number in stops:
            loop.remove_signal_handler(number)
            signal.signal(number, _exit_at_once)

    for number in stops:
        loop.add_signal_handler(number, first)
    loop.add_signal_handler(signal.SIGHUP, process.ask_to_reload)
    try:
        yield
    finally:
        for number, handler in found.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _exit_at_once(_number: int, _frame: object) -> NoReturn:
    os._exit(ExitCode.SECOND_SIGNAL)


def _secret_values(all_settings: Sequence[Settings]) -> Iterator[str]:
    from pydantic import SecretStr

    for settings in all_settings:
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, SecretStr):
                yield value.get_secret_value()


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
