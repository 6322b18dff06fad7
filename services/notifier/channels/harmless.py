"""Text of strangers, before it meets a mailbox or a terminal."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's category Cc, but for line breaks and tabs."""


def harmless(text: str) -> str:
    """Without control characters, which command terminals and confuse mail servers; line breaks and tabs stay."""
    return _CONTROL.sub("", text)
