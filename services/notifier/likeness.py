"""Whether a signal and an event are about the same measure (taxonomy 5.4). Facts only, so every language is equal. Values in, values out.

clash    -> they cannot be the same: other imposers, other products, other documents, other targets
anchors  -> what they share, as reasons that are kept: instrument:91fr1684, product:h20, company:NVIDIA
likeness -> reasons with points; the best of several candidates wins
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent
from schemas.events.signal import Facts, PolicySignal
from services.notifier import products

TIMED = ("effective", "compliance", "expires")
"""Dates on which a measure changes what holds, so that reports on that day are near to it."""
Period = tuple[datetime, datetime]
OPPOSITE = {"tighten": "loosen", "loosen": "tighten"}

_POINTS = {"instrument": 8, "product": 4, "date": 3, "group": 2, "company": 2, "imposer": 2, "action": 2, "origin": 2, "agency": 1, "target": 1}
_FAMILIES = {
    "list_add": "list",
    "list_remove": "list",
    "licence_grant": "licence",
    "licence_deny": "licence",
    "licence_revoke": "licence",
    "restrict_import": "import",
    "intervene": "intervene",
    "enforce": "enforce",
    "tariff": "tariff",
}
_BARE = timedelta(days=5)
_PARTY_BOUND = frozenset({"list", "licence", "import", "exempt", "extend"})
"""What is done for or to named firms: the same act for other firms is another event."""
_STANDING = {"eu2021821", "eu8332014", "eu4282009", "strategictradeact2010", "sta2010", "ecra2018"}
"""Laws that every measure of their kind rests on; naming one tells nothing apart."""
_STANDING_SERIES = re.compile(r".*cfr.*|eccn.*|pl90\d\d|\d[a-e]\d{3}.*")
"""Parts of the code, control list numbers: likewise."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What identity looks at, folded once."""

    imposers: frozenset[str]
    instruments: frozenset[str]
    names: frozenset[str]
    specific: frozenset[str]
    groups: frozenset[str]
    companies: frozenset[str]
    targets: frozenset[str]
    action: str | None
    family: str
    direction: str | None
    agency: str | None
    origins: frozenset[str]
    effective: frozenset[str]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why a signal and an event are the same measure, how surely, and how far apart in time they are told."""

    reasons: tuple[str, ...]
    kinds: frozenset[str]
    points: float
    gap: timedelta

    def has(self, *kinds: str) -> bool:
        return not self.kinds.isdisjoint(kinds)


@dataclass(frozen=True, slots=True)
class Profile:
    """A signal or an event as identity sees it: its traits and when it is told."""

    traits: Traits
    periods: tuple[Period, ...]


def profile_of_signal(signal: PolicySignal) -> Profile:
    return Profile(traits_of(signal.facts, origin_of(signal)), tuple(periods_of(signal)))


def profile_of_event(event: PolicyEvent) -> Profile:
    return Profile(traits_of(event.facts, *(origin_of(source) for source in event.sources)), tuple(_periods_of_event(event)))


def likeness(signal: Profile, event: Profile) -> Likeness | None:
    """None when they cannot be about the same measure, or nothing says that they are. Says nothing of direction or time."""
    ours, theirs = signal.traits, event.traits
    by_instrument = not ours.instruments.isdisjoint(theirs.instruments)
    if not by_instrument and _clash(ours, theirs):
        return None
    shared = tuple(_shared(ours, theirs))
    gap = min(_distance(one, other) for one in signal.periods for other in event.periods)
    found = Likeness(tuple(f"{kind}:{value}" for kind, value in shared), frozenset(kind for kind, _ in shared), _points(shared, gap), gap)
    return found if _anchored(ours, theirs, found) else None


@lru_cache(maxsize=8192)
def traits_of(facts: Facts, *origins: str) -> Traits:
    """The facts as identity sees them."""
    return Traits(
        imposers=frozenset(facts.imposers),
        instruments=frozenset(telling_instruments(facts.instruments)),
        names=products.names(facts.products),
        specific=products.specific(facts.products),
        groups=products.groups(facts.products),
        companies=frozenset(company.id for company in facts.companies),
        targets=frozenset(facts.targets),
        action=facts.action,
        family=family_of(facts.action),
        direction=facts.direction,
        agency=facts.agency,
        origins=frozenset(origins),
        effective=frozenset(str(date.moment) for date in facts.dates if date.kind in TIMED and date.moment.precision in ("day", "second")),
    )


def family_of(action: str | None) -> str:
    """Acts of one family can be the same act told in other words."""
    return _FAMILIES.get(action or "", "rule")


def telling_instruments(instruments: Sequence[str]) -> set[str]:
    """The ids that name one document, spelled alike: 91 FR 1684 does, 15 CFR 744 and the name of a law do not."""
    if not instruments:
        return set()
    folded = {re.sub(r"[^\w]", "", text.casefold().replace("no.", "")) for text in instruments}
    return {text for text in folded if re.search(r"\d", text) and text not in _STANDING and not _STANDING_SERIES.fullmatch(text)}


def origin_of(told: PolicySignal | EventSource) -> str:
    """Who first said it: the cited outlet, else the outlet itself, else the source. Forty rewrites of one report have one origin."""
    if isinstance(told, EventSource):
        return (told.origin or told.outlet or told.source).casefold()
    return (told.facts.origin or told.item.outlet or told.item.source).casefold()


def told_at(told: PolicySignal | EventSource) -> datetime:
    """When it was published, as far as the source says; else when we first saw it."""
    if isinstance(told, EventSource):
        return told.published.at if told.published else told.first_seen_at
    return told.item.published.at if told.item.published else told.item.observed_at


def periods_of(signal: PolicySignal) -> list[Period]:
    """When the signal was published, and when it says that the change was."""
    dated = [date.moment for date in signal.facts.dates if date.kind in ("announced", "published")]
    return [_period(moment) for moment in (signal.item.published or Moment.of(signal.item.observed_at), *dated)]


def _periods_of_event(event: PolicyEvent) -> Iterable[Period]:
    """When it was told, by the exact tellings where there are any: a vague one must not bridge two events."""
    told = {_period(source.published or Moment.of(source.first_seen_at)) for source in event.sources}
    exact = {period for period in told if period[0] == period[1]} or told or {(event.opened_at, event.opened_at)}
    return exact | {_period(date.moment) for date in event.facts.dates if date.kind in TIMED and date.moment.precision in ("day", "second")}


def _period(moment: Moment) -> Period:
    """A month or a year is all of its days: "2022-09" is near to 31 August. A day is its beginning."""
    return (moment.at, moment.end) if moment.precision in ("month", "year") else (moment.at, moment.at)


def _distance(ours: Period, theirs: Period) -> timedelta:
    return max(ours[0] - theirs[1], theirs[0] - ours[1], timedelta(0))


def _clash(ours: Traits, theirs: Traits) -> bool:
    """What rules out that two are one, unless they name the same document."""
    return (
        _apart(ours.imposers, theirs.imposers)
        or (_apart(ours.specific, theirs.specific) and _apart(ours.names, theirs.names))
        or _apart(ours.groups, theirs.groups)
        or _apart(ours.targets - {"*"}, theirs.targets - {"*"})
        or _other_documents(ours.instruments, theirs.instruments)
        or (not _PARTY_BOUND.isdisjoint((ours.family, ours.action)) and _apart(ours.companies, theirs.companies))
    )


def _apart(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(ours) and bool(theirs) and ours.isdisjoint(theirs)


def _other_documents(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Two notices of one series (91 FR 1684, 91 FR 1702) are two documents; a notice and a docket number may be one."""
    return ours.isdisjoint(theirs) and bool({_series(text) for text in ours} & {_series(text) for text in theirs})


