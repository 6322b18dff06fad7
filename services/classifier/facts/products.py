"""Which products a measure is about, folded to the ids of the taxonomy, section 6."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from schemas.config.tables import Products
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote

LEAD = 4
NEWS = 1.5
"""Sentences below this are background."""


def products(parts: Sequence[Part], news: Sequence[float], change: Change | None, table: Products) -> tuple[tuple[str, ...], tuple[Quote, ...]]:
    """The most exact names: of the title and the sentence of the change, else of the news, else of the whole item."""
    core = [part for part in parts if part.place == 0 or (change is not None and part is change.part)]
    fresh = [part for part, score in zip(parts, news, strict=True) if score >= NEWS]
    named = (_named(some, table.groups) for some in (core, *([part] for part in fresh)))
    quotes = next((found for found in named if not found.keys() <= set(table.general)), None)
    if quotes is None:
        quotes = _named(core, table.groups | table.makers) or _named(parts, table.groups)
    quotes |= _spelt_out(quotes.keys(), parts[:LEAD], table)
    kept = sorted(_most_exact(quotes, table))
    return tuple(kept), tuple(quotes[name] for name in kept)


def _spelt_out(found: Collection[str], lead: Sequence[Part], table: Products) -> dict[str, Quote]:
    """The products by which the first sentence that has any spells out a group that the title names: Nvidia's AI chips, which are H20s."""
    wanted = {member for group, members in table.members.items() if group in found for member in members}
    if not wanted.isdisjoint(found):
        return {}
    spelt = ({name: one for name, one in _named([part], {}).items() if name in wanted} for part in lead)
    return next(filter(None, spelt), {})


def _named(parts: Sequence[Part], groups: Mapping[str, str]) -> dict[str, Quote]:
    found: dict[str, Quote] = {}
    for part in parts:
        for hit in part.hits:
            name = hit.concept if hit.kind == "product" else groups.get(hit.concept)
            if name is not None and name not in found:
                found[name] = quote("products", name, part, hit)
    return found


def _most_exact(found: dict[str, Quote], table: Products) -> set[str]:
    hidden = {group for group, members in table.members.items() if not found.keys().isdisjoint(members)}
    exact = set(found) - hidden
    return exact - set(table.general) or exact
