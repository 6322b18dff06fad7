"""Hostile text, mutated with an eye on which code it reaches: `python -m tests.fuzz [libFuzzer options]`, such as `-max_total_time=3600 CORPUS_DIR`.

Needs `atheris`, which is no dependency of ours. What it finds becomes a test.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["services.classifier", "schemas"]):
    from schemas.events.news import NewsItem
    from services.classifier.classify import classify
    from services.classifier.fold import fold
    from services.classifier.regex import literal_of, unsafe
    from services.classifier.rules import load_ruleset
    from services.runtime.config_files import ConfigDir

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RULESET = load_ruleset(ConfigDir(), now=NOW)
SEEDS = [example for rule in RULESET.rules for example in rule.examples]


def one_input(data: bytes) -> None:
    """Judges the bytes as a title and a text, and reads them as a pattern."""
    provider = atheris.FuzzedDataProvider(data)
    pattern = provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 40))
    if provider.ConsumeBool():
        literal_of(pattern)
        unsafe(pattern)
    title = provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 200)) if provider.ConsumeBool() else None
    text = provider.ConsumeUnicode(sys.maxsize) if provider.ConsumeBool() else data.decode("utf-8", "surrogateescape")
    judge(title, text)


def judge(title: str | None, text: str) -> None:
    """Whatever the text is, every span slices it."""
    item = NewsItem(id="fuzz", revision="fuzz", source="fuzz", title=title, text=text, observed_at=NOW)
    verdict = classify(item, RULESET)
    for found in verdict.evidence:
        whole = item.title if found.field == "title" else item.text
        assert whole is not None
        assert found.text == whole[found.start : found.end]
    folded = fold(text[:2_000])
    spans = [folded.original(at, at + 1) for at in range(len(folded.text))]
    assert all(0 <= start < end <= len(folded.source) for start, end in spans)
    assert spans == sorted(spans)


if __name__ == "__main__":
    for example in SEEDS:
        judge(example.title, example.text)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
