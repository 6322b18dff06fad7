"""Writes the JSON Schema of every contract to `schemas/jsonschema/`: `python -m schemas.export` (or `make schemas`).

What is committed there is what others build on, and what an editor completes hand-written files with; a test says when it is out of date.
Each has an example, written by hand and tested: in `schemas/examples/`, and for files that people write, with comments, in `docs/howto/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from schemas.api.digest import WebhookDigest
from schemas.api.push import PushAnswer, PushedItem, PushProblem
from schemas.api.webhook import WebhookAlert
from schemas.config.lexicon import LexiconFile
from schemas.config.opinion import OpinionWording
from schemas.config.rule import RuleFile
from schemas.config.source import Source
from schemas.config.subscriptions import Subscriptions
from schemas.config.template import Template
from schemas.config.vocabulary import VocabularyFile
from schemas.events.event import PolicyEvent
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal

HERE = Path(__file__).parent

CONTRACTS: Mapping[str, type[BaseModel]] = {
    "events/news-item.v1": NewsItem,
    "events/policy-signal.v1": PolicySignal,
    "events/policy-event.v1": PolicyEvent,
    "api/policy-alert.v1": WebhookAlert,
    "api/policy-digest.v1": WebhookDigest,
    "api/pushed-item.v1": PushedItem,
    "api/push-answer.v1": PushAnswer,
    "api/push-problem.v1": PushProblem,
    "config/source.v1": Source,
    "config/rules.v1": RuleFile,
    "config/lexicon.v1": LexiconFile,
    "config/subscriptions.v1": Subscriptions,
    "config/template.v1": Template,
    "config/vocabulary.v1": VocabularyFile,
    "config/opinion.v1": OpinionWording,
}
"""File name to model. The names are public."""

HAND_WRITTEN: Mapping[str, str] = {
    "config/source.v1": "docs/howto/source.yaml",
    "config/rules.v1": "docs/howto/rule.yaml",
    "config/lexicon.v1": "docs/howto/lexicon.yaml",
    "config/subscriptions.v1": "docs/howto/subscriptions.yaml",
    "config/template.v1": "services/notifier/templates/en.yaml",
    "config/vocabulary.v1": "services/notifier/vocabulary/products.yaml",
    "config/opinion.v1": "services/classifier/opinion/wording/question.yaml",
}
"""Where the example of a hand-written file stands, with its comments."""


def schema_of(name: str) -> str:
    """The JSON Schema (draft 2020-12) of a contract, as the file holds it."""
    model = CONTRACTS[name]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def schema_path(name: str) -> Path:
    return HERE / "jsonschema" / f"{name}.schema.json"


def example_path(name: str) -> Path:
    return HERE.parent / HAND_WRITTEN[name] if name in HAND_WRITTEN else HERE / "examples" / f"{name}.json"


def main() -> None:
    """Writes every schema anew."""
    for name in CONTRACTS:
        path = schema_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema_of(name), "utf-8")


if __name__ == "__main__":
    main()
