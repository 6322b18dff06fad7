from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.signal import OPINION_OUTCOMES, VERDICTS
from services.classifier.classify import UNKNOWN, Trace, Verdict
from services.classifier.opinion.answer import Answer
from services.classifier.opinion.settle import Band, outcome_of


def verdict(said: str, *, score: float = 0.5, rule: str | None = None) -> Verdict:
    return Verdict(said, score, UNKNOWN, trace=Trace("", rule=rule))


@pytest.mark.parametrize(("score", "is_open"), [(0.09, False), (0.1, True), (0.8, True), (0.81, False)])
def test_only_what_the_score_leaves_unsure_is_open(score: float, is_open: bool) -> None:
    assert Band(0.1, 0.8).is_open(verdict("alert", score=score)) is is_open


def test_what_a_rule_has_settled_is_never_open() -> None:
    assert not Band(0, 1).is_open(verdict("alert", rule="planned-curb-dropped"))


@pytest.mark.parametrize(
    ("before", "said", "outcome"),
    [("alert", "alert", "agreed"), ("context", "alert", "raised"), ("no", "context", "raised"), ("alert", "no", "lowered"), ("context", "no", "lowered")],
)
def test_an_answer_agrees_raises_or_lowers(before: str, said: str, outcome: str) -> None:
    assert outcome_of(verdict(before), Answer(said, "change")) == outcome


answers = st.builds(Answer, st.sampled_from((None, *VERDICTS)), st.text(), st.text(), st.sampled_from(("refused", "unusable", "unanswered")))


@given(st.sampled_from(VERDICTS), answers)
def test_no_answer_changes_what_a_rule_has_settled(before: str, answer: Answer) -> None:
    assert outcome_of(verdict(before, rule="a-rule"), answer) not in ("raised", "lowered")


@given(st.sampled_from(VERDICTS), answers)
def test_every_outcome_is_one_of_the_list(before: str, answer: Answer) -> None:
    assert outcome_of(verdict(before), answer) in OPINION_OUTCOMES
