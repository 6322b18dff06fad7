"""Fixtures that every test may ask for."""

from __future__ import annotations

from tests.servers.kafka import kafka, own_kafka
from tests.servers.postgres import postgres, postgres_url
from tests.servers.stores import store, store_url

__all__ = ["kafka", "own_kafka", "postgres", "postgres_url", "store", "store_url"]
