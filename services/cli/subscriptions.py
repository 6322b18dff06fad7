"""`chipwire subscriptions`: who is told what, where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.notifier.settings import NotifierSettings
    from services.runtime.settings import RuntimeSettings
    from services.store.accounts import Change, Destination, Subscription

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
    else:
        print_table(("account", "subscription", "when", "language", "to", "kind", "state"), [_as_row(*pair) for pair in pairs])


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
    from services.runtime.clock import SystemClock
    from services.store import accounts

    wanted = subscriptions.read(file, os.environ)
    with opened_store(runtime) as store:
        cipher = subscriptions.open_keys(notifier, store)
        now = SystemClock().now()
        return store.run_sync(lambda db: accounts.apply(db, wanted, cipher, now))


def _list(runtime: RuntimeSettings) -> Sequence[tuple[Subscription, Destination]]:
    from services.cli.events import opened_store
    from services.store import accounts

    with opened_store(runtime) as store:
        return store.read_sync(lambda db: [pair for account_id in accounts.account_ids(db) for pair in accounts.pairs(db, account_id)])


def _state(subscription: Subscription, destination: Destination) -> str:
    if destination.disabled:
        return f"disabled: {destination.disabled}"
    return "active" if subscription.active and destination.active else "off"


def _as_row(subscription: Subscription, destination: Destination) -> tuple[object, ...]:
    from services.store.accounts import when_json

    state = _state(subscription, destination)
    return destination.key.account_id, subscription.id, when_json(subscription.when), subscription.language, destination.key.id, destination.kind, state


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
            "last_sequence": destination.last_sequence,
        },
    }
