"""Text of strangers, before it meets a mailbox or a terminal."""

from __future__ import annotations

import unicodedata


def harmless(text: str) -> str:
    """Without control characters, which command terminals and confuse mail servers; line breaks and tabs stay."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) != "Cc")
