"""The commented examples of a rule and of a lexicon file, in the place where a team would put them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.classifier.classify import classify
from services.classifier.rules import Ruleset, load_ruleset, run_examples
from services.runtime.config_files import ConfigDir
from tests import make

HOWTO = Path(__file__).parents[3] / "docs" / "howto"


@pytest.fixture
def ruleset(tmp_path: Path) -> Ruleset:
    for folder, name in (("rules", "rule.yaml"), ("lexicon", "lexicon.yaml")):
        (tmp_path / folder).mkdir()
        shutil.copy(HOWTO / name, tmp_path / folder)
    return load_ruleset(ConfigDir(tmp_path), now=datetime(2026, 1, 1, tzinfo=UTC))


def test_the_rule_does_what_its_examples_say(ruleset: Ruleset) -> None:
    assert "quantum-instrument-with-chips" in {rule.id for rule in ruleset.rules}
    assert list(run_examples(ruleset)) == []


def test_a_shadow_rule_shows_itself_and_settles_nothing(ruleset: Ruleset) -> None:
    item = make.news_item(title="UK adds quantum computers and advanced chips to its export control list", text="The order takes effect in April.")
    plain = load_ruleset(ConfigDir(None), now=datetime(2026, 1, 1, tzinfo=UTC))

    verdict = classify(item, ruleset)

    assert [(hit.id, hit.status) for hit in verdict.rules if hit.status == "shadow"] == [("quantum-instrument-with-chips", "shadow")]
    assert (verdict.verdict, verdict.facts) == (classify(item, plain).verdict, classify(item, plain).facts)


def test_the_words_of_the_lexicon_file_are_known(ruleset: Ruleset) -> None:
    names = ruleset.terms.names

    assert {"quantum_computer", "QuTools"} <= set(names)
