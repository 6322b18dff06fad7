"""Whether a signal and an event are about the same measure (taxonomy 5.4). Facts first, so every language is equal. Values in, values out.

clash    -> they cannot be the same: other imposers, other products, other documents
anchors  -> what tells measures apart and both name, as reasons that are kept: instrument:91fr1684, product:h20, company:NVIDIA
likeness -> reasons with points, which add up like the evidence that they are; above nought they tell the same act, and the best of several candidates wins

The points were fitted on labelled news (docs/decisions/0012), with facts as people and as the classifier give them, and rounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent
from schemas.events.signal import Facts, PolicySignal
from services.notifier import material, products

TIMED = ("effective", "compliance", "expires")
"""Dates on which a measure changes what holds, so that reports on that day are near to it."""
Period = tuple[datetime, datetime]
OPPOSITE = {"tighten": "loosen", "loosen": "tighten"}
Closeness = Callable[[str, str], float]
"""How close two titles are in meaning, 0 to 1, whatever their languages."""

_PRIOR = -2.5
"""Two items by one imposer that share an anchor are two measures more often than one."""
_SHARED = {
    "instrument": 12,
    "product": 0.5,
    "name": 1.5,
    "group": 0.5,
    "company": 1,
    "target": 1.5,
    "origin": 1,
    "date": 1,
    "action": 3,
    "plan": 2,
    "clarified": 2,
}
_WHOLE = 2
"""Added where both name the same products, in proportion where one names more than the other."""
_APART = {"target": -4, "company": -3, "agency": -0.75, "act": -1, "kind": -4}
_WORDING = 3
"""For two titles in the same words of the same hour; in proportion for less, and for later: the story's vocabulary stays when the act is another."""
_WORDS_LAST = timedelta(days=28)
_BARELY = 1
"""Where nothing can be compared, nothing speaks against it."""
_RISING, _FALLING = 0.75, 1.75
"""How much the days count where the signal tells a higher stage: a measure takes its time from plan to text to effect. A lower stage is rather another act's."""
_DECAY = ((0, 0.0), (1, -0.75), (3, -2.5), (7, -3.5), (14, -5.5), (28, -7.0), (60, -8.0), (180, -9.0))
"""Points by the days between two tellings, straight lines between them."""
_BARE = timedelta(days=5)
"""So near in time, who, whom, what act and the words are enough where one of the two names nothing that tells measures apart."""
_RECALLED = timedelta(days=14)
"""An announcement longer ago than this is the background of an item, not its news (taxonomy, section 3)."""

