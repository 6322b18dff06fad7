"""What a seed stands for: what the world tells and when, who is told, and what goes wrong. Values; the order of steps is the loop's.

Every part has a name, so that a failing run can be told again without those parts that do not matter: `Plan.of(7).without({"incident:1", "rate:store"})`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.config.subscriptions import When
from schemas.config.times import Times
from schemas.events.base import Moment
from schemas.events.signal import Company, FactDate, PolicySignal
from tests import make

BEGINS = (datetime(2026, 3, 2, 9, 30, tzinfo=UTC), datetime(2026, 3, 29, 0, 35, tzinfo=UTC), datetime(2026, 10, 25, 0, 35, tzinfo=UTC))
"""A plain morning, and half an hour before Berlin's clocks jump, either way."""

BUSY = 300.0
"""Seconds in which things are told and go wrong; after them the world is calm, and everything must come to its end."""


def chance_of(what: str, seed: int) -> random.Random:
    """A seed's chance in one matter, so that leaving out a part of another does not change it."""
    return random.Random(f"{what}:{seed}")  # noqa: S311 what can be repeated is what is wanted


@dataclass(frozen=True)
class Telling:
    """One verdict, and when it is published; more than once, where the line repeats itself."""

    at: tuple[float, ...]
    signal: PolicySignal


@dataclass(frozen=True)
class Story:
    """One measure as it is told. `shape` says how it goes, and so what must come of it."""

    shape: str
    tellings: tuple[Telling, ...]


@dataclass(frozen=True)
class Mood:
    """How a receiver behaves for a while."""

    since: float
    until: float
    manner: str
    seconds: float


@dataclass(frozen=True)
class Reader:
    """A destination with its subscriptions, and the moods of its endpoint."""

    id: str
    cadence: str
    imposers: tuple[str, ...] | None
    severity: int
    times: Times
    moods: tuple[Mood, ...] = ()
    twice: bool = False
    """It has a second subscription to the same."""

    @property
    def when(self) -> When:
        written: dict[str, Any] = {"severity": {"gte": self.severity}}
        return When.model_validate(written | ({"imposers": list(self.imposers)} if self.imposers else {}))


@dataclass(frozen=True)
class Incident:
    """What happens to a notifier: from `since` on, at the `count`th time that it does `where`."""

    process: int
    since: float
    where: str
    count: int
    what: str
    seconds: float


@dataclass(frozen=True)
class Rates:
    """How often calls fail, from 0 to 1: before they are done, and after, when only the answer is lost; and how long they take."""

    store: float
    store_lost: float
    broker: float
    broker_lost: float
    slow: float


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    begin: datetime
    stories: tuple[Story, ...]
    readers: tuple[Reader, ...]
    incidents: tuple[Incident, ...]
    rates: Rates

    @classmethod
    def of(cls, seed: int) -> Plan:
        """The same for the same seed, whatever was asked before."""
        chance = chance_of("plan", seed)
        begin = chance.choice(BEGINS)
        return cls(
            seed,
            begin,
            tuple(_stories(chance_of("stories", seed), begin)),
            tuple(_readers(chance_of("readers", seed), begin)),
            tuple(_incidents(chance_of("incidents", seed))),
            _rates(chance_of("rates", seed)),
        )

    @property
    def parts(self) -> list[str]:
        """What can be left out."""
        moods = [f"mood:{reader.id}.{number}" for reader in self.readers for number in range(len(reader.moods))]
        return [
            *(f"incident:{number}" for number in range(len(self.incidents))),
            *(f"rate:{name}" for name, value in vars(self.rates).items() if value),
            *moods,
            *(f"story:{number}" for number in range(len(self.stories))),
            *(f"reader:{reader.id}" for reader in self.readers),
        ]

    def without(self, parts: Collection[str]) -> Plan:
        """The rest."""
        readers = [replace(one, moods=tuple(mood for number, mood in enumerate(one.moods) if f"mood:{one.id}.{number}" not in parts)) for one in self.readers]
        return replace(
            self,
            stories=tuple(one for number, one in enumerate(self.stories) if f"story:{number}" not in parts),
            readers=tuple(one for one in readers if f"reader:{one.id}" not in parts),
            incidents=tuple(one for number, one in enumerate(self.incidents) if f"incident:{number}" not in parts),
            rates=Rates(**{name: 0.0 if f"rate:{name}" in parts else value for name, value in vars(self.rates).items()}),
        )


# ---- what is told


MEASURES = (
    ("US", "H20", "NVIDIA"), ("CN", "gallium", "AXT"), ("NL", "EUV", "ASML"), ("JP", "photoresist", "JSR"), ("KR", "HBM", "SKhynix"),
    ("TW", "N2", "TSMC"), ("DE", "SiC_wafers", "Siltronic"), ("US", "EDA", "Synopsys"), ("CN", "graphite", "BTR"),
)  # fmt: skip
SHAPES = ("plain", "advanced", "withdrawn", "turned", "reversed", "denied", "backfill", "aggregated", "dated")


def _stories(chance: random.Random, begin: datetime) -> Iterator[Story]:
    for measure in chance.sample(MEASURES, chance.randint(2, 5)):
        shape = chance.choice(SHAPES)
        yield Story(shape, tuple(_told(chance, signal, begin) for signal in _signals(shape, measure, chance.randint(3, 5), chance, begin)))


def _told(chance: random.Random, signal: PolicySignal, begin: datetime) -> Telling:
    """When it was seen; sometimes once more."""
    at = (signal.item.observed_at - begin).total_seconds()
    again = [at + chance.uniform(0, 100)] if chance.random() < 0.3 else []
    return Telling((at, *again), signal)


