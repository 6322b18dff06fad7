from __future__ import annotations

import pytest

from services.classifier.document import read, split
from services.classifier.fold import fold
from services.classifier.terms import Terms
from tests import make


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["one.", "two!", "three?"]),
        ("The U.S. adds firms. No. 46 of 2024 stands.", ["the u.s. adds firms.", "no. 46 of 2024 stands."]),
        ("It cost $5.5bn in Q3. Then 3.5 more.", ["it cost $5.5bn in q3.", "then 3.5 more."]),
        ("商务部公布。即日起生效！日韩回应；完", ["商务部公布。", "即日起生效!", "日韩回应;", "完"]),
        ("قال الوزير. وأضاف؟ نعم", ["قال الوزير.", "واضاف؟", "نعم"]),
        ("Überschrift\nText folgt", ["überschrift", "text folgt"]),
        ('He said "no." She left.', ['he said "no."', "she left."]),
        ("", []),
    ],
)
def test_sentences_end_where_the_script_ends_them(text: str, sentences: list[str]) -> None:
    folded = fold(text).text

    assert [folded[start:end] for start, end in split(folded)] == sentences


def test_the_title_is_the_first_sentence_when_there_is_one(terms: Terms) -> None:
    with_title, without = read(make.news_item(title="One. Two", text="Three. Four"), terms), read(make.news_item(title=None, text="Three. Four"), terms)

    assert [(one.field, one.index) for one in with_title.sentences] == [("title", 0), ("text", 1), ("text", 2)]
    assert [(one.field, one.index) for one in without.sentences] == [("text", 0), ("text", 1)]


def test_hits_can_be_asked_for_by_concept_and_kind(terms: Terms) -> None:
    document = read(make.news_item(title=None, text="Nvidia may sell H20 chips to China"), terms)

    assert [hit.concept for hit in document.called["chip_company"]] == ["NVIDIA"]
    assert document.called["company"] == document.called["NVIDIA"]
    assert "SMIC" not in document.called