_APART_FROM_CONTROLS = frozenset({"tariff", "intervene", "enforce", "restrict_import"})
"""Acts that are never told as a control, nor a control as one of them."""
_AKIN = frozenset(
    frozenset(pair)
    for pair in (
        ("loosen", "rescind"),
        ("loosen", "exempt"),
        ("loosen", "suspend"),
        ("loosen", "delay"),
        ("suspend", "delay"),
        ("exempt", "extend"),
        ("licence_deny", "licence_revoke"),
        ("licence_revoke", "rescind"),
        ("tighten", "reinstate"),
    )
)
"""Words for one act that outlets and people take for each other."""
_OPEN_ENDED = frozenset({"clarify", "other"})
"""What a guidance does is told in any verb."""
_CARRIED_OUT = frozenset({"tighten", "loosen", "exempt", "list_add", "reinstate", "restrict_import"})
"""What a plan becomes."""
_PARTY_BOUND = frozenset({"list_add", "list_remove", "licence_grant", "licence_deny", "licence_revoke", "exempt", "extend"})
"""What is done for or to named firms: the same act for other firms is another event."""
_STANDING = {"eu2021821", "eu8332014", "eu4282009", "strategictradeact2010", "sta2010", "ecra2018"}
"""Laws that every measure of their kind rests on; naming one tells nothing apart."""
_STANDING_SERIES = re.compile(r".*cfr.*|eccn.*|pl90\d\d|\d[a-e]\d{3}.*")
"""Parts of the code, control list numbers: likewise."""
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2,}")
_TITLES = 30
"""So many titles of an event are compared; by then the rest repeat them."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What identity looks at, folded once."""

    imposers: tuple[str, ...]
    instruments: frozenset[str]
    names: frozenset[str]
    specific: frozenset[str]
    groups: frozenset[str]
    companies: frozenset[str]
    targets: frozenset[str]
    action: str | None
    direction: str | None
    stage: str | None
    agency: str | None
    effective: frozenset[str]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why a signal and an event may be the same measure, what speaks against it, how surely, and how far apart in time they are told."""

    reasons: tuple[str, ...]
    kinds: frozenset[str]
    apart: frozenset[str]
    points: float
    gap: timedelta

    def has(self, *kinds: str) -> bool:
        return not self.kinds.isdisjoint(kinds)


@dataclass(frozen=True, slots=True)
class Profile:
    """A signal or an event as identity sees it: its traits, when it is told, by whom, and in which words."""

    traits: Traits
    periods: tuple[Period, ...]
    cited: frozenset[str]
    outlets: frozenset[str]
    titles: tuple[str, ...]


def profile_of_signal(signal: PolicySignal) -> Profile:
    cited = frozenset(filter(None, [(signal.facts.origin or "").casefold()]))
    return Profile(traits_of(signal.facts), tuple(periods_of(signal)), cited, frozenset([_outlet(signal)]), tuple(filter(None, [signal.item.title])))


def profile_of_event(event: PolicyEvent) -> Profile:
    cited = frozenset((source.origin or "").casefold() for source in event.sources if source.origin)
    outlets = frozenset(_outlet(source) for source in event.sources)
    titles = tuple(dict.fromkeys(source.title for source in event.sources if source.title))[:_TITLES]
    return Profile(traits_of(event.facts), tuple(_periods_of_event(event)), cited, outlets, titles)


def likeness(signal: Profile, event: Profile, closeness: Closeness | None = None) -> Likeness | None:
    """None when they cannot be about the same measure, or nothing says that they are. Says nothing of direction."""
    ours, theirs = signal.traits, event.traits
    if ours.instruments.isdisjoint(theirs.instruments) and _clash(ours, theirs):
        return None
    gap = min(_distance(one, other) for one in signal.periods for other in event.periods)
    shared = tuple(_shared(signal, event))
    kinds = frozenset(kind for kind, _ in shared)
    if not _anchored(ours, theirs, kinds, gap):
        return None
    apart = frozenset(_apart_in(ours, theirs, kinds))
    facts = sum(_SHARED.get(kind, 0) for kind in kinds) + sum(_APART.get(kind, 0) for kind in apart)
    time = _decay(gap) * _pace(ours.stage, theirs.stage)
    wording = _WORDING * max(1 - gap / _WORDS_LAST, 0) * _wording(signal.titles, event.titles, closeness or overlap)
    points = _PRIOR + facts + _WHOLE * _common(ours.specific, theirs.specific) + time + wording + (0 if _comparable(ours, theirs) else _BARELY)
    return Likeness(tuple(f"{kind}:{value}" for kind, value in shared), kinds, apart, points, gap)


@lru_cache(maxsize=8192)
def traits_of(facts: Facts) -> Traits:
    """The facts as identity sees them."""
    return Traits(
        imposers=facts.imposers,
        instruments=frozenset(telling_instruments(facts.instruments)),
        names=products.names(facts.products),
        specific=products.specific(facts.products),
        groups=products.groups(facts.products),
        companies=frozenset(company.id for company in facts.companies),
        targets=frozenset(facts.targets),
        action=facts.action,
        direction=facts.direction,
        stage=facts.stage,
        agency=facts.agency,
        effective=frozenset(str(date.moment) for date in facts.dates if date.kind in TIMED and date.moment.precision in ("day", "second")),
    )


def telling_instruments(instruments: Sequence[str]) -> set[str]:
    """The ids that name one document, spelled alike: 91 FR 1684 does, 15 CFR 744 and the name of a law do not."""
    if not instruments:
        return set()
    folded = {re.sub(r"[^\w]", "", text.casefold().replace("no.", "")) for text in instruments}
    return {text for text in folded if re.search(r"\d", text) and text not in _STANDING and not _STANDING_SERIES.fullmatch(text)}


def origin_of(told: PolicySignal | EventSource) -> str:
    """Who first said it: the cited outlet, else the outlet itself, else the source. Forty rewrites of one report have one origin."""
    cited = told.origin if isinstance(told, EventSource) else told.facts.origin
    return cited.casefold() if cited else _outlet(told)


def told_at(told: PolicySignal | EventSource) -> datetime:
    """When it was published, as far as the source says; else when we first saw it."""
    if isinstance(told, EventSource):
        return told.published.at if told.published else told.first_seen_at
    return told.item.published.at if told.item.published else told.item.observed_at


def periods_of(signal: PolicySignal) -> list[Period]:
    """When the signal was published, and when it says that the change was, unless that is long ago."""
    published = signal.item.published or Moment.of(signal.item.observed_at)
    dated = (date.moment for date in signal.facts.dates if date.kind in ("announced", "published"))
    return [_period(published), *(_period(moment) for moment in dated if published.at - moment.end <= _RECALLED)]


@lru_cache(maxsize=8192)
def words(title: str) -> frozenset[str]:
    """The longer words of a title; pairs of signs where a script sets no spaces."""
    folded = title.casefold()
    signs = (run[at : at + 2] for run in _IDEOGRAPHS.findall(folded) for at in range(len(run) - 1))
    return frozenset(_LETTERS.findall(folded)).union(signs)


def overlap(one: str, other: str) -> float:
    """How much of the shorter title's words the other has. Across languages little more than names."""
    ours, theirs = words(one), words(other)
    return len(ours & theirs) / (min(len(ours), len(theirs)) or 1)


