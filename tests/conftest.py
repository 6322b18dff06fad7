"""The fixtures that several rooms of tests share."""

from tests.servers.kafka import kafka
from tests.servers.postgres import postgres, postgres_url
from tests.servers.stores import store, store_url

__all__ = ["kafka", "postgres", "postgres_url", "store", "store_url"]
