"""Whatever the dashboard and the alert rules ask for, the running line answers: a metric that was renamed is found here, not in an incident."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from deploy.grafana import dashboard
from tests.acceptance.line import Home, an_alert, ask, free_port, push
from tests.servers.missing import needs
from tests.servers.webhooks import receiving

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMETHEUS = YAML(typ="safe").load((DEPLOY / "prometheus" / "prometheus.yml").read_text())

TARGET_LABELS = {"job", "instance", "le", "quantile"} | {
    relabelled["target_label"] for scraped in PROMETHEUS["scrape_configs"] for relabelled in scraped.get("relabel_configs", ())
}
"""What Prometheus puts on every series itself, and the buckets' own."""
MADE_BY_PROMETHEUS = {"up"}


@dataclass(frozen=True)
class Question:
    """One query, where it stands, and what its lines are called."""

    where: str
    expr: str
    legend: str = ""

    @property
    def parsed(self) -> promql_parser.Expr:
        return promql_parser.parse(self.expr.replace("$__rate_interval", "5m"))


def panels() -> list[Question]:
    page = json.loads(dashboard.PATH.read_text("utf-8"))
    return [Question(panel["title"], target["expr"], target["legendFormat"]) for panel in page["panels"] for target in panel.get("targets", ())]


def alerts() -> list[Question]:
    rules = YAML(typ="safe").load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return [Question(rule["alert"], rule["expr"], str(rule["annotations"])) for group in rules["groups"] for rule in group["rules"]]


QUESTIONS = [*panels(), *alerts()]


@dataclass(frozen=True)
class Line:
    """A running line, and what it says of itself."""

    port: int
    samples: Mapping[str, list[Mapping[str, str]]]
    """The labels of every sample, by name."""

    def labels(self, metric: str) -> set[str]:
        return {name for labels in self.samples[metric] for name in labels} | TARGET_LABELS


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, parsed: Path) -> Iterator[Line]:
    """All services in one process, after news has come in and an alert has gone out."""
    home = Home(tmp_path_factory.mktemp("line") / "home", parsed)
    try:
        with receiving() as receiver:
            home.subscribe(hook=receiver.url)
            child = home.start("run").ready()
            push(child, [an_alert(1), {"id": "2", "title": "Local bakery wins a prize", "text": "The jury praised its bread."}])
            child.until(lambda: child.metric('chipwire_notifier_deliveries_total{channel="webhook",outcome="sent"}') == 1)
            child.until(lambda: child.metric("chipwire_ready") == 1)
            samples: dict[str, list[Mapping[str, str]]] = defaultdict(list)
            for family in text_string_to_metric_families(child.ask("GET", "/metrics").body):
                for sample in family.samples:
                    samples[sample.name].append(sample.labels)
            assert child.port is not None
            yield Line(child.port, dict(samples))
            assert child.stopped() == 0
    finally:
        home.close()


def selectors(expr: promql_parser.Expr) -> list[promql_parser.VectorSelector]:
    return [each for each in nodes(expr) if isinstance(each, promql_parser.VectorSelector)]


def nodes(expr: promql_parser.Expr) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(expr, found.append)
    return found


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.where)
def test_every_metric_and_label_asked_for_is_exported_by_the_line(line: Line, question: Question) -> None:
    asked = [selector for selector in selectors(question.parsed) if selector.name not in MADE_BY_PROMETHEUS]

    assert [str(selector.name) for selector in asked if selector.name not in line.samples] == []
    for selector in asked:
        own = {matcher.name: matcher.value for matcher in selector.matchers.matchers if matcher.name not in TARGET_LABELS}
        assert any(own.items() <= labels.items() for labels in line.samples[str(selector.name)]), f"no sample of {selector.name} has {own}"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.where)
def test_what_is_summed_by_a_label_has_that_label_and_the_legend_names_no_other(line: Line, question: Question) -> None:
    kept = set(TARGET_LABELS)
    for aggregate in (node for node in nodes(question.parsed) if isinstance(node, promql_parser.AggregateExpr)):
        by = set(aggregate.modifier.labels) if aggregate.modifier else set()
        for selector in selectors(aggregate.expr):
            assert by <= line.labels(str(selector.name))
        kept |= by

    named = set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+)", question.legend))

    assert named <= kept


def test_the_committed_dashboard_is_what_the_script_makes() -> None:
    assert dashboard.build() == dashboard.PATH.read_text("utf-8"), "run: python -m deploy.grafana.dashboard"


def test_the_dashboard_shows_every_stage_of_the_line() -> None:
    asked = {str(selector.name) for question in panels() for selector in selectors(question.parsed)}

    for prefix in ("chipwire_ingester_", "chipwire_classifier_", "chipwire_notifier_", "chipwire_broker_", "process_"):
        assert any(name.startswith(prefix) for name in asked)


def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    needs("promtool", "Prometheus")
    folder = DEPLOY / "prometheus"
    tested = set(re.findall(r'alertname(?:: |=")(\w+)', (folder / "rules.test.yml").read_text()))

    done = subprocess.run(["promtool", "test", "rules", "rules.test.yml"], cwd=folder, capture_output=True, text=True, check=False)
    checked = subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {question.where for question in alerts()} == tested


def test_a_real_prometheus_answers_every_panel(line: Line, tmp_path: Path) -> None:
    needs("prometheus", "Prometheus")
    with prometheus(line.port, tmp_path) as port:
        until(lambda: query(port, 'sum(count_over_time(up{job="chipwire"}[1m])) >= 4') != [])

        empty = [question for question in panels() if not query(port, question.expr.replace("$__rate_interval", "4s"))]

    assert [question.where for question in empty if "> 0" not in question.expr] == []


@contextmanager
def prometheus(target: int, directory: Path) -> Iterator[int]:
    """One that watches the line, with our rules."""
    port = free_port()
    scraped = {
        "job_name": "chipwire",
        "metrics_path": "/metrics",
        "static_configs": [{"targets": [f"127.0.0.1:{target}"], "labels": {"service": "line"}}],
    }
    config = {"global": {"scrape_interval": "1s"}, "rule_files": [str(DEPLOY / "prometheus" / "rules.yml")], "scrape_configs": [scraped]}
    (directory / "prometheus.yml").write_text(json.dumps(config))
    command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
    try:
        until(lambda: ask(port, "GET", "/-/ready").status == 200, why=lambda: (directory / "prometheus.log").read_text())
        yield port
    finally:
        process.terminate()
        process.wait()


def query(port: int, expr: str) -> list[Any]:
    said = ask(port, "GET", f"/api/v1/query?{urlencode({'query': expr})}").body
    result: list[Any] = said["data"]["result"]
    return result


def until(condition: Callable[[], bool], *, seconds: float = 30, why: Callable[[], str] = str) -> None:
    """Asks again until the answer is yes. Another process has no event to wait for."""
    end = time.monotonic() + seconds
    while not _held(condition):
        assert time.monotonic() < end, why()
        time.sleep(0.05)


def _held(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False  # nobody listens yet
