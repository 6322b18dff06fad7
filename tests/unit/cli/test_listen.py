"""The small receiver, fed by the sender's own signatures and by the libraries of others."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.cli.listen import Forged, Got, Receiver, listen, shown
from services.notifier.channels.webhook import signed_headers
from services.runtime.errors import Misconfigured
from services.store.signing import rotated
from tests import make
from tests.alerting import SECRET

NOW = make.NOW
OTHER = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


def sent(sequence: int, *, epoch: int = 1, kept: str = SECRET) -> tuple[dict[str, str], bytes]:
    body = json.dumps({"headline": "US drops curbs", "sequence": sequence, "epoch": epoch}).encode()
    return signed_headers(f"msg_{epoch}_{sequence}", body, kept, NOW), body


def taken(receiver: Receiver, *numbers: int, epoch: int = 1) -> list[Got]:
    return [receiver.take(*sent(number, epoch=epoch), NOW.timestamp()) for number in numbers]


def test_what_comes_twice_is_told_and_what_is_missing_too() -> None:
    first, second, again, later = taken(Receiver([SECRET]), 1, 2, 2, 6)

    assert (first.missing, second.missing, again.duplicate, list(later.missing)) == (range(0), range(2, 2), True, [3, 4, 5])


def test_a_number_that_comes_late_opens_no_gap_behind_it() -> None:
    _, _, late, after = taken(Receiver([SECRET]), 1, 3, 2, 4)

    assert not late.missing
    assert not after.missing


def test_a_new_epoch_begins_anew() -> None:
    receiver = Receiver([SECRET])
    taken(receiver, 8)
    (got,) = taken(receiver, 1, epoch=2)

    assert (got.new_epoch, list(got.missing)) == (True, [])


def test_what_took_its_number_before_the_restore_changes_nothing() -> None:
    receiver = Receiver([SECRET])
    taken(receiver, 8)
    taken(receiver, 1, epoch=2)
    (late,) = taken(receiver, 20)
    (after,) = taken(receiver, 2, epoch=2)

    assert [(got.new_epoch, list(got.missing)) for got in (late, after)] == [(False, []), (False, [])]


@pytest.mark.parametrize(
    ("kind", "line"), [("new", "     9 US drops curbs"), ("withdrawal", "     9 withdrawal: US drops curbs"), ("a\nb", "     9 a b: US drops curbs")]
)
def test_a_line_says_what_is_no_new_alert(kind: str, line: str) -> None:
    assert shown(Got("msg_9", {"headline": "US drops curbs", "sequence": 9, "kind": kind}), as_json=False) == line


@pytest.mark.parametrize("change", [{"webhook-signature": "v1,AAAA"}, {"webhook-signature": "garbage"}, {"webhook-id": "msg_2"}, {"webhook-timestamp": "1"}])
def test_what_was_changed_or_recorded_long_ago_is_refused(change: dict[str, str]) -> None:
    headers, body = sent(1)

    with pytest.raises(Forged):
        Receiver([SECRET]).take(headers | change, body, NOW.timestamp())


def test_both_sides_of_a_rotation_are_verified_by_us_and_by_the_library_of_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    headers, body = sent(1, kept=rotated(SECRET, OTHER, now=NOW))
    monkeypatch.setattr(Webhook, "_Webhook__verify_timestamp", lambda *_: NOW)

    for secret in (SECRET, OTHER):
        assert Receiver([secret]).take(headers, body, NOW.timestamp()).id == "msg_1_1"
        assert Webhook(secret).verify(body, headers)["sequence"] == 1
    later = signed_headers("msg_1", body, rotated(SECRET, OTHER, now=NOW), NOW + timedelta(hours=25))
    with pytest.raises(Forged):
        Receiver([SECRET]).take(later, body, (NOW + timedelta(hours=25)).timestamp())


def test_a_line_tells_the_gap_and_keeps_hostile_text_on_it() -> None:
    body: dict[str, Any] = {"headline": "a\n\x1b[2Jb", "sequence": 9}

    line = shown(Got("msg_9", body, missing=range(5, 9)), as_json=False)

    assert "missing before it: 5 to 8" in line
    assert line.isprintable()
    assert json.loads(shown(Got("msg_9", body, missing=range(5, 9)), as_json=True))["missing"] == [5, 6, 7, 8]


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read: No such file"), (b"", "holds no secret; expected whsec_"), (b"\xff", "holds no secret")])
def test_a_secret_that_cannot_be_read_is_told_without_the_kind_of_error(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(Misconfigured) as raised:
        listen(file)

    assert said in str(raised.value)
    assert "Error" not in str(raised.value)
