"""A reload of several services: all of it, or nothing."""

from __future__ import annotations

import pytest

from services.app import _Process
from services.runtime.clock import SystemClock
from services.runtime.errors import Misconfigured
from services.runtime.service import PutIntoUse, Service
from services.runtime.settings import RuntimeSettings


def service(name: str, used: list[str], problem: str | None = None) -> Service:
    async def read_again() -> PutIntoUse:
        if problem is not None:
            raise Misconfigured(problem)

        async def put_into_use() -> None:
            used.append(name)

        return put_into_use

    return Service(name, {}, read_again=read_again)


def process(*services: Service) -> _Process:
    made = _Process(RuntimeSettings(), SystemClock())
    made._services = list(services)
    return made


async def test_every_service_puts_what_it_read_into_use() -> None:
    used: list[str] = []

    await process(service("ingester", used), service("notifier", used)).reload()

    assert used == ["ingester", "notifier"]


async def test_one_file_that_cannot_be_used_leaves_every_service_as_it_was() -> None:
    used: list[str] = []
    services = (service("ingester", used), service("classifier", used, "a.yaml:1:1: x"), service("notifier", used, "b.yaml:2:2: y"))

    with pytest.raises(Misconfigured) as caught:
        await process(*services).reload()

    assert caught.value.problems == ("a.yaml:1:1: x", "b.yaml:2:2: y")
    assert used == []
