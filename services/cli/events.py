"""`chipwire events`: what is known, one event whole, known measures as silent history, and what an operator does to an event by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from services.cli.moments import moment

if TYPE_CHECKING:
    from schemas.events.event import PolicyEvent
    from services.notifier.known import Imported, KnownMeasure
    from services.notifier.operate import By, Done
    from services.notifier.threads import Means
    from services.runtime.settings import RuntimeSettings
    from services.store.engine import Connection, Store
    from services.store.timers import Planned

T = TypeVar("T")

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Event = Annotated[str, typer.Argument(metavar="EVENT", help="Its id or slug.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is written down, and those who are corrected read it.", show_default=False)]
By_ = Annotated[str | None, typer.Option("--by", help="Who does it; default: the user of the operating system.")]


@verbs.command("list")
def list_events(
    since: Annotated[datetime | None, typer.Option(help="Only those told, or with a date, on or after this day (UTC).", parser=moment, metavar="DATE")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List events, the latest first: by when they were last told, or the last date they name."""
    from services.cli.common import print_json, print_table
    from services.store import threads

    found = _read(lambda db: threads.list_events(db, since=since, limit=limit))
    if as_json:
        for event in found:
            print_json(event.model_dump(mode="json", by_alias=True))
    elif found:
        print_table(("event", "version", "status", "dated", "origins", "headline"), [_as_row(event) for event in found])
    else:
        print("no events")


@verbs.command("show")
def show(event: Event, as_json: Json = False) -> None:
    """Show one event: its versions, items with why they joined, relations, dates ahead, alerts, deliveries, and what was done by hand."""
    from services.cli.common import print_json
    from services.cli.thread import Thread, as_json_object, as_lines

    thread = _read(lambda db: Thread.of(db, event))
    if as_json:
        print_json(as_json_object(thread))
    else:
        print("\n".join(as_lines(thread)))


@verbs.command("calendar")
def calendar(limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50, as_json: Json = False) -> None:
    """List what the calendar will tell by itself: effective dates, lapses and reminders, the soonest first."""
    from services.cli.common import print_json, print_table
    from services.store import threads, timers

    ahead = _read(lambda db: timers.list_timers(db, waiting=True, limit=limit))
    events = {event.id: event for event in _read(lambda db: threads.events_by_id(db, {one.timer.event_id for one in ahead}))}
    if as_json:
        for one in ahead:
            print_json({"due_at": one.timer.due_at.isoformat(), "kind": one.timer.kind, "event": one.timer.event_id, "slug": events[one.timer.event_id].slug})
    elif ahead:
        print_table(("due (UTC)", "what", "event", "headline"), [_dated(one, events[one.timer.event_id]) for one in ahead])
    else:
        print("no dates ahead")


@verbs.command("retract")
def retract(event: Event, reason: Reason, by: By_ = None, as_json: Json = False) -> None:
    """Take an event back: exactly those who were told of it are told that it does not stand. Its items open no other event."""
    from services.notifier import operate

    _act(lambda db, who, means: operate.retract(db, event, who, means), "retracted", reason, by, as_json)


@verbs.command("correct")
def correct(
    event: Event,
    reason: Reason,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="FACT=VALUE", help="Such as stage=published, targets=CN,RU or expires=2026-11-10; repeat it for several.")
    ],
    by: By_ = None,
    as_json: Json = False,
) -> None:
    """Set facts of an event that were told wrongly: exactly those who were told of it get a correction. What is set stays set."""
    from services.cli.common import runtime_settings
    from services.notifier import operate
    from services.notifier.facts import read_facts
    from services.notifier.names import load_names
    from services.runtime.config_files import ConfigDir

    names = load_names(ConfigDir(runtime_settings().config))

    def work(db: Connection, who: By, means: Means) -> Done:
        return operate.correct(db, event, read_facts(settings, operate.find(db, event).facts, names), who, means)

    _act(work, "corrected", reason, by, as_json)


@verbs.command("merge")
def merge(
    event: Event,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The event that stays: its id or slug.", show_default=False)],
    reason: Reason,
    by: By_ = None,
    as_json: Json = False,
) -> None:
    """Let one event go into another that tells the same measure. Nobody is told; later corrections go to those who were told of either."""
    from services.notifier import operate

    _act(lambda db, who, means: operate.merge(db, event, into, who, means), "merged", reason, by, as_json)


