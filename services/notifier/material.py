"""What a signal adds to an event, and which of it is material: the closed list that subscribers are told about. Values in, values out.

Anything that is not on the list only grows the source list. Who may add what is a matter of tiers (taxonomy 10).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from schemas.events.signal import Amount, Company, FactDate, Facts, PolicySignal
from services.notifier import products

LADDER = ("rumour", "reported", "proposed", "announced", "published", "in_force")
"""Stages in rising order. The end states (suspended, withdrawn and their like) weigh as much as an announcement."""

_HIGHEST_STAGE = {0: "in_force", 1: "announced", 2: "reported"}
"""How far each tier can raise a stage alone; tier 3 cannot."""
_LEADING = 1
"""The tier up to which a source may add targets, products and parties, move dates and raise the severity."""
TRUSTED = 2
"""The tier up to which a source may complete what is not known yet."""
_PARTIES = ("listed", "licensee", "buyer")
"""Roles that make a company a party to the measure; makers and sellers are named in passing too often."""
_TIMED = ("effective", "expires")


def rank_of(stage: str | None) -> int:
    """The place of a stage on the ladder."""
    return LADDER.index(stage) if stage in LADDER else LADDER.index("announced") if stage else 0


def may_raise(tier: int, stage: str | None) -> bool:
    """Whether a source of this tier can raise an event to this stage alone."""
    return tier in _HIGHEST_STAGE and rank_of(stage) <= rank_of(_HIGHEST_STAGE[tier])


def denies(signal: PolicySignal) -> bool:
    """Whether it is an official word that changes nothing itself: told on a mere report, it denies it."""
    facts = signal.facts
    unchanged = facts.action == "clarify" and facts.direction in ("neutral", None)
    return unchanged and signal.item.tier <= _LEADING and rank_of(facts.stage) >= rank_of("announced")


def is_report(facts: Facts) -> bool:
    """Whether no official has said it yet."""
    return facts.action != "clarify" and facts.stage in ("rumour", "reported")


def denied(facts: Facts) -> Facts:
    """What is left of a report that is denied: half as sure."""
    return facts.model_copy(update={"confidence": (facts.confidence or 0.6) / 2})


def retold(signals: Iterable[PolicySignal]) -> Facts:
    """The facts that these signals of one event add up to, heard in the order in which the world told them. There is at least one."""
    first, *rest = sorted(signals, key=lambda signal: (not may_open(signal), _told_at(signal), signal.item.id))
    facts, once = first.facts, False
    for signal in rest:
        if denies(signal) and is_report(facts) and not once:
            facts, once = denied(facts), True
        else:
            facts, _ = merged(facts, signal.facts, signal.item.tier)
    return facts


def may_open(signal: PolicySignal) -> bool:
    """Aggregators and rumours corroborate; they open no event."""
    return signal.item.tier <= TRUSTED and signal.facts.stage != "rumour"


def _told_at(signal: PolicySignal) -> datetime:
    return signal.item.published.at if signal.item.published else signal.item.observed_at


def merged(event: Facts, signal: Facts, tier: int) -> tuple[Facts, tuple[str, ...]]:
    """The facts of the event with the signal's added, and the material changes among them. An aggregator adds nothing."""
    if tier > TRUSTED:
        return event, ()
    changes: dict[str, dict[str, object]] = {}
    if (
        rank_of(signal.stage) > rank_of(event.stage) and may_raise(tier, signal.stage) and signal.direction in (event.direction, None)
    ):  # a denial raises nothing
        changes["stage_raised"] = {"stage": signal.stage}
    if tier <= _LEADING:
        changes |= _added(event, signal)
    dates, change = _dates(event, signal.dates, tier)
    if change:
        changes[change] = {}
    if (signal.severity or 0) > (event.severity or 5) and (
        tier == 0 or (changes and tier <= _LEADING)
    ):  # it follows from facts: alone it is one outlet's wording
        changes["severity_raised"] = {"severity": signal.severity}
    updates = {"dates": dates} | _filled(event, signal, tier) | {name: value for update in changes.values() for name, value in update.items()}
    return event.model_copy(update=updates), tuple(changes)


def replaced(before: Facts, after: Facts) -> tuple[str, ...]:
    """What is material when the only source of an event tells it differently now."""
    _, changes = merged(before, after, tier=0)
    corrected = (
        ("direction_corrected", before.direction != after.direction and after.direction is not None),
        ("imposer_corrected", bool(after.imposers) and set(before.imposers) != set(after.imposers)),
    )
    return tuple(dict.fromkeys((*changes, *(name for name, is_so in corrected if is_so))))


