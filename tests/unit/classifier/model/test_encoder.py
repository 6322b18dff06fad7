"""The encoder as it ships: it runs on numpy alone, reads any text, and knows the near pairs of the taxonomy apart."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.classifier.model.encoder import Encoder, joined
from services.classifier.model.score import model_files

np = pytest.importorskip("numpy")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    loaded = Encoder.load(model_files(encoder=True)[1])
    assert loaded is not None
    return loaded


def test_the_same_text_gives_the_same_vector(encoder: Encoder) -> None:
    first, again = encoder.vector("Nvidia can ship again", ""), encoder.vector("Nvidia can ship again", "")

    assert first.shape == (384,)
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    ("alert", "look_alike"),
    [
        ("Nvidia may sell H20 chips to China again after Washington grants licences", "Nvidia hopes to sell H20 chips to China again, says Huang"),
        ("荷兰宣布扩大光刻机出口管制范围", "商务部回应荷兰光刻机出口管制:坚决反对"),
        ("Japan schränkt Ausfuhr von Chipmaschinen nach China ein", "Was Japans Exportkontrollen für deutsche Zulieferer bedeuten: eine Analyse"),
    ],
)
def test_a_change_is_likelier_an_alert_than_its_look_alike(encoder: Encoder, alert: str, look_alike: str) -> None:
    assert encoder.judge(alert, "") > encoder.judge(look_alike, "")


@pytest.mark.parametrize("text", ["", "\ud800\udfff", "a" * 200_000, "\u202e<b>&amp;\x00", "出口" * 5_000])
def test_any_text_is_read_in_bounded_time(encoder: Encoder, text: str) -> None:
    assert np.isfinite(encoder.judge(text, text))


def test_without_numpy_there_is_no_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    assert Encoder.load(tmp_path / "encoder.npz") is None


def test_title_and_text_are_read_as_one_up_to_a_limit() -> None:
    assert joined("Title", "Text.") == "Title. Text"
    assert joined("", "Text") == "Text"
    assert len(joined("x" * 300, "y" * 300)) == 400
