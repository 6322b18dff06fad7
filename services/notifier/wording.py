"""Reads the sentence templates, one file a language: the shipped ones, and what a team lays over them in `templates/`."""

from __future__ import annotations

from schemas.config.template import Template, Templates
from services.runtime.config_files import ConfigDir

_SHIPPED = "services.notifier:templates"


def load_templates(config: ConfigDir, *languages: str) -> Templates:
    """The templates of these languages, or of all; English is always there. Raises Misconfigured with every problem."""
    wanted = {*languages, "en"} if languages else None
    paths = [path for path in config.files("templates", shipped=_SHIPPED) if wanted is None or path.stem in wanted]
    return {path.stem: config.load(path, Template) for path in paths}
