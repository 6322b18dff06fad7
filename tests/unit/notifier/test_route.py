"""Who is told, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.subscriptions import FIELDS, When
from schemas.events.event import PolicyEvent, Relation
from schemas.events.signal import ACTIONS, STAGES, Company
from services.notifier.filters import FIELDS_OF_EVENT, Filter, Seen
from services.notifier.route import Index, match, route
from tests import make
from tests.alerting import LONG_AGO, NAMES

EVERYTHING = When()


@dataclass(frozen=True)
class Subscription:
    id: str = "s"
    destination: str = "inbox"
    when: When = EVERYTHING
    language: str = "en"
    cadence: str = "by_rank"
    since: datetime = LONG_AGO


def lets_through(when: dict[str, Any], event: PolicyEvent) -> bool:
    return Filter.of(When.model_validate(when), NAMES).holds(Seen.of(event, NAMES))


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

    told = route(event, subscriptions, NAMES)

    assert {"pager", "inbox"} == told.keys()
    assert told["pager"].reasons == ("all: everything", "flagship: severity at least 4 (4)")
    assert told["pager"].language == "en", "of the first subscription by id"
    assert told["inbox"].reasons == ("chips: products any of H20, H200 (H20)",)


def test_the_reason_names_the_branch_that_held() -> None:
    when = When.model_validate({"imposers": "US", "any": [{"products": "EUV"}, {"companies": {"not": "ASML"}}], "all": [{"action": "shelve"}]})

    held = Filter.of(when, NAMES).held(Seen.of(make.event(companies=(Company(id="NVIDIA"),)), NAMES))

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
    assert set(FIELDS) == FIELDS_OF_EVENT.keys()


@pytest.mark.parametrize(
    ("when", "event"),
    [
        ({"companies": "英伟达"}, {"companies": (Company(id="NVIDIA"),)}),
        ({"companies": "NVDA"}, {"companies": (Company(id="NVIDIA"),)}),
        ({"companies": "SK hynix"}, {"companies": (Company(id="SKhynix"),)}),
        ({"imposers": "Japan"}, {"imposers": ("JP",)}),
        ({"imposers": "allies"}, {"imposers": ("US", "NL")}),
        ({"imposers": "EU"}, {"imposers": ("EU",)}),
        ({"targets": "EU"}, {"targets": ("DE",)}),
        ({"targets": "D:5"}, {"targets": ("CN",)}),
        ({"targets": "CN"}, {"targets": ("D:5",)}),
        ({"targets": {"all": ["CN", "EU"]}}, {"targets": ("CN", "PL")}),
        ({"products": "AI chips"}, {"products": ("H20",)}),
        ({"products": "ai_accelerators"}, {"products": ("AI chips",)}),
        ({"products": "memory"}, {"products": ("HBM3E",)}),
        ({"products": "memory"}, {"products": ("NAND",)}),
        ({"products": "HBM"}, {"products": ("HBM3E",)}),
        ({"products": "rare earths"}, {"products": ("rare_earths",)}),
        ({"products": "RTX 4090"}, {"products": ("RTX4090",)}),
    ],
)
def test_names_and_groups_mean_what_they_stand_for(when: dict[str, Any], event: dict[str, Any]) -> None:
    assert lets_through(when, make.event(**event))
    assert not lets_through({"none": [when]}, make.event(**event))


@pytest.mark.parametrize(
    ("when", "event"),
    [
        ({"products": "H20"}, {"products": ("ai_accelerators",)}),
        ({"products": "HBM"}, {"products": ("H20",)}),
        ({"targets": "RU"}, {"targets": ("CN",), "via": ("RU",)}),
        ({"imposers": "DE"}, {"imposers": ("EU",)}),
        ({"imposers": "allies"}, {"imposers": ("US", "CN")}),
        ({"targets": {"not": "CN"}}, {"targets": ("D:5",)}),
    ],
)
def test_a_name_does_not_stand_for_its_group_nor_for_others(when: dict[str, Any], event: dict[str, Any]) -> None:
    assert not lets_through(when, make.event(**event))


def test_every_clause_is_explained_and_the_one_that_stops_it_is_marked() -> None:
    when = When.model_validate({"imposers": "US", "severity": {"gte": 4}, "none": [{"products": "AI chips"}, {"stage": "published"}]})

    imposers, severity, none = Filter.of(when, NAMES).explained(Seen.of(make.event(severity=3), NAMES))

    assert (imposers.path, imposers.wanted, imposers.has, imposers.holds, imposers.stops) == ("when.imposers", "is US", ("US",), True, False)
    assert (severity.path, severity.wanted, severity.has, severity.holds, severity.stops) == ("when.severity", "at least 4", (3,), False, True)
    assert [(part.path, part.stops) for part in none.parts] == [("when.none[0]", True), ("when.none[1]", False)]


# ---- the index tells what a look at every subscription tells

_VALUES: dict[str, list[Any]] = {
    "imposers": ["US", "CN", "NL", "JP", "EU", "allies", "D:5"],
    "targets": ["CN", "RU", "IR", "*", "EU", "D:5", "D:1"],
    "products": ["H20", "H200", "HBM", "HBM3E", "AI chips", "gallium", "chip_materials", "EUV", "DUV", "Hopper"],
    "companies": ["NVIDIA", "AMD", "ASML", "华为"],
    "tags": ["retaliation", "reverses"],
    "action": list(ACTIONS[:6]),
    "direction": ["tighten", "loosen", "mixed"],
    "stage": list(STAGES[:7]),
    "severity": [1, 2, 3, 4, 5],
    "confidence": [0.2, 0.5, 0.9],
}


@st.composite
def conditions(draw: st.DrawFn, name: str) -> Any:
    values = st.sampled_from(_VALUES[name])
    some = st.lists(values, min_size=1, max_size=3, unique=True)
    choices: list[st.SearchStrategy[Any]] = [
        values,
        some,
        some.map(lambda ones: {"in": ones}),
        some.map(lambda ones: {"not": ones}),
        st.booleans().map(lambda known: {"exists": known}),
    ]
    if name in ("imposers", "targets", "products", "companies", "tags"):
        choices.append(some.map(lambda ones: {"all": ones}))
    if name in ("stage", "severity", "confidence"):
        choices += [values.map(lambda least: {"gte": least}), st.tuples(values, values).map(lambda pair: {"gte": pair[0], "not": pair[1]})]
    return draw(st.one_of(choices))


def trees(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    tests = st.lists(st.sampled_from(sorted(_VALUES)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: conditions(name) for name in names})
    )
    if depth == 0:
        return tests
    branches = st.dictionaries(st.sampled_from(["all", "any", "none"]), st.lists(trees(depth - 1), max_size=2), max_size=2)
    return st.tuples(tests, branches).map(lambda pair: pair[0] | pair[1])


def events() -> st.SearchStrategy[PolicyEvent]:
    several = {name: st.lists(st.sampled_from(_VALUES[name]), max_size=3, unique=True).map(tuple) for name in ("imposers", "targets", "products")}
    firms = st.lists(st.sampled_from(_VALUES["companies"]), max_size=2, unique=True).map(lambda ids: tuple(Company(id=one) for one in ids))
    single = {name: st.none() | st.sampled_from(_VALUES[name]) for name in ("action", "direction", "stage", "severity", "confidence")}
    return st.fixed_dictionaries({**several, **single, "companies": firms, "motive": st.sampled_from([None, "retaliation"])}).map(
        lambda fields: make.event(**fields)
    )


@given(events(), st.lists(st.tuples(trees(), st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12), st.data())
def test_the_index_finds_exactly_what_a_look_at_every_subscription_finds(
    event: PolicyEvent, written: list[tuple[dict[str, Any], str, str]], data: st.DataObject
) -> None:
    subscriptions = [
        Subscription(f"{account}{number}", f"{account}/{place}", When.model_validate(when)) for number, (when, account, place) in enumerate(written)
    ]
    index: Index[str] = Index(NAMES)
    for account in "abc":
        index.replace(account, [one for one in subscriptions if one.id.startswith(account)])
    gone = data.draw(st.sampled_from(["a", None]))
    if gone:
        index.replace(gone, [])
        subscriptions = [one for one in subscriptions if not one.id.startswith(gone)]
    seen = Seen.of(event, NAMES)

    found = {key: match(seen, ones, NAMES) for key, ones in index.matching(event, until=make.NOW).items()}

    assert found == route(event, subscriptions, NAMES)


def test_the_index_leaves_out_who_came_after_the_alert() -> None:
    index: Index[str] = Index(NAMES)
    index.replace("desk", [Subscription("old", "pager"), Subscription("new", "shelf", since=make.NOW + timedelta(seconds=1))])

    assert list(index.matching(make.event(), until=make.NOW)) == ["pager"]
