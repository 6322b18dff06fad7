"""The tables the classifier decides by: one YAML file each, all of them or none.

A file of the team with the same name, in the folder `tables/` of its directory, replaces a shipped one whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.config.base import Config
from schemas.config.tables import Amounts, Changes, Choices, Companies, Dates, News, Places, Products, Score, Severity, Stages, Tables
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured

SHIPPED: Final = "services.classifier:tables"
FILES: Mapping[str, type[Config]] = {
    "changes": Changes,
    "news": News,
    "stages": Stages,
    "places": Places,
    "products": Products,
    "companies": Companies,
    "severity": Severity,
    "dates": Dates,
    "amounts": Amounts,
    "choices": Choices,
    "score": Score,
}


def table_files(config: ConfigDir) -> tuple[Path, ...]:
    """The files that count, for the hash of the ruleset."""
    return config.files("tables", shipped=SHIPPED)


def read_tables(config: ConfigDir) -> Tables:
    """Reads all of them. Raises Misconfigured with every problem."""
    read: dict[str, Config] = {}
    problems: list[str] = []
    for path in table_files(config):
        model = FILES.get(path.stem)
        if model is None:
            problems.append(f"{path}: no table has this name; expected one of {', '.join(FILES)}")
            continue
        try:
            read[path.stem] = config.load(path, model)
        except Misconfigured as problem:
            problems.extend(problem.problems)
    if problems:
        raise Misconfigured(*problems)
    return Tables.model_validate(read)
