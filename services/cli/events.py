"""`chipwire events`: what is known, one event whole, and known measures as silent history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from schemas.events.event import PolicyEvent
    from services.notifier.known import Imported, KnownMeasure
    from services.runtime.settings import RuntimeSettings
    from services.store.engine import Store

T = TypeVar("T")

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@verbs.command("list")
def list_events(
    since: Annotated[datetime | None, typer.Option(help="Only those told, or with a date, on or after this day (UTC).", formats=["%Y-%m-%d"])] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List events, the latest first: by when they were last told, or the last date they name."""
    from datetime import UTC

    from services.cli.common import print_json, print_table
    from services.store import threads

    after = since.replace(tzinfo=UTC) if since else None
    found = _read(lambda db: threads.list_events(db, since=after, limit=limit))
    if as_json:
        for event in found:
            print_json(event.model_dump(mode="json", by_alias=True))
    else:
        print_table(("event", "version", "status", "dated", "origins", "headline"), [_as_row(event) for event in found])


@verbs.command("show")
def show(event: Annotated[str, typer.Argument(help="Its id or slug.", show_default=False)], as_json: Json = False) -> None:
    """Show one event: its versions, sources with why they joined, and relations."""
    from services.cli.common import print_json
    from services.store import threads

    found = _read(lambda db: threads.event(db, event))
    if found is None:
        from services.runtime.errors import Rejected

        raise Rejected(f"no event has the id or slug {event!r}; `chipwire events list` shows what there is")
    if as_json:
        print_json(found.model_dump(mode="json", by_alias=True))
        return
    versions, related = _read(lambda db: (threads.versions(db, found.id), threads.related(db, found.id)))
    print("\n".join(_told(found, versions, related)))


@verbs.command("import")
def import_events(file: Annotated[Path, typer.Argument(help="JSONL, one known measure a line.", exists=True, dir_okay=False, show_default=False)]) -> None:
    """Store known measures as history, so that later news finds what it changes. Nobody is told; a repeated import changes nothing."""
    import sys

    from services.cli.common import runtime_settings
    from services.notifier import known
    from services.runtime.exit_codes import ExitCode

    settings = runtime_settings()
    with file.open(encoding="utf-8", errors="replace") as lines:
        measures, problems = known.parse(lines)
    imported = _import(settings, measures)
    print(f"{imported.added} measures imported, {imported.known} known already")
    for problem in problems:
        print(f"{file}: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _import(settings: RuntimeSettings, measures: Sequence[KnownMeasure]) -> Imported:
    from services.notifier import known, wording
    from services.notifier.headline import headline
    from services.notifier.place import UlidMint
    from services.runtime.clock import SystemClock
    from services.runtime.config_files import ConfigDir

    in_english = partial(headline, language="en", templates=wording.load_templates(ConfigDir(settings.config), "en"))
    with opened_store(settings) as store:
        return store.run_sync(lambda db: known.import_known(db, measures, SystemClock().now(), mint=UlidMint(), headline=in_english))


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


def _told(event: PolicyEvent, versions: Sequence[PolicyEvent], related: Sequence[PolicyEvent]) -> list[str]:
    from services.notifier.conflicts import conflicts

    lines = [event.headline, f"{event.slug}  {event.id}  version {event.version}  {event.status}  {event.origins} origins", "", "versions"]
    lines += [f"  {version.version}  {version.updated_at:%Y-%m-%d %H:%M}  {', '.join(version.changes) or 'sources'}" for version in versions]
    lines += ["", "sources"]
    for source in event.sources:
        lines.append(
            f"  tier {source.tier}  {source.outlet or source.source}  {source.published or source.first_seen_at}  {source.title or source.url or source.item}"
        )
        if source.why_joined:
            lines.append(f"    joined by {', '.join(source.why_joined)}")
    differing = [f"  {conflict.about}  {'; '.join(map(_said, conflict.said))}" for conflict in conflicts(event)]
    lines += ["", "sources differ", *differing] if differing else []
    relations = {relation.event: relation.relation for relation in event.relations}
    if related:
        lines += ["", "related", *(f"  {relations.get(other.id, 'named by')}  {other.slug}  {other.headline}" for other in related)]
    return lines


def _said(one: tuple[str, tuple[str, ...]]) -> str:
    value, outlets = one
    return f"{value} ({', '.join(outlets)})"
