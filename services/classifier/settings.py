"""Settings of the classifier: CHIPWIRE_CLASSIFIER_*."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from schemas.config.duration import Duration
from services.runtime.settings import ConsumerSettings


class ClassifierSettings(ConsumerSettings, env_prefix="CHIPWIRE_CLASSIFIER_"):
    """How items are judged."""

    group: str = "classifier"
    """Consumer group. Another one judges every item again; give it a broker of its own, or its verdicts compete."""
    encoder: bool = True
    """Let the sentence encoder read what the score of the features leaves open, where the extra `embeddings` is installed."""
    turn: Duration = Field(default=timedelta(milliseconds=20), ge=timedelta(milliseconds=1))
    """Judging is pure computation; after this long the event loop gets a turn, so that heartbeats and health checks are answered."""
    rule_limit: Duration = Field(default=timedelta(milliseconds=100), ge=timedelta(milliseconds=1))
    """A rule that alone takes longer on one item is taken out of the rule set, loudly, until its file is changed."""
