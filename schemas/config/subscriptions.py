"""`subscriptions.yaml`: who is told what, where. Accounts own destinations and subscriptions.

    accounts:
      - id: desk
        destinations:
          - {id: pager, webhook: {url: "https://example.com/hook", secret_file: pager.secret}}
        subscriptions:
          - id: flagship
            to: [pager]
            when: {imposers: [US], severity: {gte: 4}}

A destination may have `times`: quiet hours, a daily cap, when its digests come.

A filter is a tree: `all`, `any` and `none` hold filters, every other key tests a field of the event. All keys of one mapping must hold; an empty filter
lets everything through. A value alone means `eq`, a list means `any`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from schemas.config.base import Config
from schemas.config.times import Times
from schemas.events.signal import ACTIONS, DIRECTIONS, STAGES

Value = str | int | float
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]

LISTS = ("imposers", "targets", "products", "companies", "tags")
"""Fields of an event that hold several values."""

ORDERED = ("stage", "severity", "confidence")
"""Fields that know more and less: `gte` works on them. Stages rise from rumour to in_force; what ends a measure in force comes after."""

FIELDS = (*LISTS, "action", "direction", *ORDERED)
"""Every field a filter may test."""

VOCABULARIES = {"action": ACTIONS, "direction": DIRECTIONS, "stage": STAGES}

CADENCES = ("by_rank", "immediate", "hourly", "daily", "weekly")
"""How soon a subscription tells. `by_rank` is the taxonomy's own (5.3): rank 4 and 5 and every reversal at once, 3 hourly, the rest daily."""


class Condition(Config):
    """What one field must be. Several operators together must all hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=False, validate_by_alias=True)

    eq: Value | None = None
    in_: tuple[Value, ...] | None = Field(default=None, alias="in", min_length=1, description="One of these.")
    any_: tuple[Value, ...] | None = Field(default=None, alias="any", min_length=1, description="At least one of these.")
    all_: tuple[Value, ...] | None = Field(default=None, alias="all", min_length=1, description="Every one of these; for fields that hold several values.")
    not_: tuple[Value, ...] | None = Field(default=None, alias="not", min_length=1, description="None of these.")
    gte: Value | None = Field(default=None, description="At least this.")
    exists: bool | None = Field(default=None, description="Whether the event has the field at all.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With the shorthand that `_from_shorthand` reads: a value alone, or a list."""
        value = {"type": ["string", "number", "boolean"]}
        return {"anyOf": [handler(core_schema), value, {"type": "array", "items": value, "minItems": 1}]}

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, written: Any) -> Any:
        if isinstance(written, list | tuple):
            return {"any": written}
        return written if isinstance(written, dict | Condition) else {"eq": written}

    @field_validator("not_", mode="before")
    @classmethod
    def _one_or_many(cls, written: Any) -> Any:
        return written if written is None or isinstance(written, list | tuple) else (written,)

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value that is compared with."""
        single = tuple(value for value in (self.eq, self.gte) if value is not None)
        return single + (self.in_ or ()) + (self.any_ or ()) + (self.all_ or ()) + (self.not_ or ())

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.values and self.exists is None:
            raise ValueError("an empty test; expected a value, a list, or one of eq, in, any, all, not, gte, exists")
        return self


class When(Config):
    """A filter over the fields of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=False, validate_by_alias=True)

    all_of: tuple[When, ...] = Field(default=(), alias="all", description="Every one of these filters must hold.")
    any_of: tuple[When, ...] = Field(default=(), alias="any", description="At least one of these filters must hold.")
    none_of: tuple[When, ...] = Field(default=(), alias="none", description="None of these filters may hold.")
    imposers: Condition | None = Field(default=None, description="States by ISO 3166-1 alpha-2 code or name, or a group of them: EU, allies, an EAR group.")
    targets: Condition | None = Field(
        default=None, description='As imposers. "*" is all destinations: such an event meets every target. One against "D:5" meets each of its members.'
    )
    products: Condition | None = Field(default=None, description="Products, or groups of them such as ai_accelerators, HBM or chip_materials.")
    companies: Condition | None = Field(default=None, description="Companies by any of their names: NVIDIA, NVDA and 英伟达 are one.")
    tags: Condition | None = Field(default=None, description="The motive of the measure, such as retaliation, and how it relates to others, such as reverses.")
    action: Condition | None = None
    direction: Condition | None = None
    stage: Condition | None = None
    severity: Condition | None = Field(default=None, description="1 to 5.")
    confidence: Condition | None = Field(default=None, description="0 to 1.")

    @property
    def tests(self) -> dict[str, Condition]:
        """The fields that are tested here, in the order of the glossary."""
        return {name: test for name in FIELDS if (test := getattr(self, name)) is not None}

    @field_validator(*FIELDS)
    @classmethod
    def _fits_the_field(cls, test: Condition | None, info: ValidationInfo) -> Condition | None:
        if test is not None and info.field_name is not None:
            _check(info.field_name, test)
        return test


