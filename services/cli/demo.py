"""`chipwire demo`: see it work. All services in one process on the embedded defaults, on made-up news and the live sources, or on a story of the past."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

DIRECTORY = Path("var/demo")
SUBSCRIPTIONS = """\
accounts:
  - id: demo
    destinations:
      - {id: screen, terminal: {}}
      - {id: mailbox, email: demo@example.com}
    subscriptions:
      - {id: everything, to: [screen, mailbox], when: {}, cadence: immediate, language: en}
"""


def demo(
    replay: Annotated[
        Literal["h20"] | None, typer.Option(help="Play a story of the past at high speed instead: NVIDIA's H20, April to September 2025.", show_default=False)
    ] = None,
) -> None:
    """See it work, on made-up news and the live sources.

    All services run in this process, on a store of their own under var/demo/ that each start lays out anew. Alerts appear in the terminal, mails as files
    under var/demo/outbox/. Ctrl-C ends it. A replay ends by itself, and leaves what is known under var/replay/.
    """
    if replay is not None:
        _play(replay)
    from services import app

    lay_out(DIRECTORY, datetime.now(UTC))
    os.environ.update(environment(DIRECTORY))
    print(
        f"chipwire demo: thirty made-up news items in eleven languages, and the live sources. Alerts appear below; Ctrl-C ends it.\nMails: {DIRECTORY}/outbox/\n"
    )
    raise typer.Exit(app.main())


def _play(story: str) -> NoReturn:
    from services import app
    from services.cli import replay

    replay.lay_out()
    alike = {"CHIPWIRE_CLASSIFIER_ENCODER": "false"}  # the same on every machine, whether the encoder is installed or not
    os.environ.update(environment(replay.DIRECTORY) | alike)
    raise typer.Exit(app.main(replay.NAMES, parts=replay.PARTS, clock=replay.clock_of(story)))


def lay_out(directory: Path, now: datetime) -> None:
    """An empty store with the sample as a source. Raises Misconfigured while another demo runs there."""
    from services.ingester.samples import demo_lines, demo_source
    from services.runtime.errors import Misconfigured
    from services.runtime.server import RunFile

    other = RunFile.find(directory)
    if other is not None:
        raise Misconfigured(f"another demo (process {other.pid}) runs on {directory}; stop it first")
    shutil.rmtree(directory, ignore_errors=True)
    sample = directory / "sample.jsonl"
    config = directory / "config"
    (config / "sources").mkdir(parents=True)
    sample.write_text(demo_lines(now), "utf-8")
    source = demo_source(sample).model_dump(mode="json", exclude_defaults=True)
    (config / "sources" / "sample.yaml").write_text(json.dumps(source, indent=2), "utf-8")  # JSON is YAML
    (config / "subscriptions.yaml").write_text(SUBSCRIPTIONS, "utf-8")


def environment(directory: Path) -> dict[str, str]:
    """The settings of the demo, over whatever the shell has set: it must not touch a real broker, store or mailbox."""
    return {
        "CHIPWIRE_DATA_DIR": str(directory),
        "CHIPWIRE_CONFIG": str(directory / "config"),
        "CHIPWIRE_BROKER": "embedded:",
        "CHIPWIRE_STORE": f"sqlite:///{directory}/chipwire.db",
        "CHIPWIRE_HTTP_HOST": "127.0.0.1",
        "CHIPWIRE_HTTP_PORT": "0",
        "CHIPWIRE_LOG_LEVEL": "warning",
        "CHIPWIRE_NOTIFIER_SMTP": "",
        "CHIPWIRE_NOTIFIER_OUTBOX": str(directory / "outbox"),
    }
