from __future__ import annotations

from pathlib import Path

import pytest

from schemas.config.lexicon import LexiconFile
from services.classifier.rules import Ruleset, load_ruleset, read_lexicon
from services.classifier.terms import Terms
from services.runtime.config_files import ConfigDir
from tests import make


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> ConfigDir:
    """The files as they ship; reading them is remembered for the session."""
    return ConfigDir(cache=Path(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def lexicon(shipped: ConfigDir) -> LexiconFile:
    return read_lexicon(shipped)


@pytest.fixture(scope="session")
def terms(lexicon: LexiconFile) -> Terms:
    return Terms.build(lexicon)


@pytest.fixture(scope="session")
def ruleset(shipped: ConfigDir) -> Ruleset:
    """As it judges without the sentence encoder: tests of rules and facts do not wait for it."""
    return load_ruleset(shipped, now=make.NOW, encoder=False)
