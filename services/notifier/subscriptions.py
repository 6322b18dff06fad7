"""`subscriptions.yaml` into the store: read strictly, secrets looked up where the file says they are, then applied whole or not at all."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from schemas.config.subscriptions import CHATS, Account, ChatTarget, Destination, Subscriptions, WebhookTarget
from schemas.config.template import Templates
from services.notifier.digest import reschedule
from services.notifier.filters import unknown_names
from services.notifier.headline import spoken
from services.notifier.names import Names
from services.notifier.settings import NotifierSettings
from services.runtime.config_files import ConfigDir, read_yaml
from services.runtime.errors import Misconfigured, Rejected
from services.store import accounts
from services.store.accounts import Change, DestinationKey, WantedAccount, WantedDestination, WantedSubscription
from services.store.engine import Connection, Store
from services.store.secrets import Cipher, open_cipher, open_lasting_key

SECRET_BYTES = range(24, 65)
"""What Standard Webhooks asks of a secret."""

_FIELD = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,3998}[\x21-\x7e])?")
"""The value of a header."""

_Told = Callable[..., str]


def read(path: Path, environ: Mapping[str, str], names: Names) -> tuple[WantedAccount, ...]:
    """The accounts the file wants, secrets and all. Raises Misconfigured with every problem and its place."""
    file = read_yaml(path)
    written = file.to(Subscriptions)
    reader = _Reader(path.parent, environ, names, file.where)
    wanted = tuple(reader.account(number, account) for number, account in enumerate(written.accounts))
    if reader.problems:
        raise Misconfigured(*reader.problems)
    return wanted


def of_team(config: ConfigDir, environ: Mapping[str, str], names: Names) -> tuple[WantedAccount, ...]:
    """The accounts of the team's own `subscriptions.yaml`; none without such a file. Raises Misconfigured."""
    path = config.file("subscriptions.yaml")
    return () if path is None else read(path, environ, names)


def apply(db: Connection, wanted: Sequence[WantedAccount], cipher: Cipher, now: datetime) -> list[Change]:
    """Makes the accounts as they are wanted, and lets what waits for them wait for their new times. Tells what changed."""
    changes = accounts.apply(db, wanted, cipher, now)
    reschedule(db, changes, now)
    return changes


def without_template(wanted: Sequence[WantedAccount], templates: Templates) -> list[str]:
    """A sentence for each subscription whose language nobody has written templates in: it is told in English."""
    return [
        f"subscription {one.id!r} of account {account.id!r} asks for {one.language!r}, for which there are no templates yet; it is told in English"
        for account in wanted
        for one in account.subscriptions
        if spoken(one.language, templates) is None
    ]


def open_keys(settings: NotifierSettings, store: Store) -> Cipher:
    """The cipher for addresses and secrets. With SQLite its keys are made at the first start. Raises Misconfigured."""
    if settings.keys_file is not None:
        return open_cipher(settings.keys_file, create=store.directory is not None)
    if store.directory is None:
        raise Misconfigured("CHIPWIRE_NOTIFIER_KEYS_FILE is not set; with PostgreSQL all notifiers need the same keys: name the file that holds them")
    return open_cipher(store.directory / "keys", create=True)


def suppression_key(settings: NotifierSettings, store: Store) -> bytes:
    """The key of the hashes of suppressed addresses. Raises Misconfigured."""
    return _lasting_key(settings, store, settings.suppression_key_file, "suppression-key", "CHIPWIRE_NOTIFIER_SUPPRESSION_KEY_FILE")


def unsubscribe_key(settings: NotifierSettings, store: Store) -> bytes:
    """The key of the links by which readers unsubscribe. Raises Misconfigured."""
    return _lasting_key(settings, store, settings.unsubscribe_key_file, "unsubscribe-key", "CHIPWIRE_NOTIFIER_UNSUBSCRIBE_KEY_FILE")


def _lasting_key(settings: NotifierSettings, store: Store, named: Path | None, default: str, variable: str) -> bytes:
    beside = settings.keys_file.parent if settings.keys_file else store.directory
    if named is None and beside is None:
        raise Misconfigured(f"{variable} is not set; with PostgreSQL it names the file of a key that all notifiers share")
    return open_lasting_key(named or cast("Path", beside) / default)


