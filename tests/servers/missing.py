"""Real servers and programs that cannot be had here: a loud skip for a developer, a failure where CHIPWIRE_TEST_REQUIRE_SERVERS is set, as CI does."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def not_available(what: str, why: object) -> NoReturn:
    """Ends the test that needs it."""
    sentence = f"real {what} not available: {why}"
    if os.environ.get("CHIPWIRE_TEST_REQUIRE_SERVERS"):
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def needs(program: str, what: str) -> None:
    """Ends the test where a program is not installed."""
    if not shutil.which(program):
        not_available(what, f"there is no `{program}` here; install {what}")
