"""Labelled news judged for `chipwire evaluate`: by a rule set as it stands, or by one that never learnt from what it judges."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.classifier.rules import Ruleset
    from services.evaluation.data import Data
    from services.evaluation.threads import Judged

FOLDS, SEED = 5, 0


@dataclass
class Judging:
    """The items in the order of the file, by what they were judged, and the seconds that judging took."""

    ruleset: Ruleset
    judged: list[Judged] = field(default_factory=list)
    parts: list[tuple[Ruleset, Sequence[Judged]]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def model(self) -> str:
        """How items are scored."""
        return self.ruleset.model.name


def as_it_stands(read: Data, ruleset: Ruleset) -> Judging:
    """Every line. Shows how far it is where a person watches."""
    from services.classifier.classify import classify
    from services.evaluation.encoders import remembering
    from services.evaluation.threads import Judged

    made = Judging(remembering(ruleset))
    for line in watched(read.lines, "Judging", len(read.lines)):
        item = line.to_item()
        start = perf_counter()
        verdict = classify(item, made.ruleset)
        made.seconds += perf_counter() - start
        made.judged.append(Judged(line, item, verdict))
    made.parts.append((made.ruleset, made.judged))
    return made


def as_if_unseen(read: Data, ruleset: Ruleset, *, corpus: Path, learnt: Sequence[Path], encoder: bool) -> Judging:
    """Every line by a rule set that learnt from the corpus and from all lines, but neither from this one, nor from its event, nor from a near copy."""
    from services.cli.model import JUDGED, WEIGHTS
    from services.runtime.errors import Misconfigured

    if not (corpus / "items").is_dir():
        raise Misconfigured(f"{corpus} holds no items/ to learn from; expected the corpus of the repository (--corpus)")
    try:
        from services.evaluation.training.examples import read_examples
        from services.evaluation.training.fit import read_judged
        from services.evaluation.unseen import unseen
    except ModuleNotFoundError as exc:
        raise Misconfigured(f"--unseen fits models anew and needs {exc.name}, which is not installed; expected the dependency group `training`") from exc

    examples = read_examples(corpus, learnt, WEIGHTS)
    ids = {line.id for line in read.lines}
    wanted = list({one.line.id: one for one in examples if one.line.id in ids}.values())
    made = Judging(ruleset)
    for fold in watched(unseen(examples, wanted, ruleset, read_judged(corpus / JUDGED), folds=FOLDS, seed=SEED), "Learning and judging", FOLDS):
        start = perf_counter()
        made.parts += fold.judge(encoder=encoder)
        made.seconds += perf_counter() - start
    found = {one.line.id: one for _, part in made.parts for one in part}
    made.judged = [found[line.id] for line in read.lines]
    return made


def watched(parts: Iterable[Any], description: str, total: int) -> Iterable[Any]:
    """With a progress bar where a person watches."""
    if not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, total=total, description=description, console=Console(stderr=True), transient=True)
