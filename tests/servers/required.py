"""What a real server that cannot be had means: a loud skip on a developer's machine, a failure where `CHIPWIRE_TEST_REQUIRE_SERVERS` is set, as in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_be_had(why: str) -> NoReturn:
    """Ends the test."""
    if os.environ.get("CHIPWIRE_TEST_REQUIRE_SERVERS"):
        pytest.fail(f"{why} (CHIPWIRE_TEST_REQUIRE_SERVERS is set, so this is no skip)", pytrace=False)
    pytest.skip(why)
