"""The table of the likeliest change is fitted the same way each time, and reads back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.config.tables import Choices
from services.evaluation.choices import Example, fit, written
from services.runtime.config_files import load_yaml

pytest.importorskip("numpy", reason="fitting is for developers")

SEEN = [
    *[Example({"opens": 1.0, f"noise {n % 3}": 1.0}, "loosen/loosen", "announced") for n in range(12)],
    *[Example({"shuts": 1.0, f"noise {n % 3}": 1.0}, "tighten/tighten", "reported") for n in range(12)],
]


def test_a_sign_speaks_for_the_label_it_stands_with() -> None:
    table = Choices.model_validate(fit(SEEN))

    assert table.change.weights["opens"]["loosen/loosen"] > 0 > table.change.weights["opens"]["tighten/tighten"]
    assert table.stage.weights["shuts"]["reported"] > 0


def test_fitting_twice_gives_the_same_table_and_it_reads_back(tmp_path: Path) -> None:
    first, second = fit(SEEN), fit(SEEN)
    file = tmp_path / "choices.yaml"
    file.write_text(written(first), encoding="utf-8")

    assert first == second
    assert load_yaml(file, Choices) == Choices.model_validate(first)
