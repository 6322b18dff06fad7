from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from schemas.config import rule as rule_schema
from services.classifier.classify import classify
from services.classifier.conditions import parts
from services.classifier.rules import Ruleset, load_ruleset, run_examples, run_samples
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from tests import make

RULE = """
rules:
  - id: quota-lapses
    title: A quota lapses
    owner: tests
    status: {status}
    when: {when}
    verdict: alert
    examples:
      - {{text: The chip quota for Nvidia lapses in China, fires: true}}
      - {{text: The chip quota for Nvidia stays in China, fires: false}}
"""


def overlay(directory: Path, cache: ConfigDir, when: str = "{phrase: quota for Nvidia lapses}", status: str = "active") -> ConfigDir:
    rules = directory / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "ours.yaml").write_text(RULE.format(when=when, status=status), "utf-8")
    return ConfigDir(directory, cache=cache._cache)


def test_every_shipped_rule_fires_on_its_examples_and_not_on_its_near_misses(ruleset: Ruleset) -> None:
    failures = list(run_examples(ruleset))

    assert failures == []


def test_every_shipped_rule_is_shown_in_english_chinese_and_another_language_unless_it_is_for_one(ruleset: Ruleset) -> None:
    for rule in (rule for rule in ruleset.rules if not any(part.language for part in parts(rule.when))):
        texts = [f"{example.title or ''}{example.text}" for example in rule.examples if example.fires]

        assert any("\u4e00" <= char <= "\u9fff" for text in texts for char in text), rule.id
        assert len(texts) >= 3, rule.id
        assert any(text.isascii() for text in texts) or any(part.language for part in parts(rule.when)), rule.id


def test_a_rule_of_the_team_stands_beside_the_shipped_ones(tmp_path: Path, shipped: ConfigDir, ruleset: Ruleset) -> None:
    ours = load_ruleset(overlay(tmp_path, shipped), now=make.NOW)

    assert {rule.id for rule in ours.rules} == {rule.id for rule in ruleset.rules} | {"quota-lapses"}
    assert ours.hash != ruleset.hash
    assert list(run_examples(ours)) == []


def test_the_example_in_the_schema_is_a_rule_that_works(tmp_path: Path, shipped: ConfigDir) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ours.yaml").write_text(dedent(rule_schema.__doc__ or "").partition("\n\n")[2], "utf-8")
    ours = load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)

    assert "vague-countermeasures" in {rule.id for rule in ours.rules}
    assert list(run_examples(ours)) == []


def test_a_retired_rule_is_not_loaded(tmp_path: Path, shipped: ConfigDir) -> None:
    ours = load_ruleset(overlay(tmp_path, shipped, status="retired"), now=make.NOW)

    assert "quota-lapses" not in {rule.id for rule in ours.rules}


def test_the_same_files_give_the_same_hash(shipped: ConfigDir, ruleset: Ruleset) -> None:
    assert load_ruleset(shipped, now=make.NOW, encoder=False).hash == ruleset.hash


def test_a_failing_example_is_named(tmp_path: Path, shipped: ConfigDir) -> None:
    ours = load_ruleset(overlay(tmp_path, shipped, when="{phrase: never said}"), now=make.NOW)

    failures = list(run_examples(ours))

    assert [(failure.rule, failure.expected) for failure in failures] == [("quota-lapses", True)]


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("{term: export_contrl}", "'export_contrl'"),
        ("{near: {terms: [licence, licens]}}", "'licens'"),
        ("{regex: '(a'}", "RE2 refuses it"),
        ("{regex: '(a{1000}){1000}'}", "RE2 refuses it"),
        ("{regex: 'a*'}", "matches the empty text"),
        ("{}", "found nothing"),
        ("{trem: licence}", "unknown key"),
        ("{phrase: '*'}", "does not start with letters"),
        ("{all: [{term: licence}], none: [{term: licence}]}", "refuses what it demands"),
        ("{fact: {companies: NVDIA}}", "'NVDIA'"),
        ("{fact: {direction: sideways}}", "one of tighten"),
        ("{regex: '.{0,600}b.{0,600}c'}", "steps at a character"),
        (r"{regex: '(ban)\1'}", "refers back"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_place(tmp_path: Path, shipped: ConfigDir, when: str, problem: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_ruleset(overlay(tmp_path, shipped, when=when), now=make.NOW)

    assert len(refused.value.problems) == 1
    assert problem in refused.value.problems[0]
    assert "ours.yaml:" in refused.value.problems[0]


PLACED = """
rules:
  - id: quota-lapses
    title: A quota lapses
    owner: tests
    severity: 9
    when:
      all:
        - {phrase: quota}
        - any:
            - {term: licence}
            - term: licens
        - fact:
            direction: sideways
    sets:
      stage: done
      colour: red
    examples: []
"""


def test_a_mistake_is_told_at_the_line_where_it_stands(tmp_path: Path, shipped: ConfigDir) -> None:
    (tmp_path / "rules").mkdir()
    path = tmp_path / "rules" / "ours.yaml"
    path.write_text(PLACED, "utf-8")
    with pytest.raises(Misconfigured) as first:
        load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)
    path.write_text(
        PLACED.replace("sideways", "loosen").replace("severity: 9", "severity: 4").replace("done", "reported").replace("      colour: red\n", ""), "utf-8"
    )
    with pytest.raises(Misconfigured) as second:
        load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)

    assert places(first.value) == {6: "severity", 14: "direction", 16: "stage", 17: "colour"}
    assert places(second.value) == {12: "licens", 17: "at least one example"}


