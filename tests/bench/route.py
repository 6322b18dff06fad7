"""How fast one event finds its subscribers among 100,000 subscriptions: by the index, and by looking at every one of them."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.config.subscriptions import When
from schemas.events.event import PolicyEvent
from schemas.events.signal import Company
from services.notifier.filters import Filter, Seen
from services.notifier.names import Names, load_names
from services.notifier.route import Index
from services.runtime.config_files import ConfigDir
from services.store.accounts import DestinationKey
from tests import make
from tests.bench.report import Row, series
from tests.bench.setting import Setting

SUBSCRIPTIONS = 100_000
EVENTS = 20
TARGET = 100.0  # ms
_IMPOSERS = ("US", "US", "US", "CN", "CN", "NL", "JP", "KR", "TW", "EU", "GB", "DE")
_TARGETS = ("CN", "CN", "CN", "RU", "US", "IR", "D:5", "AE", "MY", "SG")
_PRODUCTS = (
    "H20", "H200", "H100", "A100", "B200", "GB300", "MI308", "MI325X", "HBM3E", "EUV", "DUV", "NXT:1980i", "gallium", "germanium", "antimony", "graphite",
    "rare_earths", "EDA", "DRAM", "NAND", "photoresist", "Ascend 910C", "legacy_chips", "ai_servers",
)  # fmt: skip
_GROUPS = ("ai_accelerators", "chip_equipment", "chip_materials", "memory", "HBM", "Blackwell")
_COMPANIES = ("NVIDIA", "AMD", "ASML", "TSMC", "Samsung", "SKhynix", "Huawei", "SMIC", "Micron", "TokyoElectron", "Nexperia", "YMTC")


@dataclass(frozen=True)
class _Subscription:
    id: str
    destination: DestinationKey
    when: When
    cadence: str = "by_rank"
    language: str = "en"
    since: datetime = make.NOW


async def measure(setting: Setting) -> Sequence[Row]:
    """One row: the slowest of several events, each asked once."""
    count = setting.size(SUBSCRIPTIONS)
    dice = random.Random(20)  # noqa: S311 filters to measure with, the same every time
    names = load_names(ConfigDir())
    subscriptions = [
        _Subscription(f"s{number}", DestinationKey(f"account{number // 10}", f"inbox{number % 10}"), When.model_validate(_when(dice)))
        for number in range(count)
    ]
    index: Index[DestinationKey] = Index(names)
    for start in range(0, count, 100):
        index.replace(f"a{start}", subscriptions[start : start + 100])
    gc.freeze()  # as the notifier does when it has read them
    events = [_event(dice) for _ in range(EVENTS)]
    ours, found = _by_index(index, events, setting.runs)
    scanned, also = _by_looking(subscriptions, events[:3], names)
    if found[:3] != also:
        raise AssertionError(f"the index finds {found[:3]} destinations, a look at every subscription {also}")
    note = f"{count:,} subscriptions, processor time; slowest of {EVENTS} events, which reach {min(found):,} to {max(found):,} destinations"
    return [Row("an event to its subscribers", series(ours, "ms"), series(scanned, "ms"), "every filter asked", target=TARGET, note=note)]


def _by_index(index: Index[DestinationKey], events: Sequence[PolicyEvent], runs: int) -> tuple[list[float], list[int]]:
    slowest, found = [], []
    for _ in range(runs):
        times, found = [], []
        for event in events:
            began = time.process_time()
            reached = index.matching(event, until=make.NOW)
            times.append((time.process_time() - began) * 1000)
            found.append(len(reached))
        slowest.append(max(times))
    return slowest, found


def _by_looking(subscriptions: Sequence[_Subscription], events: Sequence[PolicyEvent], names: Names) -> tuple[list[float], list[int]]:
    """Each filter is made ready before, as a careful scan would do."""
    ready = [Filter.of(one.when, names) for one in subscriptions]
    times, found = [], []
    for event in events:
        began = time.process_time()
        seen = Seen.of(event, names)
        found.append(sum(one.holds(seen) for one in ready))
        times.append((time.process_time() - began) * 1000)
    return times, found


def _when(dice: random.Random) -> dict[str, Any]:
    """A filter as people write them: one to four tests, mostly on products, states and severity; one in a hundred takes everything."""
    if dice.random() < 0.01:
        return {}
    products = dice.sample(_PRODUCTS, dice.randint(1, 4)) + dice.sample(_GROUPS, dice.randint(0, 1))
    choices: dict[str, Any] = {
        "products": products,
        "companies": dice.sample(_COMPANIES, dice.randint(1, 4)),
        "imposers": sorted({dice.choice(_IMPOSERS) for _ in range(dice.randint(1, 3))}),
        "targets": sorted({dice.choice(_TARGETS) for _ in range(dice.randint(1, 2))}),
        "severity": {"gte": dice.randint(2, 5)},
        "stage": {"gte": dice.choice(["reported", "announced", "published"])},
        "direction": dice.choice(["tighten", "loosen"]),
    }
    weights = {"products": 0.5, "companies": 0.35, "imposers": 0.5, "targets": 0.4, "severity": 0.5, "stage": 0.2, "direction": 0.15}
    when = {name: choices[name] for name, weight in weights.items() if dice.random() < weight}
    if "products" in when and "companies" in when and dice.random() < 0.5:
        when["any"] = [{"products": when.pop("products")}, {"companies": when.pop("companies")}]
    if dice.random() < 0.2:
        when["none"] = [{"stage": "rumour"}]
    return when


def _event(dice: random.Random) -> PolicyEvent:
    return make.event(
        imposers=(dice.choice(_IMPOSERS),),
        targets=(dice.choice((*_TARGETS, "*")),),
        products=tuple(dice.sample(_PRODUCTS, dice.randint(1, 3))),
        companies=tuple(Company(id=one) for one in dice.sample(_COMPANIES, dice.randint(0, 3))),
        severity=dice.randint(2, 5),
        stage=dice.choice(["reported", "proposed", "announced", "published", "in_force"]),
        direction=dice.choice(["tighten", "loosen"]),
    )
