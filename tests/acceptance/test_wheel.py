"""The distribution stands alone: built without a network, installed away from the tree, run from another directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.line import ROOT, Home

DATA = {".yaml", ".yml", ".json", ".jsonl", ".mako"}


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CHIPWIRE_", "PYTHON"))}
    return subprocess.run([*map(str, words)], cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, in a directory of its own."""
    folder = tmp_path_factory.mktemp("installed")
    done = run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", folder, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_holds_the_two_packages_with_all_their_data_and_nothing_else(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    data = {str(path.relative_to(ROOT)) for package in ("services", "schemas") for path in (ROOT / package).rglob("*") if path.suffix in DATA}

    assert {name.split("/")[0].split("-")[0] for name in held} == {"services", "schemas", "chipwire"}
    assert len(data) > 50
    assert data <= held
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_installed_elsewhere_the_command_helps_and_judges(installed: Path, tmp_path: Path, parsed: Path) -> None:
    command, settings = installed / "bin" / "chipwire", {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(parsed)}
    news = tmp_path / "news.txt"
    news.write_text("The US Commerce Department announced new export controls on H20 chips to China.")

    helped = run(sys.executable, command, "--help", cwd=tmp_path, **settings)
    judged = run(sys.executable, command, "classify", "--json", news, cwd=tmp_path, **settings)

    assert (helped.returncode, "classify" in helped.stdout) == (0, True)
    assert (judged.returncode, judged.stderr) == (0, "")
    assert json.loads(judged.stdout)["class"] == "alert"
    assert json.loads(judged.stdout)["headline"]["en"]


def test_installed_elsewhere_the_line_runs(installed: Path, make_home: Callable[..., Home]) -> None:
    home = make_home("elsewhere")

    child = home.start("run", command=(sys.executable, str(installed / "bin" / "chipwire")), path=installed).ready()

    assert child.told("started")[0]["version"] != "dev"
    assert child.stopped() == 0
