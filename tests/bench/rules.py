"""Rules by the thousand, made with a seed from the words of the news that is measured on: 3 to 8 literals each, one in five with a pattern.

Half want all of their literals, half one literal of each of two groups; of one in ten the literals stand together in some item, so that rules really fire.
With `loose`, one literal of any is enough, and every item has some. Literals of unspaced scripts are cut from what stands between marks.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.config.rule import Rule
from services.classifier.fold import fold

SEED = 4
ADDED = "bench-"
_EXAMPLES = [{"text": "fires", "fires": True}, {"text": "does not", "fires": False}]
_WORD = re.compile(r"[^\W_]{3,}")
_WIDE = re.compile("[\u2e80-\U0010ffff]")


def added_rules(texts: Sequence[str], count: int, *, loose: bool = False, seed: int = SEED) -> list[Rule]:
    """So many rules, in shadow. The same texts and seed give the same rules."""
    dice = random.Random(seed)  # noqa: S311 no secret
    vocabulary = sorted({word for text in texts for word in _words(text)})
    return [Rule.model_validate(_rule(number, dice, vocabulary, texts, loose=loose)) for number in range(count)]


def write(rules: Sequence[Rule], directory: Path) -> None:
    """As a team's directory holds them: a hundred to a file."""
    (directory / "rules").mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rules), 100):
        written = [rule.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"examples": _EXAMPLES} for rule in rules[start : start + 100]]
        (directory / "rules" / f"bench-{start:05}.yaml").write_text(json.dumps({"rules": written}, ensure_ascii=False), "utf-8")


def _rule(number: int, dice: random.Random, vocabulary: Sequence[str], texts: Sequence[str], *, loose: bool) -> dict[str, Any]:
    size = dice.randint(3, 8)
    choice = "any" if loose else "all" if number % 2 else "groups"
    words = _together(dice, texts, size, vocabulary) if number % 10 == 1 else dice.sample(vocabulary, size)
    tests: list[dict[str, Any]] = [{"phrase": word} for word in words]
    if number % 5 == 0:
        tests[-1] = {"regex": rf"{re.escape(words[-1][:-1])}\w{{0,3}}"}
    return {
        "id": f"{ADDED}{number:05}",
        "title": f"Bench rule {number}",
        "owner": "bench",
        "when": {"all": [{"any": tests[: size // 2]}, {"any": tests[size // 2 :]}]} if choice == "groups" else {choice: tests},
        "verdict": "alert",
    }


def _together(dice: random.Random, texts: Sequence[str], size: int, vocabulary: Sequence[str]) -> list[str]:
    """Words of one item, and others where it has too few."""
    own = sorted(set(_words(dice.choice(texts))))
    return dice.sample(own, size) if len(own) >= size else [*own, *dice.sample(vocabulary, size - len(own))]


def _words(text: str) -> Iterator[str]:
    for found in _WORD.findall(fold(text).text):
        if _WIDE.search(found):
            yield from (found[at : at + 4] for at in range(0, len(found) - 3, 4))
        else:
            yield found
