"""Finds the words of the lexicon in an item: one pass over the text for all of them, then the checks at their edges.

look     fold title and text, one pass of the automaton       -> Sighting   (all that the gate needs, and which rules wait for something in it)
find     edges, language, exclusions, names inside names      -> Hits
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, Implementation

from schemas.config.lexicon import SUBJECTS, LexiconFile
from schemas.events.news import NewsItem
from services.classifier.entries import Entry, entries_of, names_of
from services.classifier.fold import Folded, fold
from services.classifier.gate import Gate
from services.classifier.instruments import Instruments
from services.classifier.language import Spoken, limits
from services.classifier.meant import Candidate, meant, meant_signs
from services.classifier.spelling import Spelling, flatten

MOST_CHARACTERS = 12_000
"""What is read of a title or a text: news says what is new at its beginning, and a hostile text must not cost more than a long one."""

MOST_HITS = 1_000
"""Terms of one item that are kept, from the beginning."""

_SUPPORT = frozenset({"subject", "company", "product", "agency", "instrument", "obj_restriction", "obj_permission"})
"""Kinds that a weak term needs beside it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A term that was found, as a span of a folded field.

    `mark` says how it was put where that matters: `weak` (never counts alone), `adjective` (Chinese, amerikanisch), `sign` (one character of a headline).
    """

    concept: str
    kind: str
    field: str
    start: int
    end: int
    sentence: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one pass saw: literals that may be terms. `flat` holds title, line end and text; the text begins at `offset`."""

    title: Folded | None
    text: Folded
    flat: str
    offset: int
    literals: Sequence[tuple[int, int, int]]
    """Number, start and end of each."""

    def places(self, spelling: Spelling) -> Iterator[tuple[int, int]]:
        """Where a term of one spelling stands on the flat text."""
        flat, literal = self.flat, spelling.literal
        at = flat.find(literal)
        while at >= 0:
            span = spelling.fit(flat, at, at + len(literal))
            if span is not None and (spelling.exact is None or _as_spelled(self, *span, spelling.exact)):
                yield span
            at = flat.find(literal, at + 1)

    def field(self, start: int) -> tuple[str, int]:
        """The field in which a place of the flat text lies, and where that field begins."""
        return ("title", 0) if start < self.offset else ("text", self.offset)


