"""Which products belong together: H20 is an AI accelerator, gallium a chip material. Values in, values out.

One report says H20, the next only "AI chips"; both can tell the same measure. H20 and H200 cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_NAMES = {
    "ai_accelerator": ("ai accelerator", "ai chip", "gpu"),
    "chip_equipment": ("chip equipment", "semiconductor equipment", "sme", "lithography"),
    "eda": ("eda", "eda software"),
    "hbm": ("hbm", "hbm memory", "high bandwidth memory"),
    "dram": ("dram",),
    "nand": ("nand",),
    "chip_material": ("chip material", "rare earth"),
}
"""What a group is called, in the singular."""
_MEMBERS = {
    "ai_accelerator": ("[abh]\\d{2,3}[a-z]?", "gb\\d{3}", "l\\d{1,2}s?", "rtx.*", "(vera )?rubin", "blackwell", "hopper", "mi\\d{3}[ax]?", "gaudi.*", "ascend.*", "cambricon", "biren"),
    "chip_equipment": ("d?euv.*", "duv.*", "nx[te].*", "etch", "deposition", "ald", "cvd", "epitaxy", "ion implant", "anneal", "clean", "metrology", "inspection", "sem", ".*masks?", "pellicles?"),
    "eda": ("gaafet eda", "3[de]\\d{3}"),
    "hbm": ("hbm\\d.*",),
    "dram": ("dram .*",),
    "nand": ("nand .*",),
    "chip_material": (
        "gallium", "germanium", "antimony", "graphite", "superhard.*", "magnets?", "photoresist", "hydrogen fluoride", "hf", "fluorinated polyimide", "helium", "neon", "krypton", "xenon",
        "dichlorosilane", "tungsten", "tellurium", "bismuth", "molybdenum", "indium", "ga2o3", "sic", "diamond.*", "samarium", "gadolinium", "terbium", "dysprosium", "lutetium",
        "scandium", "yttrium", "holmium", "erbium", "thulium", "europium", "ytterbium",
    ),
}  # fmt: skip
"""What belongs to it, as regular expressions."""
_WIDE = re.compile("(advanced )?(semi ?conductor|chip|ic|integrated circuit|processor|electronic)s?|(dual use|strategic|shtc) items|servers")
"""Words too wide to tell one measure from another."""
_PATTERNS = {group: re.compile("|".join((*(f"{name}s?" for name in _NAMES[group]), *members))) for group, members in _MEMBERS.items()}
_GROUP_NAMES = frozenset(name for names in _NAMES.values() for name in names)


@lru_cache(maxsize=4096)
def group(product: str) -> str | None:
    """The group of a product, or of a group's own name; None for what stands alone."""
    plain = _plain(product)
    return next((name for name, pattern in _PATTERNS.items() if pattern.fullmatch(plain)), None)


@lru_cache(maxsize=4096)
def is_specific(product: str) -> bool:
    """Whether it names one product (H20), rather than a group (AI chips) or the whole field (chips)."""
    plain = _plain(product)
    return plain not in _GROUP_NAMES and plain.removesuffix("s") not in _GROUP_NAMES and not _WIDE.fullmatch(plain)


def specific(products: Iterable[str]) -> frozenset[str]:
    """The single products among them, spelled alike."""
    return frozenset(_plain(product) for product in products if is_specific(product))


def names(products: Iterable[str]) -> frozenset[str]:
    """Everything among them that tells anything, products and groups alike."""
    return frozenset(_plain(product) for product in products if not _WIDE.fullmatch(_plain(product)))


def groups(products: Iterable[str]) -> frozenset[str]:
    """Every group they belong to."""
    return frozenset(name for name in map(group, products) if name)


def _plain(product: str) -> str:
    return product.casefold().replace("_", " ").replace("-", " ").strip()
