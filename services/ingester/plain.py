"""HTML to plain text, and characters that no text should hold. Pure."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

MOST_MARKUP = 400_000
"""Characters of markup that are looked at: what lies behind is beyond the text's own cap anyway."""

_MARKUP = re.compile(r"<[a-zA-Z/!][^<>]*>|&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\ufeff]")
_BREAK = re.compile(r" ?[\r\n\x85\u2028\u2029]\s*")
_SPACE = re.compile(r"[ \t\xa0\u2002-\u200a\u202f\u205f]+")
_SILENT = ("script", "style", "noscript", "template", "iframe", "svg", "head")
_BLOCKS = {"address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
           "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"}  # fmt: skip


def plain(text: str | None, longest: int) -> str:
    """The words, at most `longest` characters: no tags, no control characters, no lone surrogates; one line break between blocks."""
    if not text:
        return ""
    if text.isprintable() and not any(sign in text for sign in ("<", "&", "  ")):  # nothing below would change it: most titles
        return text.strip()[:longest].rstrip()
    words = _UNWANTED.sub("", text[:MOST_MARKUP])
    if _MARKUP.search(words):
        words = _UNWANTED.sub("", _words(words))
    return _BREAK.sub("\n", _SPACE.sub(" ", words)).strip()[:longest].rstrip()


def one_line(text: str | None, longest: int) -> str:
    """The same for a title: never a line break."""
    return " ".join(plain(text, longest * 4).split())[:longest].rstrip()


def _words(markup: str) -> str:
    root: Any = etree.HTML(markup, etree.HTMLParser(encoding=None, remove_comments=True, remove_pis=True, no_network=True, huge_tree=False))
    if root is None:
        return ""
    etree.strip_elements(root, *_SILENT, with_tail=False)
    for element in root.iter(*_BLOCKS):
        element.text = "\n" + (element.text or "")
        element.tail = "\n" + (element.tail or "")
    return "".join(root.itertext())
