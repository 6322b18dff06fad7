from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.base import Config
from schemas.config.duration import Duration
from services.runtime import config_files
from services.runtime.config_files import ConfigDir, content_hash, load_yaml, read_yaml
from services.runtime.errors import Misconfigured


class Part(Config):
    country: str
    every: Duration | None = None


class Example(Config):
    id: str
    parts: tuple[Part, ...] = ()
    at: str | None = None
    on: bool | None = None
    ratio: float | None = None
    count: int | None = None


def write(tmp_path: Path, text: str | bytes, name: str = "example.yaml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems_of(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load_yaml(write(tmp_path, text), Example)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_norway_is_a_country_and_a_time_and_a_date_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, "id: 2022-09-01\nat: 12:30\non: true\nratio: 1e-3\ncount: 010\nparts:\n  - {country: NO, every: 1h30m}\n")

    example = load_yaml(path, Example)

    assert (example.parts[0].country, example.id, example.at, example.on, example.ratio, example.count) == ("NO", "2022-09-01", "12:30", True, 0.001, 10)


def test_every_problem_of_a_file_is_told_with_its_line_and_column(tmp_path: Path) -> None:
    text = "id: 7\npart:\n  - x\nparts:\n  - every: soon\n  - country: US\n    contry: CN\n"

    assert problems_of(tmp_path, text) == [
        "example.yaml:1:5: id: expected a valid string (found 7)",
        "example.yaml:5:5: parts.0.country: missing; expected a value",
        'example.yaml:5:12: parts.0.every: expected a duration such as "10s", "15m", "1h30m", "PT5M" or a number of seconds (found \'soon\')',
        "example.yaml:7:5: parts.1.contry: unknown key; expected one that is documented (is it a typing error?)",
        "example.yaml:2:1: part: unknown key; expected one that is documented (is it a typing error?)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id: [a\nat: b\n", "example.yaml:2:3: not YAML: while parsing a flow sequence expected ',' or ']'"),
        ("id: a: b\n", "example.yaml:1:6: not YAML: mapping values are not allowed here"),
        ("id: a\n\tat: b\n", "example.yaml:2:1: not YAML: while scanning for the next token found character '\\t'"),
        ("id: *nowhere\n", "example.yaml:1:5: not YAML: found undefined alias 'nowhere'"),
        ("id: a\n---\nid: b\n", "example.yaml:2:1: not YAML: expected a single document in the stream"),
        ("id: a\nat: \x07\n", "example.yaml:2:5: not YAML: special characters are not allowed"),
        ("%YAML 1.1\n---\nid: NO\n", "example.yaml:1:1: a directive ('%YAML 1.1'); expected plain YAML 1.2"),
        ("id: a\nid: b\n", "example.yaml:2:1: the key 'id' stands twice in one mapping; expected each key once"),
        ("id: !!python/object x\n", "example.yaml:1:5: a value of the kind 'python/object'"),
        ("id: a\nratio: .nan\n", "example.yaml:2:8: a value of the kind 'float'"),
        ("? [a, b]\n: c\n", "example.yaml:1:3: a key that is no text"),
        ("id: &a [x, *a]\n", "example.yaml:1:5: an alias that contains itself"),
        ("- a\n- b\n", "example.yaml:1:1: the file: expected a valid dictionary"),
        ("", "example.yaml:1:1: the file: expected a valid dictionary"),
        (b"id: a\nat: \xff\n", "example.yaml:2:1: not UTF-8 text; expected the file saved as UTF-8"),
        ("id: " + "[" * 2_000, "example.yaml:1:1: nested too deeply"),
    ],
)
def test_what_is_no_plain_yaml_is_told_in_a_sentence(tmp_path: Path, text: str | bytes, expected: str) -> None:
    problem = problems_of(tmp_path, text)[0]

    assert problem.startswith(expected)


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "values once aliases are expanded" in problems_of(tmp_path, "\n".join(lines))[0]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert "example.yaml: larger than 4 MB" in problems_of(tmp_path, b"id: " + b"x" * 4_200_000)[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gone\.yaml: cannot be read: No such file or directory"):
        load_yaml(tmp_path / "gone.yaml", Example)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    try:
        read_yaml(path)
        problems: tuple[str, ...] = ()
    except Misconfigured as exc:
        problems = exc.problems

    assert all(path.name in problem for problem in problems)


def test_a_file_of_the_team_replaces_the_shipped_one_of_the_same_name_and_others_are_added(tmp_path: Path, shipped: str) -> None:
    write(tmp_path, "id: ours\n", "team/rules/b.yaml")
    write(tmp_path, "id: new\n", "team/rules/c.yaml")
    write(tmp_path, "not read", "team/rules/notes.txt")

    loaded = ConfigDir(tmp_path / "team").load_all("rules", Example, shipped=shipped)

    assert [example.id for example in loaded.values()] == ["shipped-a", "ours", "new"]


def test_the_shipped_files_alone_do(shipped: str) -> None:
    assert [path.name for path in ConfigDir().files("rules", shipped=shipped)] == ["a.yaml", "b.yaml"]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    write(tmp_path, "", "site/shipped_example/__init__.py")
    write(tmp_path, "id: shipped-a\n", "site/shipped_example/rules/a.yaml")
    write(tmp_path, "id: shipped-b\n", "site/shipped_example/rules/b.yaml")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return "shipped_example:rules"


def test_the_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "id: [", "team/rules/a.yaml")
    write(tmp_path, "name: b", "team/rules/b.yaml")

    with pytest.raises(Misconfigured) as caught:
        ConfigDir(tmp_path / "team").load_all("rules", Example)

    assert [problem.split("rules/")[1].split(":")[0] for problem in caught.value.problems] == ["a.yaml", "b.yaml", "b.yaml"]


