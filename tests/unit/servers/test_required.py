from __future__ import annotations

import pytest

from tests.servers.required import cannot_be_had


def test_a_missing_server_skips_where_nobody_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHIPWIRE_TEST_REQUIRE_SERVERS", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no java"):
        cannot_be_had("no java")


def test_a_missing_server_is_a_failure_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_TEST_REQUIRE_SERVERS", "1")

    with pytest.raises(pytest.fail.Exception, match="no java"):
        cannot_be_had("no java")
