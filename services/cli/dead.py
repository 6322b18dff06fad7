"""`chipwire dead`: look at records that could not be handled, and replay them once the cause is mended."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.runtime.dead import DeadLetter
    from services.runtime.settings import RuntimeSettings

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only letters of this topic, such as news.items.v1.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@verbs.command("list")
def list_letters(topic: TopicOption = None, as_json: JsonOption = False) -> None:
    """List the open dead letters, oldest first. Replayed ones are not shown."""
    from services.cli.common import print_json, print_table, runtime_settings, wait_for

    letters = wait_for(_open_letters(runtime_settings(), topic))
    if as_json:
        for letter in letters:
            print_json(_summary(letter))
    elif letters:
        print_table(("id", "reason", "since", "bytes", "error"), (_row(letter) for letter in letters))
    else:
        print("no dead letters")


@verbs.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dead list` shows it, such as news.items.v1/3/1042.")], as_json: JsonOption = False
) -> None:
    """Show one open dead letter whole: what went wrong, where, and the bytes."""
    from services.cli.common import print_json, runtime_settings, wait_for

    letters = wait_for(_open_letters(runtime_settings(), None))
    found = _chosen(letters, [letter_id])[0]
    if as_json:
        print_json(_whole(found))
        return
    for name, value in _whole(found).items():
        print(f"{name}:\n{value}" if isinstance(value, str) and "\n" in value else f"{name}: {value}")


@verbs.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="As `dead list` shows them.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    topic: TopicOption = None,
) -> None:
    """Publish the original records to their topics again and close the letters. One that fails again comes back as a new letter."""
    from services.cli.common import runtime_settings, wait_for

    if bool(ids) == every:
        raise typer.BadParameter("name the letters to replay, or say --all")
    replayed, kept = wait_for(_replay(runtime_settings(), ids, topic))
    print(f"replayed {replayed}")
    for letter in kept:
        print(f"{letter.id} was too large to be kept twice; its bytes stand only in {letter.topic}, and it stays open", file=sys.stderr)
    if kept:
        raise typer.Exit(1)


async def _open_letters(settings: RuntimeSettings, topic: str | None) -> list[DeadLetter]:
    from schemas.topics import CONSUMED
    from services.cli.common import open_to_read
    from services.runtime.dead import open_letters
    from services.runtime.errors import Misconfigured

    chosen = [one for one in CONSUMED if topic in (None, one.name, one.dead.name)]
    if not chosen:
        raise Misconfigured(f"no dead letters are kept for {topic!r}; expected one of {', '.join(one.name for one in CONSUMED)}")
    async with open_to_read(settings) as broker:
        return open_letters([record for one in chosen async for record in broker.read(one.dead)])


async def _replay(settings: RuntimeSettings, ids: Sequence[str] | None, topic: str | None) -> tuple[int, list[DeadLetter]]:
    """How many were replayed, and those that cannot be."""
    from services.cli.common import publish
    from services.runtime.dead import to_mark

    letters = await _open_letters(settings, topic)
    chosen = letters if ids is None else _chosen(letters, ids)
    whole = [(letter, letter.original) for letter in chosen if letter.original is not None]
    if whole:
        await publish(settings, [original for _, original in whole])
        await publish(settings, [to_mark(letter, datetime.now(UTC)) for letter, _ in whole])  # after: a letter closed and not replayed would be lost
    return len(whole), [letter for letter in chosen if letter.original is None]


def _chosen(letters: Sequence[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    from services.runtime.errors import Rejected

    known = {letter.id: letter for letter in letters}
    missing = [letter_id for letter_id in ids if letter_id not in known]
    if missing:
        raise Rejected(f"no open dead letter {', '.join(missing)}; `chipwire dead list` shows those that are")
    return [known[letter_id] for letter_id in dict.fromkeys(ids)]


def _row(letter: DeadLetter) -> tuple[object, ...]:
    return letter.id, letter.reason, letter.at[:19], len(letter.record.value or b""), letter.error.splitlines()[0][:100] if letter.error else ""


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "error": letter.error,
        "worker": letter.worker,
        "at": letter.at,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "bytes": len(letter.record.value or b""),
        "replayable": letter.original is not None,
    }


def _whole(letter: DeadLetter) -> dict[str, Any]:
    original = letter.original or letter.record
    return _summary(letter) | {
        "key": None if original.key is None else original.key.decode("utf-8", "backslashreplace"),
        "headers": {name: value.decode("utf-8", "backslashreplace") for name, value in original.headers if not name.startswith("dl_")},
        "traceback": letter.traceback,
        "value": None if original.value is None else original.value.decode("utf-8", "backslashreplace"),
    }
