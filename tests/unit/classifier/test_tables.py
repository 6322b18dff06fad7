"""The shipped tables, and what is told of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.events.signal import ACTIONS, DIRECTIONS, STAGES
from services.classifier.rules import Ruleset
from services.classifier.tables import FILES, read_tables
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured


def test_every_concept_that_a_table_names_is_in_the_lexicon(ruleset: Ruleset) -> None:
    tables = ruleset.tables
    known = frozenset().union(*ruleset.terms.names.values())
    named = {
        *tables.changes.verbs,
        *tables.changes.objects,
        tables.changes.plans,
        *tables.news.cues,
        *tables.products.groups,
        *tables.products.makers,
        tables.places.region,
    }
    named |= {cue.concept for cue in tables.stages.cues} | {concept for cue in tables.stages.cues for concept in cue.unless}
    named |= {concept for step in tables.changes.refine for concept in (*step.seen, *step.unless)}
    named |= {concept for feature in tables.score.features.values() for concept in feature.seen}

    assert named <= known | {"instrument"}


def test_every_verb_and_object_class_has_its_place_in_the_matrix(ruleset: Ruleset) -> None:
    changes = ruleset.tables.changes

    assert set(changes.verbs.values()) - {"refute"} <= set(changes.matrix)
    assert {kind for row in changes.matrix.values() for kind in row} <= {*changes.objects.values(), "alone"}
    assert set(changes.strength) <= set(changes.matrix)


def test_the_values_of_tables_are_those_of_the_contract(ruleset: Ruleset) -> None:
    tables = ruleset.tables
    outcomes = [outcome for row in tables.changes.matrix.values() for outcome in row.values()]

    assert {outcome.action for outcome in outcomes} <= set(ACTIONS)
    assert {outcome.direction for outcome in outcomes} <= set(DIRECTIONS)
    assert set(tables.stages.confidence) == set(STAGES)


def test_a_table_of_the_team_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/news.yaml").write_text("position: [1, 1, 1, 1]\ncues: {}\nolder_year: 0\n")

    assert read_tables(ConfigDir(tmp_path)).news.position == (1, 1, 1, 1)


def test_wrong_tables_are_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/news.yaml").write_text("position: [1, 1, 1]\ncues: {}\nolder_year: 0\ncolour: red\n")
    (tmp_path / "tables/moods.yaml").write_text("a: 1\n")

    with pytest.raises(Misconfigured) as caught:
        read_tables(ConfigDir(tmp_path))

    told = "\n".join(caught.value.problems)
    assert "moods.yaml: no table has this name" in told
    assert "news.yaml:4:1" in told
    assert set(FILES) == {path.stem for path in ConfigDir().files("tables", shipped="services.classifier:tables")}
