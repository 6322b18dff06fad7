from pathlib import Path

import pytest

from schemas.config.source import Source
from services.ingester.catalogue import load_sources
from services.ingester.readers import READERS
from services.runtime.config_files import ConfigDir, load_yaml
from services.runtime.errors import Misconfigured

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "source.yaml"
GOOD = "id: mine\ntitle: Mine\ntier: 2\nreader: feed\nurl: https://news.example/rss\n"


def team(path: Path, **files: str) -> ConfigDir:
    (path / "sources").mkdir()
    for name, text in files.items():
        (path / "sources" / f"{name.replace('_', '-')}.yaml").write_text(text, "utf-8")
    return ConfigDir(path)


def test_the_shipped_sources_are_official_bodies_and_press_in_many_languages() -> None:
    sources = load_sources(ConfigDir())

    assert len(sources) >= 10
    assert {"en", "ja", "ko", "ar", "de", "nl", "ru", "zh-Hans", "zh-Hant"} <= {source.language for source in sources.values()}
    assert {0, 1, 2, 3} == {source.tier for source in sources.values()}
    assert not any(source.verified for source in sources.values())


def test_every_shipped_source_says_what_a_healthy_one_does() -> None:
    assert all(source.expect.at_least_one_in for source in load_sources(ConfigDir()).values())


def test_every_reader_that_a_file_may_name_exists() -> None:
    assert {"push", *READERS} == set(Source.model_json_schema()["properties"]["reader"]["enum"])


def test_the_example_in_the_documentation_is_a_source() -> None:
    source = load_yaml(HOWTO, Source)

    assert source.id == "example-ministry"
    assert set(Source.model_fields) == set(source.model_fields_set), "the example shows every field"


def test_a_file_of_the_team_replaces_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    mine = GOOD.replace("mine", "heise").replace("Mine", "Heise, ours")

    assert load_sources(team(tmp_path, heise=mine))["heise"].title == "Heise, ours"


def test_a_source_may_be_turned_off(tmp_path: Path) -> None:
    assert "mine" not in load_sources(team(tmp_path, mine=GOOD + "enabled: false\n"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (GOOD + "evry: 5m\n", r"mine\.yaml:6:1: evry: unknown key"),
        (GOOD.replace("tier: 2", "tier: 9"), r"mine\.yaml:3:7: tier: "),
        (GOOD.replace("https:", "ftp:"), "expected http://, https:// or file:"),
        (GOOD.replace("https://news.example/rss", "file:///etc/passwd"), "file: is for the jsonl reader only"),
        (GOOD.replace("reader: feed", "reader: push"), "a pushed source has none"),
        (GOOD + "zone: Asia/Tokio\n", r"mine\.yaml:6:7: zone: expected an IANA time zone"),
        (GOOD + "every: often\n", "expected a duration"),
        (GOOD.replace("id: mine", "id: other"), r"mine\.yaml:1:5: id: 'other' is not the file's name; expected 'mine'"),
        (GOOD.replace("id: mine", "id: Mine!"), r"mine\.yaml:1:5: id: "),
    ],
)
def test_a_typing_error_is_told_with_its_place(tmp_path: Path, changed: str, expected: str) -> None:
    with pytest.raises(Misconfigured, match=expected):
        load_sources(team(tmp_path, mine=changed))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as problems:
        load_sources(team(tmp_path, mine=GOOD.replace("tier: 2", "tier: 9"), yours=GOOD + "evry: 5m\n"))

    assert len(problems.value.problems) == 2


def test_norway_is_a_country(tmp_path: Path) -> None:
    assert load_sources(team(tmp_path, mine=GOOD + "jurisdiction: NO\n"))["mine"].jurisdiction == "NO"
