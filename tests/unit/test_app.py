from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services import app
from services.runtime.errors import Misconfigured, StopLoss, Unavailable
from services.runtime.exit_codes import ExitCode
from tests.example_service import PARTS, ExampleSettings


async def ended(error: Exception | None = None) -> None:
    if error is not None:
        raise error


async def code_of(*endings: Exception | None, early: bool = False) -> ExitCode:
    tasks = {asyncio.create_task(ended(error), name=f"task-{number}") for number, error in enumerate(endings)}
    await asyncio.wait(tasks)
    return app._worst(tasks, list(tasks) if early else [])


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        ((None, None), ExitCode.DONE),
        ((None, Unavailable("away")), ExitCode.AWAY),
        ((Unavailable("away"), ZeroDivisionError("bug")), ExitCode.FAILED),
        ((ZeroDivisionError("bug"), StopLoss("too many"), Unavailable("away")), ExitCode.STOP_LOSS),
    ],
)
async def test_the_worst_ending_decides_the_exit_code(endings: tuple[Exception | None, ...], code: ExitCode) -> None:
    assert await code_of(*endings) == code


async def test_a_task_that_ends_without_being_asked_is_a_failure() -> None:
    assert await code_of(None, early=True) == ExitCode.FAILED


async def test_a_task_that_will_not_end_is_given_up() -> None:
    hanging = asyncio.create_task(asyncio.Event().wait(), name="hanging")

    await app._drain({hanging}, timedelta(milliseconds=10))  # type: ignore[arg-type]

    assert hanging.cancelled()


def test_a_service_that_does_not_exist_is_told_before_anything_is_read() -> None:
    with pytest.raises(Misconfigured, match="there is no service 'weather', 'sports'; expected some of example"):
        app.load_settings(["weather", "sports"], PARTS)


def test_the_settings_of_every_service_are_read_whichever_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_BEHAVIOUR", "mended")

    runtime, own = app.load_settings([], PARTS)

    assert runtime.broker == "embedded:"
    assert own == {"example": ExampleSettings(behaviour="mended")}


def test_secrets_of_the_settings_are_known_to_the_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_KAFKA_PASSWORD", "correct horse")

    runtime, _ = app.load_settings([], PARTS)

    assert "correct horse" in set(app._secret_values([runtime]))


def test_every_setting_of_the_process_and_its_services_is_listed_with_a_description() -> None:
    listed = {setting.variable: setting for setting in app.all_settings(PARTS)}

    assert {"CHIPWIRE_BROKER", "CHIPWIRE_EXAMPLE_BEHAVIOUR", "CHIPWIRE_EXAMPLE_STOP_LOSS"} <= listed.keys()
    assert all(setting.description for setting in listed.values())
