"""The sources: one YAML file each, those shipped and a team's own over them."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.config.source import Source
from services.runtime.config_files import ConfigDir, read_yaml
from services.runtime.errors import Misconfigured


def load_sources(config: ConfigDir) -> Mapping[str, Source]:
    """Every enabled source by its id. Raises Misconfigured with every problem; then none of them counts."""
    files = config.load_all("sources", Source, shipped="services.ingester:sources")
    misnamed = [(path, source) for path, source in files.items() if source.id != path.stem]
    problems = [f"{read_yaml(path).where('id')}: id: {source.id!r} is not the file's name; expected {path.stem!r}" for path, source in misnamed]
    if problems:
        raise Misconfigured(*problems)
    return {source.id: source for source in files.values() if source.enabled}
