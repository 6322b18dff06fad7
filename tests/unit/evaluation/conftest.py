from __future__ import annotations

import pytest

from services.classifier.rules import Ruleset, load_ruleset
from services.runtime.config_files import ConfigDir
from tests import make

RULES = """
rules:
  - id: quota-lapses
    title: A quota lapses
    owner: tests
    status: active
    when: {phrase: quota lapses}
    verdict: alert
    examples:
      - {text: The chip quota lapses in China, fires: true}
      - {text: The chip quota stays in China, fires: false}
  - id: quota-in-shadow
    title: The same, tried out
    owner: tests
    status: shadow
    when: {phrase: quota lapses}
    verdict: alert
    examples:
      - {text: The chip quota lapses in China, fires: true}
      - {text: The chip quota stays in China, fires: false}
  - id: only-a-joke
    title: Jokes are no news
    owner: tests
    status: active
    when: {phrase: just joking}
    verdict: "no"
    examples:
      - {text: The chip quota lapses and we are just joking, fires: true}
      - {text: The chip quota stays in China, fires: false}
  - id: leans-to-an-alert
    title: Leans
    owner: tests
    status: active
    when: {phrase: tide of permits turns}
    leans: alert
    examples:
      - {text: The tide of permits turns for chips, fires: true}
      - {text: The chip quota stays in China, fires: false}
  - id: leans-against
    title: Leans the other way
    owner: tests
    status: active
    when: {phrase: nobody says so}
    leans: context
    examples:
      - {text: The tide of permits turns for chips where nobody says so, fires: true}
      - {text: The chip quota stays in China, fires: false}
"""


@pytest.fixture(scope="session")
def quota_rules(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    """The shipped words and tables with a few rules of our own beside the shipped ones, without the encoder."""
    directory = tmp_path_factory.mktemp("config")
    (directory / "rules").mkdir()
    (directory / "rules" / "ours.yaml").write_text(RULES, "utf-8")
    return load_ruleset(ConfigDir(directory, cache=directory / "cache"), now=make.NOW, encoder=False)
