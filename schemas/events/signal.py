"""The verdict on one revision of one item, with its facts and the evidence for each."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.events.base import Event, Moment
from schemas.events.news import ItemHeader

VERDICTS = ("alert", "context", "no")
OPINION_OUTCOMES = ("agreed", "raised", "lowered", "kept", "refused", "unusable", "unanswered")
ACTIONS = (
    "tighten", "loosen", "exempt", "shelve", "delay", "suspend", "rescind", "reinstate", "extend", "propose", "clarify", "list_add", "list_remove",
    "licence_grant", "licence_deny", "licence_revoke", "restrict_import", "intervene", "enforce", "tariff", "other",
)  # fmt: skip
DIRECTIONS = ("tighten", "loosen", "neutral", "mixed")
STAGES = (
    "rumour", "reported", "proposed", "announced", "published", "in_force", "suspended", "court_blocked", "withdrawn", "expired", "repealed",
)  # fmt: skip
COMPANY_ROLES = ("seller", "buyer", "maker", "listed", "licensee")
DATE_KINDS = ("announced", "published", "effective", "compliance", "expires")
AMOUNT_KINDS = ("charge", "fine", "revenue_share", "tariff_rate", "quota_units", "order_value", "other")
AMOUNT_SCOPES = ("each", "total", "year", "quarter")
TARGET_BASES = ("destination", "headquarters", "end_user", "end_use", "ownership")
CONDITIONS = (
    "share_of_sales", "independent_test", "approved_buyers", "civil_use_only", "purchase_quota", "case_by_case", "reporting_duty", "local_purchase",
    "investment_pledge",
)  # fmt: skip


class Company(Event):
    """A company the item names, and what it is in the measure."""

    id: str
    role: str | None = Field(default=None, description=f"One of {', '.join(COMPANY_ROLES)}.")


class FactDate(Event):
    """A date the measure has."""

    kind: str = Field(description=f"One of {', '.join(DATE_KINDS)}.")
    moment: Moment


class Amount(Event):
    """A sum, a share or a count that belongs to the measure."""

    value: float
    currency: str | None = None
    kind: str = Field(default="other", description=f"One of {', '.join(AMOUNT_KINDS)}. A share is in percent.")
    scope: str | None = Field(default=None, description=f"What it is for: one of {', '.join(AMOUNT_SCOPES)}, or null where the item does not say.")


class Facts(Event):
    """What changed, by whom, against whom, for which products, at which stage (taxonomy, section 5). Vocabularies are open: an unknown value counts as other."""

    action: str | None = Field(default=None, description=f"One of {', '.join(ACTIONS)}.")
    direction: str | None = Field(default=None, description=f"One of {', '.join(DIRECTIONS)}.")
    stage: str | None = Field(default=None, description=f"One of {', '.join(STAGES)}, in rising order up to in_force.")
    imposers: tuple[str, ...] = Field(default=(), description="ISO 3166-1 alpha-2 codes or EU, the leading one first.")
    agency: str | None = None
    targets: tuple[str, ...] = Field(default=(), description='ISO 3166-1 alpha-2 codes, "*" for all, or EAR groups such as "D:5".')
    target_basis: str | None = Field(
        default=None, description=f"By what it picks whom it hits: one of {', '.join(TARGET_BASES)}; null where the item does not say."
    )
    via: tuple[str, ...] = Field(default=(), description="Transit or diversion states named.")
    products: tuple[str, ...] = ()
    companies: tuple[Company, ...] = ()
    instruments: tuple[str, ...] = Field(default=(), description="Legal ids such as 91 FR 1684 or MOFCOM 70/2025.")
    dates: tuple[FactDate, ...] = ()
    amounts: tuple[Amount, ...] = ()
    conditions: tuple[str, ...] = Field(default=(), description=f"Terms on which trade is let through, of {', '.join(CONDITIONS)}.")
    motive: str | None = Field(default=None, description="retaliation, or null.")
    origin: str | None = Field(default=None, description="The outlet the item cites: forty rewrites of one report have one origin.")
    no_comment: bool = Field(default=False, description="The item says that officials did not comment: nobody has confirmed it.")
    severity: int | None = Field(default=None, description="1 routine to 5 a main corridor opens or closes.")
    confidence: float | None = Field(default=None, description="0 to 1, capped by stage and tier.")


class Evidence(Event):
    """The words of the item that a fact rests on. Offsets are Unicode code points of the field as given, half-open; `text` equals that slice."""

    fact: str = Field(description="Name of the fact, such as action or products.")
    value: str | None = Field(default=None, description="Which value of the fact, where it has several.")
    field: str = Field(description="title or text.")
    start: int
    end: int
    text: str


class RuleHit(Event):
    """A rule that fired."""

    id: str
    status: str = Field(default="active", description="active, or shadow: counted and visible, alerts nobody.")


class LanguageGuess(Event):
    tag: str = Field(description='BCP 47; "und" when unknown.')
    confidence: float


class Opinion(Event):
    """What a second judge, a language model, made of an item that the first was unsure of. Every question that may have cost something is told, whatever came of it."""

    model: str = Field(description="The model, as the endpoint names it.")
    question: str = Field(description="Hash of all that was asked: wording, model, parameters, title and text. The same question has the same hash.")
    asked_at: AwareDatetime
    before: str = Field(description="The verdict that it was asked about.")
    said: str | None = Field(default=None, description=f"One of {', '.join(VERDICTS)}; null where no usable answer came.")
    reason: str | None = Field(default=None, description="Why, as one word of the list that the wording gives.")
    quote: str | None = Field(default=None, description="The words of the item that it rests on.")
    outcome: str = Field(description=f"One of {', '.join(OPINION_OUTCOMES)}. kept: a rule had settled it, and no answer changes that.")
    cached: bool = Field(default=False, description="The same question had been answered before, and cost nothing.")
    tokens_in: int = Field(default=0, description="What the question cost. Where the endpoint does not say, the most that it may have cost.")
    tokens_out: int = Field(default=0, description="What the answer cost.")


class PolicySignal(Event):
    """The verdict on one revision of one item.

    Keyed by item id. Verdicts on one item are ordered by (item.observed_at, ruleset_activated_at): a newer one replaces, an older one is dropped.
    """

    id: str = Field(description="Item id, revision and ruleset hash, and the question where a second judge was asked, hashed.")
    item: ItemHeader
    verdict: str = Field(alias="class", description=f"One of {', '.join(VERDICTS)}.")
    score: float = Field(description="0 to 1.")
    language: LanguageGuess
    facts: Facts = Facts()
    evidence: tuple[Evidence, ...] = ()
    rules: tuple[RuleHit, ...] = ()
    ruleset: str = Field(description="Hash of everything that judged: terms, rules, tables, model.")
    ruleset_activated_at: AwareDatetime = Field(
        description="A second opinion has a microsecond more than the verdict it was asked about, so that it replaces that one only."
    )
    opinion: Opinion | None = Field(default=None, description="Where a second judge was asked; the verdict is what came of it.")
    judged_at: AwareDatetime