def _wording(ours: Sequence[str], theirs: Sequence[str], closeness: Closeness) -> float:
    return max((closeness(one, other) for one in ours for other in theirs), default=0.0)


def _outlet(told: PolicySignal | EventSource) -> str:
    where = told if isinstance(told, EventSource) else told.item
    return (where.outlet or where.source).casefold()


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


def _decay(gap: timedelta) -> float:
    days = gap / timedelta(days=1)
    for (since, least), (until, most) in pairwise(_DECAY):
        if days <= until:
            return least + (most - least) * (days - since) / (until - since)
    return _DECAY[-1][1]


def _common(ours: frozenset[str], theirs: frozenset[str]) -> float:
    return len(ours & theirs) / (len(ours | theirs) or 1)


def _pace(stage: str | None, before: str | None) -> float:
    ours, theirs = material.rank_of(stage), material.rank_of(before)
    return _RISING if ours > theirs else _FALLING if ours < theirs else 1.0


def _clash(ours: Traits, theirs: Traits) -> bool:
    """What rules out that two are one, unless they name the same document."""
    return (
        not _same_imposers(ours.imposers, theirs.imposers)
        or (_disjoint(ours.specific, theirs.specific) and _disjoint(ours.names, theirs.names))
        or _disjoint(ours.groups, theirs.groups)
        or (_other_documents(ours.instruments, theirs.instruments) and not _is_plan(ours, theirs))
        or (not _PARTY_BOUND.isdisjoint((ours.action, theirs.action)) and _disjoint(ours.companies, theirs.companies))
    )


def _same_imposers(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """The leading state of one imposes the other too: a joint measure is told by each state's papers with that state first."""
    return not (ours and theirs) or ours[0] in theirs or theirs[0] in ours


def _disjoint(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(ours) and bool(theirs) and ours.isdisjoint(theirs)


def _other_documents(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Two notices of one series (91 FR 1684, 91 FR 1702) are two documents; a notice and a docket number may be one."""
    return ours.isdisjoint(theirs) and bool({_series(text) for text in ours} & {_series(text) for text in theirs})


def _series(instrument: str) -> str:
    return re.sub(r"\d", "", instrument)


def _is_plan(ours: Traits, theirs: Traits) -> bool:
    """Whether the one plans what the other carries out: a proposed rule and the final one are two documents of one measure."""
    acts = {ours.action, theirs.action}
    return "propose" in acts and not acts.isdisjoint(_CARRIED_OUT)


def _shared(signal: Profile, event: Profile) -> Iterator[tuple[str, str]]:
    """What both name, most telling first."""
    ours, theirs = signal.traits, event.traits
    specific = ours.specific & theirs.specific
    pairs = (
        ("instrument", ours.instruments & theirs.instruments),
        ("product", specific),
        ("name", frozenset() if specific else ours.names & theirs.names),
        ("date", ours.effective & theirs.effective),
        ("group", ours.groups & theirs.groups),
        ("company", ours.companies & theirs.companies),
        ("imposer", frozenset(ours.imposers) & frozenset(theirs.imposers)),
        ("origin", (signal.cited & (event.cited | event.outlets)) | (signal.outlets & event.cited)),
        ("target", ours.targets & theirs.targets),
        ("agency", frozenset(filter(None, [ours.agency])) & frozenset([theirs.agency])),
    )
    yield from ((kind, min(both)) for kind, both in pairs if both)
    if ours.action and ours.action == theirs.action:
        yield "action", ours.action
    elif _is_plan(ours, theirs):
        yield "plan", f"{theirs.action}-{ours.action}"
    elif "clarify" in (ours.action, theirs.action):
        yield "clarified", f"{theirs.action}"


def _apart_in(ours: Traits, theirs: Traits, shared: frozenset[str]) -> Iterator[str]:
    """What both name, and differently."""
    if _disjoint(ours.targets - {"*"}, theirs.targets - {"*"}):
        yield "target"
    if _disjoint(ours.companies, theirs.companies):
        yield "company"
    if ours.agency and theirs.agency and "agency" not in shared:
        yield "agency"
    acts = frozenset(filter(None, [ours.action, theirs.action]))
    if len(acts) > 1 and "plan" not in shared and acts not in _AKIN and acts.isdisjoint(_OPEN_ENDED):
        yield "act" if acts.isdisjoint(_APART_FROM_CONTROLS) else "kind"


def _anchored(ours: Traits, theirs: Traits, kinds: frozenset[str], gap: timedelta) -> bool:
    """Something that tells measures apart is shared; or one of the two names nothing such, and they are told within days."""
    if not kinds.isdisjoint(("instrument", "product", "name", "group", "company")):
        return True
    return gap <= _BARE and "imposer" in kinds and not _comparable(ours, theirs)


def _comparable(ours: Traits, theirs: Traits) -> bool:
    """Whether both name something that tells measures apart; if not, only who, whom, what act and when are left to compare."""
    return any(one and other for one, other in ((ours.instruments, theirs.instruments), (ours.names, theirs.names), (ours.companies, theirs.companies)))
