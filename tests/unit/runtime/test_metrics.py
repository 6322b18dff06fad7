from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.runtime.broker import Partition
from services.runtime.metrics import OUTCOMES, BrokerMetrics, WorkerMetrics, exposition, new_registry


def test_what_has_not_happened_yet_is_0_and_not_absent() -> None:
    registry = CollectorRegistry()
    WorkerMetrics(registry, "classifier")
    BrokerMetrics(registry)

    assert [registry.get_sample_value("chipwire_classifier_records_total", {"outcome": outcome}) for outcome in OUTCOMES] == [0, 0, 0, 0]
    assert registry.get_sample_value("chipwire_broker_rebuilds_total", {"what": "consumer"}) == 0


def test_two_services_in_one_process_count_apart() -> None:
    registry = CollectorRegistry()
    classifier, notifier = WorkerMetrics(registry, "classifier"), WorkerMetrics(registry, "notifier")

    classifier.published.inc(3)
    notifier.published.inc(4)

    assert registry.get_sample_value("chipwire_classifier_published_total") == 3
    assert registry.get_sample_value("chipwire_notifier_published_total") == 4


def test_missed_records_are_counted_by_how_many_they_are() -> None:
    registry = CollectorRegistry()

    BrokerMetrics(registry).on_gap(Partition("news.items.v1", 3), 100, 142)

    assert registry.get_sample_value("chipwire_broker_missed_records_total") == 42


def test_the_process_and_the_build_are_told() -> None:
    text = exposition(new_registry()).decode()

    assert "process_resident_memory_bytes" in text
    assert "chipwire_build_info{" in text
