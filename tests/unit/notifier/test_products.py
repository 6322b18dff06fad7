from __future__ import annotations

import pytest

from services.notifier import products


@pytest.mark.parametrize(
    ("product", "group"),
    [
        ("H20", "ai_accelerator"),
        ("RTX_PRO_6000D", "ai_accelerator"),
        ("Ascend 910B", "ai_accelerator"),
        ("ai_accelerators", "ai_accelerator"),
        ("NXT:2000i", "chip_equipment"),
        ("chip_equipment", "chip_equipment"),
        ("gallium", "chip_material"),
        ("rare_earths", "chip_material"),
        ("HBM3E", "hbm"),
        ("DRAM", "dram"),
        ("EDA", "eda"),
        ("chips", None),
        ("quantum", None),
    ],
)
def test_a_product_belongs_to_its_group(product: str, group: str | None) -> None:
    assert products.group(product) == group


@pytest.mark.parametrize(
    ("product", "specific"), [("H20", True), ("gallium", True), ("ai_accelerators", False), ("rare_earths", False), ("chips", False), ("AI chips", False)]
)
def test_a_group_and_a_wide_word_name_no_single_product(product: str, specific: bool) -> None:
    assert products.is_specific(product) is specific


def test_wide_words_tell_nothing() -> None:
    assert products.names(["chips", "Semiconductors", "dual-use items", "H20"]) == {"h20"}
