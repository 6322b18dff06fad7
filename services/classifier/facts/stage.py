"""How far a measure has come, by the words of its sentence and by who speaks (taxonomy, sections 5.2 and 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.config.tables import StageCue, Stages
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote
from services.classifier.terms import Hit

LEAD = 4
ANNOUNCED, IN_FORCE = "announced", "in_force"


@dataclass(frozen=True, slots=True)
class Shown:
    """A stage, and the sentence and the words of the cue that shows it; none where only the kind of the change does.

    `firm` is what a cue shows that is meant for this very action: a dropped plan of which officials say nothing is a report.
    """

    stage: str
    part: Part | None = None
    hits: tuple[Hit, ...] = ()
    firm: bool = False

    def quotes(self) -> tuple[Quote, ...]:
        """The words that it rests on."""
        return (quote("stage", self.stage, self.part, *self.hits),) if self.part is not None and self.hits else ()


def shown_stage(parts: Sequence[Part], change: Change | None, table: Stages) -> Shown:
    """The stage of the first cue of the table that is found: in the sentence of the change, or anywhere in the lead where the cue says so."""
    for cue in table.cues:
        part = _shows(cue, parts, change)
        if part is not None:
            return Shown(cue.stage, part, tuple(_hit(cue, part)), firm=len(cue.actions) == 1)
    action = change.outcome.action if change else None
    return Shown(table.by_action.get(action, table.default) if action else table.default)


def settled_stage(shown: Shown, likely: str, change: Change | None, tier: int, table: Stages, *, ahead: bool) -> Shown:
    """The stage that is told: the likely one where it is not the one shown. Never above what the source may say, nor in force before its day."""
    found = capped(ANNOUNCED if ahead and likely == IN_FORCE else likely, tier, table)
    if found == shown.stage or change is None:
        return replace(shown, stage=found)
    return Shown(found, change.part, (change.verb, change.object))


def _shows(cue: StageCue, parts: Sequence[Part], change: Change | None) -> Part | None:
    near = [change.part] if change is not None and cue.near == "change" else list(parts[:LEAD])
    for part in near:
        fits = not cue.actions or (change is not None and change.outcome.action in cue.actions)
        if fits and cue.concept in part.concepts and not part.concepts.intersection(cue.unless):
            return part
    return None


def _hit(cue: StageCue, part: Part) -> list[Hit]:
    return [next(hit for hit in part.hits if cue.concept in (hit.concept, hit.kind))]


def capped(found: str, tier: int, table: Stages) -> str:
    """A rewrite cannot raise a report to law."""
    highest = table.highest.get(tier)
    if highest is None or found not in table.order:
        return found
    return min(found, highest, key=table.order.index)
