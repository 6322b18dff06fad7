"""Writes `dashboards/line.json`: the whole line on one page, from the source to the receiver: `python -m deploy.grafana.dashboard`"""  # noqa: INP001 a script, no package

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode, LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Threshold, ThresholdsMode

PATH = Path(__file__).parent / "dashboards" / "line.json"

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH = 24  # of a row, in Grafana's units


@dataclass(frozen=True)
class Query:
    """What is asked, and how each line is called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines over time."""

    title: str
    queries: Sequence[Query]
    unit: str = units.Short
    about: str = ""
    stacked: bool = False


@dataclass(frozen=True)
class Number:
    """One figure that should be read from across the room; from `bad` on it is red."""

    title: str
    expr: str
    unit: str = units.Short
    about: str = ""
    bad: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels side by side."""

    title: str
    panels: Sequence[Chart | Number]
    height: int = 8


def rate(metric: str, by: str, **labels: str) -> str:
    """How often a second, summed over processes."""
    chosen = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"sum by ({by}) (rate({metric}{{{chosen}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", window: str = "$__rate_interval") -> str:
    """The time within which that share of the observations stays."""
    return f"histogram_quantile({share}, sum by ({', '.join(filter(None, ('le', by)))}) (rate({metric}_bucket[{window}])))"


def p50_and_p99(metric: str, by: str = "", window: str = "$__rate_interval") -> list[Query]:
    name = f"{{{{{by}}}}} " if by else ""
    return [Query(quantile(share, metric, by, window), f"{name}{word}") for share, word in ((0.5, "p50"), (0.99, "p99"))]


def of_both(metric: str, expr: str, legend: str = "{{service}}") -> list[Query]:
    """The same question to both services that consume. `METRIC` stands for the metric's name."""
    return [Query(expr.replace("METRIC", f"chipwire_{service}_{metric}"), legend) for service in ("classifier", "notifier")]


TOLD = "chipwire_notifier_published_to_accepted_seconds"

