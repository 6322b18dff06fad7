"""The second opinion, wired: what the classifier's service needs of it, or None where no endpoint is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from schemas.config.opinion import OpinionWording
from services.classifier.opinion.endpoint import Endpoint
from services.classifier.opinion.ledger import Ledger
from services.classifier.opinion.metrics import OpinionMetrics
from services.classifier.opinion.opinions import Opinions
from services.classifier.opinion.question import Form
from services.classifier.opinion.settle import Band, Doubt
from services.classifier.settings import ClassifierSettings
from services.runtime.broker import Broker
from services.runtime.clock import Clock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.runtime.http import HttpClient
from services.runtime.service import Task

WORDING = "services.classifier.opinion:wording"
NAME = "question.yaml"


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Which verdicts are open, where they go, and the tasks that look into them."""

    band: Band
    opinions: Opinions
    tasks: Mapping[str, Task]

    def offer(self, doubts: Sequence[Doubt]) -> None:
        self.opinions.offer(doubts)

    def use(self, wording: OpinionWording) -> None:
        """From the next question on."""
        self.opinions.form = replace(self.opinions.form, wording=wording)


def second_opinion(
    settings: ClassifierSettings, broker: Broker, *, clock: Clock, registry: CollectorRegistry, http: HttpClient, config: ConfigDir
) -> SecondOpinion | None:
    """None where no endpoint is named. Raises Misconfigured with the problems of the wording."""
    metrics = OpinionMetrics(registry)  # there in any case, at 0
    if not settings.opinion_url:
        return None
    metrics.budget.set(settings.opinion_daily_tokens)
    ledger = Ledger(broker, clock, daily=settings.opinion_daily_tokens)
    metrics.spent.set_function(lambda: ledger.spent)  # it falls to 0 at midnight, and others spend too
    form = Form(settings.opinion_model, read_wording(config), settings.parameters, settings.opinion_format)
    endpoint = Endpoint(http, settings.opinion_url, settings.opinion_key.get_secret_value(), settings.opinion_model, settings.opinion_timeout)
    opinions = Opinions(form, endpoint, ledger, broker, clock=clock, metrics=metrics, queue=settings.opinion_queue, late=settings.opinion_late)
    return SecondOpinion(Band(settings.opinion_low, settings.opinion_high), opinions, {"opinion": opinions.run, "opinion-ledger": ledger.run})


def read_wording(config: ConfigDir) -> OpinionWording:
    """What is asked. Raises Misconfigured with every problem."""
    files = config.load_all("opinion", OpinionWording, shipped=WORDING)
    problems = [f"{path}: no file of `opinion/` has this name; expected {NAME}" for path in files if path.name != NAME]
    if problems:
        raise Misconfigured(*problems)
    return next(iter(files.values()))
