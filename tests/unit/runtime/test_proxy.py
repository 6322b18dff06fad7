import pytest

from services.runtime.errors import Misconfigured
from services.runtime.proxy import Proxy, parse_proxy
from services.runtime.settings import RuntimeSettings, load


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example:3128/", Proxy("proxy.example", 3128)),
        ("http://10.0.0.8:80", Proxy("10.0.0.8", 80)),
        ("http://[fd00::8]:3128", Proxy("fd00::8", 3128)),
        ("http://ana:s%40fe@proxy.example:3128", Proxy("proxy.example", 3128, "Basic YW5hOnNAZmU=")),
    ],
)
def test_a_proxy_is_read_from_its_url(written: str, proxy: Proxy) -> None:
    assert parse_proxy(written) == proxy
    assert "Basic" not in repr(parse_proxy(written))


WRONG = [
    "proxy.example:3128",
    "https://proxy.example:3128",
    "socks5://proxy.example:1080",
    "http://proxy.example",
    "http://:3128",
    "http://hidden@",
    "http://x:99999",
]
WRONG += ["http://proxy.example:3128/path", "http://proxy.example:3128?hidden", "http://[::1", "hidden"]


@pytest.mark.parametrize("written", WRONG)
def test_what_is_no_proxy_is_refused_at_the_start_without_repeating_it(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_PROXY", written)

    with pytest.raises(Misconfigured) as caught:
        load(RuntimeSettings)

    assert caught.value.problems == ("CHIPWIRE_PROXY: no proxy; expected http://host:port or http://user:password@host:port",)


def test_without_a_setting_there_is_no_proxy_whatever_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert load(RuntimeSettings)[0].egress is None
