"""A backtest for people, for a pull request, and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from services.evaluation.backtest import Backtest, Finding, Side

KINDS = {"alert": "Alerts", "gained": "Gained alerts", "lost": "Lost alerts", "changed": "Changed"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_json(found: Backtest, *, before: str | None, after: str) -> dict[str, Any]:
    """Everything that was kept."""
    return {
        "items": found.items,
        "ruleset": {"before": before, "after": after},
        "verdicts": {side: dict(found.verdicts[side]) for side in _sides(before)},
        "kinds": dict(found.kinds),
        "rules": {side: dict(found.hits[side].most_common()) for side in _sides(before)},
        "findings": [asdict(finding) for finding in found.findings],
    }


def markdown(found: Backtest, *, before: str | None, after: str, most: int) -> str:
    """For a pull request. What the news says is shown as text, whatever marks are in it."""
    return "\n".join(_markdown(found, before, after, most))


def summary(found: Backtest, *, before: str | None, after: str) -> list[str]:
    """The figures, a line each."""
    told = found.verdicts["after"]
    counts = f"{told['alert']} alerts, {told['context']} context"
    if before is None:
        return [f"{found.items:,} items by rule set {after}: {counts}"]
    now = found.verdicts["before"]
    kinds = ", ".join(f"{found.kinds[kind]} {kind}" for kind in ("gained", "lost", "changed"))
    return [f"{found.items:,} items by rule set {before} and by {after}: {kinds}", f"{now['alert']} alerts and {now['context']} context became {counts}"]


def rule_rows(found: Backtest, *, before: str | None) -> list[tuple[str, ...]]:
    """How often each rule fired: only where that differs, when there are two sets."""
    old, new = found.hits["before"], found.hits["after"]
    if before is None:
        return [(rule, f"{count:,}") for rule, count in new.most_common()]
    return [(rule, f"{old[rule]:,}", f"{new[rule]:,}", f"{new[rule] - old[rule]:+,}") for rule in sorted(old | new) if old[rule] != new[rule]]


def finding_lines(finding: Finding) -> list[str]:
    """What happened to one item."""
    lines = [f"{finding.published or 'undated'} · {finding.source} · {finding.id}"]
    before, after = finding.before, finding.after
    if before is None:
        return [*lines, _reason(after), *_quoted(after)]
    telling = before if finding.kind == "lost" else after
    if before.verdict != after.verdict:
        lines.append(f"{before.verdict} → {after.verdict}: {after.decided}")
    lines += [f"{name}: {_value(before.facts.get(name))} → {_value(after.facts.get(name))}" for name in _differing(before, after)]
    lines += [f"rules: {_value(before.rules)} → {_value(after.rules)}"] if before.rules != after.rules else []
    return [*lines, *_quoted(telling)]


def _markdown(found: Backtest, before: str | None, after: str, most: int) -> Iterator[str]:
    yield "## Backtest of the rules\n"
    yield from (f"{line}  " for line in summary(found, before=before, after=after))
    if rows := rule_rows(found, before=before):
        yield "\n| rule | " + ("fired |" if before is None else "before | after | difference |")
        yield "|---|" + "---:|" * (len(rows[0]) - 1)
        yield from (f"| {' | '.join(map(_plain, row))} |" for row in rows)
    for kind, title in KINDS.items():
        if number := found.kinds[kind]:
            yield f"\n### {title}: {number:,}\n"
            shown = [finding for finding in found.findings if finding.kind == kind][:most]
            for finding in shown:
                yield f"- **{_plain(finding.head)}**"
                yield from (f"  <br>{_plain(line)}" for line in finding_lines(finding))
            if number > len(shown):
                yield f"- … and {number - len(shown):,} more"


def _sides(before: str | None) -> Sequence[str]:
    return ("after",) if before is None else ("before", "after")


def _reason(side: Side) -> str:
    return f"{side.verdict}: {side.decided}" + (f"; rules {_value(side.rules)}" if side.rules else "")


def _differing(before: Side, after: Side) -> list[str]:
    if before.verdict != after.verdict:
        return []
    return [name for name in {**before.facts, **after.facts} if before.facts.get(name) != after.facts.get(name)]


def _quoted(side: Side) -> list[str]:
    return [" ".join(f"“{' '.join(quote.split())}”" for quote in side.quotes)] if side.quotes else []


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _plain(text: str) -> str:
    """As Markdown shows it letter by letter, and calls nobody."""
    return _MARKUP.sub(r"\\\1", text).replace("@", "&#64;")