def _check(name: str, test: Condition) -> None:
    if test.all_ is not None and name not in LISTS:
        raise ValueError(f"{name} has one value, so `all` cannot hold; expected eq, in, not, gte or exists")
    if test.gte is not None and name not in ORDERED:
        raise ValueError(f"{name} has no order; gte works on {', '.join(ORDERED)}")
    for value in test.values:
        if problem := _problem(name, value):
            raise ValueError(f"{value!r} {problem}")


def _problem(name: str, value: Value) -> str | None:
    if name in ("severity", "confidence"):
        return None if isinstance(value, int | float) else "is no number"
    if not isinstance(value, str) or not value.strip():
        return "is no text; put it in quotes"
    if name in VOCABULARIES and value not in VOCABULARIES[name]:
        return f"is unknown; expected one of {', '.join(VOCABULARIES[name])}"
    return None


class HeaderValue(Config):
    """The value of a header: a text alone, or where it is kept. What lets somebody in is named, never written."""

    value: str | None = Field(default=None, description="The value itself, where it is no secret; a text alone means the same.")
    secret_file: str | None = Field(default=None, description="A file that holds the value; relative to this file.")
    env: str | None = Field(default=None, description="A variable of the environment that holds the value.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With the shorthand that `_from_shorthand` reads: a text alone."""
        return {"anyOf": [handler(core_schema), {"type": ["string", "integer"]}]}

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, written: Any) -> Any:
        return {"value": str(written)} if isinstance(written, str | int) and not isinstance(written, bool) else written

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if [self.value, self.secret_file, self.env].count(None) != 2:
            raise ValueError("a header has one value; expected a text, or either secret_file or env")
        return self


OWN_HEADERS = frozenset(
    ("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "date", "expect", "host", "http2-settings", "keep-alive",
     "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via")
)  # fmt: skip
"""Headers that are the transport's own: what the body is, where it goes, and what ends at the next hop (RFC 9110, 7.6.1)."""

OWN_PREFIXES = ("webhook-", "chipwire-", "proxy-", "sec-")
"""What headers begin with that say who signed, in which order, or how a proxy is passed."""

SECRET_HEADERS = ("authorization", "cookie")
"""Headers that always let somebody in."""

MOST_HEADERS = 20


def _header_name(name: str) -> str:
    """The name in lower case. Raises ValueError when it is none, or not ours to give."""
    lower = name.lower()
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}", lower):
        raise ValueError("no name of a header; expected letters, digits and hyphens, such as X-Team")
    if lower in OWN_HEADERS or lower.startswith(OWN_PREFIXES):
        raise ValueError(f"{name} is set by us or by the connection; expected a header of your own, such as Authorization or X-Team")
    return lower


