"""A mail as bytes. By hand: the standard library's writer takes a millisecond for each, ten times as long as everything else about it.

Text is in base64, which every server takes and no relay encodes anew (RFC 2045, 6.8); headers are ASCII, folded at their spaces (RFC 5322, 2.2.3).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from email.header import Header
from functools import lru_cache

_WIDTH = 76
"""Characters of a line, where it can be folded or is base64."""


def alternatives(headers: Iterable[tuple[str, str]], texts: Mapping[str, str], *, boundary: str) -> bytes:
    """The same in several forms, the best one last: `texts` by their subtype, such as plain and html. Raises ValueError for a header that is no line of ASCII.

    A boundary that begins with `=_` cannot occur in base64.
    """
    own = [("MIME-Version", "1.0"), ("Content-Type", f'multipart/alternative; boundary="{boundary}"')]
    head = "".join(_header(name, value) for name, value in (*headers, *own))
    parts = "".join(f"--{boundary}\r\n{_part(subtype, text)}" for subtype, text in texts.items())
    return f"{head}\r\n{parts}--{boundary}--\r\n".encode("ascii")


def alone(headers: Iterable[tuple[str, str]], text: str) -> bytes:
    """Plain text and nothing else. Raises ValueError as `alternatives` does."""
    head = "".join(_header(name, value) for name, value in (*headers, ("MIME-Version", "1.0")))
    return f"{head}{_part('plain', text)}".encode("ascii")


@lru_cache(maxsize=1000)  # many readers get the same
def subject(line: str) -> str:
    """A subject in whatever script, as a header has it, folded. The library's newer hand loses spaces between encoded words (seen with Python 3.11, Arabic and Korean)."""
    return Header(line, "us-ascii" if line.isascii() else "utf-8", header_name="Subject").encode(linesep="\r\n")


def _header(name: str, value: str) -> str:
    lines = value.split("\r\n ")  # what was folded already
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError(f"the header {name} would be more than one line of ASCII")
    return f"{name}: {value}\r\n" if len(lines) > 1 or len(name) + len(value) < _WIDTH else _folded(f"{name}: {value}")


def _folded(line: str) -> str:
    lines: list[str] = []
    left = line
    while len(left) > _WIDTH and (end := left.rfind(" ", left.find(":") + 2 if not lines else 1, _WIDTH)) > 0:
        lines.append(left[:end])
        left = left[end:]
    return "".join(f"{one}\r\n" for one in (*lines, left))


def _part(subtype: str, text: str) -> str:
    return f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n{_base64(text)}'


def _base64(text: str) -> str:
    """With the line ends of mail inside and out."""
    encoded = base64.b64encode("\r\n".join(text.split("\n")).encode()).decode()
    return "".join(f"{encoded[start : start + _WIDTH]}\r\n" for start in range(0, len(encoded), _WIDTH))
