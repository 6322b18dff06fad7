"""Writes the picture of the README, from what the replay really shows: `python -m docs.picture`"""  # noqa: INP001 a script, no package

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
_START, _END = "<!-- picture: made by `python -m docs.picture` -->\n```\n", "```\n"


def shown() -> str:
    """What `chipwire demo --replay h20` prints, in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "services", "demo", "--replay", "h20"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 our own command


def written() -> str:
    """The picture that stands in the page."""
    return PAGE.read_text("utf-8").partition(_START)[2].partition(_END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(_START)
    PAGE.write_text(f"{before}{_START}{shown()}{_END}{rest.partition(_END)[2]}", "utf-8")