def _signals(shape: str, measure: tuple[str, str, str], severity: int, chance: random.Random, begin: datetime) -> Iterator[PolicySignal]:
    """A story's verdicts, each seen within the busy time and published hours apart before it."""
    imposer, product, company = measure
    common: dict[str, Any] = {
        "imposers": (imposer,), "targets": ("CN" if imposer != "CN" else "US",), "products": (product,), "companies": (Company(id=company, role="seller"),),
        "severity": severity, "confidence": 0.8, "instruments": (), "action": "tighten", "direction": "tighten", "stage": "reported",
    }  # fmt: skip
    seen = sorted(chance.uniform(1, BUSY * 0.8) for _ in range(4))

    def tell(
        outlet: str, number: int, hours_ago: float, *, tier: int = 1, verdict: str = "alert", revision: str = "", backfill: bool = False, **facts: Any
    ) -> PolicySignal:
        observed = begin + timedelta(seconds=seen[number])
        item = make.item_header(
            url=f"https://{outlet}.example/{imposer}/{product}", outlet=outlet, tier=tier, title=f"{imposer} {product} {revision}",
            published=Moment.of(begin - timedelta(hours=hours_ago)), observed_at=observed, backfill=backfill,
        )  # fmt: skip
        return make.signal(item, verdict=verdict, ruleset_activated_at=begin - timedelta(days=1), **(common | facts))

    first = tell("wire", 0, 8)
    match shape:
        case "plain":
            yield from (first, tell("daily", 1, 7), tell("paper", 2, 6, tier=2))
        case "advanced":
            yield from (first, tell("gazette", 1, 6, tier=0, stage="announced"), tell("register", 2, 3, tier=0, stage="published"))
        case "withdrawn":
            yield from (first, tell("wire", chance.choice((1, 2, 3)), 8, verdict="no", revision="2"))
        case "turned":
            yield from (first, tell("wire", chance.choice((1, 2, 3)), 8, revision="2", direction="loosen", action="loosen"))
        case "reversed":
            yield from (first, tell("daily", 1, 7), tell("wire2", 2, 3, action="suspend", direction="loosen", stage="announced"))
        case "denied":
            yield from (first, tell("ministry", 1, 4, tier=0, stage="announced", action="clarify", direction="neutral"))
        case "backfill":
            yield from (tell("wire", 0, 8, backfill=True), tell("daily", 1, 7, backfill=True))
        case "dated":
            effective, expires = (
                FactDate(kind=kind, moment=Moment.parse(f"{begin + timedelta(days=days):%Y-%m-%d}")) for kind, days in (("effective", 1), ("expires", 12))
            )
            yield from (tell("wire", 0, 8, stage="announced", dates=(effective, expires)), tell("daily", 1, 7, stage="announced"))
        case "aggregated":
            yield from (tell("aggregator", 0, 8, tier=3), tell("wire", 1, 7))


# ---- who is told


def _readers(chance: random.Random, begin: datetime) -> Iterator[Reader]:
    def at(minutes: int) -> str:
        return f"{begin + timedelta(minutes=minutes):%H:%M}"

    quiet = {"quiet": {"from": at(2), "to": at(chance.randint(4, 25))}}
    daily = {"digest_at": at(chance.randint(3, 30))}
    shapes = (
        Reader("all", "immediate", None, 1, Times(), twice=True),
        Reader("us", "immediate", ("US", "TW"), 1, Times()),
        Reader("night", "immediate", None, 3, Times.model_validate(quiet | {"break_through": 5})),
        Reader("capped", "immediate", None, 1, Times.model_validate(daily | {"most_a_day": 1})),
        Reader("hourly", "hourly", None, 4, Times()),
        Reader("daily", "daily", ("CN", "NL", "US", "DE"), 1, Times.model_validate(daily)),
        Reader("berlin", "daily", None, 1, Times.model_validate({"zone": "Europe/Berlin", "digest_at": "02:30", "quiet": {"from": "01:40", "to": "02:40"}})),
    )
    for reader in chance.sample(shapes, chance.randint(2, 5)):
        yield replace(reader, moods=tuple(_moods(chance)))


MANNERS = ("error", "busy", "throttled", "gone", "refuse", "drop_before", "drop_after", "slow", "too_slow", "redirect")


def _moods(chance: random.Random) -> Iterator[Mood]:
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        since, manner = chance.uniform(0, BUSY), chance.choice(MANNERS)
        if manner == "gone" and chance.random() < 0.7:
            manner = "error"
        yield Mood(since, since + chance.uniform(5, 150), manner, chance.uniform(1, 30))


# ---- what goes wrong


WHERE = ("time", "step", "step", "commit", "committed", "begin", "read", "answered")


def _incidents(chance: random.Random) -> Iterator[Incident]:
    for _ in range(chance.choice((0, 1, 1, 2, 3, 4))):
        what = chance.choice(("kill", "kill", "freeze", "stop"))
        seconds = chance.choice((2.0, 20.0, 130.0, 200.0)) if what == "freeze" else chance.choice((0.0, 1.0, 15.0, 120.0))
        if what != "freeze" and chance.random() < 0.05:
            seconds = 7 * 3600.0
        yield Incident(chance.randrange(2), chance.uniform(0, BUSY), chance.choice(WHERE), chance.randint(1, 6), what, seconds)


def _rates(chance: random.Random) -> Rates:
    return Rates(*(chance.choice((0.0, 0.0, 0.01, 0.05, 0.2)) for _ in range(4)), slow=chance.choice((0.0, 0.01, 0.1)))
