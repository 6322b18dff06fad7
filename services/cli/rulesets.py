"""What commands that judge news have in common: the configuration directory and the rule set, read once and kept between calls."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from services.classifier.rules import Ruleset, load_ruleset
from services.runtime.config_files import ConfigDir


def config_dir(overlay: Path | None) -> ConfigDir:
    """The shipped files with a team's directory over them. Parsed YAML is kept in the user's cache: a first call takes two seconds, later ones one."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return ConfigDir(overlay, cache=Path(home) / "chipwire" / "yaml")


def read_ruleset(config: ConfigDir) -> Ruleset:
    """Raises Misconfigured with every problem."""
    return load_ruleset(config, now=datetime.now(UTC))
