"""What several verbs share: settings, the broker, the running process, and how things are shown."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from services.runtime.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from services.runtime.broker import Broker, Record
    from services.runtime.server import RunFile
    from services.runtime.settings import RuntimeSettings

T = TypeVar("T")

_ANSWER_WITHIN = 60.0  # seconds


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Runs what waits, from a verb, which does not."""
    return asyncio.run(work)


def runtime_settings() -> RuntimeSettings:
    """The settings of the process; those of the services are read too, so that a typing error never hides."""
    from services import app

    return app.load_settings((), app.SERVICES)[0]


def open_to_read(settings: RuntimeSettings) -> AbstractAsyncContextManager[Broker]:
    """The broker, for reading beside a running process."""
    from services import app

    return app.broker_of(settings, mode="read")


async def publish(settings: RuntimeSettings, records: Sequence[Record]) -> None:
    """Through the running process where it alone may write the embedded file, else directly."""
    from services import app

    running = running_process(settings)
    if running is not None:
        _post_records(running, records)
        return
    async with app.broker_of(settings) as broker:
        await broker.publish(records)


def running_process(settings: RuntimeSettings) -> RunFile | None:
    """The process that has the embedded file, or None: then it is free, or the broker is Kafka, which everybody may write."""
    from services.runtime.server import RunFile

    running = RunFile.find(settings.data_dir) if settings.broker.startswith("embedded:") else None
    return running if running is not None and running.broker == settings.broker else None


def print_json(value: Any) -> None:
    """For programs: one JSON value on a line."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """For people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    Console(file=sys.stdout, markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def _post_records(running: RunFile, records: Sequence[Record]) -> None:
    from services.runtime.server import to_wire

    connection = http.client.HTTPConnection(running.reachable_host, running.port, timeout=_ANSWER_WITHIN)
    try:
        connection.request("POST", "/-/records", to_wire(records), {"authorization": f"Bearer {running.token}"})
        answer = connection.getresponse()
        said = answer.read().decode("utf-8", "replace")
    except OSError as exc:
        raise Unavailable(f"the running chipwire (process {running.pid}) does not answer on port {running.port}: {exc}") from exc
    finally:
        connection.close()
    if answer.status >= 500:
        raise Unavailable(f"the running chipwire (process {running.pid}) cannot take it now: {said}")
    if answer.status >= 400:
        raise Rejected(f"the running chipwire (process {running.pid}) refuses it: {said}")