@verbs.command("split")
def split(
    event: Event,
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help="The items that tell another event: ids or addresses, as `events show` lists them.")],
    reason: Reason,
    by: By_ = None,
    as_json: Json = False,
) -> None:
    """Make an event of its own of items that were put into the wrong one: those who were told of that get a correction."""
    from services.notifier import operate

    _act(lambda db, who, means: operate.split(db, event, items, who, means), "split", reason, by, as_json)


@verbs.command("import")
def import_events(
    file: Annotated[
        Path | None, typer.Argument(help="JSONL, one known measure a line; default: the history that comes with the program.", exists=True, dir_okay=False)
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is written down.")] = "known measures as history",
    by: By_ = None,
    as_json: Json = False,
) -> None:
    """Store known measures as history, so that later news finds what it changes, and the calendar what lapses. Nobody is told; a repeated import changes nothing."""
    import sys

    from services.cli.common import print_json, runtime_settings
    from services.runtime.exit_codes import ExitCode

    measures, problems = _measures(file)
    imported = _import(runtime_settings(), measures, reason, by)
    if as_json:
        print_json({"added": imported.added, "known": imported.known, "problems": problems})
    else:
        print(f"{imported.added} measures imported, {imported.known} known already")
    for problem in problems:
        print(f"{file}: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _measures(file: Path | None) -> tuple[list[KnownMeasure], list[str]]:
    from services.notifier import known

    if file is None:
        return known.shipped(), []
    with file.open(encoding="utf-8", errors="replace") as lines:
        return known.parse(lines)


def _import(settings: RuntimeSettings, measures: Sequence[KnownMeasure], reason: str, by: str | None) -> Imported:
    from services.notifier import known

    who, means = _who(reason, by), _means(settings)
    with opened_store(settings) as store:
        return store.run_sync(lambda db: known.import_by_hand(db, measures, who, mint=means.mint, headline=means.headline))


def _act(work: Callable[[Connection, By, Means], Done], done: str, reason: str, by: str | None, as_json: bool) -> None:
    """Runs a verb in one transaction, and says what it did."""
    from services.cli.common import print_json, runtime_settings

    settings = runtime_settings()
    who, means = _who(reason, by), _means(settings)
    with opened_store(settings) as store:
        result = store.run_sync(lambda db: work(db, who, means))
    if as_json:
        print_json(_result_json(result, who) | {"done": done})
        return
    event, other = result.event, result.other
    beside = f", {'into' if event.merged_into else 'new:'} {other.slug} {other.id}" if other else ""
    corrected = {0: "nobody was told", 1: "1 destination is corrected"}.get(result.corrects, f"{result.corrects} destinations are corrected")
    print(f"{done}: {event.slug} version {event.version}{beside}; {'nobody is told' if event.merged_into else corrected}")


def _result_json(result: Done, who: By) -> dict[str, object]:
    event, other = result.event, result.other
    return {
        "event": event.id,
        "slug": event.slug,
        "version": event.version,
        "status": event.status,
        "other": other.id if other else None,
        "corrects": result.corrects,
        "operator": who.operator,
        "reason": who.reason,
        "at": who.at.isoformat(),
    }


def _who(reason: str, by: str | None) -> By:
    from services.notifier.operate import By
    from services.runtime.clock import SystemClock

    return By(by or _user(), reason.strip(), SystemClock().now())


def _user() -> str:
    """The user of the operating system; in a container that has no name for it, its number."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _means(settings: RuntimeSettings) -> Means:
    from services.notifier import wording
    from services.notifier.headline import headline
    from services.notifier.place import UlidMint
    from services.notifier.threads import Means
    from services.runtime.config_files import ConfigDir

    return Means(UlidMint(), partial(headline, language="en", templates=wording.load_templates(ConfigDir(settings.config), "en")))


@contextmanager
def opened_store(settings: RuntimeSettings) -> Iterator[Store]:
    """The store, brought up to date. SQLite may be read and written beside a running process."""
    from services.store import migrate
    from services.store.engine import Store

    store = Store.open(settings.store_url)
    try:
        migrate.upgrade(store)
        yield store
    finally:
        store.close_sync()


def _read(work: Callable[[Any], T]) -> T:
    from services.cli.common import runtime_settings

    with opened_store(runtime_settings()) as store:
        return store.read_sync(work)


def _as_row(event: PolicyEvent) -> tuple[object, ...]:
    dated = max((source.published.at if source.published else source.first_seen_at for source in event.sources), default=event.opened_at)
    return event.slug, event.version, event.status, dated.date(), event.origins, event.headline


def _dated(one: Planned, event: PolicyEvent) -> tuple[object, ...]:
    return f"{one.timer.due_at:%Y-%m-%d %H:%M}", one.timer.kind.replace("_", " "), event.slug, event.headline
