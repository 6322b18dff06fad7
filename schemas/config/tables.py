"""The tables the classifier decides by: what a team may change without Python. Names of facts and features are the contract; the values are theirs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config.base import Config

Action = Literal[
    "tighten", "loosen", "exempt", "shelve", "delay", "suspend", "rescind", "reinstate", "extend", "propose", "clarify", "list_add", "list_remove",
    "licence_grant", "licence_deny", "licence_revoke", "restrict_import", "intervene", "enforce", "tariff", "other",
]  # fmt: skip
Direction = Literal["tighten", "loosen", "neutral", "mixed"]
Stage = Literal["rumour", "reported", "proposed", "announced", "published", "in_force", "suspended", "court_blocked", "withdrawn", "expired", "repealed"]
Role = Literal["seller", "buyer", "maker", "listed", "licensee"]


class Outcome(Config):
    """What a verb does to an object (taxonomy, section 4)."""

    action: Action
    direction: Direction


class Window(Config):
    """How far a verb reaches, in characters of folded text, within its sentence."""

    spaced: int = Field(gt=0)
    unspaced: int = Field(gt=0, description="Where words are written without spaces: Chinese, Japanese.")


class Changes(Config):
    """Direction by verb and object, innermost first."""

    verbs: dict[str, str] = Field(description="Concept of the lexicon -> verb class.")
    objects: dict[str, str] = Field(description="Concept of the lexicon -> object class.")
    matrix: dict[str, dict[str, Outcome]] = Field(description="Verb class -> object class -> outcome.")
    outer: tuple[str, ...] = Field(description="Verb classes that undo another change when they govern it: a delayed easing tightens.")
    strength: dict[str, float] = Field(description="Verb class -> how surely it is the change of its sentence; the strongest pair of a sentence counts.")
    denied: tuple[str, ...] = Field(description="Verb classes that deny the tightening they govern: nothing changed.")
    late: float = Field(description="Taken off for a verb at the end of its sentence; at the start, where the verb comes last.")
    after_background: float = Field(description="Taken off for a verb that stands right behind a background cue.")
    verb_last: tuple[str, ...] = Field(description="Languages whose verb ends the sentence.")
    window: Window


class News(Config):
    """Is a sentence the news of the item, or its background (taxonomy, section 3)?"""

    position: tuple[float, float, float, float] = Field(description="Weight of the title, of the first two sentences, of the middle, of the last third.")
    cues: dict[str, float] = Field(description="Concept of the lexicon -> what it adds to its sentence.")
    older_year: float = Field(description="Added where the sentence names a year before that of the item.")


class StageCue(Config):
    """A concept that shows a stage. The first of the list that is found counts."""

    concept: str
    stage: Stage
    near: Literal["change", "item"] = "change"
    unless: tuple[str, ...] = Field(default=(), description="Concepts of the same sentence that take the cue away.")


class Stages(Config):
    """How far a measure has come (taxonomy, section 5.2)."""

    order: tuple[Stage, ...] = Field(description="From least to most binding.")
    cues: tuple[StageCue, ...]
    default: Stage
    by_action: dict[Action, Stage] = Field(default={}, description="The default for an action, where no cue is found.")
    highest: dict[int, Stage] = Field(description="Source tier -> the highest stage it can show on its own word.")
    confidence: dict[Stage, float] = Field(description="Stage -> the most we trust a verdict at it.")
    tier_confidence: dict[int, float] = Field(description="Source tier -> the most we trust a verdict from it.")


class Mark(Config):
    """Words around the name of a state that show its part."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Places(Config):
    """Who imposes and who is hit."""

    agencies: dict[str, str] = Field(description="Agency -> its state.")
    persons: dict[str, str] = Field(description="Person -> the state they speak for.")
    headline_marks: dict[str, str] = Field(default={}, description="Concept of a one-letter mark -> its state.")
    target: Mark
    imposer: Mark
    weights: dict[str, float] = Field(description="What a sign adds: agency, person, subject, named, marked, elsewhere, home, origin.")
    least_target: float = Field(description="A state counts as hit from this weight on.")
    everyone: tuple[str, ...] = Field(description="States whose measures hit all destinations unless one is named.")
    usual_target: dict[str, str] = Field(default={}, description="Imposer -> the state meant when none is marked but it is named anywhere.")


class Products(Config):
    """Names folded to the groups of the taxonomy, section 6."""

    groups: dict[str, str] = Field(description="Concept of the lexicon -> group id, where only the group is named.")
    general: tuple[str, ...] = Field(description="Groups that count only where nothing more exact is named.")
    covers: dict[str, str] = Field(default={}, description="Product id -> the group that goes without saying once it is named.")
    origin: dict[str, str] = Field(default={}, description="Product or group -> the state that mostly supplies it: a hint at the imposer.")
    flagship: tuple[str, ...] = Field(default=(), description="Products whose trade matters most.")


class Firm(Config):
    """What a company usually is in a measure."""

    home: str
    role: Role


class Severity(Config):
    """Taxonomy, section 5.3."""

    products: dict[str, int] = Field(description="Product or group -> severity of a measure on it.")
    default: int
    actions: dict[Action, int] = Field(default={}, description="Added for an action.")
    stages: dict[Stage, int] = Field(default={}, description="Added for a stage.")
    main_imposers: tuple[str, ...] = Field(description="States whose measures keep their full severity; others lose one.")


class Dates(Config):
    """How dates are written."""

    months: dict[str, int] = Field(description="Folded name -> number of the month.")
    kinds: dict[str, tuple[str, ...]] = Field(description="Kind of date -> folded words that stand just before or after it.")


class Score(Config):
    """A line through the features: sum of weights, squashed to 0..1, cut twice."""

    intercept: float
    weights: dict[str, float]
    alert: float = Field(gt=0, lt=1, description="From this score on an item alerts.")
    context: float = Field(gt=0, lt=1, description="From this score on it is context.")


class Tables(Config):
    """All of them."""

    changes: Changes
    news: News
    stages: Stages
    places: Places
    products: Products
    companies: dict[str, Firm]
    severity: Severity
    dates: Dates
    score: Score
