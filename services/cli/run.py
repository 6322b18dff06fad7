"""`chipwire run`: the services, in one process, until they are told to stop."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Annotated

import typer


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ingester|classifier|notifier]...", help="Which services; all by default.", show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="DIR", help="A team's directory with rules/ lexicon/ sources/ subscriptions.yaml.")] = None,
) -> None:
    """Run the services until told to stop."""
    gc.disable()  # what is imported from here on stays: the process turns the collector on again once it is built

    from services import app

    if config is not None:
        os.environ["CHIPWIRE_CONFIG"] = str(config)
    raise typer.Exit(app.main(names or ()))
