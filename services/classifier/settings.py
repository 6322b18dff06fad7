"""Settings of the classifier: CHIPWIRE_CLASSIFIER_*."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

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
    opinion_url: str = ""
    """Base of an OpenAI-compatible API, such as `https://llm.example/v1`, that is asked for a second opinion on unsure verdicts. It gets title and text. Empty: nobody is."""
    opinion_model: str = ""
    """The model to ask, as the endpoint names it."""
    opinion_key: SecretStr = SecretStr("")
    """Sent as a bearer token; empty where the endpoint wants none."""
    opinion_low: float = Field(default=0.1, gt=0, le=1)
    """Verdicts by a score below this are sure. What the gate stops has 0."""
    opinion_high: float = Field(default=0.8, ge=0, le=1)
    """Verdicts by a score above this are sure."""
    opinion_daily_tokens: int = Field(default=200_000, ge=0)
    """Tokens that all classifiers together may spend in a day (UTC); a question costs at most some 1,500, with a long article 2,800. What goes beyond keeps its first verdict."""
    opinion_timeout: Duration = Field(default=timedelta(seconds=15), ge=timedelta(milliseconds=100), le=timedelta(seconds=20))
    """How long one answer may take."""
    opinion_late: Duration = Field(default=timedelta(minutes=10), ge=timedelta(seconds=1))
    """A verdict that has waited longer than this for its second opinion keeps the first."""
    opinion_queue: int = Field(default=200, ge=1, le=100_000)
    """Verdicts that may wait for a second opinion; what comes while it is full keeps the first."""
    opinion_format: Literal["json_schema", "json_object", "text"] = "json_schema"
    """How the endpoint is asked for JSON: the strictest that it knows. The answer is checked in any case."""
    opinion_parameters: str = '{"temperature": 0, "max_tokens": 300}'
    """Parameters of each question, as JSON; some models want `max_completion_tokens`, and no temperature."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of a question. Raises ValueError when they are no JSON object."""
        parameters = json.loads(self.opinion_parameters)
        if not isinstance(parameters, dict):
            raise ValueError("no object")
        return parameters

    @model_validator(mode="after")
    def _can_ask(self) -> Self:
        try:
            limits = [self.parameters.get(name, 1) for name in ("max_tokens", "max_completion_tokens")]
        except ValueError as exc:
            raise ValueError(f"{self.variable('opinion_parameters')}: expected a JSON object") from exc
        if not all(isinstance(limit, int) and limit > 0 for limit in limits):
            raise ValueError(f"{self.variable('opinion_parameters')}: expected a limit of tokens above 0")
        if self.opinion_url and not self.opinion_url.startswith(("http://", "https://")):
            raise ValueError(f"{self.variable('opinion_url')}: expected a URL that begins with http:// or https://")
        if self.opinion_url and not self.opinion_model:
            raise ValueError(f"{self.variable('opinion_model')}: expected the name of a model, since {self.variable('opinion_url')} is set")
        if self.opinion_low > self.opinion_high:
            raise ValueError(f"{self.variable('opinion_low')}: expected at most {self.variable('opinion_high')}")
        return self
