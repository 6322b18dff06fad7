"""How much a measure matters, 1 to 5, and how sure the verdict is, 0 to 1 (taxonomy, sections 5.2 and 5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.config.tables import Severity, Stages


def severity(products: Sequence[str], action: str | None, stage: str, imposers: Sequence[str], table: Severity) -> int:
    """The gravest product decides; procedure, early stages and small states lower it."""
    grave = max((table.products.get(product, table.default) for product in products), default=table.default)
    step = table.actions.get(action or "", 0) + table.stages.get(stage, 0)
    small = 1 if imposers and imposers[0] not in table.main_imposers else 0
    return min(max(grave + step - small, 1), 5)


def confidence(score: float, stage: str, tier: int, table: Stages) -> float:
    """The score, capped by the stage and by the tier of the source."""
    return round(min(score, table.confidence.get(stage, 1.0), table.tier_confidence.get(tier, 1.0)), 2)
