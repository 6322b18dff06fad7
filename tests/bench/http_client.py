"""How many 2 kB POSTs a second leave through our client, beside raw aiohttp in the same run on the same server.

python -m tests.bench.http_client [--requests 5000] [--workers 10]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network

import aiohttp

from services.runtime.http import HttpClient

BODY = b"x" * 2_048
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Sink(asyncio.Protocol):
    """Answers every 2 kB POST at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._seen = transport, b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (end := self._seen.find(b"\r\n\r\n") + 4 + len(BODY)) <= len(self._seen) and end > len(BODY) + 4:
            self._seen = self._seen[end:]
            self._transport.write(ANSWER)


async def rate(post: Callable[[], Awaitable[object]], requests: int, workers: int) -> float:
    """Requests a second."""
    turns = iter(range(requests))

    async def work() -> None:
        for _ in turns:
            await post()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return requests / (time.perf_counter() - started)


async def main(requests: int, workers: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with aiohttp.ClientSession() as session, HttpClient(allow=[ip_network("127.0.0.0/8")]) as client:

        async def raw() -> None:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()

        async def ours() -> None:
            await client.request("POST", url, headers=HEADERS, content=BODY, deadline=timedelta(seconds=10), max_body=16_384, whole=False)

        best = {post.__name__: max([await rate(post, requests, workers) for _ in range(3)]) for post in (raw, ours)}
    server.close()
    print(f"raw aiohttp {best['raw']:8.0f} POST/s")
    print(f"ours        {best['ours']:8.0f} POST/s   {best['ours'] / best['raw']:.0%} of raw, {1e6 / best['ours'] - 1e6 / best['raw']:.0f} µs more a request")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=10)
    asyncio.run(main(**vars(parser.parse_args())))
