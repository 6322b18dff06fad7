"""Fitting: calibrated lines, a forest that learns what there is to learn, and a score file that the classifier reads."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from services.classifier.model.score import as_model
from services.classifier.rules import Ruleset, load_ruleset
from services.evaluation.data import Line
from services.evaluation.training.examples import Example
from services.evaluation.training.fit import fit, read_judged, shown, write_judged
from services.evaluation.training.forest import grow
from services.evaluation.training.lines import fit_line
from services.runtime.config_files import ConfigDir
from tests import make

DICE = random.Random(7)  # noqa: S311 no secret
CHANGES = ("bans exports of {} to China", "lifts the export ban on {} to China", "requires a licence to export {} to China")
REACTIONS = ("Analysts fear export curbs on {}", "What export controls on {} mean for China", "Why the export ban on {} failed to slow China")


def example(number: int, title: str, *, alert: bool) -> Example:
    line = Line.model_validate({"id": f"i{number}", "title": title, "language": "en", "class": "alert" if alert else "context"})
    return Example(line, "corpus", 1.0, f"g{number}")


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    things = ("H20 chips", "chip tools", "EUV machines", "HBM memory", "gallium")
    alerts = [f"{state} {change.format(thing)}" for state in ("US", "Japan", "Netherlands") for change in CHANGES for thing in things]
    others = [reaction.format(thing) for reaction in REACTIONS for thing in things for _ in range(3)]
    return [example(number, title, alert=number < len(alerts)) for number, title in enumerate([*alerts, *others])]


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return load_ruleset(ConfigDir(cache=tmp_path_factory.mktemp("cache")), now=make.NOW, encoder=False)


def test_a_fitted_line_gives_probabilities() -> None:
    odds = [DICE.uniform(-4, 4) for _ in range(4_000)]
    labels = [DICE.random() < 1 / (1 + 2.718281828 ** -(0.5 * value - 1)) for value in odds]

    line = fit_line([(value,) for value in odds], labels, [1.0] * len(odds))

    assert line.weights[0] == pytest.approx(0.5, abs=0.08)
    assert line.offset == pytest.approx(-1, abs=0.15)


def test_the_same_seed_grows_the_same_forest_and_it_tells_what_is_told_apart() -> None:
    seen = [({"change": 1.0} if number % 2 else {"reaction": 1.0}, example(number, "x", alert=bool(number % 2))) for number in range(60)]

    forest, again = grow(seen, seed=3), grow(seen, seed=3)

    assert forest == again
    assert forest.total({"change": 1.0}) > 0 > forest.total({"reaction": 1.0})


def test_a_fitted_model_reads_and_judges_what_it_has_not_seen(examples: list[Example], ruleset: Ruleset) -> None:
    judged = {one.line.id: 2.0 if one.alert else -2.0 for one in examples}

    made = fit(examples, ruleset, judged, folds=3, seed=0)

    assert as_model(made.stored, None).forest.trees
    assert made.figures["with encoder"]["corpus"].f1 == 1.0
    assert "corpus en" in shown(made.figures)
    assert made.stored["data"] == {"corpus": len(examples)}


def test_without_judgements_the_encoder_is_never_asked(examples: list[Example], ruleset: Ruleset) -> None:
    made = fit(examples, ruleset, {}, folds=3, seed=0)

    assert made.stored["open"] == [1.0, 0.0]


def test_judgements_are_kept_by_id(tmp_path: Path) -> None:
    write_judged(tmp_path / "encoder.csv", {"b": 1.23456, "a": -2.0})

    assert read_judged(tmp_path / "encoder.csv") == {"a": -2.0, "b": 1.235}
    assert read_judged(tmp_path / "none.csv") == {}
