"""The tables the classifier decides by: what a team may change without Python. Names of facts and features are the contract; the values are theirs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.config.base import Config
from schemas.events.signal import ACTIONS, AMOUNT_KINDS, AMOUNT_SCOPES, COMPANY_ROLES, DATE_KINDS, DIRECTIONS, STAGES


def _one_of(words: tuple[str, ...]) -> Any:
    """A word of a closed list of the contract (`schemas/events/signal.py`), which stays the only place that spells the list."""

    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"enum": list(words)})


Action = Annotated[str, *_one_of(ACTIONS)]
Direction = Annotated[str, *_one_of(DIRECTIONS)]
Stage = Annotated[str, *_one_of(STAGES)]
Role = Annotated[str, *_one_of(COMPANY_ROLES)]
DateKind = Annotated[str, *_one_of(DATE_KINDS)]
AmountKind = Annotated[str, *_one_of(AMOUNT_KINDS)]
Scope = Annotated[str, *_one_of(AMOUNT_SCOPES)]


class Outcome(Config):
    """What a verb does to an object (taxonomy, section 4)."""

    action: Action
    direction: Direction


class Window(Config):
    """How far a verb reaches, in characters of folded text, within its sentence."""

    spaced: int = Field(gt=0)
    unspaced: int = Field(gt=0, description="Where words are written without spaces: Chinese, Japanese.")


class Refine(Config):
    """An action becomes a more exact one where its sentence holds one of these concepts."""

    actions: tuple[Action, ...] = Field(min_length=1)
    seen: tuple[str, ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()
    becomes: Action


class Changes(Config):
    """Direction by verb and object, innermost first."""

    verbs: dict[str, str] = Field(description="Concept of the lexicon -> verb class.")
    objects: dict[str, str] = Field(description="Concept of the lexicon -> object class.")
    matrix: dict[str, dict[str, Outcome]] = Field(description="Verb class -> object class -> outcome.")
    outer: tuple[str, ...] = Field(description="Verb classes that undo another change when they govern it: a delayed easing tightens.")
    strength: dict[str, float] = Field(description="Verb class -> how surely it is the change of its sentence; the strongest pair of a sentence counts.")
    plans: str = Field(description="Concept of words for a plan.")
    planned: dict[str, str] = Field(description="Verb class -> what it is beside a word for a plan: a suspended plan is dropped.")
    supposed: str = Field(description="Concept of words behind which a verb is only supposed: if, should.")
    not_yet: str = Field(description="Concept of words that a measure was only prepared: in the works for months, ready to be imposed.")
    issued: str = Field(description="Concept of names of rules that stand in the books: such a rule is no mere plan, whatever else the item tells.")
    only_planned: tuple[Action, ...] = Field(description="What a headline calls the end of a measure that was only planned: these become `shelve`.")
    plannable: tuple[str, ...] = Field(description="Verb classes whose tightening is undone when a plan for it is dropped.")
    firm: tuple[str, ...] = Field(default=(), description="Verb classes whose outcome stands as it is; others are weighed with what else the item tells.")
    denied: tuple[str, ...] = Field(description="Verb classes that deny the tightening they govern: nothing changed.")
    late: float = Field(description="Taken off for a verb at the end of its sentence; at the start, where the verb comes last.")
    after: dict[str, float] = Field(description="Kind of cue -> taken off for a verb right behind it: after the ban of 2022, urges to lift.")
    negations: tuple[str, ...] = Field(description="Folded words right before a verb that void it.")
    refine: tuple[Refine, ...] = Field(default=(), description="The first that fits names the action more exactly.")
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
    actions: tuple[Action, ...] = Field(default=(), description="Counts only for a change of one of these actions; for any where empty.")


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
    """Folded words around the name of a state that show its part."""

    before: tuple[str, ...] = ()
    within: tuple[str, ...] = Field(default=(), description="The name itself begins so: 对华.")
    after: tuple[str, ...] = ()


class Places(Config):
    """Who imposes and who is hit."""

    target: Mark
    imposer: Mark
    via: Mark = Field(default_factory=lambda: Mark(), description="States that goods pass through.")
    imposer_weights: dict[str, float] = Field(
        description="What each sign adds: agency, person, acting (marked so), subject (before the verb), named, marked (as a target), adjective, first and title "
        "(where it is named), home (of a firm), product (its maker's home), origin and destined (of the goods), buyer and seller (where purchases are barred)."
    )
    target_weights: dict[str, float] = Field(description="Likewise for the states that are hit.")
    press: tuple[str, ...] = Field(default=(), description="Folded words right behind a name by which it only tells whose press speaks: 英媒.")
    buyers: tuple[str, ...] = Field(default=(), description="States that bar purchases of their own firms.")
    articles: tuple[str, ...] = Field(description="Folded articles that may stand between a word and the name it marks.")
    joiners: tuple[str, ...] = Field(description="Folded words between two names that share a part: to China and Russia.")
    region: str = Field(description="Concept of words for states that are hit and not named: parts of the Middle East.")
    least_target: float = Field(description="A state counts as hit from this weight on.")
    usual_target: dict[str, str] = Field(default={}, description="Imposer -> the state meant when none is marked but it is named anywhere.")


class Products(Config):
    """Names folded to the groups of the taxonomy, section 6."""

    groups: dict[str, str] = Field(description="Concept of the lexicon -> group id, where only the group is named.")
    general: tuple[str, ...] = Field(description="Groups that count only where nothing more exact is named.")
    makers: dict[str, str] = Field(default={}, description="Company -> the group that is meant where only `general` ones are named beside it.")
    members: dict[str, tuple[str, ...]] = Field(default={}, description="Group -> its products: one that is named hides the group.")
    destined: dict[str, str] = Field(default={}, description="Product -> the state it is made for: it is hit where none is named.")
    origin: dict[str, str] = Field(default={}, description="Product or group -> the state that mostly supplies it: a hint at the imposer.")


class Companies(Config):
    """What a company is in a measure."""

    least_news: float = Field(description="Companies of sentences below this news score are background.")
    roles: dict[str, Role] = Field(description="Company -> what it usually is.")
    listing: tuple[Action, ...] = Field(description="Actions that list companies of a state that is hit.")
    licensing: tuple[Action, ...] = Field(description="Actions that license companies of third states.")


class Severity(Config):
    """Taxonomy, section 5.3."""

    products: dict[str, int] = Field(description="Product or group -> severity of a measure on it.")
    default: int
    actions: dict[Action, int] = Field(default={}, description="Added for an action.")
    stages: dict[Stage, int] = Field(default={}, description="Added for a stage.")
    main_imposers: tuple[str, ...] = Field(description="States whose measures keep their full severity; others lose one.")


class Dates(Config):
    """How dates are written, in folded words."""

    months: dict[str, int] = Field(description="Name -> number of the month.")
    weekdays: dict[str, int] = Field(description="Name -> 0 for Monday to 6.")
    days: dict[str, int] = Field(description="Word -> days from that of publication: today, yesterday.")
    next: tuple[str, ...] = Field(description="Words right before a weekday that put it into the future.")
    next_after: tuple[str, ...] = Field(default=(), description="Likewise right behind it.")
    last: tuple[str, ...] = Field(description="Words right before a weekday that put it into the past.")
    last_after: tuple[str, ...] = Field(default=(), description="Likewise right behind it.")
    in_month: tuple[str, ...] = Field(description="Words right before the name of a month that stands without day and year.")
    kinds: dict[DateKind, tuple[str, ...]] = Field(description="Kind of date -> words beside it; the nearest decides.")
    past: tuple[str, ...] = Field(default=(), description="Words of a sentence by which something took effect already.")
    zones: dict[str, str] = Field(default={}, description="Imposer -> the IANA zone in which its dates are meant.")


class Amounts(Config):
    """How sums, shares and counts are written, in folded words, and what each is."""

    currencies: dict[str, str] = Field(description="Sign or word -> ISO 4217.")
    scales: dict[str, float] = Field(description="Word behind a number -> what it is multiplied by.")
    percent: tuple[str, ...]
    units: tuple[str, ...] = Field(description="What is counted: units, 片.")
    kinds: dict[AmountKind, tuple[str, ...]] = Field(description="Kind of amount -> words of its sentence; the first kind that is found counts.")
    shares: tuple[AmountKind, ...] = Field(description="Kinds that a share may have.")
    sums: tuple[AmountKind, ...] = Field(description="Kinds that a sum may have.")
    scopes: dict[Scope, tuple[str, ...]] = Field(description="What an amount is for -> words right beside it.")


class Choice(Config):
    """A line through signs for each label: the likeliest has the highest sum."""

    start: dict[str, float] = Field(min_length=1, description="Label -> what it has before anything is seen.")
    weights: dict[str, dict[str, float]] = Field(description="Sign -> label -> what seeing it adds; labels it leaves alone are left out.")

    @model_validator(mode="after")
    def _labels_are_known(self) -> Choice:
        if unknown := {label for weights in self.weights.values() for label in weights} - self.start.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} has no start; expected one for each label")
        return self


class Choices(Config):
    """What an item most likely tells where verb and object leave it open. Written by `python -m services.evaluation.choices`."""

    change: Choice = Field(description="Labels are action/direction.")
    stage: Choice
    keep_direction: float = Field(description="The direction that verb and object give stands from this chance on.")
    keep_action: float = Field(description="Likewise the action.")
    keep_stage: float = Field(description="Likewise the stage that cues show.")


class Feature(Config):
    """Seen or not seen: one of these concepts or kinds of the lexicon, in this part of the item."""

    seen: tuple[str, ...] = Field(min_length=1)
    beside: tuple[str, ...] = Field(default=(), description="Counts only with one of these in the same sentence.")
    where: Literal["head", "lead", "change", "item"] = Field(
        description="The title (or first sentence), the first three sentences, the sentence of the change, everywhere."
    )


class Score(Config):
    """What the score looks at besides the features that the classifier computes; what each weighs, training finds."""

    features: dict[str, Feature] = Field(description="Name -> where which concepts count. Others are computed: see `services/classifier/model/features.py`.")
    topic: tuple[Feature, ...] = Field(description="What an item must have to be context where it does not alert: a subject and a lever.")
    alert: tuple[Feature, ...] = Field(default=(), description="What an item must have to alert by its score alone; rules with a verdict do not ask for it.")


class Tables(Config):
    """All of them."""

    changes: Changes
    news: News
    stages: Stages
    places: Places
    products: Products
    companies: Companies
    severity: Severity
    dates: Dates
    amounts: Amounts
    choices: Choices
    score: Score
