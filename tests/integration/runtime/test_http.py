import asyncio
import gzip
import resource
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Rejected, Unavailable
from services.runtime.http import HttpClient, HttpFailure, Reason, Response
from tests.servers import hostile
from tests.servers.names import Names

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SOON = timedelta(seconds=5)
SHORT = timedelta(seconds=0.5)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[HttpClient]:
    async with HttpClient(**({"allow": LOOPBACK} | settings)) as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with opened() as client:
        yield client


async def get(client: HttpClient, url: str, **options: Any) -> Response:
    return await client.request("GET", url, **({"deadline": SOON, "max_body": 100_000} | options))


async def post(client: HttpClient, url: str, **options: Any) -> Response:
    return await client.request("POST", url, **({"content": b"{}", "deadline": SOON, "max_body": 1_000, "whole": False} | options))


async def failure(request: Any) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        await request
    return caught.value


# --- a good server


async def test_an_answer_comes_back_whole(client):
    async with hostile.serve(hostile.answer(b"hello", headers="X-Kind: a\r\nX-Kind: b\r\n")) as server:
        response = await get(client, server.url("/path?q=1"))

    assert (200, b"hello", False, server.url("/path?q=1")) == (response.status, response.body, response.truncated, response.url)
    assert response.headers["x-kind"] == "a, b"
    assert timedelta() < response.elapsed < SOON


async def test_the_request_arrives_as_asked_and_carries_nothing_of_its_own_making(client):
    async with hostile.serve(hostile.answer()) as server:
        await post(client, server.url("/hook"), headers={"Content-Type": "application/json", "X-Sig": "v1,abc"}, content=b'{"a":1}')

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /hook http/1.1"
    assert {b"host", b"user-agent", b"accept", b"accept-encoding", b"content-type", b"x-sig", b"content-length"} == {line.split(b":")[0] for line in lines[1:]}
    assert b"user-agent: chipwire" in lines
    assert body == b'{"a":1}'


async def test_an_error_status_is_an_answer_not_a_failure(client):
    async with hostile.serve(hostile.answer(b"gone", status="410 Gone")) as server:
        response = await post(client, server.url())

    assert (response.status, response.body) == (410, b"gone")


async def test_connections_are_kept_and_used_again(client):
    async with hostile.serve(hostile.answer()) as server:
        for _ in range(5):
            await get(client, server.url())

    assert (len(server.requests), server.connections) == (5, 1)


async def test_a_long_header_such_as_large_sites_send_is_read(client):
    async with hostile.serve(hostile.answer(headers=f"Content-Security-Policy: {'x' * 20_000}\r\n")) as server:
        response = await get(client, server.url())

    assert len(response.headers["content-security-policy"]) == 20_000


