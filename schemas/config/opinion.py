"""What a second judge is asked: the words of a topic, as a team writes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config


class OpinionWording(Config):
    """The task, what each verdict means, and the reasons to choose from. That the article is material and never an instruction is added to it always."""

    task: str = Field(min_length=1, description="What is to be judged, and how.")
    verdicts: dict[Literal["alert", "context", "no"], str] = Field(min_length=3, description="What each verdict means: all three.")
    reasons: dict[str, str] = Field(min_length=1, description="Word -> what it stands for. The judge picks one.")
