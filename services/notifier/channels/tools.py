"""What channels are built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from services.notifier.leaving import Leaving
from services.notifier.settings import NotifierSettings
from services.notifier.suppressed import Suppressed
from services.runtime.clock import Clock
from services.runtime.http import HttpClient


@dataclass(frozen=True)
class Tools:
    """Settings and the doors to the outside. `outbox` is where mails go while no SMTP server is set."""

    settings: NotifierSettings
    http: HttpClient
    clock: Clock
    stdout: TextIO
    outbox: Path
    suppressed: Suppressed
    leaving: Leaving
