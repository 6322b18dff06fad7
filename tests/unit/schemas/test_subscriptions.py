"""What may be written in subscriptions.yaml, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.config.subscriptions import Account, Destination, Subscription, Subscriptions, When
from schemas.config.times import Times

WEBHOOK = {"id": "hook", "webhook": {"url": "https://example.com/hook", "secret_file": "hook.secret"}}


def problem(model: type[Any], written: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(written)
    error = caught.value.errors()[0]
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"direction": "loose"}, "direction: Value error, 'loose' is unknown; expected one of tighten, loosen, neutral, mixed"),
        ({"stage": {"gte": "soon"}}, "stage: Value error, 'soon' is unknown"),
        ({"imposers": {"gte": "US"}}, "imposers: Value error, imposers has no order; gte works on stage, severity, confidence"),
        ({"severity": {"all": [1]}}, "severity: Value error, severity has one value"),
        ({"severity": "high"}, "severity: Value error, 'high' is no number"),
        ({"products": 20}, "products: Value error, 20 is no text; put it in quotes"),
        ({"severity": {}}, "severity: Value error, an empty test"),
        ({"products": []}, "products.any: "),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"severity": {"gt": 3}}, "severity.gt: Extra inputs are not permitted"),
        ({"all_of": [{}]}, "all_of: Extra inputs are not permitted"),
        ({"any": [{"imposers": {"in_": ["US"]}}]}, "any.0.imposers.in_: Extra inputs are not permitted"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_where_it_stands(when: dict[str, Any], said: str) -> None:
    assert problem(When, when).startswith(said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"id": "x"}, "a destination is exactly one of webhook, email, slack, teams, discord, telegram, ntfy, terminal, file"),
        (WEBHOOK | {"email": "ana@example.com"}, "a destination is exactly one of"),
        ({"id": "x", "webhook": {"url": "https://example.com"}}, "a webhook needs one secret; expected either secret_file or env"),
        ({"id": "x", "webhook": {"url": "https://example.com", "secret": "whsec_x"}}, "Extra inputs are not permitted"),
        ({"id": "x", "webhook": {"url": "ftp://example.com", "env": "HOOK"}}, "String should match"),
        ({"id": "x", "email": "ana"}, "no e-mail address; expected name@domain"),
        ({"id": "X y", "terminal": {}}, "String should match"),
        ({"id": "x", "terminal": {"colour": True}}, "Extra inputs are not permitted"),
    ],
)
def test_a_destination_is_one_way_to_reach_somebody(written: dict[str, Any], said: str) -> None:
    assert said in problem(Destination, written)


def test_a_refused_address_is_not_repeated() -> None:
    assert "hidden" not in problem(Destination, {"id": "x", "email": "hidden.example.com"})


def test_an_address_is_made_such_that_every_server_takes_it() -> None:
    destination = Destination.model_validate({"id": "x", "email": "ana@bücher.example"})

    assert destination.email == "ana@xn--bcher-kva.example"


def test_the_cadence_is_by_rank_unless_said_otherwise() -> None:
    assert Subscription.model_validate({"id": "s", "to": ["hook"]}).cadence == "by_rank"
    assert "cadence: " in problem(Subscription, {"id": "s", "to": ["hook"], "cadence": "yearly"})


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"zone": "Europe/Berlyn"}, "zone: Value error, is no time zone"),
        ({"zone": "../passwd"}, "zone: Value error, is no time zone"),
        ({"quiet": {"from": "22:00", "to": "22:00"}}, "quiet: Value error, quiet hours that never end"),
        ({"quiet": {"from": "22", "to": "07:00"}}, "quiet.from: Value error, expected a time of day"),
        ({"quiet": {"from": 1320, "to": "07:00"}}, "quiet.from: Value error, expected a time of day"),
        ({"quiet": {"from": "24:00", "to": "07:00"}}, "quiet.from: Value error, expected a time of day"),
        ({"quiet": {"from_": "22:00", "to": "07:00"}}, "quiet.from: Field required"),
        ({"break_through": 6}, "break_through: Input should be less than or equal to 5"),
        ({"most_a_day": -1}, "most_a_day: Input should be greater than or equal to 0"),
        ({"digest_on": "someday"}, "digest_on: Input should be"),
    ],
)
def test_times_that_cannot_be_kept_are_refused_where_they_stand(times: dict[str, Any], said: str) -> None:
    assert problem(Times, times).startswith(said)


def test_times_are_kept_as_they_are_written() -> None:
    written = {
        "zone": "Asia/Kolkata",
        "quiet": {"from": "22:00", "to": "07:15"},
        "break_through": 5,
        "most_a_day": 3,
        "digest_at": "18:30",
        "digest_on": "friday",
    }

    assert Times.model_validate(written).model_dump(mode="json", by_alias=True) == written


def test_a_subscription_points_at_destinations_of_its_own_account() -> None:
    written = {"id": "desk", "destinations": [WEBHOOK], "subscriptions": [{"id": "s", "to": ["hook", "pager"]}]}

    assert "subscription 's' is sent to 'pager', which is no destination of account 'desk'" in problem(Account, written)


def test_ids_are_unique_where_they_are_looked_up() -> None:
    assert "destination 'hook' is written twice" in problem(Account, {"id": "desk", "destinations": [WEBHOOK, WEBHOOK]})
    assert "account 'desk' is written twice" in problem(Subscriptions, {"accounts": [{"id": "desk"}, {"id": "desk"}]})


conditions = st.one_of(
    st.sampled_from(["US", "CN", "EU"]),
    st.lists(st.sampled_from(["US", "CN", "EU"]), min_size=1),
    st.fixed_dictionaries({"not": st.sampled_from(["US", "CN"])}),
    st.fixed_dictionaries({"exists": st.booleans()}),
)
filters = st.recursive(
    st.dictionaries(st.sampled_from(["imposers", "targets"]), conditions),
    lambda inner: st.dictionaries(st.sampled_from(["all", "any", "none"]), st.lists(inner, max_size=3)),
    max_leaves=8,
)


@given(filters)
def test_a_filter_survives_being_kept(written: dict[str, Any]) -> None:
    when = When.model_validate(written)

    assert when == When.model_validate_json(when.model_dump_json(by_alias=True, exclude_defaults=True))
