"""Names in filters: which thing a name means, what a group of things holds, and which known name is nearest to one that is not known.

Names.meant("companies", "英伟达") -> {"nvidia"}            what a value of a filter stands for
Names.had("products", ["H20"]) -> {"h20", "group:ai_accelerator"}    what an event has, seen so that the two can meet
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from schemas.config.subscriptions import Value
from schemas.config.vocabulary import VocabularyFile
from services.notifier import products
from services.runtime.config_files import ConfigDir

_SHIPPED = "services.notifier:vocabulary"
_KINDS = {"imposers": "state", "targets": "state", "companies": "company", "products": "product"}
_FIXED = {"targets": ("*",)}
"""Values that are no names."""


def load_names(config: ConfigDir) -> Names:
    """The shipped vocabulary and the team's own. Raises Misconfigured."""
    return Names(list(config.load_all("vocabulary", VocabularyFile, shipped=_SHIPPED).values()))


class Names:
    """Everything a filter may name."""

    def __init__(self, files: Sequence[VocabularyFile]) -> None:
        merged = {name: {one: names for file in files for one, names in getattr(file, name).items()} for name in VocabularyFile.model_fields}
        groups, narrow = merged["state_groups"], merged["product_groups"]
        named = {
            "state": dict.fromkeys(groups, ()) | merged["states"],
            "company": merged["companies"],
            "product": dict.fromkeys(narrow, ()) | merged["products"],
        }
        self._ids = {kind: _ids(names) for kind, names in named.items()}
        self._spellings = {kind: {_plain(name): name for one, others in names.items() for name in (one, *others)} for kind, names in named.items()}
        self._places = {_plain(one): one for one in named["state"]}
        self._members = {
            "state": {_plain(group): frozenset(map(_plain, members)) for group, members in groups.items()},
            "company": {},
            "product": {_plain(group): frozenset(map(_plain, members)) for group, members in narrow.items()} | _WIDE,
        }
        self._one = lru_cache(maxsize=4096)(self._seen)

    def problem(self, field: str, value: Value) -> str | None:
        """What is wrong with a value of a filter, with the nearest names that are known; None when it is known."""
        kind = _KINDS.get(field)
        if kind is None or value in _FIXED.get(field, ()):
            return None
        plain = _plain(str(value))
        if plain in self._ids[kind] or (kind == "product" and products.group(str(value))):
            return None
        near = [self._spellings[kind][name] for name in get_close_matches(plain, self._spellings[kind], n=3, cutoff=0.6)]
        hint = f"; the nearest are {', '.join(near)}" if near else f"; a team's own `vocabulary/` may add it as a {kind}"
        return f"is no {kind} we know{hint}"

    def place(self, value: str) -> str | None:
        """The id of a place as events carry it, from any of its spellings: `China` is `CN`; None when no place is called so."""
        return self._places.get(self._ids["state"].get(_plain(value), ""))

    def meant(self, field: str, value: Value) -> frozenset[Value]:
        """Everything that a value of a filter stands for: itself and, for a group, its members."""
        kind = _KINDS.get(field)
        if kind is None or not isinstance(value, str):
            return frozenset({_folded(value)})
        known = self._ids[kind].get(_plain(value), _plain(value))
        return frozenset({known, *self._members[kind].get(known, ())})

    def had(self, field: str, values: Iterable[Value]) -> frozenset[Value]:
        """Everything that an event has in a field: its values and, for a target that is a group, the members who are hit; for a product, its group."""
        return frozenset().union(*(self._one(field, value) for value in values))

    def _seen(self, field: str, value: Value) -> frozenset[Value]:
        kind = _KINDS.get(field)
        if kind is None or not isinstance(value, str):
            return frozenset({_folded(value)})
        known = self._ids[kind].get(_plain(value), _plain(value))
        if kind == "product":
            group = products.group(value)
            return frozenset({known, f"group:{group}"} if group else {known})
        return frozenset({known, *self._members[kind].get(known, ())}) if field == "targets" else frozenset({known})


def _ids(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Every spelling to the id it means. An id is never another's name."""
    return {_plain(name): _plain(one) for one, others in names.items() for name in others} | {_plain(one): _plain(one) for one in names}


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    """As names are compared: "RTX_4090" is "rtx 4090"."""
    return re.sub(r"[\s_.\-]+", "", name.casefold()) or name


_WIDE_GROUPS = {
    "ai_accelerators": ("ai_accelerator",),
    "chip_equipment": ("chip_equipment",),
    "EDA": ("eda",),
    "memory": ("hbm", "dram", "nand"),
    "chip_materials": ("chip_material",),
}
_WIDE = {_plain(wide): frozenset(f"group:{name}" for name in names) for wide, names in _WIDE_GROUPS.items()}
"""Product groups that hold whatever `products.group` puts in them, products of tomorrow included."""


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value
