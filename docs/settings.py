"""Writes the table of settings into operations.md, from the settings themselves: `python -m docs.settings`"""  # noqa: INP001 a script, no package

from __future__ import annotations

from pathlib import Path

from services import app
from services.runtime.settings import Setting

PAGE = Path(__file__).parent / "operations.md"
_START, _END = "<!-- settings: made by `python -m docs.settings` -->\n", "<!-- end of settings -->\n"


def table() -> str:
    """Every setting there is, as Markdown."""
    rows = ["| variable | default | |", "|---|---|---|", *(_row(setting) for setting in app.all_settings())]
    return "\n".join(rows) + "\n"


def written() -> str:
    """The table that stands in the page."""
    return PAGE.read_text("utf-8").partition(_START)[2].partition(_END)[0]


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    secret = " A secret." if setting.secret else ""
    return f"| `{setting.variable}` | {default} | {' '.join(setting.description.split())}{secret} |".replace("  ", " ")


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(_START)
    PAGE.write_text(f"{before}{_START}{table()}{_END}{rest.partition(_END)[2]}", "utf-8")