async def test_cookies_are_forgotten(client):
    async with hostile.serve(hostile.answer(headers="Set-Cookie: id=7; Path=/\r\n")) as server:
        await get(client, server.url())
        await get(client, server.url())

    assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_a_proxy_of_the_environment_is_ignored(client, monkeypatch):
    async with hostile.serve(hostile.answer(b"proxy")) as proxy, hostile.serve(hostile.answer(b"target")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        response = await get(client, server.url())

    assert response.body == b"target"


# --- dropped, and whether the request may have been read


async def test_a_connection_dropped_after_the_request_was_read_is_never_called_unsent(client):
    async with hostile.serve(hostile.drop_after_request) as server:
        failed = await failure(post(client, server.url()))

    assert (failed.reason, failed.sent) == (Reason.DROPPED, "maybe")
    assert isinstance(failed, Unavailable)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("behaviour", [hostile.drop_after_request, hostile.reset_after_request])
async def test_a_dropped_request_is_not_sent_a_second_time(client, method, behaviour):
    async with hostile.serve(behaviour) as server:
        failed = await failure(client.request(method, server.url(), deadline=SOON, max_body=10))

    assert (failed.reason, failed.sent) == (Reason.DROPPED, "maybe")
    assert len(server.requests) == 1


async def test_a_reset_before_the_request_was_read_is_dropped_too_as_nobody_can_know(client):
    async with hostile.serve(hostile.drop_before_request) as server:
        failed = await failure(post(client, server.url()))

    assert (failed.reason, failed.sent) == (Reason.DROPPED, "maybe")


async def test_a_kept_connection_that_the_server_closes_on_the_next_request_is_dropped_and_not_repeated(client):
    async def once(connection):
        await connection.request()
        await connection.send(hostile.head(headers="Content-Length: 0\r\n"))
        await connection.request()

    async with hostile.serve(once) as server:
        await get(client, server.url())
        failed = await failure(get(client, server.url()))

    assert (failed.reason, failed.sent, len(server.requests)) == (Reason.DROPPED, "maybe", 2)


async def test_a_kept_connection_that_was_closed_in_between_is_replaced(client):
    async with hostile.serve(hostile.say(hostile.head(headers="Content-Length: 2\r\n") + b"ok")) as server:
        await get(client, server.url())
        await server.all_closed()
        response = await get(client, server.url())

    assert (response.status, server.connections) == (200, 2)


async def test_a_reset_in_the_middle_of_the_body_is_a_failure_even_where_the_status_is_what_matters(client):
    async with hostile.serve(hostile.reset_mid_body) as server:
        failures = [await failure(get(client, server.url())), await failure(post(client, server.url(), max_body=1_000))]

    assert [(failed.reason, failed.sent) for failed in failures] == [(Reason.DROPPED, "maybe")] * 2


async def test_nobody_listening_is_refused_and_was_never_sent(client):
    async with hostile.serve(hostile.answer()) as server:
        url = server.url()

    failed = await failure(post(client, url))

    assert (failed.reason, failed.sent) == (Reason.REFUSED, "never")


# --- too slow


@pytest.mark.parametrize("behaviour", [hostile.swallow, hostile.trickle_head, hostile.trickle_body, hostile.endless_continue])
async def test_the_deadline_covers_the_whole_attempt(client, behaviour):
    async with hostile.serve(behaviour) as server:
        failed = await failure(get(client, server.url(), deadline=SHORT))
        await server.all_closed()

    assert (failed.reason, failed.sent) == (Reason.DEADLINE, "maybe")


async def test_a_black_hole_that_never_accepts_was_never_sent(client):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the queue is full now: what connects next hears nothing
            failed = await failure(post(client, f"http://127.0.0.1:{full.getsockname()[1]}/", deadline=SHORT))

    assert (failed.reason, failed.sent) == (Reason.CONNECT_TIMEOUT, "never")


async def test_connecting_has_a_limit_of_its_own():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        async with opened(connect_timeout=SHORT) as client:
            with socket.create_connection(full.getsockname()):
                failed = await failure(post(client, f"http://127.0.0.1:{full.getsockname()[1]}/"))

    assert (failed.reason, failed.sent) == (Reason.CONNECT_TIMEOUT, "never")


async def test_a_tls_handshake_that_hangs_was_never_sent(client):
    async def mute(connection):
        await connection.hang()

    async with hostile.serve(mute) as server:
        failed = await failure(post(client, server.url().replace("http:", "https:"), deadline=SHORT))

    assert (failed.reason, failed.sent) == (Reason.CONNECT_TIMEOUT, "never")


async def test_an_accepted_webhook_counts_though_its_answer_trickles_past_the_deadline(client):
    async with hostile.serve(hostile.trickle_body) as server:
        response = await post(client, server.url(), deadline=SHORT, max_body=100_000)

    assert (response.status, response.truncated) == (200, True)
    assert set(response.body) == {ord("x")}


# --- too much


@pytest.mark.parametrize("behaviour", [hostile.endless_body, hostile.endless_chunks])
async def test_a_fetched_body_over_the_cap_is_a_failure(client, behaviour):
    async with hostile.serve(behaviour) as server:
        failed = await failure(get(client, server.url(), max_body=100_000))
        await server.all_closed()

    assert failed.reason == Reason.TOO_LARGE


@pytest.mark.parametrize("behaviour", [hostile.endless_body, hostile.endless_chunks])
async def test_a_webhooks_answer_is_read_up_to_the_cap_then_closed_and_counts(client, behaviour):
    async with hostile.serve(behaviour) as server:
        response = await post(client, server.url(), max_body=1_000)
        await server.all_closed()

    assert (response.status, response.truncated, response.body) == (200, True, b"x" * 1_000)


async def test_a_body_of_exactly_the_cap_is_whole(client):
    async with hostile.serve(hostile.answer(b"x" * 1_000)) as server:
        fetched, told = await get(client, server.url(), max_body=1_000), await post(client, server.url(), max_body=1_000)

    assert [(len(response.body), response.truncated) for response in (fetched, told)] == [(1_000, False)] * 2


async def test_a_gzip_bomb_is_refused_in_little_memory(client):
    async with hostile.serve(hostile.gzip_bomb) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        failed = await failure(get(client, server.url(), max_body=1_000_000))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert failed.reason == Reason.TOO_LARGE
    assert grown < 64_000, "kB"


async def test_compressed_bytes_that_never_yield_any_are_counted_too(client):
    async def hollow(connection):
        await connection.request()
        await connection.send(hostile.head(headers="Content-Encoding: gzip\r\n"))
        while True:
            await connection.send(gzip.compress(b"") * 1_000)

    async with hostile.serve(hollow) as server:
        failed = await failure(get(client, server.url(), max_body=10_000))

    assert failed.reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"news " * 1000)),
        ("x-gzip", gzip.compress(b"news " * 500) + gzip.compress(b"news " * 500)),
        ("deflate", zlib.compress(b"news " * 1000)),
        ("deflate", zlib.compress(b"news " * 1000)[2:-4]),
        ("identity", b"news " * 1000),
    ],
    ids=["gzip", "gzip in two parts", "deflate", "deflate without its envelope", "as it is"],
)
async def test_a_compressed_body_is_opened(client, encoding, packed):
    async with hostile.serve(hostile.answer(packed, headers=f"Content-Encoding: {encoding}\r\n")) as server:
        response = await get(client, server.url())

    assert response.body == b"news " * 1000


