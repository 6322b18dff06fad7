"""`chipwire model` where it cannot start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import command
from services.runtime.errors import Misconfigured


@pytest.mark.parametrize(("verb", "package", "module"), [("train", "lightgbm", "fit"), ("tune", "numpy", "tuning")])
def test_without_the_training_packages_it_says_what_is_missing(verb: str, package: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("services.evaluation.training.")]:
        monkeypatch.delitem(sys.modules, name)  # another test may have loaded them with the package
    monkeypatch.setitem(sys.modules, package, None)

    result = CliRunner().invoke(command(), ["model", verb, "--out", str(tmp_path)])

    assert isinstance(result.exception, Misconfigured)
    assert "not installed; expected the dependency group `training`" in str(result.exception)


def test_a_corpus_without_items_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm", reason="the training packages are not installed")

    result = CliRunner().invoke(command(), ["model", "train", "--corpus", str(tmp_path), "--out", str(tmp_path)])

    assert str(result.exception) == f"{tmp_path} holds no items/ to learn from; expected the corpus of the repository (--corpus)"
