"""News made for tests and benchmarks: items of distinct events among items that alert nobody. Same seed, same items.

mixed(1000, now=...) -> 1,000 pushed items: about a third alerts (each its own imposer, product and verb), the rest context and noise
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_STATES = {
    "US": ("The US Commerce Department", "China"),
    "NL": ("The Dutch government", "China"),
    "JP": ("Japan's METI ministry", "China"),
    "KR": ("South Korea's trade ministry", "Russia"),
    "TW": ("Taiwan's economics ministry", "China"),
    "GB": ("The UK government", "Russia"),
    "EU": ("The European Commission", "Russia"),
    "CA": ("Canada's government", "Russia"),
}
_PRODUCTS = (
    "A100 chips", "H100 chips", "H20 chips", "H200 chips", "L40S chips", "B200 chips", "B300 chips", "GB200 systems", "GB300 systems", "B30A chips", "MI300X chips",
    "MI308 chips", "MI325X chips", "MI350 chips", "Gaudi 3 chips", "HBM3E memory chips", "HBM4 memory chips", "DUV immersion lithography machines",
    "EDA chip design software", "gallium", "germanium", "antimony", "photoresist for chipmaking",
)  # fmt: skip
_VERBS = ("announced new export controls on {product} to {target}", "lifted export controls on {product} to {target}")
_CONTEXT = (
    "{maker} shares fell {n} % as analysts weighed what export curbs on China mean for chip sales",
    "Opinion: why export controls on chips to China fail, part {n}",
    "{maker} chief executive says export controls on AI chips have cost the company {n} billion dollars",
    "Explainer: {n} questions about the US export controls on semiconductors since October 2022",
)
_NOISE = (
    "Chip exports rose {n} % in the first ten days of the month, customs data show",
    "City council approves {n} new bus lanes after long debate",
    "Local team wins {n}-0 and goes top of the table",
    "Poker chips worth {n} dollars stolen from museum",
    "{maker} opens its {n}th research centre and hires engineers",
    "Storm leaves {n} villages without power",
)
_MAKERS = ("Nvidia", "AMD", "Intel", "ASML", "Samsung", "SK hynix", "TSMC", "Micron", "Qualcomm", "Broadcom")


@dataclass(frozen=True)
class _Told:
    title: str
    text: str
    kind: str


def mixed(count: int, *, now: datetime, seed: int = 1) -> list[dict[str, Any]]:
    """`count` items as the push API takes them, shuffled; the alerts are items of distinct events."""
    rng = random.Random(seed)  # noqa: S311 test data, no secrets
    alerts = list(itertools.islice(_alerts(), count // 3))
    others = list(itertools.islice(_others(rng), count - len(alerts)))
    told = [*alerts, *others]
    rng.shuffle(told)
    return [_item(index, each, now) for index, each in enumerate(told)]


def _alerts() -> Iterator[_Told]:
    for verb, product, (actor, target) in itertools.product(_VERBS, _PRODUCTS, _STATES.values()):
        claim = verb.format(product=product, target=target)
        yield _Told(f"{actor} {claim}", f"{actor} on Monday {claim}. The measure was published in the official gazette.", "alert")


def _others(rng: random.Random) -> Iterator[_Told]:
    while True:
        kind, shapes = rng.choice([("context", _CONTEXT), ("no", _NOISE), ("no", _NOISE)])
        title = rng.choice(shapes).format(maker=rng.choice(_MAKERS), n=rng.randrange(2, 90))
        yield _Told(title, "", kind)


def _item(index: int, told: _Told, now: datetime) -> dict[str, Any]:
    return {
        "id": f"made-{index:05}",
        "title": told.title,
        "text": told.text,
        "language": "en",
        "source": "made-news",
        "published": (now - timedelta(minutes=5, seconds=index % 60)).isoformat(),
        "url": f"https://news.example/made/{index:05}",
        "tier": 1,
    }
