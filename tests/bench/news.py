"""The news to measure on: a file that the setting names, or items made from the repository's own."""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from schemas.config.source import SOURCE_ID
from schemas.events.news import NewsItem
from services.ingester.push import read
from services.ingester.samples import demo_items
from tests.news import mixed

MADE = 20_000
_AT_ONCE = 500
_RELEVANT_ONE_IN = 30
_NOISE = (
    "The city council approved {n} new bus lanes on Tuesday after a debate that lasted until midnight. Residents had asked for wider pavements and more shade at the stops. Work begins in spring.",
    "Wegen Bauarbeiten bleibt die Brücke {n} Tage lang gesperrt. Der Verkehr wird über die Umgehungsstraße geleitet; Radfahrer dürfen den Uferweg benutzen, teilte die Verwaltung mit.",
    "Le festival a accueilli {n} 000 spectateurs cette année, un record selon les organisateurs, malgré une pluie continue pendant les deux premiers jours. La prochaine édition aura lieu en juillet.",
    "El equipo local ganó por {n} puntos y se coloca primero de la tabla. El entrenador elogió la defensa y pidió paciencia a los aficionados antes del próximo partido.",
    "市图书馆本周新增{n}册儿童读物,并延长周末开放时间。馆长表示,读者人数比去年同期明显增加,志愿者也越来越多。",
    "지난 주말 동물원에 {n}천 명이 다녀갔다. 사육사들은 새로 태어난 펭귄이 건강하다며 다음 달부터 볼 수 있다고 말했다.",
    "افتتح المتحف قاعة جديدة تضم {n} قطعة من الفخار القديم، وقالت المديرة إن الزيارة ستكون مجانية في عطلة نهاية الأسبوع.",
    "台風の影響で{n}便が欠航した。気象庁は週末まで強い風が続くとして、海岸に近づかないよう呼びかけている。",
    "После сильного снегопада без света остались {n} посёлков. Бригады работают круглосуточно, в школах отменены занятия до среды.",
    "Hava sıcaklığı {n} dereceye ulaştı. Uzmanlar öğle saatlerinde dışarı çıkılmamasını, bol su içilmesini öneriyor.",
)  # fmt: skip


@dataclass(frozen=True)
class News:
    """Items as the push API takes them, and what is told about where they are from."""

    pushes: Sequence[dict[str, Any]]
    origin: str

    def items(self) -> list[NewsItem]:
        """As the ingester publishes them."""
        return [item for batch in self.batches() for item in read(orjson.dumps(batch), {}, datetime.now(UTC), most=_AT_ONCE)[0]]

    def batches(self, size: int = _AT_ONCE) -> Iterator[Sequence[dict[str, Any]]]:
        """The pushes, so many at once."""
        for start in range(0, len(self.pushes), size):
            yield self.pushes[start : start + size]

    def some(self, count: int) -> News:
        """The first so many."""
        return News(self.pushes[:count], self.origin)


def load(path: Path | None, *, most: int | None = None) -> News:
    """The news of a .jsonl or .jsonl.gz file with the fields of the push API; made news without one."""
    if path is None:
        return News(list(itertools.islice(_made(datetime.now(UTC)), most or MADE)), "made from the repository's own")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = itertools.islice((line for line in content.splitlines() if line.strip()), most)
    return News([_pushable(orjson.loads(line)) for line in lines], path.name)


def alerting(count: int) -> list[dict[str, Any]]:
    """Items that each should alert, about distinct events: to the line all kinds of equipment for chipmaking are one product, so one kind is left out."""
    rows = (row for row in mixed(3 * 416, now=datetime.now(UTC)) if row["text"] and "metrology" not in row["title"])
    return [row | {"id": f"distinct-{row['id']}"} for row in itertools.islice(rows, count)]


def _made(now: datetime) -> Iterator[dict[str, Any]]:
    """Much that is nobody's business in ten languages and, one in thirty as in the world at large, the demo's sample and items of distinct events."""
    relevant = iter([*(item.model_dump(mode="json", exclude_none=True) for item in demo_items(now)), *mixed(MADE, now=now)])
    for number in itertools.count():
        if number % _RELEVANT_ONE_IN == 0:
            yield next(relevant)
        else:
            text = _NOISE[number % len(_NOISE)].format(n=number % 97)
            yield {"id": f"noise-{number}", "text": text * 2, "source": "made-noise", "published": now.isoformat()}


def _pushable(row: dict[str, Any]) -> dict[str, Any]:
    """A row of any file: nulls left out, and a source's name in the form that names have."""
    named = re.fullmatch(SOURCE_ID, row.get("source") or "")
    return {name: value for name, value in row.items() if value is not None} | {"source": named[0] if named else "bench"}
