import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingester.urls import canonical

BASE = "https://news.example/feeds/all.xml"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://news.example/a?utm_source=rss&utm_medium=feed", "https://news.example/a"),
        ("https://news.example/a?at_medium=RSS&at_campaign=rss&id=7", "https://news.example/a?id=7"),
        ("https://news.example/a?fbclid=x&gclid=y&mc_cid=z", "https://news.example/a"),
        ("https://news.example/a?b=2&a=1", "https://news.example/a?a=1&b=2"),
        ("https://news.example/a#comments", "https://news.example/a"),
        ("HTTPS://News.Example:443/a", "https://news.example/a"),
        ("http://news.example:80/a", "http://news.example/a"),
        ("http://news.example:8080/a", "http://news.example:8080/a"),
        ("https://news.example/x/../a/./b", "https://news.example/a/b"),
        ("https://user:secret@news.example/a", "https://news.example/a"),
        ("https://münchen.example/ä", "https://xn--mnchen-3ya.example/%C3%A4"),
        ("/2026/a", "https://news.example/2026/a"),
        ("b?x=1", "https://news.example/feeds/b?x=1"),
        ("//cdn.example/a", "https://cdn.example/a"),
        ("  https://news.example/a\n", "https://news.example/a"),
    ],
)
def test_one_page_has_one_address(written: str, expected: str) -> None:
    assert expected == canonical(written, BASE)


def test_http_and_https_stay_apart() -> None:
    assert canonical("http://news.example/a") != canonical("https://news.example/a")


def test_a_repeated_parameter_is_kept() -> None:
    assert canonical("https://news.example/?tag=b&tag=a") == "https://news.example/?tag=a&tag=b"


@pytest.mark.parametrize(
    "written", [None, "", "javascript:alert(1)", "mailto:a@b.example", "file:///etc/passwd", "http://[::1", "http:///a", "https://a.example/" + "x" * 2100]
)
def test_what_is_no_web_address_is_none(written: str | None) -> None:
    assert canonical(written, BASE) is None


@given(st.text(max_size=80))
def test_a_canonical_address_is_its_own_canonical_address(text: str) -> None:
    once = canonical(f"https://news.example/{text}")

    assert once is None or once == canonical(once)
