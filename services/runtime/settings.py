"""Settings from the environment: read once at start, every problem told at once, no secret ever shown.

Each service declares its own class, `class IngesterSettings(Settings, env_prefix="CHIPWIRE_INGESTER_")`; a field `every` is then set by
`CHIPWIRE_INGESTER_EVERY`. Secrets (`SecretStr` fields) may also come from files: `CHIPWIRE_X_FILE=/path`, or a file named `CHIPWIRE_X` in the
directory that `CHIPWIRE_SECRETS_DIR` names.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from schemas.config.duration import Duration, format_duration
from services.runtime.errors import Misconfigured
from services.runtime.proxy import Proxy, parse_proxy

if TYPE_CHECKING:
    from services.runtime.worker import WorkerSettings

PREFIX = "CHIPWIRE_"
SECRETS_DIR = "CHIPWIRE_SECRETS_DIR"
_OUTSIDE = ("CHIPWIRE_TEST_", "CHIPWIRE_BENCH_")  # read by the tests and benchmarks, not by the product
_SERVICE_LINK = re.compile(r"CHIPWIRE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK_URL = re.compile(r"(tcp|udp|sctp)://")

Words = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(lambda value: tuple(filter(None, re.split(r"[,\s]+", value))) if isinstance(value, str) else value)
]
"""Several words in one variable, separated by commas or spaces."""


class Settings(BaseSettings):
    """Base of every settings class. Values never change once read; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 we read no .env files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 ours, below, names the file that cannot be read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable that sets a field."""
        return f"{cls.model_config.get('env_prefix', PREFIX)}{field}".upper()


class RuntimeSettings(Settings):
    """What every process has, whichever services it runs."""

    broker: str = "embedded:"
    """Where records flow: `embedded:` (one file under the data directory), `embedded:PATH`, or `kafka://host:9092[,host:9092]`."""
    store: SecretStr = SecretStr("")
    """Database URL: `sqlite:///path` or `postgresql://user:password@host/name`. Default: the file `chipwire.db` in the data directory."""
    data_dir: Path = Path("var")
    """Directory of the files that chipwire keeps."""
    config: Path | None = None
    """A team's own directory with `rules/ lexicon/ sources/ subscriptions.yaml`, laid over the shipped set."""
    http_host: str = "127.0.0.1"
    """Address the HTTP port listens on."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """The one HTTP port: health, metrics and the services' own routes. 0 takes a free one."""
    log_format: Literal["auto", "json", "pretty"] = "auto"
    """`auto` is pretty on a terminal and JSON otherwise."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)] = (
        "info"
    )
    """The least severe line that is written."""
    drain: Duration = timedelta(seconds=22)
    """How long stopping waits for work in hand before it is given up; letting go of it and closing takes up to 3 s more."""
    start_limit: Duration = timedelta(minutes=2)
    """How long to wait at start for the broker and the database before giving up with exit code 4."""
    kafka_sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How to log in to Kafka; empty for not at all."""
    kafka_username: str = ""
    """Name to log in to Kafka with."""
    kafka_password: SecretStr = SecretStr("")
    """Password to log in to Kafka with."""
    kafka_tls: bool = False
    """Whether to speak TLS to Kafka."""
    kafka_ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    kafka_certificate_file: Path | None = None
    """Our own certificate, for mutual TLS."""
    kafka_key_file: Path | None = None
    """The key of our own certificate."""
    embedded_power_safe: bool = False
    """Whether the embedded broker loses nothing when the power fails, at a seventh of the speed. A killed process never loses anything."""
    embedded_max_bytes: int = Field(default=2 * 1024**3, ge=10_000_000)
    """Size of the embedded broker's file at which publishers wait for readers that are behind."""
    allow_networks: Words = ()
    """Networks that requests may go to although the address guard denies them, such as `10.1.0.0/16` for receivers of your own."""

    proxy: SecretStr = SecretStr("")
    """Egress proxy that every HTTP request goes through: `http://[user:password@]host:port`. `HTTPS_PROXY` and its like are not read."""

    @property
    def egress(self) -> Proxy | None:
        """The proxy; None for none."""
        written = self.proxy.get_secret_value()
        return parse_proxy(written) if written else None

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, written: SecretStr) -> SecretStr:
        if written.get_secret_value():
            parse_proxy(written.get_secret_value())
        return written

    @property
    def store_url(self) -> str:
        """The database URL, the default filled in."""
        return self.store.get_secret_value() or f"sqlite:///{self.data_dir / 'chipwire.db'}"

    @property
    def allowed(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The allowed networks."""
        return tuple(ip_network(word) for word in self.allow_networks)

    @field_validator("allow_networks")
    @classmethod
    def _are_networks(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            try:
                ip_network(word)
            except ValueError as exc:
                raise ValueError(f"{word!r} is no network; expected one such as 10.1.0.0/16 or fd00::/8") from exc
        return words


class ConsumerSettings(Settings):
    """What a service that consumes has besides its own."""

    batch_records: int = Field(default=500, ge=1, le=10_000)
    """Most records a worker takes in hand at once."""
    batch_wait: Duration = timedelta(seconds=1)
    """Longest time a worker waits for records before it looks whether it should stop."""
    batch_limit: Duration = timedelta(minutes=2)
    """A batch that takes longer makes the process unhealthy."""
    stop_loss: int = Field(default=100, ge=1)
    """So many bad records in a row mean a bad release: the process stops with exit code 3 and commits none of them."""

    @property
    def worker(self) -> WorkerSettings:
        """As the worker takes them."""
        from services.runtime.worker import WorkerSettings  # the loop and its libraries are no business of who only reads settings

        return WorkerSettings(self.batch_records, self.batch_wait, self.batch_limit, self.stop_loss)


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, for documentation and tests. `default` is as one would write it."""

    variable: str
    default: str
    description: str
    secret: bool


def load(*classes: type[S]) -> tuple[S, ...]:
    """One instance of each class, read from the environment. Raises Misconfigured with every problem, unknown variables included.

    Pass the classes of all services, whichever run: a variable that none of them knows is an error.
    """
    problems = list(_unknown(os.environ, [variable for cls in classes for variable in _variables(cls)]))
    instances: list[S] = []
    for cls in classes:
        try:
            instances.append(cls())
        except ValidationError as exc:
            problems.extend(_sentence(cls, error) for error in exc.errors(include_url=False))
        except SettingsError as exc:
            problems.append(f"{exc}; expected JSON")
        except Misconfigured as exc:
            problems.extend(exc.problems)
    if problems:
        raise Misconfigured(*problems)
    return tuple(instances)


def catalogue(*classes: type[Settings]) -> list[Setting]:
    """Every setting of the classes, in the order they are declared."""
    return [_setting(cls, name, field) for cls in classes for name, field in cls.model_fields.items()]


def _setting(cls: type[Settings], name: str, field: FieldInfo) -> Setting:
    return Setting(cls.variable(name), _written(field.get_default(call_default_factory=True)), field.description or "", _is_secret(field))


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _variables(cls: type[Settings]) -> Iterator[str]:
    for name, field in cls.model_fields.items():
        yield cls.variable(name)
        if _is_secret(field):
            yield cls.variable(name) + "_FILE"


def _unknown(environ: Mapping[str, str], known: Sequence[str]) -> Iterator[str]:
    for variable, value in environ.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or name in known or name == SECRETS_DIR or name.startswith(_OUTSIDE) or _is_service_link(name, value):
            continue
        close = difflib.get_close_matches(name, known, n=1)
        yield f"{variable} is no setting" + (f"; did you mean {close[0]}?" if close else ", and none has a name like it")


def _is_service_link(name: str, value: str) -> bool:
    """Kubernetes puts such variables into every container of a namespace in which a service is called chipwire-something."""
    return bool(_SERVICE_LINK.fullmatch(name)) or (name.endswith("_PORT") and bool(_LINK_URL.match(value)))


def _sentence(cls: type[Settings], error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    field = cls.model_fields.get(name)
    if field is None:  # a check over several fields
        return f"{cls.__name__}: {_expected(error['msg'])}"
    variable = cls.variable(name)
    value = os.environ.get(variable, "")
    if _LINK_URL.match(value):
        return f"{variable} was set by Kubernetes for a service of that name; set enableServiceLinks: false on the pod, or rename the service"
    shown = f" is {value!r}" if value and not _is_secret(field) and "@" not in value else ""
    return f"{variable}{shown}: {_expected(error['msg'])}"


def _expected(message: str) -> str:
    """Pydantic's words as ours: "Input should be a valid integer" is "expected a valid integer"."""
    return message.removeprefix("Value error, ").replace("Input should be ", "expected ", 1)


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets that a variable or a directory says to read from a file; a final line break is not part of them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self._path(field, field_name)
        return (None if path is None else self._read(path, field_name)), field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except Misconfigured as exc:
                problems.extend(exc.problems)
                continue
            if value is not None:
                values[name] = value
        if problems:
            raise Misconfigured(*problems)
        return values

    def _read(self, path: Path, name: str) -> str:
        try:
            return path.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
            raise Misconfigured(f"{self._variable(name)}_FILE names {path}, which cannot be read: {reason}") from exc

    def _path(self, field: FieldInfo, name: str) -> Path | None:
        if not _is_secret(field):
            return None
        if named := os.environ.get(f"{self._variable(name)}_FILE"):
            return Path(named)
        directory = os.environ.get(SECRETS_DIR)
        candidate = Path(directory, self._variable(name)) if directory else None
        return candidate if candidate is not None and candidate.is_file() else None

    def _variable(self, name: str) -> str:
        return f"{self.config.get('env_prefix', PREFIX)}{name}".upper()
