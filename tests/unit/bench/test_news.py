from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.bench.news import alerting, load

ROWS = [
    {"id": "a", "title": None, "text": "One", "source": "Some Paper!", "published": "2026-03", "url": None},
    {"id": "b", "title": "Two", "text": "", "source": "paper.example", "published": None},
]


def test_a_news_file_may_be_packed_and_have_nulls_and_names_of_any_form(tmp_path: Path) -> None:
    plain, packed = tmp_path / "news.jsonl", tmp_path / "news.jsonl.gz"
    content = "\n".join(map(json.dumps, ROWS)).encode()
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))

    items = load(plain).items()

    assert [(item.title, item.text, item.source) for item in items] == [(None, "One", "bench"), ("Two", "", "paper.example")]
    assert load(packed).pushes == load(plain).pushes
    assert load(packed).origin == "news.jsonl.gz"


def test_without_a_file_news_are_made_and_all_of_them_can_be_taken() -> None:
    news = load(None, most=1_000)

    items = news.items()

    assert len(items) == len({item.id for item in items}) == 1_000


def test_what_should_alert_is_of_distinct_words() -> None:
    rows = alerting(220)

    assert len({row["title"] for row in rows}) == len({row["id"] for row in rows}) == 220
