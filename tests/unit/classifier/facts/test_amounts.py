"""Sums, shares and counts, each with what it is for and the words it rests on."""

from __future__ import annotations

import pytest

from schemas.events.signal import Amount
from services.classifier.classify import classify
from services.classifier.document import read
from services.classifier.facts import find
from services.classifier.rules import Ruleset
from tests import make


def amounts(title: str, ruleset: Ruleset, text: str = "") -> list[tuple[float, str | None, str, str | None]]:
    found = find(read(make.news_item(title=title, text=text, language=None), ruleset.terms), ruleset.tables, ruleset.terms)
    return [(one.value, one.currency, one.kind, one.scope) for one in found.facts.amounts]


@pytest.mark.parametrize(
    ("title", "amount"),
    [
        ("Nvidia takes $5.5bn charge as US requires licence for H20 exports to China", (5.5e9, "USD", "charge", None)),
        ("US requires licence for H20 exports to China; Nvidia nimmt Abschreibung von 5,5 Milliarden Dollar vor", (5.5e9, "USD", "charge", None)),
        ("US requires licence for H20 exports to China: Nvidia cargará 5.500 millones de dólares", (5.5e9, "USD", "charge", None)),
        ("美国要求H20对华出口须经许可，英伟达计提55亿美元费用", (5.5e9, "USD", "charge", None)),
        ("US lets Nvidia export H20 chips to China for a 15% share of sales", (15.0, None, "revenue_share", None)),
        ("США разрешили экспорт H200 в Китай за 25 % выручки", (25.0, None, "revenue_share", None)),
        ("美国允许英伟达对华出口H200，抽成25%", (25.0, None, "revenue_share", None)),
        ("US approves export of up to 35,000 chips each to G42 and Humain", (35000.0, None, "quota_units", "each")),
        ("US approves export of 70,000 chips in total to G42 and Humain", (70000.0, None, "quota_units", "total")),
        ("美国批准向沙特出口3.5万片芯片", (35000.0, None, "quota_units", None)),
    ],
)
def test_an_amount_is_read_with_its_currency_kind_and_scope(title: str, amount: tuple[float, str | None, str, str | None], ruleset: Ruleset) -> None:
    assert amounts(title, ruleset) == [amount]


@pytest.mark.parametrize(
    "title",
    [
        "US rule bans exports to firms 50% owned by listed Chinese chipmakers",
        "US bans exports of 7nm chips and the RTX 4090 to China",
        "BIS amends 15 CFR 744 to tighten chip export controls on 140 entities",
    ],
)
def test_ownership_product_names_and_legal_ids_are_no_amounts(title: str, ruleset: Ruleset) -> None:
    assert amounts(title, ruleset) == []


def test_what_conflicts_is_kept_side_by_side(ruleset: Ruleset) -> None:
    found = amounts("US approves export of 35,000 chips each to G42 and Humain", ruleset, "Another official spoke of an approval for 70,000 chips in total.")

    assert [value for value, *_ in found] == [35000.0, 70000.0]


def test_an_amount_is_quoted_as_the_source_has_it(ruleset: Ruleset) -> None:
    title = "US lets Nvidia export H20 chips to China for a 15\u00a0% share of sales"
    verdict = classify(make.news_item(title=title, text="", language="en"), ruleset)

    assert Amount(value=15.0, kind="revenue_share") in verdict.facts.amounts
    assert [title[quote.start : quote.end] for quote in verdict.evidence if quote.fact == "amounts"] == ["15\u00a0%"]
