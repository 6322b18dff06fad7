"""`chipwire subscriptions`: who is told what, where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.notifier.explain import Explained, Preview
    from services.notifier.settings import NotifierSettings
    from services.runtime.settings import RuntimeSettings
    from services.store.accounts import Change, Destination, Subscription
    from services.store.engine import Connection

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@verbs.command("apply")
def apply(file: Annotated[Path, typer.Argument(help="A subscriptions.yaml.", show_default=False)], as_json: Json = False) -> None:
    """Make the accounts named in FILE as it says, whole or not at all. What it does not name in them is switched off; other accounts are left alone."""
    from services.cli.common import print_json, print_table

    changes = _apply(file, *settings_of())
    if as_json:
        for change in changes:
            print_json({"account": change.account_id, "what": change.what, "id": change.id, "done": change.done})
    elif changes:
        print_table(("account", "what", "id", "done"), [(one.account_id, one.what, one.id, one.done) for one in changes])
    else:
        print("nothing changed")


@verbs.command("list")
def list_subscriptions(as_json: Json = False) -> None:
    """List every subscription with the destinations it is sent to. Addresses are not shown."""
    from services.cli.common import print_json, print_table

    pairs = _list(settings_of()[0])
    if as_json:
        for subscription, destination in pairs:
            print_json(_as_json(subscription, destination))
    elif pairs:
        print_table(("account", "subscription", "when", "cadence", "language", "to", "kind", "state"), [_as_row(*pair) for pair in pairs])
    else:
        print("no subscriptions")


@verbs.command("explain")
def explain(
    subscription: Annotated[str, typer.Argument(help="Its id, or account/id.", show_default=False)],
    event: Annotated[str, typer.Argument(help="Id or slug of an event.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Explain clause by clause why an event comes to a subscription, or which clause stops it; how soon it comes, and what was delivered."""
    from services.cli.common import print_json
    from services.notifier import explain

    told = _explained(subscription, event, *settings_of())
    if as_json:
        print_json(explain.as_json(told))
    else:
        print("\n".join(explain.as_lines(told)))


@verbs.command("preview")
def preview(
    subscription: Annotated[str, typer.Argument(help="Its id, or account/id.", show_default=False)],
    file: Annotated[Path | None, typer.Option(help="Take it from this subscriptions.yaml, before it is applied.", show_default=False)] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="So many days back.")] = 90,
    as_json: Json = False,
) -> None:
    """Show what a subscription would have told in the last 90 days, and how much a week."""
    from services.cli.common import print_json, print_table

    found = _previewed(subscription, file, days, *settings_of())
    if as_json:
        print_json(found.as_json())
        return
    if found.told:
        rows = [(one.at.date(), one.rank, one.cadence, one.event.slug, one.event.headline) for one in found.told]
        print_table(("told", "rank", "cadence", "event", "headline"), rows)
    print(found.in_words())


def settings_of() -> tuple[RuntimeSettings, NotifierSettings]:
    """The settings of the process and of the notifier."""
    from services import app
    from services.notifier.settings import NotifierSettings

    runtime, own = app.load_settings(("notifier",), app.SERVICES)
    notifier = own["notifier"]
    assert isinstance(notifier, NotifierSettings)  # noqa: S101 for the type checker: the table says so
    return runtime, notifier


def _apply(file: Path, runtime: RuntimeSettings, notifier: NotifierSettings) -> Sequence[Change]:
    from services.cli.events import opened_store
    from services.notifier import subscriptions
    from services.notifier.names import load_names
    from services.runtime.clock import SystemClock
    from services.runtime.config_files import ConfigDir

    wanted = subscriptions.read(file, os.environ, load_names(ConfigDir(runtime.config)))
    with opened_store(runtime) as store:
        cipher = subscriptions.open_keys(notifier, store)
        now = SystemClock().now()
        return store.run_sync(lambda db: subscriptions.apply(db, wanted, cipher, now))


def _list(runtime: RuntimeSettings) -> Sequence[tuple[Subscription, Destination]]:
    from services.cli.events import opened_store
    from services.store import accounts

    with opened_store(runtime) as store:
        return store.read_sync(lambda db: [pair for account_id in accounts.account_ids(db) for pair in accounts.pairs(db, account_id)])


def _explained(name: str, event: str, runtime: RuntimeSettings, notifier: NotifierSettings) -> Explained:  # noqa: ARG001 read, so that a typing error shows
    from services.cli.events import opened_store
    from services.notifier import explain
    from services.notifier.names import load_names
    from services.runtime.clock import SystemClock
    from services.runtime.config_files import ConfigDir

    names = load_names(ConfigDir(runtime.config))
    with opened_store(runtime) as store:
        return store.read_sync(lambda db: explain.explain(db, _named(db, name), event, names, SystemClock().now()))


def _previewed(name: str, file: Path | None, days: int, runtime: RuntimeSettings, notifier: NotifierSettings) -> Preview:  # noqa: ARG001 as above
    from services.cli.events import opened_store
    from services.notifier import explain
    from services.notifier.names import load_names
    from services.runtime.clock import SystemClock
    from services.runtime.config_files import ConfigDir

    names = load_names(ConfigDir(runtime.config))
    written = explain.written_in(file, name) if file is not None else None
    with opened_store(runtime) as store:
        return store.read_sync(lambda db: explain.preview(db, written or _named(db, name)[0], names, SystemClock().now(), days=days))


def _named(db: Connection, name: str) -> list[Subscription]:
    """The subscription of that name, once for each destination. Raises Rejected when there is none, or more than one."""
    from services.runtime.errors import Rejected
    from services.store import accounts

    account, _, one = name.rpartition("/")
    all_of_them = [each for account_id in accounts.account_ids(db) if account in ("", account_id) for each in accounts.list_subscriptions(db, account_id)]
    found = [each for each in all_of_them if each.id == one]
    if len({each.destination.account_id for each in found}) != 1:
        homes = sorted({f"{each.destination.account_id}/{each.id}" for each in found})
        raise Rejected(
            f"{name!r} is ambiguous; expected one of {', '.join(homes)}"
            if homes
            else f"no subscription is called {name!r}; `chipwire subscriptions list` shows all"
        )
    return found


def _state(subscription: Subscription, destination: Destination) -> str:
    if destination.disabled:
        return f"disabled: {destination.disabled}"
    return "active" if subscription.active and destination.active else "off"


def _as_row(subscription: Subscription, destination: Destination) -> tuple[object, ...]:
    from services.store.accounts import when_json

    state = _state(subscription, destination)
    return (
        destination.key.account_id,
        subscription.id,
        when_json(subscription.when),
        subscription.cadence,
        subscription.language,
        destination.key.id,
        destination.kind,
        state,
    )


def _as_json(subscription: Subscription, destination: Destination) -> dict[str, object]:
    return {
        "account": destination.key.account_id,
        "id": subscription.id,
        "when": subscription.when.model_dump(by_alias=True, exclude_defaults=True),
        "cadence": subscription.cadence,
        "language": subscription.language,
        "active": subscription.active,
        "created_at": subscription.created_at.isoformat(),
        "to": {
            "id": destination.key.id,
            "kind": destination.kind,
            "active": destination.active,
            "disabled": destination.disabled,
            "times": destination.times.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "last_sequence": destination.last_sequence,
        },
    }