class WebhookTarget(Config):
    """An HTTPS endpoint. Its secret is named, never written: a file, or a variable of the environment."""

    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=2000)
    secret_file: str | None = Field(default=None, description="A file that holds the secret; relative to this file.")
    env: str | None = Field(default=None, description="A variable of the environment that holds the secret.")
    headers: dict[str, HeaderValue] = Field(
        default={}, max_length=MOST_HEADERS, description="Headers of your own that every request carries, such as Authorization."
    )

    @field_validator("headers")
    @classmethod
    def _may_be_sent(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        lower = {_header_name(name): value for name, value in headers.items()}
        if len(lower) < len(headers):
            raise ValueError("a header is written twice; upper and lower case are the same")
        if written := [name for name in SECRET_HEADERS if name in lower and lower[name].value is not None]:
            raise ValueError(f"the value of {written[0]} is a secret; expected secret_file or env that says where it is kept")
        return lower

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.secret_file is None) == (self.env is None):
            raise ValueError("a webhook needs one secret; expected either secret_file or env")
        return self


class ChatTarget(Config):
    """A chat. Its address lets anybody write there, so it is a secret: named, never written. How to get it stands in docs/howto/channels.md."""

    url_file: str | None = Field(default=None, description="A file that holds the address; relative to this file.")
    env: str | None = Field(default=None, description="A variable of the environment that holds the address.")

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url_file is None) == (self.env is None):
            raise ValueError("a chat needs one address; expected either url_file or env")
        return self


class FileTarget(Config):
    """A directory in which the alerts of this destination are appended as JSON lines."""

    directory: str = Field(min_length=1)


class TerminalTarget(Config):
    """The standard output of the process."""


def _mailbox(address: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # only here: it is slow to import

    try:
        mailbox = validate_email(address, check_deliverability=False).ascii_email
    except EmailNotValidError as exc:
        raise ValueError("no e-mail address; expected name@domain") from exc
    if mailbox is None:
        raise ValueError("the part before the @ must be ASCII: few mail servers take more")
    return mailbox


class Destination(Config):
    """One mailbox, endpoint or chat: exactly one of webhook, email, slack, teams, discord, telegram, ntfy, terminal and file."""

    id: Id
    webhook: WebhookTarget | None = None
    email: Annotated[str, AfterValidator(_mailbox)] | None = None
    slack: ChatTarget | None = None
    teams: ChatTarget | None = None
    discord: ChatTarget | None = None
    telegram: ChatTarget | None = None
    ntfy: ChatTarget | None = None
    terminal: TerminalTarget | None = None
    file: FileTarget | None = None
    times: Times = Times()

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError(f"a destination is exactly one of {', '.join(KINDS)}")
        return self


CHATS = ("slack", "teams", "discord", "telegram", "ntfy")
KINDS = ("webhook", "email", *CHATS, "terminal", "file")


class Subscription(Config):
    """What one reader wants to hear of, and where."""

    id: Id
    to: tuple[Id, ...] = Field(min_length=1, description="Destinations of the same account.")
    when: When = When()
    cadence: Literal["by_rank", "immediate", "hourly", "daily", "weekly"] = Field(
        default="by_rank", description="When it is told. by_rank: rank 4 and 5 and reversals at once, 3 in the hourly digest, the rest in the daily one."
    )
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP 47 tag of the language to be told in.")


class Account(Config):
    """Who owns destinations and subscriptions."""

    id: Id
    destinations: tuple[Destination, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()

    @model_validator(mode="after")
    def _names_hold(self) -> Self:
        _unique("destination", [destination.id for destination in self.destinations])
        _unique("subscription", [subscription.id for subscription in self.subscriptions])
        known = {destination.id for destination in self.destinations}
        for subscription in self.subscriptions:
            if missing := sorted(set(subscription.to) - known):
                raise ValueError(f"subscription {subscription.id!r} is sent to {missing[0]!r}, which is no destination of account {self.id!r}")
        return self


class Subscriptions(Config):
    """The whole file."""

    accounts: tuple[Account, ...] = ()

    @field_validator("accounts")
    @classmethod
    def _accounts_unique(cls, accounts: tuple[Account, ...]) -> tuple[Account, ...]:
        _unique("account", [account.id for account in accounts])
        return accounts


def _unique(what: str, ids: list[str]) -> None:
    for one, times in Counter(ids).items():
        if times > 1:
            raise ValueError(f"{what} {one!r} is written twice")