# --- not HTTP

GARBAGE = {
    "a status line that is none": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a header without an end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(100_000)) + b"\r\n",
    "a header with a line break in its name": b"HTTP/1.1 200 OK\r\nX Y\r: z\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nok",
    "a compression we did not ask for": hostile.head(headers="Content-Encoding: br\r\nContent-Length: 2\r\n") + b"ok",
    "gzip that is none": hostile.head(headers="Content-Encoding: gzip\r\nContent-Length: 7\r\n") + b"<html/>",
    "gzip that breaks off": hostile.head(headers="Content-Encoding: gzip\r\nContent-Length: 15\r\n") + gzip.compress(b"news" * 99)[:15],
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_not_http_as_we_know_it_is_a_protocol_failure(client, said):
    async with hostile.serve(hostile.say(said)) as server:
        failed = await failure(get(client, server.url()))

    assert (failed.reason, failed.sent) == (Reason.PROTOCOL, "maybe")


BROKEN_OFF = {
    "fewer bytes than the length says": hostile.head(headers="Content-Length: 100\r\n") + b"short",
    "chunks without an end": hostile.head(headers="Transfer-Encoding: chunked\r\n") + b"5\r\nshort\r\n",
    "a head that stops": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("said", BROKEN_OFF.values(), ids=BROKEN_OFF)
async def test_what_breaks_off_is_dropped(client, said):
    async with hostile.serve(hostile.say(said)) as server:
        failed = await failure(get(client, server.url()))

    assert (failed.reason, failed.sent) == (Reason.DROPPED, "maybe")


async def test_more_bytes_than_the_length_says_do_not_become_the_next_answer(client):
    smuggled = hostile.head(headers="Content-Length: 2\r\n") + b"ok" + hostile.head(headers="Content-Length: 4\r\n") + b"evil"

    async with hostile.serve(hostile.say(smuggled)) as server:
        bodies = [(await get(client, server.url())).body for _ in range(3)]

    assert bodies == [b"ok"] * 3


async def test_a_continue_before_the_answer_is_passed_over(client):
    async with hostile.serve(hostile.say(b"HTTP/1.1 100 Continue\r\n\r\n" + hostile.head(headers="Content-Length: 2\r\n") + b"ok")) as server:
        response = await post(client, server.url())

    assert (response.status, response.body) == (200, b"ok")


# --- redirects


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_redirect_is_an_answer_unless_asked_to_follow(client, status):
    async with hostile.serve(hostile.answer()) as target, hostile.serve(hostile.redirect(target.url(), status=status)) as server:
        response = await post(client, server.url())

    assert int(status[:3]) == response.status
    assert target.requests == []


async def test_a_redirect_is_followed_when_asked_and_the_answer_says_from_where(client):
    async with hostile.serve(hostile.answer(b"moved")) as target, hostile.serve(hostile.redirect(target.url("/new"))) as server:
        response = await get(client, server.url(), follow_redirects=1)

    assert (b"moved", target.url("/new")) == (response.body, response.url)


async def test_a_relative_redirect_stays_on_its_server_and_keeps_its_headers(client):
    async def there(connection):
        while b"/old" in await connection.request():
            await connection.send(hostile.head("302 Found", "Content-Length: 0\r\nLocation: new?x=1\r\n"))
        await connection.send(hostile.head(headers="Content-Length: 0\r\n"))

    async with hostile.serve(there) as server:
        response = await get(client, server.url("/dir/old"), follow_redirects=3, headers={"Authorization": "Bearer t"})

    assert server.url("/dir/new?x=1") == response.url
    assert all(b"authorization: Bearer t" in request for request in server.requests)


async def test_credentials_do_not_follow_to_another_server(client):
    secrets = {"Authorization": "Bearer t", "Cookie": "c=1", "X-Api-Key": "k", "Accept-Language": "ko"}

    async with hostile.serve(hostile.answer()) as target, hostile.serve(hostile.redirect(target.url())) as server:
        await get(client, server.url(), follow_redirects=1, headers=secrets)

    sent = target.requests[0].lower()
    assert not any(name in sent for name in (b"authorization", b"cookie", b"x-api-key"))
    assert b"accept-language: ko" in sent


async def test_a_chain_of_redirects_is_cut(client):
    async with hostile.serve(hostile.redirect("/again")) as server:
        failed = await failure(get(client, server.url(), follow_redirects=5))

    assert (failed.reason, len(server.requests)) == (Reason.REDIRECT, 6)


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "javascript:alert(1)", "data:,x", "http://", "//user:secret@127.0.0.1/", "http://[::1"],
)
async def test_a_redirect_to_what_is_no_web_address_is_refused(client, location):
    async with hostile.serve(hostile.redirect(location)) as server:
        failed = await failure(get(client, server.url(), follow_redirects=3))

    assert failed.reason == Reason.REDIRECT
    assert "secret" not in str(failed)


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://0xa9fea9fe/"]
)
async def test_a_redirect_into_the_house_meets_the_guard(client, location):
    async with hostile.serve(hostile.redirect(location)) as server:
        failed = await failure(get(client, server.url(), follow_redirects=3))

    assert failed.reason == Reason.BLOCKED_ADDRESS


