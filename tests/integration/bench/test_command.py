"""The benchmark's command runs. What it measures is nobody's assertion."""

from __future__ import annotations

import subprocess
import sys


def test_a_quick_measurement_prints_its_table() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.bench", "--only", "help", "--quick"], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert "chipwire --help" in done.stdout
    assert "0.30" in done.stdout


def test_a_measurement_that_is_not_there_is_told_with_those_that_are() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.bench", "--only", "weather"], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "classify" in done.stderr
