"""What others build on: the committed JSON Schemas are current, and each has an example that fits."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from schemas.events.base import Event
from schemas.export import CONTRACTS, HAND_WRITTEN, HERE, example_path, schema_of, schema_path
from services.runtime.config_files import read_yaml

NAMES = sorted(CONTRACTS)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_schema_is_what_the_model_says(name: str) -> None:
    committed = schema_path(name).read_text("utf-8")

    assert committed == schema_of(name), "run `make schemas` and commit the change"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_fits_its_schema(name: str) -> None:
    schema = json.loads(schema_path(name).read_text("utf-8"))

    jsonschema.Draft202012Validator(schema).validate(_example(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_example_survives_the_way_through_the_model(name: str) -> None:
    model = CONTRACTS[name].model_validate(_example(name))

    assert CONTRACTS[name].model_validate_json(model.model_dump_json(by_alias=True)) == model


def test_no_schema_or_example_is_left_over() -> None:
    examples = {example_path(name) for name in NAMES if name not in HAND_WRITTEN}

    assert {schema_path(name) for name in NAMES} == set((HERE / "jsonschema").rglob("*.json"))
    assert examples == set((HERE / "examples").rglob("*.json"))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("events/")])
def test_an_event_from_a_newer_release_is_read_with_its_unknown_fields_left_out(name: str) -> None:
    example = json.loads(example_path(name).read_text("utf-8"))

    model = CONTRACTS[name].model_validate({**example, "a_field_of_tomorrow": 1})

    assert isinstance(model, Event)
    assert not hasattr(model, "a_field_of_tomorrow")


def test_an_unknown_value_of_an_open_vocabulary_is_kept() -> None:
    example = json.loads(example_path("events/policy-signal.v1").read_text("utf-8"))
    example["facts"]["action"] = "an_action_of_tomorrow"

    signal = CONTRACTS["events/policy-signal.v1"].model_validate(example)

    assert signal.model_dump()["facts"]["action"] == "an_action_of_tomorrow"


def _example(name: str) -> Any:
    return read_yaml(example_path(name)).value if name in HAND_WRITTEN else json.loads(example_path(name).read_bytes())