def new_secret() -> str:
    """A secret of a webhook, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_file_of(config: ConfigDir, key: DestinationKey) -> Path:
    """The file that holds the secret of a webhook of the team's own `subscriptions.yaml`. Raises Misconfigured without that file, Rejected without that webhook."""
    path = config.file("subscriptions.yaml")
    if path is None:
        raise Misconfigured("no subscriptions.yaml was read; expected one in the directory that CHIPWIRE_CONFIG names")
    written = read_yaml(path).to(Subscriptions).accounts
    named = (one.webhook for account in written if account.id == key.account_id for one in account.destinations if one.id == key.id)
    webhook = next(named, None)
    if webhook is None:
        raise Rejected(f"{path} names no such webhook; expected one of its accounts and destinations")
    if webhook.secret_file is None:
        raise Rejected(f"its secret stands in the variable {webhook.env}: change it there and start anew; the secret before signs for 24 h too")
    return path.parent / webhook.secret_file


def write_secret(path: Path, secret: str) -> None:
    """Whole or not at all, readable by its owner alone. Raises Rejected."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
        draft.replace(path)
    except OSError as exc:
        raise Rejected(f"the secret could not be written into {path} ({exc.strerror}); nothing was changed") from exc


def outbox_of(settings: NotifierSettings, store: Store) -> Path:
    """Where mails are kept while there is no mail server."""
    return settings.outbox or (store.directory or Path("var")) / "outbox"


class _Reader:
    """Turns what is written into what is wanted, and gathers what is wrong."""

    def __init__(self, directory: Path, environ: Mapping[str, str], names: Names, where: _Told) -> None:
        self._directory = directory
        self._environ = environ
        self._names = names
        self._where = where
        self.problems: list[str] = []

    def account(self, number: int, account: Account) -> WantedAccount:
        destinations = tuple(self._destination(("accounts", number, "destinations", place), one) for place, one in enumerate(account.destinations))
        for place, one in enumerate(account.subscriptions):
            unknown = unknown_names(one.when, self._names, ("accounts", number, "subscriptions", place, "when"))
            self.problems += [f"{self._where(*loc)}: {sentence}" for loc, sentence in unknown]
        subscriptions = tuple(WantedSubscription(one.id, one.to, one.when, one.cadence, one.language) for one in account.subscriptions)
        return WantedAccount(account.id, destinations, subscriptions)

    def _destination(self, loc: tuple[str | int, ...], written: Destination) -> WantedDestination:
        if written.webhook is not None:
            place, webhook = (*loc, "webhook"), written.webhook
            return WantedDestination(written.id, "webhook", webhook.url, self._secret(place, webhook), written.times, self._headers(place, webhook))
        if written.kind in CHATS:
            return WantedDestination(written.id, written.kind, self._chat((*loc, written.kind), getattr(written, written.kind)), times=written.times)
        if written.file is not None:
            return WantedDestination(written.id, "file", written.file.directory, times=written.times)
        return WantedDestination(written.id, written.kind, written.email or "", times=written.times)

    def _secret(self, loc: tuple[str | int, ...], webhook: WebhookTarget) -> str:
        key, name, found = self._looked_up(webhook.env, "secret_file", webhook.secret_file)
        place = f"{self._where(*loc, key)}: {name}"
        if found is None:
            self.problems.append(f"{place} is not there; expected it to hold the secret of the webhook")
        elif not _is_secret(found):
            self.problems.append(f"{place} holds no secret; expected whsec_ and base64 of 24 to 64 random bytes")
        return found or ""

    def _headers(self, loc: tuple[str | int, ...], webhook: WebhookTarget) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, written in webhook.headers.items():
            found = written.value
            place = f"{self._where(*loc, 'headers')}: the value of {name}"
            if found is None:
                _, where, found = self._looked_up(written.env, "secret_file", written.secret_file)
                place = f"{place}, {where},"
            if found is None or not _FIELD.fullmatch(found):
                self.problems.append(f"{place} is not there or cannot be sent; expected up to 4,000 printable ASCII characters on one line")
            values[name] = found or ""
        return values

    def _chat(self, loc: tuple[str | int, ...], chat: ChatTarget) -> str:
        key, name, found = self._looked_up(chat.env, "url_file", chat.url_file)
        if found is None or not found.startswith(("https://", "http://")) or len(found.split()) != 1:
            self.problems.append(f"{self._where(*loc, key)}: {name} holds no address; expected it to hold the https:// address of the chat")
        return found or ""

    def _looked_up(self, variable: str | None, key: str, file: str | None) -> tuple[str, str, str | None]:
        if variable is not None:
            return "env", f"the variable {variable}", self._environ.get(variable)
        path = self._directory / (file or "")
        try:
            return key, f"the file {path}", path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return key, f"the file {path}", None


def _is_secret(text: str) -> bool:
    try:
        return text.startswith("whsec_") and len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) in SECRET_BYTES
    except binascii.Error:
        return False
