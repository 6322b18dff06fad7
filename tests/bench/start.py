"""How long starting takes: the bare command, and each service until it is ready."""

from __future__ import annotations

import compileall
import site
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.bench.processes import running
from tests.bench.report import Row, series
from tests.bench.setting import Setting

STARTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "ingester": (("ingester",), {}),
    "classifier": (("classifier",), {}),
    "classifier with the encoder": (("classifier",), {"CHIPWIRE_CLASSIFIER_ENCODER": "true"}),
    "notifier": (("notifier",), {}),
    "all in one process": ((), {}),
}


async def measure_help(setting: Setting) -> Sequence[Row]:
    """The command, when all it has to do is to say what it can."""
    ours = series([_call("-m", "services", "--help") for _ in range(4 * setting.runs + 1)][1:], "s")
    bare = series([_call("-c", "pass") for _ in range(4 * setting.runs)], "s")
    return [Row("chipwire --help", ours, bare, "python -c pass", 0.3)]


async def measure_start(setting: Setting) -> Sequence[Row]:
    """From the command to ready: on an empty directory, and again on what that left. On the embedded broker and SQLite.

    As installed, that is with everything compiled: compiling a thousand modules costs half a second more, each time where no bytecode may be written.
    """
    for folder in ("schemas", "services", *site.getsitepackages()):
        compileall.compile_dir(folder, quiet=2)
    rows = []
    for name in STARTS:
        first = [_start(setting, name, run) for run in range(setting.runs)]
        again = [_start(setting, name, run) for run in range(setting.runs) for _ in range(2)]
        rows.append(Row(f"cold start, {name}", series(again, "s"), target=2, note=f"the very first, on an empty directory: {series(first, 's')}"))
    return rows


def _start(setting: Setting, name: str, run: int) -> float:
    services, settings = STARTS[name]
    with running(services, directory=setting.directory / f"start {name} {run}", settings=settings) as process:
        return process.seconds


def _call(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