async def test_only_reading_requests_may_follow(client):
    with pytest.raises(ValueError, match="GET"):
        await post(client, "http://127.0.0.1:9/", follow_redirects=1)


# --- the guard

NOTATIONS = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1%2f@example.com:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://127.0.0.1:{port}/\r\nX-Injected: 1",
    "http://127.0.0.1\r\n:{port}/",
    "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "file:///etc/passwd",
    "ws://127.0.0.1:{port}/",
    "unix:/var/run/docker.sock",
    "http://",
    "http://:{port}/",
    "http://[/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "",
]


@pytest.mark.parametrize("notation", NOTATIONS)
async def test_no_way_to_write_the_loopback_gets_past_the_guard(notation):
    async with hostile.serve(hostile.answer()) as server, HttpClient() as client:
        failed = await failure(post(client, notation.format(port=server.port), deadline=SOON))

        assert server.connections == 0
    assert failed.reason in (Reason.BLOCKED_ADDRESS, Reason.BAD_URL, Reason.DNS)
    assert failed.sent == "never"
    assert "secret" not in str(failed)


@pytest.mark.parametrize("notation", NOTATIONS[:1] + NOTATIONS[10:15] + NOTATIONS[18:20])
async def test_the_plain_notations_are_stopped_by_the_guard_itself(notation):
    async with hostile.serve(hostile.answer()) as server, HttpClient() as client:
        failed = await failure(post(client, notation.format(port=server.port)))

    assert failed.reason == Reason.BLOCKED_ADDRESS


async def test_a_name_that_leads_home_is_blocked():
    async with hostile.serve(hostile.answer()) as server, HttpClient(resolver=Names(hooks_example=[["127.0.0.1"]])) as client:
        failed = await failure(post(client, server.url(host="hooks.example")))

        assert server.connections == 0
    assert (failed.reason, failed.sent) == (Reason.BLOCKED_ADDRESS, "never")
    assert str(failed) == "hooks.example: the name leads to an address that may not be reached (loopback)"


async def test_a_resolver_that_answers_with_a_public_address_first_and_the_loopback_next_does_not_get_past():
    rebinding = Names(hooks_example=[["127.0.0.2"], ["127.0.0.1"]])  # 127.0.0.2 plays the public address

    once = hostile.say(hostile.head(headers="Content-Length: 0\r\n"))
    async with hostile.serve(once, host="127.0.0.2") as public, opened(resolver=rebinding, allow=[ip_network("127.0.0.2/32")]) as client:
        first = await post(client, public.url(host="hooks.example"))
        await public.all_closed()
        client._transport._session.connector.clear_dns_cache()  # as when the answer has expired
        failed = await failure(post(client, public.url(host="hooks.example")))

    assert (first.status, failed.reason) == (200, Reason.BLOCKED_ADDRESS)


