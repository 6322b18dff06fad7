"""The command as a child process: what people type, what it costs to start, and how it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services import cli
from services.runtime.errors import ChipwireError, Malformed, Misconfigured, StopLoss, Unavailable

ROOT = Path(__file__).parents[3]


def chipwire(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHIPWIRE_")} | settings
    return subprocess.run([sys.executable, "-m", "services", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_help_is_plain_and_names_the_verbs() -> None:
    result = chipwire("--help")

    assert result.returncode == 0
    assert all(verb in result.stdout for verb in ("run", "topics", "dead"))
    assert "│" not in result.stdout


def test_the_help_imports_nothing_heavy() -> None:
    heavy = (
        "pydantic",
        "pydantic_settings",
        "sqlalchemy",
        "aiohttp",
        "httpx",
        "aiokafka",
        "structlog",
        "starlette",
        "uvicorn",
        "ruamel",
        "rich",
        "alembic",
        "asyncio",
    )
    code = f"import sys; from services.cli import command; command(); print([name for name in {heavy!r} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    assert result.stdout.strip() == "[]"


def test_an_unknown_verb_is_wrong_usage() -> None:
    result = chipwire("runn")

    assert result.returncode == 2
    assert "No such command" in result.stderr


def test_an_unknown_service_is_a_sentence() -> None:
    result = chipwire("run", "weather")

    assert (result.returncode, result.stderr) == (2, "there is no service 'weather'; expected some of ingester, classifier, notifier\n")


def test_the_version_is_told() -> None:
    assert chipwire("--version").stdout.startswith("chipwire ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("a.yaml:1:1: wrong", "b.yaml:1:1: wrong too"), 2),
        (Unavailable("the broker is away"), 4),
        (Malformed("no JSON"), 1),
        (StopLoss("too many"), 1),
    ],
)
def test_an_error_of_ours_is_a_sentence_and_the_code_says_its_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: ChipwireError, code: int
) -> None:
    def failing() -> None:
        raise error

    monkeypatch.setattr(cli, "command", lambda: failing)

    with pytest.raises(SystemExit) as left:
        cli.main()

    assert left.value.code == code
    assert capsys.readouterr().err == f"{error}\n"


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (("run",), {"CHIPWIRE_DATA_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        (("events", "list"), {"CHIPWIRE_STORE": f"sqlite:///{__file__}"}, "CHIPWIRE_STORE cannot be used: file is not a database"),
        (("classify", __file__), {"CHIPWIRE_CONFIG": "/nowhere"}, "/nowhere is no directory"),
        (("rules", "test"), {"CHIPWIRE_RULE": "1"}, "CHIPWIRE_RULE is no setting"),
        (("classify", __file__), {"CHIPWIRE_HTTP_PROT": "1"}, "did you mean CHIPWIRE_HTTP_PORT?"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_exit_code_2(words: tuple[str, ...], environment: dict[str, str], told: str, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CHIPWIRE_")}
    result = subprocess.run(
        [sys.executable, "-m", "services", *words],
        cwd=tmp_path,
        env=clean | environment | {"PYTHONPATH": str(ROOT), "CHIPWIRE_HTTP_PORT": "0", "CHIPWIRE_INGESTER_POLL": "false"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
    assert result.returncode == 2
