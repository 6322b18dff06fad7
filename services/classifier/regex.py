"""Patterns of rules, on RE2: linear in time whatever the text. What is refused, and the literal that a text must hold for a pattern to match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import re2

from services.classifier.fold import fold
from services.classifier.spelling import flatten

MOST_STEPS = 4_000
"""Of a compiled pattern. RE2 looks at each character once, and may try every step at it: this keeps the longest text below a tenth of a second."""
_MAX_BYTES = 1 << 20
"""What a compiled pattern may take: this keeps `(a{1000}){1000}` out of memory."""

_SIGN = re.compile(
    r"(?P<escape>\\(?:[pP]\{[^}]*\}|[pP].|x\{[^}]*\}|.))|(?P<class>\[\^?\]?(?:\\.|\[:[^:]*:\]|[^\]\\])*\])"
    r"|(?P<open>\()|(?P<close>\))|(?P<or>\|)|(?P<optional>[*?]\??|\{0?,\d*\}\??|\{0\}\??)|(?P<times>\+\??|\{\d+,?\d*\}\??)|(?P<other>.)",
    re.DOTALL,
)


@lru_cache(maxsize=16_384)
def compiled(pattern: str) -> re2._Regexp:
    """The pattern, ready. Raises re2.error."""
    options = re2.Options()
    options.max_mem = _MAX_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


def unsafe(pattern: str) -> str | None:
    """Why a pattern is refused, if it is."""
    try:
        found = compiled(pattern)
    except UnicodeEncodeError:
        return "it holds half a character; expected whole ones"
    except re2.error as exc:
        return f"RE2 refuses it: {_reason(exc)}"
    if found.search(""):
        return "it matches the empty text; expected one that needs a character"
    if found.programsize > MOST_STEPS:
        return f"it takes {found.programsize} steps at a character; expected at most {MOST_STEPS}: fewer or shorter counted repetitions and classes"
    if _counts_counted(pattern):
        return "a counted repetition stands inside another, which multiplies its work at every character; expected one count"
    if "(?i" not in pattern and (changed := _never_in_folded(pattern)):
        return f"it can never match: {changed!r} stands as {fold(changed).text!r} in folded text"
    return None


@lru_cache(maxsize=16_384)
def literal_of(pattern: str) -> str | None:
    """The longest run of plain characters that every match holds, as it stands in the flat text; None where there is none for sure."""
    if "(?" in pattern or "\\Q" in pattern:
        return None
    runs, run, depth = [""], "", 0
    for kind, sign in _signs(pattern):
        depth += (kind == "open") - (kind == "close")
        if kind == "or" and depth == 0:
            return None
        plain = "" if depth else _plain(kind, sign)
        if plain:
            run += plain
            continue
        runs.append(run[:-1] if kind == "optional" else run)
        run = ""
    return flatten(max([*runs, run], key=len)) or None


def _reason(exc: re2.error) -> str:
    said = exc.args[0].decode("utf-8", "replace") if exc.args and isinstance(exc.args[0], bytes) else str(exc)
    looks_around = "invalid perl operator" in said or "invalid escape sequence" in said
    return f"{said} (what looks around or refers back needs a matcher that can be made to backtrack)" if looks_around else said


def _never_in_folded(pattern: str) -> str | None:
    """The first letter that the fold replaces, such as a capital: no text has it."""
    return next((found for kind, sign in _signs(pattern) if (found := _plain(kind, sign)).isalnum() and fold(found).text != found), None)


def _counts_counted(pattern: str) -> bool:
    """Whether a group with a count inside is itself counted."""
    open_groups, closed = [False], False
    for kind, sign in _signs(pattern):
        counted = kind in ("times", "optional") and sign.startswith("{")
        if counted and closed:
            return True
        if kind == "open":
            open_groups.append(False)
        closed = kind == "close" and len(open_groups) > 1 and open_groups.pop()
        open_groups[-1] = open_groups[-1] or counted or closed
    return False


def _signs(pattern: str) -> Iterator[tuple[str, str]]:
    return ((found.lastgroup or "", found[0]) for found in _SIGN.finditer(pattern))


def _plain(kind: str, sign: str) -> str:
    """The character that a sign stands for, where it stands for one."""
    if kind == "escape":
        return sign[1:] if len(sign) == 2 and not sign[1].isalnum() else ""
    return sign if kind == "other" and sign not in "^$.{}[]" else ""