async def test_a_name_nobody_knows_is_a_dns_failure():
    async with HttpClient(resolver=Names()) as client:
        failed = await failure(post(client, "https://nowhere.example/"))

    assert (failed.reason, failed.sent) == (Reason.DNS, "never")


async def test_one_blocked_request_does_not_colour_the_next(client):
    async with hostile.serve(hostile.drop_after_request) as server:
        blocked = await failure(get(client, "http://10.0.0.1/"))
        dropped = await failure(get(client, server.url()))

    assert [blocked.reason, dropped.reason] == [Reason.BLOCKED_ADDRESS, Reason.DROPPED]


@given(st.text(max_size=60))
async def test_no_text_given_as_url_does_more_than_fail(text):
    async with HttpClient(resolver=Names(), tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
        failed = await failure(post(client, f"http://{text}", deadline=SHORT))

    assert failed.sent == "never"


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_certificate_that_holds_is_accepted(authority):
    tls = server_side(authority.issue_cert("127.0.0.1"))

    async with hostile.serve(hostile.answer(b"safe"), tls=tls) as server, opened(tls=trusting(authority)) as client:
        response = await get(client, server.url())

    assert response.body == b"safe"


@pytest.mark.parametrize("fault", ["self-signed", "expired", "wrong host"])
async def test_a_certificate_that_does_not_hold_is_refused_before_anything_is_sent(authority, fault):
    signer = trustme.CA() if fault == "self-signed" else authority
    name = "elsewhere.example" if fault == "wrong host" else "127.0.0.1"
    until = datetime(2020, 1, 2, tzinfo=UTC) if fault == "expired" else None
    tls = server_side(signer.issue_cert(name, not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=until))

    async with hostile.serve(hostile.answer(), tls=tls) as server, opened(tls=trusting(authority)) as client:
        failed = await failure(post(client, server.url()))

    assert (failed.reason, failed.sent, server.requests) == (Reason.TLS, "never", [])


async def test_a_server_that_speaks_no_tls_is_refused(client):
    async def plain(connection):
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with hostile.serve(plain) as server:
        failed = await failure(post(client, server.url().replace("http:", "https:")))

    assert (failed.reason, failed.sent) == (Reason.TLS, "never")


# --- what may be sent


@pytest.mark.parametrize("headers", [{"X-Title": "a\r\nX-Evil: 1"}, {"X-Title": "a\0"}, {"X-Title": "café"}, {"X Title": "a"}, {"X:": "a"}, {"": "a"}])
async def test_a_header_that_would_become_two_is_refused(client, headers):
    async with hostile.serve(hostile.answer()) as server:
        with pytest.raises(Rejected):
            await post(client, server.url(), headers=headers)

    assert server.requests == []


async def test_a_path_cannot_smuggle_a_line(client):
    async with hostile.serve(hostile.answer()) as server:
        await get(client, server.url("/a%0d%0aX-Evil:%201"))

    assert server.requests[0].startswith(b"GET /a%0d%0aX-Evil:%201 HTTP/1.1\r\n")


# --- many at once


async def test_after_many_cancelled_requests_the_pool_still_serves():
    async def slow(connection):
        while True:
            request = await connection.request()
            if b"/slow" in request:
                await connection.hang()
            await connection.send(hostile.head(headers="Content-Length: 2\r\n") + b"ok")

    async with hostile.serve(slow) as server, opened(connections=10) as client:
        for _ in range(20):
            waiting = [asyncio.create_task(get(client, server.url("/slow" if i % 2 else "/"))) for i in range(30)]
            server.arrived.clear()
            await server.arrived.wait()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        answers = await asyncio.gather(*(get(client, server.url()) for _ in range(50)))

        assert server.open <= 10
        assert [answer.status for answer in answers] == [200] * 50
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_waiting_for_a_free_connection_counts_against_the_deadline():
    async with hostile.serve(hostile.swallow) as server, opened(connections=1) as client:
        holder = asyncio.create_task(failure(post(client, server.url(), deadline=timedelta(seconds=2))))
        await server.arrived.wait()
        failed = await failure(post(client, server.url(), deadline=SHORT))
        await holder

    assert (failed.reason, failed.sent, len(server.requests)) == (Reason.CONNECT_TIMEOUT, "never", 1)


async def test_a_cancelled_request_is_cancelled_and_not_called_late(client):
    async with hostile.serve(hostile.swallow) as server:
        task = asyncio.create_task(post(client, server.url()))
        await server.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_closed()


async def test_the_client_may_be_closed_twice():
    async with hostile.serve(hostile.answer()) as server, opened() as client:
        await get(client, server.url())
        await client.close()
        await client.close()
