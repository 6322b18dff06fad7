"""The fixtures that several rooms of tests share."""

from tests.servers.kafka import kafka

__all__ = ["kafka"]
