"""The shipped rule set, read once: reading it takes a second or two."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.classifier.rules import Ruleset, load_ruleset
from services.runtime.config_files import ConfigDir


@pytest.fixture(scope="session")
def ruleset() -> Ruleset:
    return load_ruleset(ConfigDir(), now=datetime(2025, 4, 1, tzinfo=UTC))
