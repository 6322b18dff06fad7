"""A web page where a feed was expected: parked domains, login walls and error pages come with status 200."""

from __future__ import annotations

import re

_PAGE = re.compile(rb"\s*(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_START = 4096


def is_web_page(body: bytes) -> bool:
    """True if these bytes begin as an HTML page does."""
    return _PAGE.match(body[:_START].removeprefix(b"\xef\xbb\xbf")) is not None
