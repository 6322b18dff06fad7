"""Logs: one line per unit of work, with a static event name; pretty on a terminal, JSON otherwise; never an address or a secret.

What libraries log through the standard library takes the same way out. Lines go to stderr: stdout belongs to what a command prints.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

from services.runtime.unseen import unseen

with unseen("rich"):
    import structlog

_HIDDEN = "***"
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@\"']+@"), f"{_HIDDEN}@"),  # user:password in a URL
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<address>"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"whsec_[\w+/=-]+"), f"whsec_{_HIDDEN}"),
    (
        re.compile(r"(?i)\b((?:\w*[_-])?(?:password|passwd|secret|token|api[_-]?key|authorization))(\"?'?\s*[=:]\s*\"?'?)(?!bearer|basic)([^\s\"'&,;)]+)"),
        rf"\1\2{_HIDDEN}",
    ),
)
_SUSPICIOUS = re.compile(r"[@:=\s]|whsec_")
"""What any of these patterns needs. Most texts of a line are a word or an id, and have none of it."""
_SECRET_NAMES = re.compile(r"(?i)(?:^|_)(password|secret|token|authorization|api[_-]?key)$")
_known_secrets: set[str] = set()
_QUIET = dict.fromkeys(("aiokafka", "alembic", "asyncio", "httpx", "sqlalchemy", "uvicorn"), logging.WARNING)


def configure(*, style: str = "auto", level: str = "info", stream: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Sets up logging for the whole process. `style` is auto, json or pretty; `secrets` are values that no line may hold."""
    out = stream or sys.stderr
    _known_secrets.update(secret for secret in secrets if len(secret) >= 6)  # a shorter one would blank half the words
    threshold = logging.getLevelNamesMapping()[level.upper()]
    pretty = style == "pretty" or (style == "auto" and out.isatty())
    structlog.configure(
        processors=[*_SHARED, _renderer(pretty=pretty, colors=out.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(out, threshold, _renderer(pretty=pretty, colors=out.isatty()))


def logger() -> Any:
    """As structlog's own, for who must not load it with its extras."""
    return structlog.get_logger()


def scrub(text: str) -> str:
    """The text without e-mail addresses, credentials in URLs, tokens and secrets."""
    for secret in _known_secrets:
        text = text.replace(secret, _HIDDEN)
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def scrub_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: every text of the line is scrubbed, at any depth, and what is named a secret is hidden whole."""
    for name, value in event.items():
        event[name] = _HIDDEN if value and _names_a_secret(name) else _scrubbed(value)
    return event


class RateLimit(logging.Filter):
    """Lets `count` lines of the same template through in `seconds`, then says once how many it held back."""

    def __init__(self, count: int = 3, seconds: float = 60.0) -> None:
        super().__init__()
        self._count = count
        self._seconds = seconds
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        since, seen = self._seen.get(key, (0.0, 0))
        now = time.monotonic()
        if now - since >= self._seconds:
            held_back = seen - self._count
            if held_back > 0:
                record.msg = f"{record.msg} ({held_back} more like it in the last {now - since:.0f} s)"
            since, seen = now, 0
        self._seen[key] = (since, seen + 1)
        return seen < self._count


@lru_cache(maxsize=1000)  # names are few
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {name: _HIDDEN if _names_a_secret(str(name)) else _scrubbed(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else scrub(str(value))


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.format_exc_info,
    scrub_event,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _renderer(*, pretty: bool, colors: bool) -> Any:
    if pretty:
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)


def _route_standard_library(out: TextIO, threshold: int, renderer: Any) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(RateLimit())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, threshold))
