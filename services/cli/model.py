"""`chipwire model`: make the classifier's model from labelled news. For developers: needs the dependency group `training`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

verbs = typer.Typer(no_args_is_help=True)

Corpus = Annotated[Path, typer.Option(help="The directory of the corpus.")]
With = Annotated[list[Path] | None, typer.Option("--with", help="More labelled news to learn from, beside the corpus.")]
Out = Annotated[Path, typer.Option(help="Where to write; the shipped files lie in services/classifier/model/.")]
MODEL = Path("services/classifier/model")
JUDGED = "encoder.csv"
WEIGHTS = {"dev": 3.0, "authored": 1.5}
"""How much an item of a file counts beside one of the corpus: real news counts most."""


@verbs.command()
def train(
    corpus: Corpus = Path("corpus"),
    others: With = None,
    out: Out = MODEL,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same file.")] = 0,
    folds: Annotated[int, typer.Option(min=2, help="Parts that are measured in turn by what the others teach.")] = 5,
) -> None:
    """Fit the score: the forest, its calibration and its thresholds. Prints how good it is on what it has not seen."""
    import json

    with _training_packages():
        from services.classifier.model.score import SCORE
        from services.cli.rulesets import config_dir, read_ruleset
        from services.evaluation.training.examples import read_examples
        from services.evaluation.training.fit import fit, read_judged, shown

    examples = read_examples(corpus, others or [], WEIGHTS)
    ruleset = read_ruleset(config_dir(None))
    made = fit(examples, ruleset, read_judged(corpus / JUDGED), folds=folds, seed=seed)
    (out / SCORE).write_text(json.dumps(made.stored, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(shown(made.figures))


@verbs.command()
def tune(
    corpus: Corpus = Path("corpus"),
    others: With = None,
    out: Out = MODEL,
    folds: Annotated[int, typer.Option(min=0, help="Parts that are judged in turn by what the others teach; 0 leaves the judgements as they are.")] = 5,
) -> None:
    """Teach the encoder, which takes an hour on two cores; then `train`.

    Writes its weights, and beside the corpus what it says of each item that it did not learn from.
    """
    with _training_packages():
        import numpy as np

        from services.classifier.model.score import ENCODER
        from services.evaluation.training.base import find_base, read_base
        from services.evaluation.training.examples import read_examples
        from services.evaluation.training.fit import write_judged
        from services.evaluation.training.tuning import Plan, Tuner, choose_pieces, stored

    plan = Plan()
    examples = read_examples(corpus, others or [], WEIGHTS)
    base = read_base(find_base(), plan.layers)
    kept = choose_pieces(base, [f"{one.line.title or ''} {one.line.text or ''}" for one in examples])
    tuner = Tuner(base, kept, examples, plan)
    everything = range(len(examples))
    layers, head = tuner.learn(everything, told=print)
    np.savez(out / ENCODER, **stored(base, kept, plan, layers, head))
    judged: dict[str, float] = {}
    for fold in range(folds):
        inside = [place for place in everything if examples[place].fold(folds, plan.seed) == fold]
        learnt = tuner.learn([place for place in everything if examples[place].fold(folds, plan.seed) != fold], told=print)
        judged |= {examples[place].line.id: odds for place, odds in zip(inside, tuner.judge(inside, *learnt), strict=True)}
    if judged:
        write_judged(corpus / JUDGED, judged)


@contextmanager
def _training_packages() -> Iterator[None]:
    from services.runtime.errors import Misconfigured

    try:
        yield
    except ModuleNotFoundError as exc:
        raise Misconfigured(f"this needs {exc.name}, which is not installed; expected the dependency group `training`") from exc
