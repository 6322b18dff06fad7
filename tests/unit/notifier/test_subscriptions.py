"""Reading subscriptions.yaml with what it refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.config.subscriptions import CHATS
from schemas.config.template import Template
from services.notifier import subscriptions
from services.notifier.names import load_names
from services.notifier.settings import NotifierSettings
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.store.engine import Store
from tests.alerting import NAMES, SECRET

ROOT = Path(__file__).parents[3]

ONE = """\
accounts:
  - id: desk
    destinations:
      - id: hook
        webhook: {url: "https://example.com/h", %s}
    subscriptions:
      - {id: all, to: [hook], language: sw}
"""


def written(directory: Path, reference: str) -> Path:
    path = directory / "subscriptions.yaml"
    path.write_text(ONE % reference, "utf-8")
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_example_in_the_documentation_is_right(tmp_path: Path) -> None:
    (tmp_path / "tickets.secret").write_text(SECRET + "\n")
    copy = tmp_path / "subscriptions.yaml"
    copy.write_text((ROOT / "docs/howto/subscriptions.yaml").read_text("utf-8"), "utf-8")

    (account,) = subscriptions.read(copy, {"ARCHIVE_HOOK_SECRET": SECRET, "SLACK_ALERTS_URL": "https://hooks.slack.com/services/x"}, NAMES)

    assert {one.id: one.kind for one in account.destinations} == {
        "tickets": "webhook",
        "archive": "webhook",
        "ana": "email",
        "room": "slack",
        "screen": "terminal",
        "log": "file",
    }
    assert [one.secret for one in account.destinations] == [SECRET, SECRET, None, None, None, None]
    assert [one.id for one in account.subscriptions] == ["flagship", "our-products", "easings-for-china", "everything"]


@pytest.mark.parametrize("kind", CHATS)
def test_the_address_of_a_chat_is_found_where_the_file_says_and_never_shown(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "subscriptions.yaml"
    file.write_text(f"accounts: [{{id: desk, destinations: [{{id: room, {kind}: {{url_file: room.url}}}}]}}]\n")
    (tmp_path / "room.url").write_text("https://chat.example/hidden\n")

    ((room,),) = (account.destinations for account in subscriptions.read(file, {}, NAMES))

    assert (room.kind, room.address, room.secret) == (kind, "https://chat.example/hidden", None)
    assert "hidden" not in repr(room)
    (tmp_path / "room.url").write_text("hidden\n")
    with pytest.raises(Misconfigured, match="holds no address; expected it to hold the https:// address of the chat") as caught:
        subscriptions.read(file, {}, NAMES)
    assert "hidden" not in str(caught.value)


def test_a_secret_is_found_beside_the_file_or_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "hook.secret").write_text(f"{SECRET}\n")

    beside = subscriptions.read(written(tmp_path, "secret_file: hook.secret"), {}, NAMES)
    around = subscriptions.read(written(tmp_path, "env: HOOK"), {"HOOK": SECRET}, NAMES)

    assert beside == around
    assert beside[0].destinations[0].secret == SECRET


@pytest.mark.parametrize(
    ("reference", "environ", "said"),
    [
        ("secret_file: hook.secret", {}, "hook.secret is not there; expected it to hold the secret of the webhook"),
        ("env: HOOK", {}, "the variable HOOK is not there"),
        ("env: HOOK", {"HOOK": "whsec_short"}, "the variable HOOK holds no secret; expected whsec_ and base64 of 24 to 64 random bytes"),
        ("env: HOOK", {"HOOK": "secret-in-clear"}, "the variable HOOK holds no secret"),
        ("secret: x", {}, "secret"),
    ],
)
def test_a_secret_that_cannot_be_used_is_told_with_its_place_and_without_its_words(tmp_path: Path, reference: str, environ: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        subscriptions.read(written(tmp_path, reference), environ, NAMES)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path}/subscriptions.yaml:5:") or "subscriptions.yaml:5:" in problem
    assert said in problem
    assert not any(value in problem for value in environ.values())


def test_a_name_that_nobody_knows_is_told_with_its_place_and_the_nearest_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "subscriptions.yaml"
    path.write_text(
        """\
