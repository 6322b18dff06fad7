"""`python -m tests.simulation SEEDS`: runs so many seeds on all cores; `--replay SEED` tells one of them, step by step.

make simulate SEEDS=20000                      any number, from the first on
python -m tests.simulation 1000 --first 5000   those from 5000 on
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.search import CASES, Failure, Search

PORTION = 25
"""Seeds that a core takes at once."""


def main(arguments: Sequence[str]) -> int:
    """Whether every promise was kept, as an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="Runs the notifier's life on simulated time, in the order that a seed gives."
    )
    parser.add_argument("seeds", type=int, nargs="?", default=300, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--replay", type=int, help="tell this seed, step by step")
    parser.add_argument("--without", default="", help="parts of its plan to leave out, with commas between them")
    asked = parser.parse_args(arguments)
    if asked.replay is not None:
        return _replay(asked.replay, [part for part in asked.without.split(",") if part])
    return _search(range(asked.first, asked.first + asked.seeds), asked.jobs)


def _replay(seed: int, without: Sequence[str]) -> int:
    with Search.open() as search:
        failure = search.run(seed, without)
    if failure is None:
        print(f"seed {seed} keeps every promise")
        return 0
    print("\n".join(failure.log))
    print(failure)
    return 1


def _search(seeds: range, jobs: int) -> int:
    began, failed, done = time.monotonic(), 0, 0
    for ran, failures in _portions(seeds, jobs):
        done += ran
        for failure in failures:
            failed += 1
            print(failure)
            print(f"case: {failure.seed}\t{','.join(failure.without) or '-'}\t{failure.problems[0]}\n", flush=True)
    print(f"{done} seeds, {failed} failed, {time.monotonic() - began:.0f} s; failing ones belong into {CASES.name}")
    return 1 if failed else 0


def _portions(seeds: range, jobs: int) -> Iterator[tuple[int, list[Failure]]]:
    portions = [seeds[at : at + PORTION] for at in range(0, len(seeds), PORTION)]
    if jobs == 1:
        yield from map(_portion, portions)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(_portion, portion) for portion in portions]):
            yield done.result()


def _portion(seeds: range) -> tuple[int, list[Failure]]:
    with Search.open() as search:
        failures = [search.shrink(failure) for seed in seeds if (failure := search.run(seed)) is not None]
        return len(seeds), failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