class Terms:
    """All terms of a lexicon, ready to be found. Immutable once built, and shared by threads."""

    def __init__(self, lexicon: LexiconFile, entries: Iterable[Entry], watched: Iterable[str], instruments: Instruments) -> None:
        by_literal: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_literal[entry.spelling.literal].append(entry)
        for literal in watched:
            by_literal[literal]  # found with the others, and a term of nothing
        self.lexicon = lexicon
        self.names = names_of(lexicon)
        self.numbers = {literal: number for number, literal in enumerate(by_literal)}
        """Every literal to its number in a sighting."""
        self._entries = [tuple(same) for same in by_literal.values()]
        self._automaton = AhoCorasick(list(by_literal), store_patterns=False, implementation=Implementation.ContiguousNFA)
        self._gate = Gate(lexicon, self.names, self._entries)
        self._instruments = instruments
        self._ambiguous = frozenset(key for key, product in lexicon.products.items() if product.ambiguous)

    @classmethod
    def build(cls, lexicon: LexiconFile, watched: Iterable[str] = ()) -> Terms:
        """Compiles the lexicon. `watched` are further literals of flat text, for which rules wait. Raises ValueError for what cannot be looked for."""
        instruments = Instruments.build(lexicon.instruments)
        legal = (Entry(literal, "instrument", Spelling(literal, starts=False, ends=False), role="instrument") for literal in instruments.literals)
        return cls(lexicon, [*entries_of(lexicon), *legal], sorted(watched), instruments)

    def look(self, item: NewsItem) -> Sighting:
        """Folds the item and sees which literals are in it."""
        title = fold(item.title[:MOST_CHARACTERS]) if item.title else None
        text = fold(item.text[:MOST_CHARACTERS])
        flat, offset = flatten(text.text), 0
        if title is not None:
            offset = len(title.text) + 1
            flat = f"{flatten(title.text)}\n{flat}"
        return Sighting(title, text, flat, offset, self._automaton.find_matches_as_indexes(flat, overlapping=True))

    def passes(self, sighting: Sighting) -> bool:
        """The gate: whether the item is worth reading."""
        return self._gate.passes(sighting.flat, sighting.literals)

    def find(self, sighting: Sighting, spoken: Spoken, starts: Sequence[int]) -> tuple[Hit, ...]:
        """Every term, sorted by place. `starts` says where the sentences begin on the flat text."""
        found = list(self._candidates(sighting, spoken))
        kept = meant(found, self._meant_signs(found, sighting, spoken))
        hits = [_hit(one, sighting, starts) for one in kept]
        hits += self._legal_ids(sighting, starts)
        hits = _supported(hits, {one.entry.concept for one in found if one.entry.role == "exclude"})
        if self._ambiguous and all(SUBJECTS.isdisjoint(self.names.get(hit.concept, ())) for hit in hits):
            hits = [hit for hit in hits if hit.concept not in self._ambiguous]
        return tuple(sorted(hits, key=lambda hit: (hit.sentence, hit.start, -hit.end, hit.concept))[:MOST_HITS])

    def _candidates(self, sighting: Sighting, spoken: Spoken) -> Iterator[Candidate]:
        in_title, in_text = limits(spoken.title), limits(spoken.text)
        for literal, start, end in sighting.literals:
            language = in_title if start < sighting.offset else in_text
            for entry in self._entries[literal]:
                if entry.role == "instrument" or not (language is None or entry.languages is None or language in entry.languages):
                    continue
                span = entry.spelling.fit(sighting.flat, start, end)
                if span is not None and (entry.spelling.exact is None or _as_spelled(sighting, *span, entry.spelling.exact)):
                    yield Candidate(entry, *span)

    def _meant_signs(self, found: Sequence[Candidate], sighting: Sighting, spoken: Spoken) -> set[int]:
        """Where a one-character country name is meant: in a headline, and with fitting neighbours."""
        signs = self.lexicon.signs.get(spoken.item.tag.split("-")[0])
        if signs is None:
            return set()
        headline = sighting.offset or min((at for at in map(sighting.flat.find, "。.\n") if at >= 0), default=len(sighting.flat))
        places = [
            one.start
            for one in found
            if one.entry.role == "sign" and one.start < headline and one.entry.concept == signs.countries.get(sighting.flat[one.start])
        ]
        return meant_signs(sighting.flat, places, signs)

    def _legal_ids(self, sighting: Sighting, starts: Sequence[int]) -> list[Hit]:
        if not any(entry.role == "instrument" for literal, _, _ in sighting.literals for entry in self._entries[literal]):
            return []
        fields = [("text", sighting.text.text, sighting.offset)]
        if sighting.title is not None:
            fields.insert(0, ("title", sighting.title.text, 0))
        return [
            Hit(name, "instrument", field, start, end, max(0, bisect_right(starts, start + offset) - 1))
            for field, text, offset in fields
            for name, start, end in self._instruments.find(text)
        ]


def _as_spelled(sighting: Sighting, start: int, end: int, exact: str) -> bool:
    """Whether the source has the term with these very capitals."""
    field, offset = (sighting.text, sighting.offset) if start >= sighting.offset or sighting.title is None else (sighting.title, 0)
    first, last = field.original(start - offset, end - offset)
    return field.source[first:last].startswith(exact.strip("*"))


def _supported(hits: list[Hit], otherwise: Collection[str]) -> list[Hit]:
    """Without the weak ones that stand alone in their sentence, or whose concept the item only means `otherwise`: poker chips make all chips clay."""
    firm = {hit.sentence for hit in hits if hit.kind in _SUPPORT and hit.mark != "weak"}
    sure = {hit.concept for hit in hits if hit.mark != "weak"}
    return [hit for hit in hits if hit.mark != "weak" or (hit.sentence in firm and (hit.concept in sure or hit.concept not in otherwise))]


def _hit(one: Candidate, sighting: Sighting, starts: Sequence[int]) -> Hit:
    field, offset = sighting.field(one.start)
    sentence = max(0, bisect_right(starts, one.start) - 1)
    return Hit(one.entry.concept, one.entry.kind, field, one.start - offset, one.end - offset, sentence, one.entry.mark)
