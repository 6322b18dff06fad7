"""The change of a sentence: which verb acts on which object, and what that does to trade (taxonomy, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from schemas.config.tables import Changes, Outcome
from services.classifier.facts.parts import Part
from services.classifier.terms import Hit

DENIED = Outcome(action="clarify", direction="neutral")
SHELVED = Outcome(action="shelve", direction="loosen")
ALONE = "alone"
RESTRICTION, TRADE = "restriction", "trade"
DROPPED = "drop_plan"
PLAN_REACH, NESTED_REACH, CURB_REACH = 0.5, 0.45, 0.25
"""How near a verb stands to the plan, or to the verb, that it governs, and a restriction to the trade it is on: shares of the window."""
NEGATION_REACH, BEHIND = 8, 25
"""Characters before a verb in which a negation or a condition voids it, or a cue of the past or of a wish makes it doubtful."""
_COMMA = re.compile("[,，、،]")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Change:
    """A verb, its object, and the outcome.

    `strength` is how surely it is the change of its sentence; `outer` undoes it, where there is one. `firm` is an outcome that follows from what the item tells
    besides, and needs no weighing: only planned, denied.
    """

    part: Part
    verb: Hit
    object: Hit
    verb_class: str
    object_class: str
    outcome: Outcome
    strength: float
    outer: Hit | None = None
    firm: bool = False


Classed = Sequence[tuple[Hit, str]]


def changes(part: Part, table: Changes, language: str) -> tuple[Change, ...]:
    """Every verb with every object that it reaches within the sentence, the surest first."""
    window = table.window.unspaced if _UNSPACED.search(part.text) else table.window.spaced
    verbs = _verbs(part, table, language, window)
    if not verbs:
        return ()
    objects = [(hit, table.objects[hit.concept]) for hit in part.hits if hit.concept in table.objects]
    found = [_nested(change, verbs, table, window) for change in _pairs(part, verbs, objects, table, window)]
    placed = [replace(change, strength=change.strength - _doubt(change, table, language)) for change in found]
    return tuple(sorted(placed, key=lambda change: -change.strength))


def _verbs(part: Part, table: Changes, language: str, window: int) -> Classed:
    """The verbs with their classes. A word inside a whole idiom has no say of its own; a plan that is suspended is dropped."""
    named = [(hit, table.verbs[hit.concept]) for hit in part.hits if hit.concept in table.verbs]
    idioms = [hit for hit, verb_class in named if ALONE in table.matrix.get(verb_class, {})]
    plans = [hit for hit in part.hits if hit.concept == table.plans]
    free = [(hit, verb_class) for hit, verb_class in named if hit in idioms or not any(_is_within(hit, idiom) for idiom in idioms)]
    said = [(hit, verb_class) for hit, verb_class in free if not (_negated(part, hit, table) or _supposed(part, hit, table))]
    return [(hit, _planned(hit, verb_class, [plan for plan in plans if _reach(hit, plan) <= window * PLAN_REACH], table, language)) for hit, verb_class in said]


def _negated(part: Part, hit: Hit, table: Changes) -> bool:
    return part.before(hit, NEGATION_REACH).endswith(table.negations)


def _supposed(part: Part, hit: Hit, table: Changes) -> bool:
    """Whether it stands in a clause that begins with "if"; the clause behind the comma is told again."""
    gaps = [hit.start - other.end for other in part.hits if other.concept == table.supposed]
    return any(0 <= gap <= BEHIND and _COMMA.search(part.before(hit, gap)) is None for gap in gaps)


def _is_within(hit: Hit, idiom: Hit) -> bool:
    return hit.start < idiom.end and idiom.start < hit.end and hit.end - hit.start <= idiom.end - idiom.start


def _planned(verb: Hit, verb_class: str, plans: Sequence[Hit], table: Changes, language: str) -> str:
    """A suspended plan is a dropped one; a plan to suspend is not. Which it is, the order of verb and object tells."""
    behind = [(verb, plan) if language not in table.verb_last else (plan, verb) for plan in plans]
    governs = any(first.end <= second.start for first, second in behind)
    return table.planned.get(verb_class, verb_class) if governs else verb_class


def _pairs(part: Part, verbs: Classed, objects: Classed, table: Changes, window: int) -> Iterator[Change]:
    curbs = [hit for hit, object_class in objects if object_class == RESTRICTION]
    for verb, verb_class in verbs:
        outcomes = table.matrix.get(verb_class, {})
        strength = table.strength.get(verb_class, 0.0)
        firm = verb_class in table.firm or verb_class != table.verbs[verb.concept]  # what was a plan has been looked at
        if ALONE in outcomes:
            yield Change(part, verb, verb, verb_class, ALONE, outcomes[ALONE], strength, firm=firm)
        for thing, object_class in objects:
            gap = distance(verb, thing)
            if object_class in outcomes and gap is not None and gap <= window and not _is_curbed(thing, object_class, verb_class, curbs, table, window):
                yield Change(part, verb, thing, verb_class, object_class, outcomes[object_class], strength - gap / window, firm=firm)


def _is_curbed(thing: Hit, object_class: str, verb_class: str, curbs: Sequence[Hit], table: Changes, window: int) -> bool:
    """Whether the trade is what a restriction is on: what is put on hold in "curbs on exports are put on hold" are the curbs."""
    return object_class == TRADE and verb_class in table.outer and any(_reach(thing, curb) <= window * CURB_REACH for curb in curbs)


def _nested(change: Change, verbs: Classed, table: Changes, window: int) -> Change:
    """Innermost first: what governs a change turns it round ("delays the lifting of the ban", "drops a plan to bar exports") or denies it."""
    inner = distance(change.verb, change.object) or 0
    if (denial := next((verb for verb, verb_class in verbs if verb_class in table.denied and _governs(verb, change, inner, window)), None)) is not None:
        return replace(change, outer=denial, outcome=DENIED, firm=True)
    for verb, verb_class in verbs:
        reach, beyond = distance(verb, change.verb), distance(verb, change.object)
        if reach is None or reach > window:
            continue
        if verb_class == DROPPED and change.outcome.direction == "tighten" and change.verb_class in table.plannable:
            return replace(change, outer=verb, outcome=SHELVED, strength=table.strength.get(verb_class, 0.0) - reach / window)
        if beyond is None or reach > window * NESTED_REACH or beyond <= inner:
            continue
        if verb_class in table.outer and change.outcome.direction == "loosen" and change.verb_class not in table.outer and change.object_class != ALONE:
            sure = max(change.strength, table.strength.get(verb_class, 0.0))
            return replace(change, outer=verb, outcome=_turned(change.outcome, table.matrix[verb_class]), strength=sure)
    return change


def _governs(verb: Hit, change: Change, inner: int, window: int) -> bool:
    """Whether a verb before the change takes it as its object: "denies it dropped plans to bar exports"."""
    reach, beyond = distance(verb, change.verb), distance(verb, change.object)
    near = reach is not None and reach <= window and beyond is not None and inner < beyond <= window * NESTED_REACH
    return near and verb.start < change.verb.start


def _turned(outcome: Outcome, outer: dict[str, Outcome]) -> Outcome:
    action = outer["restriction"].action if "restriction" in outer else outcome.action
    return Outcome(action=action, direction="tighten")


def _doubt(change: Change, table: Changes, language: str) -> float:
    sentence = change.part.sentence
    place = (change.verb.start - sentence.start) / max(sentence.end - sentence.start, 1)
    late = 1 - place if language in table.verb_last else place
    behind = [table.after[hit.kind] for hit in change.part.hits if hit.kind in table.after and 0 <= change.verb.start - hit.end <= BEHIND]
    return table.late * late + max(behind, default=0.0)


def settled(change: Change, head: Part, table: Changes) -> Outcome:
    """The outcome, with the action named more exactly by what else its sentence or the title holds: a licence, a list, a plan."""
    concepts = change.part.concepts | head.concepts
    for step in table.refine:
        if change.outcome.action in step.actions and not concepts.isdisjoint(step.seen) and change.part.concepts.isdisjoint(step.unless):
            return Outcome(action=step.becomes, direction=change.outcome.direction)
    return change.outcome


def _reach(one: Hit, other: Hit) -> int:
    return max(one.start - other.end, other.start - one.end)


def distance(one: Hit, other: Hit) -> int | None:
    """Characters between two hits; none where they overlap: a word does not act on itself. A verb that splits (hebt ... auf) may hold its object."""
    if one.start < other.start and other.end < one.end:
        return 0
    if one.start < other.end and other.start < one.end:
        return None
    return max(one.start - other.end, other.start - one.end)
