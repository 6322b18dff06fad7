"""The HTML of a mail: what a strict parser reads in it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.html import direction, html_of
from services.notifier.channels.outcome import Message
from services.notifier.render import render_text
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir
from tests import make

TEMPLATES = load_templates(ConfigDir(None), "ar", "en", "fr")
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element was closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(language: str = "en", **fields: Any) -> Page:
    told = render_text(event := make.event(**fields), kind="new", reasons=("all: everything",), language=language, templates=TEMPLATES)
    return Page(html_of(message(event=event, text=told.text, language=told.language)))


def message(**fields: Any) -> Message:
    defaults: dict[str, Any] = {"subject": "s", "text": "Told\n", "language": "en", "event": make.event()}
    place = {"account_id": "desk", "destination_id": "ana", "address": "ana@example.com", "secret": None, "alert_id": "E1.1"}
    rest = {"id": "msg_1", "kind": "new", "headline": "h", "reasons": (), "raised_at": make.NOW, "sequence": 1, "previous": 0, "epoch": 1}
    return Message(**(defaults | place | rest | fields))


def test_a_quote_stands_in_its_own_language_and_direction_whatever_the_mail_is_written_in() -> None:
    sources = (make.event_source(title="واشنطن تسمح ببيع رقائق H20", language="ar", evidence=()),)

    for language, way in (("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")):
        told = page(language, sources=sources)
        (quote,) = told.all("blockquote")
        assert (told.all("html")[0]["dir"], quote["lang"], quote["dir"]) == (way, "ar", "rtl")


def test_a_source_is_a_link_and_what_is_no_web_address_stays_text() -> None:
    good, bad = make.event_source(url="https://news.example/a?b=1&c=2"), make.event_source(url="javascript:alert(1)")

    links = page(sources=(good, bad)).all("a")

    assert [link["href"] for link in links] == ["https://news.example/a?b=1&c=2"]


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_text_becomes_markup(text: str) -> None:
    told = Page(html_of(message(text=f"Told\n\n- {text}<script>alert(1)</script><img src=x onerror=y>", subject=text), banner=text))

    assert told.open == []
    assert {tag for tag, _ in told.elements} <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "table",
        "tr",
        "td",
        "h1",
        "div",
        "b",
        "p",
        "a",
        "blockquote",
    }
    assert "<script>alert(1)</script>" in "".join(told.words)


def test_nothing_is_fetched_to_show_it() -> None:
    told = page()

    assert not [name for _, attributes in told.elements for name in attributes if name in ("src", "srcset", "background")]
    assert "url(" not in "".join(told.words)
    assert "prefers-color-scheme:dark" in "".join(told.words)


def test_an_unknown_language_takes_the_direction_of_its_first_letter() -> None:
    assert (direction("und", "12 — رقائق H20"), direction("", "H20 رقائق"), direction("ar-EG", "H20"), direction("", "")) == ("rtl", "ltr", "rtl", "ltr")
