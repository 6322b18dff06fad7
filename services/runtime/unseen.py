"""Imports without the extras that a library takes when it finds them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unseen(name: str) -> Iterator[None]:
    """Hides a module that nobody has imported yet: what is imported meanwhile does as if it were not installed.

    structlog and httpx load rich for tracebacks and a command line that we never show; that is a tenth of the time a service takes to start.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python says that a module is not there
    try:
        yield
    finally:
        del sys.modules[name]
