"""Vocabulary files: what else the states, companies and products of events are called where people write filters, and what groups of them hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.config.base import Config

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\S")]
Names = dict[str, tuple[Name, ...]]


class VocabularyFile(Config):
    """One file. All files together are the vocabulary; an id may stand in several of them, then the last counts."""

    states: Names = Field(default={}, description="ISO 3166-1 alpha-2 code, or EU -> other names.")
    state_groups: Names = Field(default={}, description="Group -> codes of its members. A filter on the group meets each of them.")
    companies: Names = Field(default={}, description="Id of a company -> other names.")
    products: Names = Field(default={}, description="Id of a product or a group -> other names.")
    product_groups: Names = Field(default={}, description="Group -> ids of its products. A filter on the group meets each of them.")
