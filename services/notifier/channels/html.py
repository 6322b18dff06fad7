"""The HTML of a mail: the same text, marked up. Whatever is told, in whatever language, is told once; here it only gets its looks.

    first line -> heading    "Label: value" -> a row    "- item" -> an item    the words of a source -> a quotation in its own language    a URL -> a link

Styles stand in the elements, because mail programs drop others; the style sheet only adds what they cannot say, the dark colours. No pictures, no scripts,
nothing fetched. Everything is escaped: what strangers wrote stays text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from services.notifier.channels.harmless import harmless
from services.notifier.channels.outcome import Message
from services.notifier.render import is_link, quotation

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "ug", "ur", "yi"})
"""Primary subtags of the languages written from right to left."""

_ISOLATES = str.maketrans("", "", "\u2066\u2067\u2068\u2069")
_MARKS = range(1, 7)
"""How much longer than its quote a line is that holds only the quote: the marks of some languages have spaces inside."""
_LABEL = 40
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans Arabic','Noto Sans CJK SC',Arial,sans-serif"
_COLOURS = {"tighten": "#b3261e", "loosen": "#1b6e3a"}
_DARK = (
    "@media (prefers-color-scheme:dark){.page{background:#15171a!important}.card{background:#1f2226!important;color:#e8eaed!important}"
    ".quote{background:#2a2e33!important;color:#e8eaed!important}.dim{color:#a9b0b8!important}a{color:#8ab4f8!important}}"
)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a source said, and in which language."""

    text: str
    language: str


def direction(language: str, text: str = "") -> str:
    """rtl or ltr: as the language is written, or where it is unknown as the first letter that has a direction."""
    primary = language.partition("-")[0]
    if primary and primary != "und":
        return "rtl" if primary in RIGHT_TO_LEFT else "ltr"
    strong = (kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL"))
    return "rtl" if next(strong, "L") != "L" else "ltr"


def html_of(message: Message, *, footer: Sequence[tuple[str, str]] = (), banner: str = "") -> str:
    """The page. `footer` are links under it: their words and where they lead."""
    way = direction(message.language)
    inside = _inside(message.text, _quotes(message))
    colour = _COLOURS.get(message.event.facts.direction or "", "#8a6100")
    links = " · ".join(f'<a href="{escape(url)}" style="color:#1a56c4">{escape(words)}</a>' for words, url in footer)
    return (
        f'<!doctype html><html lang="{escape(message.language)}" dir="{way}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="supported-color-schemes" content="light dark"><title>{escape(message.subject)}</title><style>{_DARK}</style></head>'
        '<body class="page" style="margin:0;padding:0;background:#f2f4f7"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">'
        f'<tr><td class="page" align="center" style="padding:12px;background:#f2f4f7">{_banner(banner)}'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:640px">'
        f'<tr><td class="card" dir="{way}" style="{_FONT};padding:20px;font-size:16px;line-height:1.5;color:#1d2126;background:#ffffff;'
        f'border-top:4px solid {colour};text-align:start;overflow-wrap:anywhere">{inside}</td></tr></table>'
        f'<p class="dim" dir="{way}" style="{_FONT};font-size:13px;color:#5a626b">{links}</p></td></tr></table></body></html>\n'
    )


def _banner(text: str) -> str:
    return f'<p style="{_FONT};margin:0 0 12px;padding:8px;background:#ffd54a;color:#1d2126;font-weight:bold">{escape(text)}</p>' if text else ""


def _quotes(message: Message) -> tuple[Quote, ...]:
    events = [message.event] if message.digest is None else [alert.event for alert in message.digest.alerts]
    quotes = [Quote(quotation(source).translate(_ISOLATES), source.language or "") for event in events for source in event.sources]
    return tuple(sorted((quote for quote in quotes if quote.text), key=lambda quote: -len(quote.text)))


@lru_cache(maxsize=200)  # many readers get the same
def _inside(text: str, quotes: tuple[Quote, ...]) -> str:
    return "".join(_marked_up(harmless(text).strip().split("\n"), quotes))


def _marked_up(lines: Sequence[str], quotes: Sequence[Quote]) -> Iterator[str]:
    yield f'<h1 style="margin:0 0 16px;font-size:21px;line-height:1.3">{escape(lines[0])}</h1>'
    for head, *rest in _blocks(lines[1:]):
        title = f"<div><b>{escape(head)}</b></div>" if rest and rest[0].startswith("- ") else _line(head, quotes)
        yield f'<div style="margin:0 0 16px">{title}{"".join(_line(line, quotes) for line in rest)}</div>'


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in (*lines, ""):
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _line(line: str, quotes: Sequence[Quote]) -> str:
    text = line.strip()
    if is_link(text):
        return f'<div dir="ltr" style="font-size:14px;text-align:start"><a href="{escape(text)}" style="color:#1a56c4">{escape(text)}</a></div>'
    plain = text.translate(_ISOLATES)
    quote = next((quote for quote in quotes if quote.text in plain and len(plain) - len(quote.text) in _MARKS), None)
    if quote is not None:
        return _quotation(quote, plain)
    if text.startswith("- "):
        return f'<div style="margin-top:8px;padding-inline-start:14px">•&nbsp;{escape(text[2:])}</div>'
    label, colon, value = text.partition(": ")
    return f"<div>{f'<b>{escape(label)}:</b> {escape(value)}' if colon and len(label) <= _LABEL else escape(text)}</div>"


def _quotation(quote: Quote, text: str) -> str:
    tag = quote.language if quote.language != "und" else ""
    way = direction(tag, quote.text)
    side = "right" if way == "rtl" else "left"
    lang = f' lang="{escape(tag)}"' if tag else ""
    looks = f"margin:6px 0;padding:8px 12px;background:#f2f4f7;border-{side}:3px solid #8a94a0;text-align:{side}"
    return f'<blockquote class="quote"{lang} dir="{way}" style="{looks}">{escape(text)}</blockquote>'