def _added(event: Facts, signal: Facts) -> dict[str, dict[str, object]]:
    """What only a leading source may add."""
    targets = [target for target in signal.targets if target not in (*event.targets, *signal.imposers, "*") and "*" not in event.targets]
    new_products = _new_products(event.products, signal.products)
    parties = _new_parties(event.companies, signal.companies)
    changes: dict[str, dict[str, object]] = {}
    if targets:
        changes["target_added"] = {"targets": (*event.targets, *targets)}
    if new_products:
        changes["product_added"] = {"products": (*event.products, *new_products)}
    if parties:
        changes["party_added"] = {"companies": (*event.companies, *parties)}
    if signal.imposers and not event.imposers:
        changes["imposer_corrected"] = {"imposers": signal.imposers}
    if signal.direction and not event.direction:
        changes["direction_corrected"] = {"direction": signal.direction}
    return changes


def _new_products(known: tuple[str, ...], named: tuple[str, ...]) -> list[str]:
    """Products that are news: not known yet, and no more than the exact name of a group, or the group of a product, told before."""
    specific, groups = products.specific(known), products.groups(known)
    told_by_group = {product for product in named if products.group(product) in groups and not (specific and products.is_specific(product))}
    fresh = [
        product for product in named if product not in known and product not in told_by_group and (products.group(product) or products.is_specific(product))
    ]
    return [product for product in fresh if not products.specific([product]) & specific]


def _new_parties(known: tuple[Company, ...], named: tuple[Company, ...]) -> list[Company]:
    ids = {company.id for company in known}
    return [company for company in named if company.role in _PARTIES and company.id not in ids]


def _dates(event: Facts, named: tuple[FactDate, ...], tier: int) -> tuple[tuple[FactDate, ...], str | None]:
    """The dates with the news in them. When a measure changes what holds is told on the word of a leading source; since when it has been in force is no news."""
    dates, change = {date.kind: date for date in event.dates}, None
    for date in named:
        old, timed = dates.get(date.kind), date.kind in _TIMED
        if timed and tier > _LEADING:
            continue
        if old is None:
            dates[date.kind] = date
            change = change or ("date_set" if timed and not (date.kind == "effective" and event.stage == "in_force") else None)
        elif timed and _moved(old, date, tier):
            dates[date.kind], change = date, "date_moved"
    return tuple(dates.values()), change


def _moved(old: FactDate, new: FactDate, tier: int) -> bool:
    """A difference of one day is a time zone or a misprint, unless the gazette says it."""
    exact = new.moment.precision in ("day", "second")
    slack = timedelta(0) if tier == 0 else timedelta(days=1)
    return exact and not (old.moment.at - slack <= new.moment.at < old.moment.end + slack)


def _filled(event: Facts, signal: Facts, tier: int) -> dict[str, object]:
    """What may be completed without telling anyone: gaps, further amounts as their sources gave them, a surer confidence."""
    gaps = {name: getattr(signal, name) for name in ("action", "agency", "motive", "origin", "severity") if getattr(event, name) is None}
    sure = max(filter(None, (event.confidence, signal.confidence)), default=None)
    return gaps | {
        "imposers": _union(event.imposers, _partner(event.imposers, signal.imposers)) if tier <= _LEADING else event.imposers,
        "instruments": _union(event.instruments, signal.instruments),
        "via": _union(event.via, signal.via),
        "amounts": tuple(_amounts((*event.amounts, *signal.amounts))),
        "products": _union(event.products, (product for product in signal.products if _refines(product, event.products)))
        if tier <= _LEADING
        else event.products,
        "conditions": event.conditions or signal.conditions,
        "confidence": sure,
    }


def _partner(known: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """The state that leads in a telling from its own side: a joint measure has several imposers."""
    return named[:1] if not set(known).isdisjoint(named[1:]) else ()


def _refines(product: str, known: tuple[str, ...]) -> bool:
    """Whether it is the exact name of what was told only by its group."""
    return products.is_specific(product) and products.group(product) in products.groups(known) and not products.specific(known)


def _union(known: Iterable[str], named: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *named)))


def _amounts(amounts: Iterable[Amount]) -> Iterable[Amount]:
    """Amounts that contradict each other are all kept: 35,000 each and 70,000 in total may both be true (taxonomy 12)."""
    return {(amount.kind, amount.value, amount.currency): amount for amount in amounts}.values()
