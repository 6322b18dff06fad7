"""The page with charts."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from schemas.events.signal import LanguageGuess
from services.classifier.classify import Trace, Verdict
from services.evaluation.compare import compare
from services.evaluation.contribution import Contribution
from services.evaluation.data import Line
from services.evaluation.page import page
from services.evaluation.report import Run, report
from services.evaluation.threads import Judged
from tests import make

VOID = {"meta", "line", "rect", "circle", "polyline"}


class Reader(HTMLParser):
    """Tags that were opened and not closed, what leads outside, and the words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def judged(name: str, gold: str, found: str, **told: Any) -> Judged:
    line = Line.model_validate({"id": name, "class": gold, "published": "2025-04-10", "title": f"Story {name}", "stage": "reported", "language": "ar"} | told)
    trace = Trace("score 0.80 reaches 0.4", why=lambda: {"change <of> heart": 1.5, "reply": -0.5})
    return Judged(line, line.to_item(), Verdict(found, 0.8, LanguageGuess(tag="ar", confidence=1.0), make.facts(), trace=trace))


def read(figures: dict[str, Any], heads: dict[str, str]) -> tuple[Reader, str]:
    made = page(figures, heads, name="my <data>.jsonl")
    reader = Reader()
    reader.feed(made)
    return reader, made


def figures(*items: Judged, **more: Any) -> dict[str, Any]:
    return report(Run(items, "abc", "rules1", "forest", 2.0, **more))


def test_the_page_is_whole_and_asks_for_nothing_from_outside() -> None:
    items = [judged("a", "alert", "alert", event="h20"), judged("b", "no", "alert"), judged("c", "alert", "no", indirect=True, doubt=True)]
    rules = [Contribution("quota-lapses", "active", "alert", True, 3, 2, 1, 1)]
    other = compare(items, list(reversed(items)), name="mine", ruleset="x", model="forest")

    reader, made = read(figures(*items, rules=rules, compared=other), {"b": "Story b"})

    assert reader.open == []
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "image", "use", "foreignobject"}
    assert reader.outside == []
    assert "url(" not in made
    assert "http:" not in made
    assert "https:" not in made


def test_headlines_and_names_are_shown_as_text_whatever_marks_are_in_them() -> None:
    reader, made = read(figures(judged("a", "no", "alert")), {"a": "<script>alert(1)</script> & more"})

    assert "script" not in reader.tags
    assert "<script>alert(1)</script> & more" in reader.words
    assert "change <of> heart" in reader.words
    assert "my <data>.jsonl" in reader.words
    assert "<of>" not in made


def test_every_part_is_told() -> None:
    items = [judged("a", "alert", "alert", event="h20"), judged("b", "no", "alert")]
    rules = [Contribution("quota-lapses", "shadow", "alert", True, 3, 2, 1, 1)]

    reader, _ = read(figures(*items, rules=rules), {"b": "Story b"})

    for words in ("Classes", "Languages", "Facts", "Calibration", "Threads", "Rules", "quota-lapses", "Worst errors", "False alarm", "Story b"):
        assert words in reader.words


def test_what_was_not_asked_for_has_no_part() -> None:
    reader, _ = read(figures(judged("a", "alert", "alert")), {})

    assert "Beside" not in reader.words
    assert "taken out in turn" not in reader.words


def test_unreadable_data_make_a_page_without_charts() -> None:
    reader, _ = read(figures(), {})

    assert "nothing was judged" in reader.words
    assert "svg" not in reader.tags
