"""The notifier, wired: verdicts in, alerts delivered.

policy.signals.v1 -> placing -> fan-out -> deliver -> mailboxes and endpoints
                          held, once more when due · relay -> policy.events.v1
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import cast

import structlog
from prometheus_client import CollectorRegistry

from schemas.config.template import Templates
from schemas.topics import POLICY_SIGNALS
from services.notifier import subscriptions
from services.notifier.channels import CHANNELS
from services.notifier.channels.email import EmailChannel
from services.notifier.channels.tools import Tools
from services.notifier.deliver import Deliverer
from services.notifier.digest import Digests
from services.notifier.fanout import Audience, FanOut
from services.notifier.headline import headline
from services.notifier.leaving import Doors, Leaving
from services.notifier.metrics import NotifierMetrics
from services.notifier.names import load_names
from services.notifier.outbox import Relay
from services.notifier.owner import OwnerMails
from services.notifier.place import Placer
from services.notifier.settings import NotifierSettings
from services.notifier.suppressed import Suppressed
from services.notifier.wording import InWords, load_templates
from services.runtime.broker import Broker
from services.runtime.clock import Clock
from services.runtime.config_files import ConfigDir
from services.runtime.http import HttpClient
from services.runtime.metrics import WorkerMetrics
from services.runtime.service import PutIntoUse, Service
from services.runtime.worker import Worker
from services.store.accounts import Change, WantedAccount
from services.store.engine import Store
from services.store.wake import Waker

log = structlog.get_logger()

GROUP = "chipwire-notifier"


def build(
    settings: NotifierSettings, broker: Broker, store: Store, *, clock: Clock, registry: CollectorRegistry, http: HttpClient, config: ConfigDir
) -> Service:
    """The notifier on this broker and store. Applies the team's subscriptions. Raises Misconfigured, or Unavailable when the database is away."""
    metrics = NotifierMetrics(registry)
    templates = load_templates(config)
    cipher = subscriptions.open_keys(settings, store)
    names = load_names(config)
    wanted = subscriptions.of_team(config, os.environ, names)
    _tell(store.run_sync(lambda db: subscriptions.apply(db, wanted, cipher, clock.now())), wanted, templates)

    _tell_unsigned(settings)

    waker = Waker(store)
    placer = Placer(store, clock, waker, headline=partial(headline, language="en", templates=templates), count=metrics.placed, count_timer=metrics.timer)
    worker = Worker(
        name="notifier",
        topics=[POLICY_SIGNALS],
        group=GROUP,
        handle=placer.handle,
        broker=broker,
        clock=clock,
        metrics=WorkerMetrics(registry, "notifier"),
        settings=settings.worker,
    )
    fanout = FanOut(store, Audience(names), waker=waker, clock=clock, metrics=metrics, poll=settings.poll)
    suppressed = Suppressed(store, subscriptions.suppression_key(settings, store), clock)
    leaving = Leaving(subscriptions.unsubscribe_key(settings, store), settings.public_url)
    doors = Doors(store, leaving, suppressed, clock, bounce_token=settings.bounce_token.get_secret_value())
    tools = Tools(settings, http, clock, sys.stdout, subscriptions.outbox_of(settings, store), suppressed, leaving)
    channels = {kind: channel(tools) for kind, channel in CHANNELS.items()}
    deliverer = Deliverer(store, cipher, channels, InWords(templates), settings=settings, waker=waker, clock=clock, metrics=metrics)

    owner_mails = OwnerMails(store, cipher, cast("EmailChannel", channels["email"]), settings=settings, clock=clock, count=metrics.owner_mailed)

    async def read_again() -> PutIntoUse:
        wanted = subscriptions.of_team(config, os.environ, names)

        async def put_into_use() -> None:
            _tell(await store.run(lambda db: subscriptions.apply(db, wanted, cipher, clock.now())), wanted, templates)

        return put_into_use

    return Service(
        "notifier",
        tasks={
            "notifier.place": worker.run,
            "notifier.held": placer.recheck,
            "notifier.relay": Relay(store, broker, clock, waker).run,
            "notifier.wake": waker.listen,
            "notifier.fanout": fanout.run,
            "notifier.digests": Digests(store, names, waker=waker, clock=clock, metrics=metrics).run,
            "notifier.deliver": deliverer.run,
            "notifier.owner_mails": owner_mails.run,
        },
        ready={"worker": worker.ready},
        live={"worker": worker.live},
        routes=doors.routes(),
        read_again=read_again,
    )


def _tell_unsigned(settings: NotifierSettings) -> None:
    if settings.smtp and not settings.smtp_signs:
        log.warning(
            "mails_unsigned",
            reason="nobody has said that the mail server signs (DKIM); large providers refuse unsigned mail",
            then="let the mail server sign for the domain of CHIPWIRE_NOTIFIER_MAIL_FROM, then set CHIPWIRE_NOTIFIER_SMTP_SIGNS=true",
        )


def _tell(changes: Sequence[Change], wanted: Sequence[WantedAccount], templates: Templates) -> None:
    for change in changes:
        log.info("subscriptions_changed", account=change.account_id, what=change.what, id=change.id, done=change.done)
    for sentence in subscriptions.without_template(wanted, templates):
        log.warning("language_missing", reason=sentence)
