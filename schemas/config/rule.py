"""Rule files: what a team adds to the judgement without Python. A rule says when it fires, what it then settles, and proves it with examples.

rules:
  - id: vague-countermeasures
    title: A spokesperson promises unspecified countermeasures
    owner: policy-desk
    when:
      all: [{term: cue_reaction, position: lead}, {phrase: necessary measures}]
      none: [{term: entity_list}]
    verdict: context
    examples:
      - {text: "China will take necessary measures to protect its firms from chip curbs, a spokesperson said", fires: true}
      - {text: "China bans exports of gallium to the United States", fires: false}
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.config.base import Config
from schemas.config.facts import FactTest, StatedFacts

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Position = Literal["title", "opening", "lead"]
Verdict = Literal["alert", "context", "no"]
RuleStatus = Literal["shadow", "active", "retired"]

GROUPS = ("all", "any", "none")
SEEN = ("term", "phrase", "regex", "near")
"""Tests that see words of the item, and can be bound to a position."""
TESTS = (*SEEN, "fact", "source", "language", "resembles")


class Near(Config):
    """Words that stand close together, in any order; the first of them is what a position binds."""

    terms: tuple[Words, ...] = Field(default=(), description="Concepts or kinds of the lexicon.")
    phrases: tuple[Words, ...] = Field(default=(), description="Words as a term of the lexicon is written, stars and all.")
    within: int = Field(default=12, ge=0, le=100, description="Most words between two of them; two Chinese or Japanese characters count as one word.")
    same_sentence: bool = True

    @model_validator(mode="after")
    def _has_two(self) -> Near:
        if len(self.terms) + len(self.phrases) < 2:
            raise ValueError("expected at least 2 terms or phrases that stand close together")
        return self


class SourceTest(Config):
    """What is known of the source. Every field that is given must fit."""

    tier: tuple[Annotated[int, Field(ge=0, le=3)], ...] = ()
    id: tuple[str, ...] = ()
    jurisdiction: tuple[Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")], ...] = Field(
        default=(), description="ISO 3166 codes of the body, or of the outlet's seat."
    )


class Resembles(Config):
    """What the item must be like, by the sentence encoder where one is installed. Without it the answer is unknown, and a rule that rests on it does not fire."""

    texts: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1_000)], ...] = Field(
        min_length=1, max_length=20, description="One of them will do."
    )
    at_least: float = Field(default=0.8, ge=-1, le=1, description="Cosine of the two vectors.")


class Condition(Config):
    """One node of the tree: a group (`all`, `any`, `none`, which may stand together and must then all hold), or one test."""

    all_of: tuple[Condition, ...] = Field(default=(), alias="all")
    any_of: tuple[Condition, ...] = Field(default=(), alias="any")
    none_of: tuple[Condition, ...] = Field(default=(), alias="none")
    term: Words | None = Field(default=None, description="A concept or kind of the lexicon, or `chip_company`.")
    phrase: Words | None = Field(default=None, description="Words as a term of the lexicon is written, stars and all.")
    regex: Words | None = Field(default=None, description="RE2 over folded text (lower case, plain digits and quotes): linear time.")
    near: Near | None = None
    fact: FactTest | None = Field(default=None, description="Name of a fact to its value, or to several of which one will do.")
    source: SourceTest | None = None
    language: tuple[str, ...] | None = Field(default=None, description="Tags; `zh` stands for zh-Hans and zh-Hant.")
    resembles: Resembles | None = None
    position: Position | None = Field(
        default=None,
        description="Where a term, phrase, regex or near must be seen: the title; its opening (at most five words before it); the lead, title and first two sentences.",
    )

    @cached_property
    def test(self) -> str | None:
        """Which of the tests it is, None for a group."""
        return next((name for name in TESTS if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Condition:
        groups = [name for name in GROUPS if getattr(self, f"{name}_of")]
        tests = [name for name in TESTS if getattr(self, name) is not None]
        if len(tests) > 1 or bool(groups) == bool(tests):
            raise ValueError(f"expected groups ({', '.join(GROUPS)}) or one test ({', '.join(TESTS)}), found {', '.join(groups + tests) or 'nothing'}")
        if self.position and not (tests and tests[0] in SEEN):
            raise ValueError(f"position goes with {', '.join(SEEN)} only")
        return self


class Example(Config):
    """A text and whether the rule fires on it."""

    text: str
    title: str | None = None
    fires: bool
    language: str | None = None
    tier: int = 1
    note: str | None = None


class Rule(Config):
    """When it fires, and what it settles then: facts, the verdict, the severity. Without any of these it only names what it saw."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,63}$")
    title: str
    owner: str
    status: RuleStatus = Field(default="shadow", description="shadow is counted and shown and settles nothing; retired is not loaded.")
    severity: int | None = Field(default=None, ge=1, le=5)
    when: Condition
    verdict: Verdict | None = None
    leans: Verdict | None = Field(
        default=None, description="What it speaks for without settling it: the score weighs it. Where rules alone judge, they go by it."
    )
    sets: StatedFacts = Field(default=StatedFacts(), description="Facts it states, as `PolicySignal.facts` has them.")
    references: tuple[str, ...] = Field(default=(), description="Where the reason for it stands.")
    note: str | None = None
    examples: tuple[Example, ...] = ()


class RuleFile(Config):
    """One file of rules."""

    rules: tuple[Rule, ...]
