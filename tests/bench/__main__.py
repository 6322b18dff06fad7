"""Speed and memory, each figure beside a baseline of the same run: `python -m tests.bench [--news FILE.jsonl[.gz]] [--only NAME ...] [--runs N] [--quick]`.

Prints one table. Judges nothing: a missed target is shown, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from services.runtime import logs
from tests.bench import brokers, classify, fairness, http_client, line, mails, push, route, start, webhooks
from tests.bench.news import load
from tests.bench.report import Row, table
from tests.bench.setting import LeftOut, Measure, Setting

MEASURES: Mapping[str, Measure] = {
    "help": start.measure_help,
    "start": start.measure_start,
    "classify": classify.measure,
    "push": push.measure,
    "kafka": line.measure_kafka,
    "embedded": line.measure_embedded,
    "route": route.measure,
    "webhooks": webhooks.measure,
    "mails": mails.measure,
    "fairness": fairness.measure,
    "client": http_client.measure,
    "kafka-broker": brokers.measure_kafka,
    "embedded-broker": brokers.measure_embedded,
}
QUICK_ITEMS = 1_000


def main() -> None:
    """Measures what is asked for, by turns, and prints the table."""
    asked = arguments()
    logs.configure(level="error")  # what a measurement logs is part of its work, and in nobody's way
    news = load(asked.news, most=QUICK_ITEMS if asked.quick else None)
    screen, progress = Console(width=None if os.isatty(1) else 200), Console(stderr=True)
    before = os.getloadavg()[0]
    rows: list[Row] = []
    for name in asked.only or MEASURES:
        with tempfile.TemporaryDirectory(prefix="chipwire-bench-") as directory, progress.status(f"measuring {name} ..."):
            try:
                rows += asyncio.run(_measured(MEASURES[name], Setting(news, Path(directory), asked.quick, asked.runs or (1 if asked.quick else 3))))
            except LeftOut as why:
                progress.print(f"{name} is left out: {why}")
    screen.print(table(rows, title=f"chipwire bench · news: {news.origin} ({len(news.pushes):,} items)", caption=circumstances(before, quick=asked.quick)))


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = os.environ.get("CHIPWIRE_BENCH_NEWS")
    told = "news to measure on, one item a line with the fields of the push API; else CHIPWIRE_BENCH_NEWS, else items made here"
    parser.add_argument("--news", type=Path, default=Path(named) if named else None, help=told, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), help="measure only these", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small and once: shows that it works, and no figures to quote")
    parser.add_argument("--runs", type=int, help="how often to take each figure; three times by default")
    return parser.parse_args()


def circumstances(load_before: float, *, quick: bool) -> str:
    """What the figures depend on."""
    noise = f"load average {load_before:.1f} before and {os.getloadavg()[0]:.1f} after: much above 1 before means that others worked here too"
    machine = f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{machine}; {noise}" + ("; QUICK: no figures to quote" if quick else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


async def _measured(measure: Measure, setting: Setting) -> Sequence[Row]:
    return await measure(setting)


if __name__ == "__main__":
    main()