def test_a_link_that_leads_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path, "id: secret\n", "elsewhere.yaml")
    (tmp_path / "team" / "rules").mkdir(parents=True)
    (tmp_path / "team" / "rules" / "a.yaml").symlink_to(secret)

    with pytest.raises(Misconfigured, match="a link that leads out of"):
        ConfigDir(tmp_path / "team").load_all("rules", Example)


def test_links_inside_the_directory_are_followed_as_mounted_config_maps_need(tmp_path: Path) -> None:
    write(tmp_path, "id: mounted\n", "team/rules/..2026/a.yaml")
    (tmp_path / "team/rules/..data").symlink_to("..2026")
    (tmp_path / "team/rules/a.yaml").symlink_to("..data/a.yaml")

    loaded = ConfigDir(tmp_path / "team").load_all("rules", Example)

    assert [example.id for example in loaded.values()] == ["mounted"]


def test_a_missing_directory_of_the_team_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="team is no directory; expected one with rules/"):
        ConfigDir(tmp_path / "team").files("rules")


def test_what_was_read_once_is_not_parsed_again_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "id: first\n")
    read_yaml(path, cache=tmp_path / "cache")
    monkeypatch.setattr("services.runtime.config_files._compose", _refuse)

    assert read_yaml(path, cache=tmp_path / "cache").value == {"id": "first"}
    with pytest.raises(AssertionError, match="parsed"):
        read_yaml(write(tmp_path, "id: second\n"), cache=tmp_path / "cache")


def _refuse(*_: object) -> None:
    raise AssertionError("parsed")


def test_a_cache_that_cannot_be_written_is_only_slow(tmp_path: Path) -> None:
    path = write(tmp_path, "id: first\n")
    in_the_way = write(tmp_path, "a file", "cache")

    assert load_yaml(path, Example, cache=in_the_way).id == "first"


def test_the_hash_follows_content_and_names_but_not_the_order(tmp_path: Path) -> None:
    a, b = write(tmp_path, "id: a", "a.yaml"), write(tmp_path, "id: b", "b.yaml")
    before = content_hash([a, b])

    assert before == content_hash([b, a])
    write(tmp_path, "id: c", "b.yaml")
    assert before != content_hash([a, b])


def test_a_place_can_be_asked_for_by_checks_that_go_beyond_the_model(tmp_path: Path) -> None:
    file = read_yaml(write(tmp_path, "id: a\nparts:\n  - country: US\n  - country: XX\n"))

    assert f"{tmp_path}/example.yaml:4:14" == file.where("parts", 1, "country")


def test_files_below_the_working_directory_are_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "id: [", "rules/a.yaml")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured) as caught:
        load_yaml(Path("rules/a.yaml"), Example)
    assert str(caught.value).startswith(f"rules{os.sep}a.yaml:1:")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "services").rglob("*.yaml")), ids=lambda path: path.name)
def test_the_fast_parser_sees_what_the_careful_one_sees(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = read_yaml(path).value
    monkeypatch.setattr(config_files, "_composed_fast", lambda _text: None)

    assert fast == read_yaml(path).value
