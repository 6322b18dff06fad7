"""The classifier's groups list products; the notifier's know them by pattern, those of tomorrow included. They must agree."""

from __future__ import annotations

import pytest

from services.classifier.tables import read_tables
from services.notifier import products
from services.runtime.config_files import ConfigDir

_TABLE = read_tables(ConfigDir()).products
_GROUPS = {
    "ai_accelerators": {"ai_accelerator"},
    "chip_equipment": {"chip_equipment"},
    "chip_materials": {"chip_material"},
    "HBM": {"hbm", "dram", "nand"},
}
_MEMBERS = [(group, product) for group, members in _TABLE.members.items() for product in members]


@pytest.mark.parametrize(("group", "product"), _MEMBERS)
def test_what_the_classifier_groups_the_notifier_groups_alike(group: str, product: str) -> None:
    assert products.group(product) in _GROUPS[group]


@pytest.mark.parametrize("group", sorted({*_TABLE.groups.values()} - {*_TABLE.general}))
def test_a_group_that_the_classifier_names_is_one_to_the_notifier(group: str) -> None:
    assert products.group(group) is not None