ROWS = (
    Row(
        "At a glance",
        (
            Number(
                "Published to accepted, p50", quantile(0.5, TOLD, window="6h"), units.Seconds, "From published by the source to accepted by the receiver, 6 h."
            ),
            Number(
                "Published to accepted, p99", quantile(0.99, TOLD, window="6h"), units.Seconds, "Sources are late themselves: compare with the age of items."
            ),
            Number("Deliveries sent, 24 h", 'sum(increase(chipwire_notifier_deliveries_total{outcome="sent"}[24h]))'),
            Number("Given up, 24 h", 'sum(increase(chipwire_notifier_deliveries_total{outcome="failed"}[24h]))', bad=1),
            Number(
                "Dead letters, 24 h",
                "sum(increase(chipwire_classifier_dead_letters_total[24h])) + sum(increase(chipwire_notifier_dead_letters_total[24h]))",
                bad=1,
                about="chipwire dead list",
            ),
            Number("Oldest due delivery", "max(chipwire_notifier_queue_oldest_due_seconds)", units.Seconds, bad=60),
            Number("Silent sources", "sum(max by (source) (chipwire_ingester_source_silent))", bad=1),
            Number("Not ready", "count(chipwire_ready == 0) or vector(0)", bad=1, about="Processes that miss something they need: GET /readyz says what."),
        ),
        height=4,
    ),
    Row(
        "Sources",
        (
            Chart("Visits, by how they ended", [Query(rate("chipwire_ingester_visits_total", "outcome"), "{{outcome}}")], units.OpsPerSecond, stacked=True),
            Chart(
                "Since the last healthy visit",
                [Query("time() - (max by (source) (chipwire_ingester_source_last_success_timestamp_seconds) > 0)", "{{source}}")],
                units.Seconds,
                "A source that never answered has no line.",
            ),
            Chart("Failed visits in a row", [Query("max by (source) (chipwire_ingester_source_failures) > 0", "{{source}}")]),
        ),
    ),
    Row(
        "Items in",
        (
            Chart("Items found or pushed", [Query(rate("chipwire_ingester_items_total", "novelty"), "{{novelty}}")], units.OpsPerSecond, stacked=True),
            Chart(
                "Age of items when published here",
                p50_and_p99("chipwire_ingester_item_age_seconds"),
                units.Seconds,
                "How late the sources are, and our visits.",
            ),
            Chart("Pushes, by answer", [Query(rate("chipwire_ingester_pushes_total", "outcome"), "{{outcome}}")], units.OpsPerSecond, stacked=True),
        ),
    ),
    Row(
        "Classifier",
        (
            Chart("Verdicts", [Query(rate("chipwire_classifier_verdicts_total", "verdict"), "{{verdict}}")], units.OpsPerSecond),
            Chart("Time to judge an item", p50_and_p99("chipwire_classifier_item_seconds"), units.Seconds),
            Chart(
                "Rules that fire most",
                [Query(f"topk(10, {rate('chipwire_classifier_rule_hits_total', 'rule, status')})", "{{rule}} ({{status}})")],
                units.OpsPerSecond,
            ),
            Chart(
                "Rules taken out",
                [Query("max by (rule, why) (chipwire_classifier_quarantined_rule)", "{{rule}}: {{why}}")],
                about="A rule that failed or was slow judges no more until its file changes.",
            ),
            Chart(
                "Second opinions",
                [Query("sum by (outcome) (increase(chipwire_classifier_opinions_total[$__rate_interval])) > 0", "{{outcome}}")],
                about="Where an endpoint is named. raised and lowered replace the first verdict; all others leave it.",
                stacked=True,
            ),
            Chart(
                "Tokens of second opinions today",
                [
                    Query("max(chipwire_classifier_opinion_spent_tokens)", "spent"),
                    Query("max(chipwire_classifier_opinion_budget_tokens)", "budget"),
                    Query("max(chipwire_classifier_opinion_breaker_open)", "endpoint left alone"),
                ],
            ),
        ),
    ),
    Row(
        "Events",
        (
            Chart(
                "Verdicts placed",
                [Query("sum by (outcome) (increase(chipwire_notifier_placements_total[$__rate_interval])) > 0", "{{outcome}}")],
                about="opened, joined, advanced, reversed, corrected, withdrawn, held, ...; stale: material, but not fresh, so not pushed.",
                stacked=True,
            ),
            Chart("Alerts", [Query("sum(increase(chipwire_notifier_alerts_fanned_out_total[$__rate_interval]))", "fanned out")]),
            Chart(
                "Not sent on purpose",
                [
                    Query("sum(increase(chipwire_notifier_put_off_total[$__rate_interval]))", "put off: quiet hours, digests"),
                    Query("sum(increase(chipwire_notifier_put_off_dropped_total[$__rate_interval]))", "put off and dropped"),
                    Query("sum(increase(chipwire_notifier_digests_total[$__rate_interval]))", "digests"),
                    Query("sum(increase(chipwire_notifier_superseded_total[$__rate_interval]))", "superseded by a newer version"),
                    Query("sum(increase(chipwire_notifier_withheld_total[$__rate_interval]))", "withheld: destination switched off"),
                ],
            ),
        ),
    ),
    Row(
        "Deliveries",
        (
            Chart("Published to accepted", p50_and_p99(TOLD, "channel", "1h"), units.Seconds, "The product's own number, 1 h."),
            Chart(
                "Attempts, by channel and how they ended",
                [Query(rate("chipwire_notifier_deliveries_total", "channel, outcome"), "{{channel}} {{outcome}}")],
                units.OpsPerSecond,
            ),
            Chart("Time of an attempt", p50_and_p99("chipwire_notifier_attempt_seconds", "channel"), units.Seconds),
            Chart(
                "Queue",
                [
                    Query("max(chipwire_notifier_queue_depth)", "waiting, later retries included"),
                    Query("sum(chipwire_notifier_deliveries_in_flight)", "in hand"),
                    Query("max(chipwire_notifier_brakes)", "brakes on"),
                    Query("sum(increase(chipwire_notifier_leases_expired_total[$__rate_interval]))", "leases expired"),
                ],
            ),
        ),
    ),
    Row(
        "Workers",
        (
            Chart("Lag", of_both("lag_records", "sum by (service) (METRIC)"), about="Records not yet committed."),
            Chart("Age of records at their commit, p99", of_both("record_age_seconds", quantile(0.99, "METRIC", "service")), units.Seconds),
            Chart("Records handled", of_both("records_total", rate("METRIC", "service, outcome"), "{{service}} {{outcome}}"), units.OpsPerSecond),
            Chart("Time of a batch, p99", of_both("batch_seconds", quantile(0.99, "METRIC", "service")), units.Seconds),
        ),
    ),
    Row(
        "Trouble",
        (
            Chart(
                "Dead letters",
                of_both("dead_letters_total", "sum by (service, reason) (increase(METRIC[$__rate_interval]))", "{{service}} {{reason}}"),
            ),
            Chart(
                "Rewinds and partitions lost",
                [
                    *of_both("rewinds_total", "sum by (service) (increase(METRIC[$__rate_interval]))", "{{service}} rewound"),
                    *of_both("lost_partitions_total", "sum by (service) (increase(METRIC[$__rate_interval]))", "{{service}} lost"),
                ],
            ),
            Chart(
                "Bad records held, records missed, clients rebuilt",
                [
                    *of_both("held_records", "sum by (service) (METRIC)", "{{service}} held"),
                    Query("sum by (service) (increase(chipwire_broker_missed_records_total[$__rate_interval]))", "{{service}} missed"),
                    Query("sum by (service, what) (increase(chipwire_broker_rebuilds_total[$__rate_interval]))", "{{service}} {{what}} rebuilt"),
                ],
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Chart("Memory", [Query('process_resident_memory_bytes{job="chipwire"}', "{{service}} {{instance}}")], units.BytesIEC),
            Chart("CPU", [Query('rate(process_cpu_seconds_total{job="chipwire"}[$__rate_interval])', "{{service}} {{instance}}")], units.PercentUnit),
            Chart("Open files", [Query('process_open_fds{job="chipwire"}', "{{service}} {{instance}}")]),
            Chart("Running since", [Query('time() - process_start_time_seconds{job="chipwire"}', "{{service}} {{instance}}")], units.Seconds),
        ),
    ),
)


def build() -> str:
    """The dashboard as JSON."""
    page = (
        dashboard.Dashboard("chipwire: the line")
        .uid("chipwire-line")
        .tags(["chipwire"])
        .description("Made by deploy/grafana/dashboard.py.")
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    ids = count(1)
    for row in ROWS:
        page.with_row(dashboard.Row(row.title).id(next(ids)))
        for panel in row.panels:
            page.with_panel(_panel(panel).id(next(ids)).height(row.height).span(_WIDTH // len(row.panels)))
    return json.dumps(page.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _panel(panel: Chart | Number) -> timeseries.Panel | stat.Panel:
    made = _number(panel) if isinstance(panel, Number) else _chart(panel)
    made = made.title(panel.title).unit(panel.unit).datasource(_SOURCE)
    return made.description(panel.about) if panel.about else made


def _number(number: Number) -> stat.Panel:
    steps = [Threshold(value=None, color="text")] if number.bad is None else [Threshold(value=None, color="green"), Threshold(value=number.bad, color="red")]
    return (
        stat.Panel()
        .with_target(_target(Query(number.expr), "A"))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("none")
    )


def _chart(chart: Chart) -> timeseries.Panel:
    made = timeseries.Panel().min(0).fill_opacity(25 if chart.stacked else 5)
    made.legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
    if chart.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for index, query in enumerate(chart.queries):
        made.with_target(_target(query, chr(ord("A") + index)))
    return made


def _target(query: Query, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(_SOURCE)


if __name__ == "__main__":
    PATH.write_text(build(), "utf-8")
