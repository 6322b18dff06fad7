"""The score: who is asked, and how the answers are put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from services.classifier.model.encoder import Encoder
from services.classifier.model.score import ENCODER, SCORE, as_model, model_files, read_model

STORED: dict[str, Any] = {
    "alone": {"forest": 1.0, "encoder": 0.0, "offset": 0.0, "alert": 0.6, "unled": 0.7},
    "together": {"forest": 0.5, "encoder": 0.5, "offset": 0.2, "alert": 0.4, "unled": 0.4},
    "open": [0.2, 0.8],
    "features": ["change"],
    "trees": [[0, 0.5, -1.0, -2.0, 0.0]],
}


class Reader:
    """Stands in for the encoder: always as sure, and counts how often it is asked."""

    def __init__(self, odds: float) -> None:
        self.odds = odds
        self.asked: list[tuple[str, str]] = []

    def judge(self, title: str, text: str) -> float:
        self.asked.append((title, text))
        return self.odds


def test_the_forest_alone_judges_where_there_is_no_encoder() -> None:
    scored = as_model(STORED, None).score({"change": 1.0}, "title", "text", led=True)

    assert (scored.score, scored.alert, scored.by) == (0.5, 0.6, "forest")
    assert not scored.alerts


def test_where_no_rule_speaks_for_an_alert_the_score_has_to_be_surer() -> None:
    led, unled = (as_model(STORED, None).score({"change": 1.0}, "title", "text", led=led) for led in (True, False))

    assert (led.score, led.alert) == (unled.score, 0.6)
    assert unled.alert == 0.7


def test_the_encoder_is_asked_in_the_open_band_only() -> None:
    reader = Reader(3.0)
    model = as_model(STORED, cast("Encoder", reader))

    closed, still_open = model.score({}, "off", "topic", led=True), model.score({"change": 1.0}, "title", "text", led=True)

    assert reader.asked == [("title", "text")]
    assert closed.by == "forest"
    assert still_open.by == "forest and encoder"
    assert still_open.score == pytest.approx(0.8455, abs=1e-4)  # 0.5 x 0 + 0.5 x 3 + 0.2, squashed
    assert still_open.alerts


def test_the_terms_of_a_score_sum_up_to_it() -> None:
    scored = as_model(STORED, cast("Encoder", Reader(-1.0))).score({"change": 1.0}, "title", "text", led=True)

    assert scored.why() == pytest.approx({"usual": -0.3, "change": 0.5, "encoder": -0.5})


def test_the_shipped_model_is_small_and_reads_without_its_encoder() -> None:
    model = read_model(encoder=False)

    assert model.encoder is None
    assert model.forest.trees
    assert 0 < model.alone.alert < 1
    assert sum(path.stat().st_size for path in model_files(encoder=True)) < 20_000_000


def test_the_files_that_judge_depend_on_whether_the_encoder_does() -> None:
    assert [path.name for path in model_files(encoder=False)] == [SCORE]
    assert [path.name for path in model_files(encoder=True)] == [SCORE, ENCODER]
    assert all(isinstance(path, Path) for path in model_files(encoder=True))
