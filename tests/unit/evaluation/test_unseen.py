"""Judging as if unseen: nobody judges what he learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.classifier.rules import Ruleset
from services.evaluation import unseen as module
from services.evaluation.data import Line
from services.evaluation.encoders import Said, remembering
from services.evaluation.training.examples import Example
from services.evaluation.training.fit import Made
from services.evaluation.unseen import Fold, unseen
from tests import make

LABELS = {"action": "tighten", "direction": "tighten", "stage": "announced"}
NEVER = {"forest": 1.0, "encoder": 0.0, "offset": -5.0, "alert": 0.5, "unled": 0.5}
AS_THE_ENCODER_SAYS = {"forest": 0.0, "encoder": 1.0, "offset": 0.0, "alert": 0.5, "unled": 0.5}
STORED: Mapping[str, Any] = {"features": [], "trees": [], "alone": NEVER, "together": AS_THE_ENCODER_SAYS, "open": [0.0, 1.0]}


def examples(count: int) -> list[Example]:
    """Two items an event; no rule settles any."""
    lines = [
        Line.model_validate({"id": f"i{place}", "class": "alert", "title": f"US tightens export controls on AI chips to China ({place})"} | LABELS)
        for place in range(count)
    ]
    return [Example(line, "corpus", 1.0, f"event {place // 2}") for place, line in enumerate(lines)]


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The ids that each model learns from; what it learns is always the same."""
    seen: list[set[str]] = []

    def fit(outside: Sequence[Example], ruleset: Ruleset, judged: Mapping[str, float], *, folds: int, seed: int) -> Made:
        seen.append({one.line.id for one in outside})
        return Made(dict(STORED), {})

    monkeypatch.setattr(module, "fit", fit)
    return seen


def folds(given: Sequence[Example], ruleset: Ruleset, said: Mapping[str, float]) -> list[Fold]:
    return list(unseen(given, given, ruleset, said, folds=3, seed=0))


def test_nobody_judges_what_he_learnt_from_nor_its_event(quota_rules: Ruleset, learnt: list[set[str]]) -> None:
    given = examples(20)
    event = {one.line.id: one.group for one in given}

    found = folds(given, quota_rules, {})

    for fold, taught in zip(found, learnt, strict=True):
        assert {one.group for one in fold.examples}.isdisjoint({event[name] for name in taught})
        assert {one.line.id for one in fold.examples} | taught == set(event)
    assert sorted(one.line.id for fold in found for one in fold.examples) == sorted(event)


def test_the_encoder_is_heard_only_where_it_spoke_of_what_it_had_not_learnt(quota_rules: Ruleset, learnt: list[set[str]]) -> None:
    found = folds(examples(6), quota_rules, {"i0": 4.0, "i1": -4.0})

    verdicts = {one.line.id: one.verdict for fold in found for _, part in fold.judge(encoder=True) for one in part}
    alone = {one.line.id: one.verdict.verdict for fold in found for _, part in fold.judge(encoder=False) for one in part}

    assert (verdicts["i0"].verdict, verdicts["i1"].verdict) == ("alert", "context")
    assert "forest and encoder" in verdicts["i0"].trace.decided
    assert "of forest below" in verdicts["i2"].trace.decided
    assert set(alone.values()) == {"context"}


def test_what_the_encoder_did_not_read_cannot_be_asked_for() -> None:
    read, other = (Line.model_validate({"id": name, "title": name}) for name in ("a", "b"))

    said = Said([read, other], {"a": 1.5})

    assert said.judge("a", "") == 1.5
    with pytest.raises(KeyError):
        said.judge("b", "")
    with pytest.raises(NotImplementedError):
        said.vector("a", "")


def test_the_encoder_reads_an_item_once_however_often_it_is_judged(quota_rules: Ruleset) -> None:
    asked: list[str] = []

    class Encoder:
        def judge(self, title: str, text: str) -> float:
            asked.append(title)
            return 0.0

        def vector(self, title: str, text: str) -> Any:
            raise NotImplementedError

    ruleset = remembering(replace(quota_rules, model=replace(quota_rules.model, encoder=Encoder(), open_from=0.0, open_to=1.0)))

    for _ in range(3):
        ruleset.model.score({}, make.news_item().title or "", "", led=True)

    assert len(asked) == 1