def places(problems: Misconfigured) -> dict[int, str]:
    """The line of each problem, and the word of it that we look for."""
    words = ("severity", "direction", "stage", "colour", "licens", "at least one example")
    told = [problem.partition("ours.yaml:")[2] for problem in problems.problems]
    return {int(one.split(":")[0]): next(word for word in words if word in one) for one in told}


def test_a_gate_of_unknown_words_is_told_at_its_line(tmp_path: Path, shipped: ConfigDir) -> None:
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "ours.yaml").write_text("# ours\ngate: {groups: [[subjct]]}\n", "utf-8")

    with pytest.raises(Misconfigured, match=r"ours\.yaml:2:\d+: gate: no concept or kind is called 'subjct'"):
        load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)


def test_a_sample_of_the_lexicon_that_is_misread_says_what_is_wrong(tmp_path: Path, shipped: ConfigDir) -> None:
    (tmp_path / "lexicon").mkdir()
    sample = "{language: en, text: US bans chips, expect: [tulip, US], reject: [CN, chip], passes: false}"
    (tmp_path / "lexicon" / "ours.yaml").write_text(f"concepts: {{tulip: {{kind: topic, terms: {{en: [tulip]}}}}}}\nsamples: [{sample}]\n", "utf-8")
    ours = load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)

    (failure,) = run_samples(ours)

    assert failure.wrong == ("tulip is not found", "chip is found", "the gate lets it through")


@pytest.mark.parametrize("status", ["shadow", "active"])
def test_a_rule_opens_the_gate_by_its_own_words_and_in_shadow_settles_nothing(tmp_path: Path, shipped: ConfigDir, status: str) -> None:
    ours = load_ruleset(overlay(tmp_path, shipped, when="{phrase: quota for tulips}", status=status), now=make.NOW)

    verdict = classify(make.news_item(title=None, text="The quota for tulips grows"), ours)

    assert [(hit.id, hit.status) for hit in verdict.rules] == [("quota-lapses", status)]
    assert verdict.verdict == ("alert" if status == "active" else "no")


def test_all_problems_are_told_at_once(tmp_path: Path, shipped: ConfigDir) -> None:
    config = overlay(tmp_path, shipped, when="{trem: licence}")
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "ours.yaml").write_text("concepts: {chip: 1}\n", "utf-8")

    with pytest.raises(Misconfigured) as refused:
        load_ruleset(config, now=make.NOW)

    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    ("lexicon", "problem"),
    [
        ("concepts: {quota: {kind: subject, terms: {en: ['*']}}}", "does not start with letters"),
        ("instruments: {law: {literals: [law], pattern: '(', id: '{0}'}}", "RE2 refuses the pattern"),
        ("concepts: {CN: {kind: subject, terms: {en: [quota]}}}", "CN stands for two things"),
    ],
)
def test_a_lexicon_that_cannot_work_is_refused(tmp_path: Path, shipped: ConfigDir, lexicon: str, problem: str) -> None:
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "ours.yaml").write_text(lexicon, "utf-8")

    with pytest.raises(Misconfigured, match=problem):
        load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)


def test_a_gate_of_unknown_concepts_is_refused(tmp_path: Path, shipped: ConfigDir) -> None:
    (tmp_path / "lexicon").mkdir()
    (tmp_path / "lexicon" / "gate.yaml").write_text("gate: {groups: [[subjct]]}", "utf-8")

    with pytest.raises(Misconfigured, match="'subjct'"):
        load_ruleset(ConfigDir(tmp_path, cache=shipped._cache), now=make.NOW)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path, shipped: ConfigDir) -> None:
    config = overlay(tmp_path, shipped)
    (tmp_path / "rules" / "more.yaml").write_text((tmp_path / "rules" / "ours.yaml").read_text("utf-8"), "utf-8")

    with pytest.raises(Misconfigured, match="stands in more\\.yaml too"):
        load_ruleset(config, now=make.NOW)


def test_a_rule_without_a_near_miss_is_not_finished(tmp_path: Path, shipped: ConfigDir) -> None:
    config = overlay(tmp_path, shipped)
    path = tmp_path / "rules" / "ours.yaml"
    path.write_text(path.read_text("utf-8").replace("fires: false", "fires: true"), "utf-8")

    with pytest.raises(Misconfigured, match="one that does not"):
        load_ruleset(config, now=make.NOW)
