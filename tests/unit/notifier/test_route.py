"""Who is told, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.subscriptions import FIELDS, When
from schemas.events.event import PolicyEvent, Relation
from schemas.events.signal import Company
from services.notifier.route import fields_of, matches, route
from tests import make

EVERYTHING = When()


@dataclass(frozen=True)
class Subscription:
    id: str = "s"
    destination: str = "inbox"
    when: When = EVERYTHING
    language: str = "en"


def lets_through(when: dict[str, Any], event: PolicyEvent) -> bool:
    return matches(When.model_validate(when), fields_of(event)) is not None


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"imposers": "US"},
        {"imposers": ["NL", "US"]},
        {"imposers": {"in": ["US"]}},
        {"products": {"all": ["H20", "H200"]}},
        {"products": "h20"},
        {"companies": {"any": ["nvidia"]}},
        {"companies": {"not": "AMD"}},
        {"severity": 4},
        {"severity": {"gte": 4}},
        {"confidence": {"gte": 0.5}},
        {"stage": {"gte": "proposed"}},
        {"stage": {"in": ["announced", "published"]}},
        {"direction": {"exists": True}},
        {"tags": {"exists": False}},
        {"direction": "loosen", "action": {"not": ["tariff", "enforce"]}},
        {"any": [{"imposers": "NL"}, {"products": "H200"}]},
        {"all": [{"imposers": "US"}, {"targets": "CN"}]},
        {"none": [{"imposers": "NL"}, {"severity": {"gte": 5}}]},
        {"all": [{"any": [{"none": [{"imposers": "NL"}]}]}]},
    ],
)
def test_a_filter_that_holds_lets_the_event_through(when: dict[str, Any]) -> None:
    event = make.event(products=("H20", "H200"), severity=4, stage="announced", confidence=0.8)

    assert lets_through(when, event)


@pytest.mark.parametrize(
    "when",
    [
        {"imposers": "NL"},
        {"imposers": {"not": "US"}},
        {"products": {"all": ["H20", "B200"]}},
        {"companies": {"exists": False}},
        {"severity": {"gte": 5}},
        {"stage": {"gte": "published"}},
        {"tags": "retaliation"},
        {"direction": ["tighten", "mixed"]},
        {"imposers": "US", "products": "B200"},
        {"any": [{"imposers": "NL"}, {"products": "B200"}]},
        {"all": [{"imposers": "US"}, {"targets": "RU"}]},
        {"none": [{"imposers": "US"}]},
        {"severity": {"gte": 2, "not": 4}},
    ],
)
def test_a_filter_that_does_not_hold_stops_the_event(when: dict[str, Any]) -> None:
    event = make.event(products=("H20", "H200"), severity=4, stage="announced", confidence=0.8)

    assert not lets_through(when, event)


def test_an_unknown_fact_meets_no_value_and_every_not() -> None:
    event = make.event(severity=None, direction=None)

    assert not lets_through({"severity": {"gte": 1}}, event)
    assert not lets_through({"direction": ["tighten", "loosen", "neutral", "mixed"]}, event)
    assert lets_through({"direction": {"not": "tighten"}}, event)
    assert lets_through({"severity": {"exists": False}}, event)


def test_an_event_against_everybody_meets_every_target() -> None:
    assert lets_through({"targets": ["VN"]}, make.event(targets=("*",)))
    assert not lets_through({"targets": {"not": "*"}}, make.event(targets=("*",)))


def test_tags_are_the_motive_and_the_relations() -> None:
    event = make.event(motive="retaliation", relations=(Relation(event="x", relation="reverses"),))

    assert lets_through({"tags": {"all": ["retaliation", "reverses"]}}, event)


def test_one_destination_is_told_once_with_every_subscription_that_matched() -> None:
    event = make.event(products=("H20",), severity=4)
    subscriptions = [
        Subscription("flagship", "pager", When.model_validate({"severity": {"gte": 4}}), "ar"),
        Subscription("all", "pager", When(), "en"),
        Subscription("dutch", "pager", When.model_validate({"imposers": "NL"}), "nl"),
        Subscription("chips", "inbox", When.model_validate({"products": ["H20", "H200"], "none": [{"imposers": "NL"}]}), "de"),
        Subscription("lithography", "shelf", When.model_validate({"products": "EUV"})),
    ]

    told = route(event, subscriptions)

    assert {"pager", "inbox"} == told.keys()
    assert told["pager"].reasons == ("all: everything", "flagship: severity at least 4 (4)")
    assert told["pager"].language == "en", "of the first subscription by id"
    assert told["inbox"].reasons == ("chips: products any of H20, H200 (H20)",)


def test_the_reason_names_the_branch_that_held() -> None:
    when = When.model_validate({"imposers": "US", "any": [{"products": "EUV"}, {"companies": {"not": "ASML"}}], "all": [{"action": "shelve"}]})

    held = matches(when, fields_of(make.event(companies=(Company(id="NVIDIA"),))))

    assert held == ("imposers is US (US)", "action is shelve (shelve)", "companies not ASML (NVIDIA)")


states = st.sampled_from(["US", "CN", "NL", "JP"])


@given(imposers=st.lists(states, unique=True), wanted=st.lists(states, min_size=1, unique=True))
def test_any_and_not_are_opposites(imposers: list[str], wanted: list[str]) -> None:
    event = make.event(imposers=tuple(imposers))

    assert lets_through({"imposers": {"any": wanted}}, event) != lets_through({"imposers": {"not": wanted}}, event)


@given(imposers=st.lists(states, unique=True), wanted=states)
def test_none_of_a_filter_is_its_opposite(imposers: list[str], wanted: str) -> None:
    event = make.event(imposers=tuple(imposers))

    assert lets_through({"imposers": wanted}, event) != lets_through({"none": [{"imposers": wanted}]}, event)


def test_every_field_a_filter_may_test_can_be_read_from_an_event() -> None:
    assert set(FIELDS) == fields_of(make.event()).keys()
