"""Services as processes of their own: started, asked whether they are ready, looked at, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

READY_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """One `chipwire run`."""

    name: str
    port: int
    seconds: float
    """From its start until it was ready."""
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def metrics(self) -> dict[str, float]:
        """Every sample without labels, and those with an outcome as `name:outcome`."""
        with urlopen(self.url("/metrics"), timeout=10) as answer:  # noqa: S310 our own port
            families = text_string_to_metric_families(answer.read().decode())
            return {":".join([one.name, *filter(None, [one.labels.get("outcome")])]): one.value for family in families for one in family.samples}

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


@contextmanager
def running(services: Sequence[str], *, directory: Path, settings: Mapping[str, str]) -> Iterator[Running]:
    """The services in one process, ready; all of them when none is named. Raises RuntimeError with its last words when it ends before.

    As it is installed without extras, that is without the sentence encoder, unless the settings have it on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name, port = "+".join(services) or "all", free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CHIPWIRE_")}
    environment |= {
        "CHIPWIRE_DATA_DIR": str(directory),
        "CHIPWIRE_HTTP_PORT": str(port),
        "CHIPWIRE_INGESTER_POLL": "false",
        "CHIPWIRE_CLASSIFIER_ENCODER": "false",
    }
    environment |= settings
    log = directory / f"{name}.log"
    began = time.perf_counter()
    with log.open("ab") as sink, subprocess.Popen([sys.executable, "-m", "services", "run", *services], env=environment, stdout=sink, stderr=sink) as process:
        try:
            _await_ready(process, port, log)
            yield Running(name, port, time.perf_counter() - began, process)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the process did not become ready; its last words:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)  # only asking tells


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except HTTPError as refused:
        refused.close()
    except OSError:
        pass
    return False
