"""Judges labelled news as if it had never been learnt from, by nested cross-validation: for each part of the data all that is fitted is fitted anew to the others.

    examples -> folds by event and near copy -> choices.yaml, forest, calibration and threshold from the other folds -> a rule set for this one

What the encoder says of an item is what an encoder said that had not learnt from it (`encoder.csv` of the corpus). Words, rules and hand-written tables stay:
who wrote them may have read the items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.config.tables import Choices
from services.classifier.classify import classify
from services.classifier.model.score import Reader, as_model
from services.classifier.rules import Ruleset
from services.evaluation import choices
from services.evaluation.encoders import Said
from services.evaluation.threads import Judged
from services.evaluation.training.examples import Example
from services.evaluation.training.fit import fit


@dataclass(frozen=True, slots=True)
class Fold:
    """Examples of one part, and the rule sets that learnt from the other parts: with the score of the forest alone, and with what the encoder says too."""

    examples: tuple[Example, ...]
    alone: Ruleset
    together: Ruleset
    said: Mapping[str, float]

    def parts(self, *, encoder: bool) -> Iterator[tuple[Ruleset, list[Example]]]:
        """The examples by the rule set that judges them: where nobody knows what the encoder would say, the forest judges alone."""
        heard = [one for one in self.examples if encoder and one.line.id in self.said]
        rest = [one for one in self.examples if not (encoder and one.line.id in self.said)]
        yield from ((ruleset, group) for ruleset, group in ((self.together, heard), (self.alone, rest)) if group)

    def judge(self, *, encoder: bool) -> Iterator[tuple[Ruleset, list[Judged]]]:
        """The same, judged."""
        for ruleset, group in self.parts(encoder=encoder):
            items = [(one.line, one.line.to_item()) for one in group]
            yield ruleset, [Judged(line, item, classify(item, ruleset)) for line, item in items]


def unseen(examples: Sequence[Example], wanted: Sequence[Example], ruleset: Ruleset, said: Mapping[str, float], *, folds: int, seed: int) -> Iterator[Fold]:
    """A fold at a time; each takes about a minute. `wanted` are those of the examples that are judged. `said` is log-odds of the encoder, by id."""
    for fold in range(folds):
        inside = tuple(one for one in wanted if one.fold(folds, seed) == fold)
        if inside:
            taught = _taught([one for one in examples if one.fold(folds, seed) != fold], ruleset, said, folds=folds, seed=seed)
            yield Fold(inside, _scored_by(taught, None), _scored_by(taught, Said((one.line for one in inside), said)), said)


@dataclass(frozen=True, slots=True)
class _Taught:
    ruleset: Ruleset
    score: Mapping[str, Any]


def _taught(outside: Sequence[Example], ruleset: Ruleset, said: Mapping[str, float], *, folds: int, seed: int) -> _Taught:
    """Everything that is fitted, in the order in which it is fitted for the shipped model."""
    table = choices.fit(choices.examples([one.line for one in outside], ruleset))
    chosen = replace(ruleset, tables=ruleset.tables.model_copy(update={"choices": Choices.model_validate(table)}))
    return _Taught(chosen, fit(outside, chosen, said, folds=folds, seed=seed).stored)


def _scored_by(taught: _Taught, encoder: Reader | None) -> Ruleset:
    return replace(taught.ruleset, model=as_model(taught.score, encoder))
