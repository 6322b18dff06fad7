"""How many 2 kB POSTs a second leave through our client, beside raw aiohttp in the same run on the same server, which is a process of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from ipaddress import ip_network

import aiohttp

from services.runtime.http import HttpClient
from tests.bench.receiver import elsewhere
from tests.bench.report import Row, series
from tests.bench.setting import Setting

BODY = b"x" * 2_048
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
REQUESTS = 5_000
WORKERS = 10


async def measure(setting: Setting) -> Sequence[Row]:
    """Both clients by turns."""
    with elsewhere() as url:
        async with aiohttp.ClientSession() as session, HttpClient(allow=[ip_network("127.0.0.0/8")]) as client:

            async def raw() -> None:
                async with session.post(url, data=BODY, headers=HEADERS) as response:
                    await response.read()

            async def ours() -> None:
                await client.request("POST", url, headers=HEADERS, content=BODY, deadline=timedelta(seconds=10), max_body=16_384, whole=False)

            pairs = [(await rate(ours, setting.size(REQUESTS)), await rate(raw, setting.size(REQUESTS))) for _ in range(setting.runs)]
    note = f"address guard, deadline and body cap; {WORKERS} at once"
    return [Row("HTTP client, POST", series([pair[0] for pair in pairs], "POST/s"), series([pair[1] for pair in pairs], "POST/s"), "raw aiohttp", note=note)]


async def rate(post: Callable[[], Awaitable[object]], requests: int) -> float:
    """Requests a second."""
    turns = iter(range(requests))

    async def work() -> None:
        for _ in turns:
            await post()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return requests / (time.perf_counter() - started)
