"""`chipwire topics`: the map of the line, and making it true on a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from schemas.topics import Topic
    from services.runtime.settings import RuntimeSettings

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@verbs.command("list")
def list_topics(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List every topic of the line: what it carries, its key, and how long it is kept."""
    from schemas.topics import TOPICS
    from services.cli.common import print_json, print_table

    if as_json:
        for topic in TOPICS:
            print_json(_as_json(topic))
    else:
        print_table(("topic", "value", "key", "partitions", "cleanup", "kept"), (_as_row(topic) for topic in TOPICS))


@verbs.command("ensure")
def ensure() -> None:
    """Create missing topics and bring the others to what `topics list` says. Removes nothing."""
    from schemas.topics import TOPICS
    from services.cli.common import running_process, runtime_settings, wait_for

    settings = runtime_settings()
    running = running_process(settings)
    if running is None:
        wait_for(_ensure(settings))
        print(f"{len(TOPICS)} topics are there")
    else:
        print(f"{len(TOPICS)} topics are there: the running chipwire (process {running.pid}) saw to it at its start")


async def _ensure(settings: RuntimeSettings) -> None:
    from schemas.topics import TOPICS
    from services import app

    async with app.broker_of(settings) as broker:
        await broker.ensure(TOPICS)


def _as_row(topic: Topic) -> tuple[object, ...]:
    kept = f"{topic.retention.days} d" if topic.retention else "for ever"
    return topic.name, topic.model.__name__ if topic.model else "bytes as they came", topic.key, topic.partitions, topic.cleanup, kept


def _as_json(topic: Topic) -> dict[str, object]:
    return {
        "name": topic.name,
        "model": topic.model.__name__ if topic.model else None,
        "key": topic.key,
        "partitions": topic.partitions,
        "cleanup": topic.cleanup,
        "retention_seconds": topic.retention.total_seconds() if topic.retention else None,
    }
