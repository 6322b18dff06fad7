"""Checks the corpus: `python -m corpus.check [--against FILE ...]`. Numbers by language and class, legal values, labels that fit, and copies.

With `--against` it also looks for near copies of other news, such as the real items that may never enter this repository.
"""  # noqa: INP001 - run from the root of the repository; the corpus is data, no package

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.events.signal import ACTIONS, DIRECTIONS, STAGES, VERDICTS
from services.evaluation.training.examples import near_copies

HERE = Path(__file__).parent
LEAST = {
    "zh-Hans": 900, "en": 600,
    **dict.fromkeys(("ja", "ko", "ar", "de", "fr", "es", "nl", "ru", "zh-Hant"), 150),
    **dict.fromkeys(("vi", "pt", "it", "hi", "tr", "id", "uk", "pl"), 60),
}  # fmt: skip
ALL, ALERTS, HARD, INDIRECT = 3_000, 0.25, 0.40, 0.50
"""Items; and the shares of alerts, of look-alikes among all, of indirect wording among alerts."""
SHORTEST, LONGEST = {False: 20, True: 10}, 400
"""Characters of title and text together; Chinese, Japanese and Korean say as much in half of them."""
COPY = 0.6
"""Two items share a story, and some words with it; from this share of the shorter one on it is the same item."""
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_LEAK = re.compile(r"\b(?:published|stage|targets|action|imposer|products|companies)=")
FACTS = {"action": ACTIONS, "direction": DIRECTIONS, "stage": STAGES}


def read(folder: Path = HERE / "items") -> list[dict[str, Any]]:
    """All items."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


def problems(items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with single items, and with their numbers."""
    yield from (f"{name} stands twice" for name, times in Counter(item["id"] for item in items).items() if times > 1)
    for item in items:
        yield from (f"{item['id']}: {problem}" for problem in _of_item(item))
    yield from _of_numbers(items)


def _of_item(item: dict[str, Any]) -> Iterator[str]:
    words = f"{item['title'] or ''} {item['text'] or ''}".strip()
    if not SHORTEST[bool(_WIDE.search(words))] <= len(words) <= LONGEST:
        yield f"{len(words)} characters"
    if _LEAK.search(words):
        yield "a label stands in its text"
    if item["class"] not in VERDICTS:
        yield f"class {item['class']!r}"
    for fact, legal in FACTS.items():
        if item["class"] != "alert" and item[fact] is not None:
            yield f"has {fact} and is no alert"
        if item["class"] == "alert" and item[fact] not in legal:
            yield f"{fact} {item[fact]!r}"


def _of_numbers(items: Sequence[dict[str, Any]]) -> Iterator[str]:
    alerts = [item for item in items if item["class"] == "alert"]
    shares = (
        ("alerts", len(alerts) / len(items), ALERTS),
        ("look-alikes", sum(item["hard"] and item["class"] == "context" for item in items) / len(items), HARD),
        ("indirect alerts", sum(item["indirect"] for item in alerts) / len(alerts), INDIRECT),
    )
    if len(items) < ALL:
        yield f"{len(items)} items; expected {ALL}"
    yield from (f"{name}: {share:.3f}; expected {least}" for name, share, least in shares if share < least)
    counts = Counter(item["language"] for item in items)
    yield from (f"{language}: {counts[language]} items; expected {least}" for language, least in LEAST.items() if counts[language] < least)


def copies(items: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]] = ()) -> list[str]:
    """Near copies among the items, or of the others."""
    both = [*others, *items]
    texts = [f"{item.get('title') or ''} {item.get('text') or ''}" for item in both]
    found = near_copies(texts, COPY)
    return [f"{both[one]['id']} is nearly {both[other]['id']}" for one, other in found if one >= len(others) and (other < len(others) or not others)]


def main() -> int:
    """Prints every problem; 1 where there is one."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--against", type=Path, nargs="*", default=[], help="labelled news of which nothing may stand in the corpus")
    items = read()
    others = [json.loads(line) for path in given.parse_args().against for line in path.read_text(encoding="utf-8").splitlines()]
    told = [*problems(items), *copies(items), *(copies(items, others) if others else ())]
    print(*told, f"{len(items)} items, {len(told)} problems", sep="\n")  # noqa: T201 - a command prints
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
