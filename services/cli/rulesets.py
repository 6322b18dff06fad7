"""What commands that judge news have in common: the configuration directory and the rule set, read once and kept between calls."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from services.classifier.rules import Ruleset, load_ruleset
from services.cli.common import runtime_settings
from services.runtime.config_files import ConfigDir


def config_dir(overlay: Path | None) -> ConfigDir:
    """The shipped files with a team's directory over them: this one, else that of CHIPWIRE_CONFIG. Parsed YAML is kept in the user's cache."""
    settings = runtime_settings()  # read in any case: a typing error in a variable never hides
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return ConfigDir(overlay or settings.config, cache=Path(home) / "chipwire" / "yaml")


def read_ruleset(config: ConfigDir, *, encoder: bool = True) -> Ruleset:
    """Raises Misconfigured with every problem."""
    return load_ruleset(config, now=datetime.now(UTC), encoder=encoder)
