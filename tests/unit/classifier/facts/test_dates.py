"""Dates as they are written, against the day of publication, and which date of the measure each is."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.base import Moment
from services.classifier.classify import classify
from services.classifier.facts.moments import written
from services.classifier.rules import Ruleset
from tests import make

WEDNESDAY = date(2026, 3, 11)


@pytest.mark.parametrize(
    ("words", "day", "precision"),
    [
        ("rules take effect on 2026-08-01", "2026-08-01", "day"),
        ("from 1 december", "2025-12-01", "day"),
        ("from april 1", "2026-04-01", "day"),
        ("am 1. april", "2026-04-01", "day"),
        ("le 1er avril 2027", "2027-04-01", "day"),
        ("el 15 de mayo de 2026", "2026-05-15", "day"),
        ("с 1 апреля", "2026-04-01", "day"),
        ("في 1 ابريل", "2026-04-01", "day"),
        ("自8月1日起", "2026-08-01", "day"),
        ("明年1月起", "2027-01-01", "month"),
        ("下月1日", "2026-04-01", "day"),
        ("다음 달 1일", "2026-04-01", "day"),
        ("来月1日", "2026-04-01", "day"),
        ("9日宣布", "2026-03-09", "day"),
        ("9일 발표", "2026-03-09", "day"),
        ("im april", "2026-04-01", "month"),
        ("in september 2027", "2027-09-01", "month"),
        ("next monday", "2026-03-16", "day"),
        ("last friday", "2026-03-06", "day"),
        ("on tuesday", "2026-03-10", "day"),
        ("下周一", "2026-03-16", "day"),
        ("上周五", "2026-03-06", "day"),
        ("الاربعاء المقبل", "2026-03-18", "day"),
        ("الاثنين", "2026-03-09", "day"),
        ("am freitag", "2026-03-06", "day"),
        ("kommenden freitag", "2026-03-13", "day"),
        ("오늘", "2026-03-11", "day"),
        ("gestern", "2026-03-10", "day"),
    ],
)
def test_a_date_is_resolved_against_the_day_of_publication(words: str, day: str, precision: str, ruleset: Ruleset) -> None:
    found = written(words, WEDNESDAY, ruleset.tables.dates)

    assert [(str(one.day), one.precision) for one in found] == [(day, precision)]


@pytest.mark.parametrize("words", ["31 april", "h100 and a800", "$5.5 billion", "中国日报", "may restrict exports", "3.5亿日元", "an isom of 9日元"])
def test_what_is_no_date_is_none(words: str, ruleset: Ruleset) -> None:
    assert written(words, WEDNESDAY, ruleset.tables.dates) == []


def test_without_a_day_of_publication_only_whole_dates_are_read(ruleset: Ruleset) -> None:
    assert [str(one.day) for one in written("on friday, 1 may, or 1 may 2026", None, ruleset.tables.dates)] == ["2026-05-01"]


@given(text=st.text(alphabet="0123456789 ./-年月日nextmonday下月april일월", max_size=60))
def test_no_text_upsets_the_reading_of_dates(text: str, ruleset: Ruleset) -> None:
    found = written(text, WEDNESDAY, ruleset.tables.dates)

    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("title", "kind", "day", "zone"),
    [
        ("US imposes export controls on AI chips for China, effective next Monday", "effective", "2026-03-16", "America/New_York"),
        ("US export controls on AI chips for China take effect on Friday", "effective", "2026-03-13", "America/New_York"),
        ("US export controls on AI chips for China took effect on Friday", "effective", "2026-03-06", "America/New_York"),
        ("China to restrict gallium exports from 1 December", "effective", "2026-12-01", "Asia/Shanghai"),
        ("中国商务部9日宣布对镓实施出口管制，自下月1日起实施", "effective", "2026-04-01", "Asia/Shanghai"),
        ("中国商务部9日宣布对镓实施出口管制，自下月1日起实施", "announced", "2026-03-09", "Asia/Shanghai"),
        ("China suspends export controls on gallium until 27 November 2026", "expires", "2026-11-27", "Asia/Shanghai"),
        ("Den Haag verschärft Exportkontrollen für Chipmaschinen ab dem 1. April", "effective", "2026-04-01", "Europe/Amsterdam"),
    ],
)
def test_the_words_beside_a_date_say_which_it_is(title: str, kind: str, day: str, zone: str, ruleset: Ruleset) -> None:
    verdict = classify(make.news_item(title=title, text="", language=None, published=Moment.parse("2026-03-11")), ruleset)

    assert (kind, day, zone) in [(one.kind, str(one.moment), one.moment.zone) for one in verdict.facts.dates]
    assert all(quote.text in title for quote in verdict.evidence if quote.fact == "dates")


def test_what_takes_effect_later_is_not_in_force(ruleset: Ruleset) -> None:
    later = classify(
        make.news_item(title="US export controls on AI chips for China take effect next Monday", text="", published=Moment.parse("2026-03-11")), ruleset
    )
    now = classify(make.news_item(title="US export controls on AI chips for China took effect today", text="", published=Moment.parse("2026-03-11")), ruleset)

    assert (later.facts.stage, now.facts.stage) == ("announced", "in_force")
