"""What is learnt and what is measured never share an event or a near copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.evaluation.training.examples import Example, near_copies, read_examples
from services.runtime.errors import Misconfigured


def corpus(folder: Path, items: list[dict[str, Any]], events: str = "alias,event\n") -> Path:
    (folder / "items").mkdir(parents=True)
    (folder / "items/en.jsonl").write_text("".join(json.dumps({"class": "alert", **item}) + "\n" for item in items))
    (folder / "events.csv").write_text(events)
    return folder


def groups(examples: list[Example]) -> dict[str, str]:
    return {example.line.id: example.group for example in examples}


def test_items_of_one_event_are_in_one_group_whatever_the_file_calls_it(tmp_path: Path) -> None:
    items = [{"id": "a", "title": "Ban on tools", "event": "x"}, {"id": "b", "title": "Rain", "event": "y"}, {"id": "c", "title": "Sun", "event": "z"}]

    found = groups(read_examples(corpus(tmp_path, items, "alias,event\nx,z\n"), [], {}))

    assert found["a"] == found["c"] != found["b"]


def test_near_copies_are_in_one_group_without_an_event(tmp_path: Path) -> None:
    title = "Netherlands widens licence duty for chip measuring machines"
    items = [{"id": "a", "title": title}, {"id": "b", "title": f"{title}, minister says"}, {"id": "c", "title": "Potatoes get dearer in the north"}]

    found = groups(read_examples(corpus(tmp_path, items), [], {}))

    assert found["a"] == found["b"] != found["c"]


def test_groups_stay_in_their_fold_whatever_else_is_learnt_from(tmp_path: Path) -> None:
    one, other = {"id": "a", "title": "Ban on tools", "event": "x"}, {"id": "b", "title": "Rain", "event": "y"}
    alone = read_examples(corpus(tmp_path / "1", [one]), [], {})
    together = read_examples(corpus(tmp_path / "2", [other, one]), [], {})

    assert alone[0].fold(5, 0) == together[1].fold(5, 0)


def test_doubted_items_count_half_and_sources_as_told(tmp_path: Path) -> None:
    given = tmp_path / "real.jsonl"
    given.write_text(json.dumps({"id": "r", "title": "Ban", "class": "alert", "note": "new rule; doubt: no agency"}) + "\n")

    examples = read_examples(corpus(tmp_path / "c", [{"id": "a", "title": "Rain", "doubt": True}, {"id": "b", "title": "Sun"}]), [given], {"real": 3.0})

    assert {example.line.id: example.weight for example in examples} == {"a": 0.5, "b": 1.0, "r": 1.5}
    assert {example.source for example in examples} == {"corpus", "real"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    (tmp_path / "bad.jsonl").write_text('{"title": "no class"}\n')

    with pytest.raises(Misconfigured, match="class"):
        read_examples(tmp_path, [tmp_path / "bad.jsonl"], {})
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_examples(tmp_path, [tmp_path / "none.jsonl"], {})


def test_texts_that_share_half_their_runs_are_near() -> None:
    assert near_copies(["export of gallium stopped", "rain in the north", "export of gallium stopped today"]) == [(2, 0)]
