"""Fixtures that every test may ask for. What the shell has set for chipwire does not reach the tests, nor the processes they start."""

from __future__ import annotations

import os

import structlog
from hypothesis import settings

from tests.servers.kafka import kafka, own_kafka
from tests.servers.postgres import postgres, postgres_url
from tests.servers.stores import store, store_url

__all__ = ["kafka", "own_kafka", "postgres", "postgres_url", "store", "store_url"]

for _name in [name for name in os.environ if name.startswith("CHIPWIRE_") and not name.startswith("CHIPWIRE_TEST_")]:
    del os.environ[_name]

settings.register_profile("untimed", deadline=None)  # how fast a busy machine is proves nothing
settings.load_profile("untimed")

# A traceback with the values of all variables takes seconds to print where a rule set is among them.
_plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plain])
