"""The ingester, wired: sources and pushes in, news.items.v1 out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry

from schemas.config.source import Source
from services.ingester.catalogue import load_sources
from services.ingester.fetch import Limits
from services.ingester.housekeeping import Housekeeping
from services.ingester.intake import Intake
from services.ingester.metrics import IngesterMetrics
from services.ingester.poller import Poller
from services.ingester.push import PushRoute
from services.ingester.settings import IngesterSettings
from services.ingester.visit import Visitor
from services.runtime.broker import Broker
from services.runtime.clock import Clock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.runtime.http import HttpClient
from services.runtime.service import PutIntoUse, Service, Task
from services.store.engine import Store


def build(
    settings: IngesterSettings, broker: Broker, store: Store, *, clock: Clock, registry: CollectorRegistry, http: HttpClient, config: ConfigDir
) -> Service:
    """The service. Raises Misconfigured with every problem of the source files."""
    sources = load_sources(config)
    metrics = IngesterMetrics(registry)
    metrics.open(sources)
    intake = Intake(broker, store, clock, metrics)
    visitor = Visitor(intake, http, clock, _limits(settings), held_wait=settings.held_wait)
    poller = Poller(_visited(sources, settings.only), visitor, store=store, clock=clock, metrics=metrics, settings=settings)
    push = PushRoute(intake, lambda: sources, clock=clock, metrics=metrics, settings=settings)
    housekeeping = Housekeeping(lambda: poller.sources, store, clock, metrics, seen_kept=settings.seen_kept)

    async def read_again() -> PutIntoUse:
        found = load_sources(config)
        visited = _visited(found, settings.only)

        async def put_into_use() -> None:
            nonlocal sources
            poller.sources, sources = visited, found
            metrics.open(sources)

        return put_into_use

    tasks: dict[str, Task] = {"ingester.housekeeping": housekeeping.run, "ingester.push": push.run}
    if settings.poll:
        tasks["ingester.poll"] = poller.run
    return Service("ingester", tasks, ready={"store": store.ping}, routes=(push.route,), read_again=read_again)


def _visited(sources: Mapping[str, Source], only: Collection[str]) -> Mapping[str, Source]:
    unknown = sorted(set(only) - sources.keys())
    if unknown:
        raise Misconfigured(f"CHIPWIRE_INGESTER_ONLY names {', '.join(unknown)}, for which there is no file in sources/; expected ids of sources")
    return {name: source for name, source in sources.items() if source.visited and (not only or name in only)}


def _limits(settings: IngesterSettings) -> Limits:
    contact = f"; {settings.contact}" if settings.contact else ""
    return Limits(settings.visit_deadline, settings.max_page, f"chipwire (news monitor{contact})")