accounts:
  - id: desk
    destinations: [{id: screen, terminal: {}}]
    subscriptions:
      - id: typos
        to: [screen]
        when:
          imposers: [US, Chnia]
          companies: NVIDA
          any:
            - {products: {not: [H20, GALIUMM]}}
            - {targets: D:9}
      - {id: fine, to: [screen], when: {imposers: [Japan, allies], companies: 英伟达, products: AI chips, targets: "D:5"}}
"""
    )

    with pytest.raises(Misconfigured) as caught:
        subscriptions.read(path, {}, NAMES)

    places = [(problem.split("subscriptions.yaml:")[1].split(" ")[0], problem.split(" ", 1)[1]) for problem in caught.value.problems]
    assert [place for place, _ in places] == ["8:26:", "9:22:", "11:38:", "12:25:"]
    said = [sentence for _, sentence in places]
    assert said[0] == "'Chnia' is no state we know; the nearest are China, Czechia, Chad"
    assert said[1].startswith("'NVIDA' is no company we know; the nearest are NVIDIA")
    assert said[2].startswith("'GALIUMM' is no product we know; the nearest are ")
    assert "gallium" in said[2]
    assert said[3].startswith("'D:9' is no state we know; the nearest are ")


def test_a_team_adds_names_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").mkdir()
    (tmp_path / "vocabulary/ours.yaml").write_text("companies: {Foxtron: [Foxtron Semi]}\nstate_groups: {customers: [VN, MY]}\n")
    names = load_names(ConfigDir(tmp_path))

    assert names.problem("companies", "foxtron semi") is None
    assert names.meant("targets", "customers") == {"customers", "vn", "my"}
    assert names.problem("companies", "NVIDIA") is None, "the shipped ones stay"


def test_a_team_without_subscriptions_has_none(tmp_path: Path) -> None:
    assert subscriptions.of_team(ConfigDir(), {}, NAMES) == ()
    assert subscriptions.of_team(ConfigDir(tmp_path), {}, NAMES) == ()


def test_a_language_without_templates_is_told(tmp_path: Path) -> None:
    wanted = subscriptions.read(written(tmp_path, "env: HOOK"), {"HOOK": SECRET}, NAMES)

    assert "asks for 'sw'" in subscriptions.without_template(wanted, {"en": Template.model_construct()})[0]
    assert subscriptions.without_template(wanted, {"sw": Template.model_construct()}) == []


@pytest.mark.parametrize("tag", ["zh", "zh-TW", "zh-HK", "zh-Hant-TW", "zh-Hans-CN", "ar-EG", "en-GB-oxendict"])
def test_a_language_that_headlines_speak_by_its_script_or_without_its_region_is_not_called_missing(tag: str, tmp_path: Path) -> None:
    path = written(tmp_path, "env: HOOK")
    path.write_text(path.read_text("utf-8").replace("language: sw", f"language: {tag}"), "utf-8")

    assert subscriptions.without_template(subscriptions.read(path, {"HOOK": SECRET}, NAMES), load_templates(ConfigDir())) == []


async def test_keys_are_made_once_beside_the_database_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        sealed = subscriptions.open_keys(NotifierSettings(), store).encrypt("https://example.com")

        assert subscriptions.open_keys(NotifierSettings(), store).decrypt(sealed) == "https://example.com"
        assert subscriptions.outbox_of(NotifierSettings(), store) == tmp_path / "outbox"
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert [name for name in names(tmp_path) if "keys" in name] == ["keys"]


async def test_postgresql_needs_a_keys_file_that_is_there(tmp_path: Path) -> None:
    async with Store.open("postgresql://nobody@127.0.0.1:1/none") as store:
        with pytest.raises(Misconfigured, match="CHIPWIRE_NOTIFIER_KEYS_FILE is not set"):
            subscriptions.open_keys(NotifierSettings(), store)
        with pytest.raises(Misconfigured, match="cannot be read"):
            subscriptions.open_keys(NotifierSettings(keys_file=tmp_path / "missing"), store)
    assert names(tmp_path) == [], "nothing is made: another notifier's keys are the right ones"
