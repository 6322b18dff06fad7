from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from schemas.config.duration import Duration
from services.runtime.errors import Misconfigured
from services.runtime.settings import RuntimeSettings, Settings, Words, catalogue, load


class ExampleSettings(Settings, env_prefix="CHIPWIRE_EXAMPLE_"):
    every: Duration = timedelta(minutes=5)
    """How often."""
    hosts: Words = ()
    """Which hosts."""
    token: SecretStr | None = None
    """Who may push."""
    workers: int = Field(default=4, ge=1)
    """How many."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CHIPWIRE_"):
            monkeypatch.delenv(name)


def problems_of(*classes: type[Settings]) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load(*classes)
    return list(caught.value.problems)


def test_everything_has_a_default() -> None:
    runtime, example = load(RuntimeSettings, ExampleSettings)

    assert isinstance(runtime, RuntimeSettings)
    assert (runtime.broker, runtime.http_port, runtime.drain) == ("embedded:", 8080, timedelta(seconds=22))
    assert isinstance(example, ExampleSettings)
    assert example.token is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("15m", 900), ("1h30m", 5400), ("2 d", 172_800), ("PT5M", 300), ("90", 90), ("1.5s", 1.5), ("250ms", 0.25)]
)
def test_durations_are_written_as_people_write_them(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_EVERY", text)

    assert load(ExampleSettings)[0].every == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["a, b", "a b", "a,b,"])
def test_words_are_separated_by_commas_or_spaces(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_HOSTS", text)

    assert load(ExampleSettings)[0].hosts == ("a", "b")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_WORKERS", "")

    assert load(ExampleSettings)[0].workers == 4


def test_every_problem_is_told_at_once_with_its_variable_and_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_HTTP_PORT", "http")
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_EVERY", "often")
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_WORKERS", "0")
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_WORKRES", "3")

    assert problems_of(RuntimeSettings, ExampleSettings) == [
        "CHIPWIRE_EXAMPLE_WORKRES is no setting; did you mean CHIPWIRE_EXAMPLE_WORKERS?",
        "CHIPWIRE_HTTP_PORT is 'http': expected a valid integer, unable to parse string as an integer",
        'CHIPWIRE_EXAMPLE_EVERY is \'often\': expected a duration such as "10s", "15m", "1h30m", "PT5M" or a number of seconds',
        "CHIPWIRE_EXAMPLE_WORKERS is '0': expected greater than or equal to 1",
    ]


def test_an_unknown_setting_without_a_likeness_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_QQQ", "1")

    assert problems_of(ExampleSettings) == ["CHIPWIRE_QQQ is no setting, and none has a name like it"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHIPWIRE_NOTIFIER_SERVICE_HOST", "10.0.0.7"),
        ("CHIPWIRE_NOTIFIER_SERVICE_PORT", "8080"),
        ("CHIPWIRE_NOTIFIER_SERVICE_PORT_HTTP", "8080"),
        ("CHIPWIRE_PORT", "tcp://10.0.0.7:8080"),
        ("CHIPWIRE_NOTIFIER_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("CHIPWIRE_NOTIFIER_PORT_8080_TCP_ADDR", "10.0.0.7"),
    ],
)
def test_what_kubernetes_injects_for_services_is_no_error(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    assert load(ExampleSettings)


def test_a_port_that_kubernetes_overwrote_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_HTTP_PORT", "tcp://10.0.0.7:8080")

    assert problems_of(RuntimeSettings) == [
        "CHIPWIRE_HTTP_PORT was set by Kubernetes for a service of that name; set enableServiceLinks: false on the pod, or rename the service"
    ]


def test_a_misspelt_port_is_no_service_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_HTP_PORT", "8081")

    assert problems_of(RuntimeSettings) == ["CHIPWIRE_HTP_PORT is no setting; did you mean CHIPWIRE_HTTP_PORT?"]


def test_a_secret_may_come_from_a_file_without_its_last_line_break(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from the file\n")
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_TOKEN_FILE", str(tmp_path / "token"))

    token = load(ExampleSettings)[0].token

    assert token is not None
    assert token.get_secret_value() == "from the file"


def test_a_secret_may_come_from_the_directory_of_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "CHIPWIRE_EXAMPLE_TOKEN").write_text("from the directory")
    monkeypatch.setenv("CHIPWIRE_SECRETS_DIR", str(tmp_path))

    token = load(ExampleSettings)[0].token

    assert token is not None
    assert token.get_secret_value() == "from the directory"


def test_a_file_of_a_secret_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_TOKEN_FILE", "/nowhere/token")

    assert problems_of(ExampleSettings) == ["CHIPWIRE_EXAMPLE_TOKEN_FILE names /nowhere/token, which cannot be read: No such file or directory"]


def test_a_setting_that_is_no_secret_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_EXAMPLE_WORKERS_FILE", "/nowhere")

    assert problems_of(ExampleSettings) == ["CHIPWIRE_EXAMPLE_WORKERS_FILE is no setting; did you mean CHIPWIRE_EXAMPLE_WORKERS?"]


def test_the_value_of_a_secret_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(Settings, env_prefix="CHIPWIRE_STRICT_"):
        key: SecretStr = Field(default=SecretStr("x" * 32), min_length=32)

    monkeypatch.setenv("CHIPWIRE_STRICT_KEY", "hunter2")

    problem = problems_of(Strict)[0]

    assert problem.startswith("CHIPWIRE_STRICT_KEY: ")
    assert "hunter2" not in problem


def test_the_catalogue_lists_every_setting_as_one_would_write_it() -> None:
    listed = {setting.variable: setting for setting in catalogue(RuntimeSettings, ExampleSettings)}

    assert (listed["CHIPWIRE_EXAMPLE_EVERY"].default, listed["CHIPWIRE_EXAMPLE_EVERY"].description) == ("5m", "How often.")
    assert listed["CHIPWIRE_EXAMPLE_TOKEN"].secret
    assert all(setting.description for setting in listed.values())
