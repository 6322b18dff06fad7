"""The fixtures that several rooms of tests share."""

from tests.servers.kafka import kafka, own_kafka

__all__ = ["kafka", "own_kafka"]