def _series(instrument: str) -> str:
    return re.sub(r"\d", "", instrument)


def _shared(ours: Traits, theirs: Traits) -> Iterable[tuple[str, str]]:
    """What both name, most telling first."""
    pairs = (
        ("instrument", ours.instruments, theirs.instruments),
        ("product", ours.specific, theirs.specific),
        ("date", ours.effective, theirs.effective),
        ("group", ours.groups, theirs.groups),
        ("company", ours.companies, theirs.companies),
        ("imposer", ours.imposers, theirs.imposers),
        ("origin", ours.origins, theirs.origins),
        ("target", ours.targets, theirs.targets),
        ("action", frozenset(filter(None, [ours.action])), frozenset(filter(None, [theirs.action]))),
        ("agency", frozenset(filter(None, [ours.agency])), frozenset(filter(None, [theirs.agency]))),
    )
    return ((kind, min(one & other)) for kind, one, other in pairs if one & other)


def _points(shared: Iterable[tuple[str, str]], gap: timedelta) -> float:
    return sum(_POINTS[kind] for kind, _ in shared) - gap / timedelta(days=5)


def _anchored(ours: Traits, theirs: Traits, found: Likeness) -> bool:
    """Something that tells measures apart is shared; or one names nothing such, and who, whom and what act agree within two days."""
    if found.has("instrument", "product"):
        return True
    if found.has("group", "company"):
        return found.has("imposer") or not (ours.imposers and theirs.imposers)
    same_act = found.has("action") or OPPOSITE.get(ours.direction or "") == theirs.direction
    return not _comparable(ours, theirs) and found.has("imposer") and found.has("target", "agency") and same_act and found.gap <= _BARE


def _comparable(ours: Traits, theirs: Traits) -> bool:
    """Whether both name something that tells measures apart; if not, only who, whom, what act and when are left to compare."""
    return any(one and other for one, other in ((ours.instruments, theirs.instruments), (ours.names, theirs.names), (ours.companies, theirs.companies)))
