"""The classifier, wired: news.items.v1 in, policy.signals.v1 out."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from schemas.topics import NEWS_ITEMS
from services.classifier.judge import Judge
from services.classifier.metrics import ClassifierMetrics
from services.classifier.opinion.second import read_wording, second_opinion
from services.classifier.rules import load_ruleset
from services.classifier.settings import ClassifierSettings
from services.runtime.broker import Broker
from services.runtime.clock import Clock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.runtime.http import HttpClient
from services.runtime.metrics import WorkerMetrics
from services.runtime.service import PutIntoUse, Service
from services.runtime.worker import Worker


def build(
    settings: ClassifierSettings,
    broker: Broker,
    *,
    clock: Clock,
    registry: CollectorRegistry,
    http: HttpClient,
    config: ConfigDir,
) -> Service:
    """The service. Raises Misconfigured with every problem of lexicon, rules and tables, and of the wording of second opinions where they are asked for."""
    metrics = ClassifierMetrics(registry)
    second = second_opinion(settings, broker, clock=clock, registry=registry, http=http, config=config)
    judge = Judge(
        load_ruleset(config, now=clock.now(), encoder=settings.encoder),
        clock=clock,
        metrics=metrics,
        turn=settings.turn,
        rule_limit=settings.rule_limit,
        band=second.band if second else None,
    )
    worker = Worker(
        name="classifier",
        topics=[NEWS_ITEMS],
        group=settings.group,
        handle=judge.handle,
        broker=broker,
        clock=clock,
        metrics=WorkerMetrics(registry, "classifier"),
        settings=settings.worker,
        published=(lambda: second.offer(judge.doubts)) if second else (lambda: None),
    )

    async def read_again() -> PutIntoUse:
        try:
            ruleset = await asyncio.to_thread(load_ruleset, config, now=clock.now(), encoder=settings.encoder)
            wording = await asyncio.to_thread(read_wording, config) if second else None
        except Misconfigured:
            metrics.reloads["refused"].inc()
            raise

        async def put_into_use() -> None:
            changed = ruleset.origin != judge.ruleset.origin
            metrics.reloads["loaded" if changed else "unchanged"].inc()
            if changed:
                judge.use(ruleset)
            if second and wording:
                second.use(wording)

        return put_into_use

    tasks = {"classifier": worker.run, **(second.tasks if second else {})}
    return Service("classifier", tasks, ready={"worker": worker.ready}, live={"worker": worker.live}, read_again=read_again)
