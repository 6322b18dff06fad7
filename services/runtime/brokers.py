"""Which broker a URL names.

embedded:                          one file, broker.db, in the data directory
embedded:PATH                      one file of that name
kafka://host:9092[,host:9092]      a Kafka cluster
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from services.runtime.broker import Broker, Hooks, NoHooks
from services.runtime.broker_options import EmbeddedOptions, KafkaOptions
from services.runtime.clock import Clock, SystemClock
from services.runtime.errors import Misconfigured

Mode = Literal["run", "read"]
"""`run` takes the embedded file for this process alone; `read` only reads it, while another process may run. To Kafka it makes no difference."""


@dataclass(frozen=True, slots=True)
class BrokerSetup:
    """What a broker may need beside its URL."""

    mode: Mode = "run"
    data_dir: Path = Path("var")
    embedded: EmbeddedOptions = field(default_factory=EmbeddedOptions)
    kafka: KafkaOptions = field(default_factory=KafkaOptions)
    clock: Clock = field(default_factory=SystemClock)
    hooks: Hooks = field(default_factory=NoHooks)


@asynccontextmanager
async def open_broker(url: str, setup: BrokerSetup | None = None) -> AsyncIterator[Broker]:
    """The broker, open until the context ends. Raises Misconfigured for a URL that names none, Unavailable when it does not answer."""
    setup = setup or BrokerSetup()
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in _OPENERS:
        raise Misconfigured(f"CHIPWIRE_BROKER is {scheme or 'empty'!r}; expected embedded:, embedded:PATH or kafka://host:9092")
    async with _OPENERS[scheme](rest, setup) as broker:
        yield broker


def _embedded(rest: str, setup: BrokerSetup) -> AbstractAsyncContextManager[Broker]:
    from services.runtime.embedded import open_embedded, read_embedded  # each broker is loaded only where it is used

    path = Path(rest) if rest else setup.data_dir / "broker.db"
    return read_embedded(path) if setup.mode == "read" else open_embedded(path, options=setup.embedded, clock=setup.clock)


def _kafka(rest: str, setup: BrokerSetup) -> AbstractAsyncContextManager[Broker]:
    servers = rest.removeprefix("//").rstrip("/")
    if not rest.startswith("//") or not all(_is_server(server) for server in servers.split(",")):
        raise Misconfigured(
            "CHIPWIRE_BROKER names no Kafka brokers; expected kafka://host:port[,host:port], and the login in CHIPWIRE_KAFKA_USERNAME and CHIPWIRE_KAFKA_PASSWORD"
        )
    from services.runtime.kafka import open_kafka  # the library costs a fifth of a second

    return open_kafka(servers, options=setup.kafka, hooks=setup.hooks)


def _is_server(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and "@" not in host and port.isdecimal() and 0 < int(port) < 65536


_OPENERS: dict[str, Callable[[str, BrokerSetup], AbstractAsyncContextManager[Broker]]] = {"embedded": _embedded, "kafka": _kafka}
