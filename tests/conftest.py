"""Fixtures that every test may ask for."""

from __future__ import annotations

from tests.servers.kafka import kafka
from tests.servers.postgres import postgres, postgres_url

__all__ = ["kafka", "postgres", "postgres_url"]
