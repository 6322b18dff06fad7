"""The forest: what its trees add up to, and what each feature added."""

from __future__ import annotations

import pytest

from services.classifier.model.forest import Forest

FOREST = Forest.read(["change", "question"], [[0, 0.5, 0.1, -0.4, [1, 0.0, 0.8, 1.2, 0.2]], [1, 0.0, 0.0, 0.1, -0.3]])


@pytest.mark.parametrize(
    ("features", "total"),
    [({}, -0.3), ({"change": 0.5}, -0.3), ({"change": 1.0}, 1.3), ({"change": 1.0, "question": 1.0}, -0.1), ({"question": 1.0}, -0.7)],
)
def test_an_item_goes_above_where_its_feature_exceeds_the_threshold(features: dict[str, float], total: float) -> None:
    assert FOREST.total(features) == pytest.approx(total)


def test_what_the_features_added_sums_up_to_the_whole() -> None:
    features = {"change": 1.0, "question": 1.0}

    added = FOREST.told(features)

    assert sum(added.values()) == pytest.approx(FOREST.total(features))
    assert added == pytest.approx({"": 0.1, "change": 0.7, "question": -0.9})


def test_features_that_no_tree_asks_for_change_nothing() -> None:
    assert FOREST.told({"colour": 3.0}) == FOREST.told({})
    assert FOREST.total({"colour": 3.0}) == FOREST.total({})
