"""`chipwire rules new`: a rule to start from."""

from __future__ import annotations

from pathlib import Path

from schemas.config.rule import Rule

SCHEMA = "rules.v1.schema.json"
_SKELETON = """\
# yaml-language-server: $schema=../schemas/{schema}
# What each key means: docs/howto/rule.yaml. Then: chipwire rules check DIR · rules test DIR · rules backtest --against DIR
rules:
  - id: {id}
    title: What happened when it fires, in a few words
    owner: {owner}
    status: shadow                 # shadow: counted and shown, settles nothing. Then active, in the end retired
    when:                          # all, any and none hold further conditions; each leaf is one test
      all:
        - {{term: subject, position: lead}}                                   # a concept or kind of the lexicon, in any language
        - any:
            - {{near: {{terms: [act_impose_tighten, export_control], within: 8}}, position: lead}}   # close together, in one sentence
            - {{phrase: "quota* for semiconductor*"}}                         # words of your own; * leaves an end open
      none:
        - {{term: cue_explainer, position: title}}
    # verdict: alert               # alert, context or no; without it the rule only names what it saw
    # severity: 3                  # 1 to 5
    # sets: {{products: [chips]}}    # facts it states
    references: []                 # where the reason for it stands
    examples:                      # at least one that fires and one near miss; the more languages the better
      - {{title: "The Netherlands tightens export controls on chip machines", text: "The order takes effect in April.", fires: true}}
      - {{text: "India sets a quota for semiconductors from abroad", fires: true}}
      - {{text: "The chip maker posts record profit", fires: false}}
"""


def skeleton(rule_id: str, owner: str) -> str:
    """The file as text. Raises Misconfigured for an id or owner that cannot be one."""
    from pydantic import ValidationError

    from services.runtime.errors import Misconfigured

    try:
        Rule.model_validate({"id": rule_id, "title": "t", "owner": owner, "when": {"term": "subject"}})
    except ValidationError as exc:
        raise Misconfigured(f"{rule_id!r} cannot be the id of a rule; expected 3 to 64 lower-case letters, digits and dashes") from exc
    return _SKELETON.format(id=rule_id, owner=owner, schema=SCHEMA)


def write(directory: Path, rule_id: str, owner: str) -> Path:
    """Writes the file and the schema that editors check it by. Raises Misconfigured where the file is there already."""
    from schemas.export import schema_of
    from services.runtime.errors import Misconfigured

    text = skeleton(rule_id, owner)
    path, schema = directory / "rules" / f"{rule_id}.yaml", directory / "schemas" / SCHEMA
    for folder in (path.parent, schema.parent):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as exc:
        raise Misconfigured(f"{path} is there already; expected an id of its own for a new rule") from exc
    schema.write_text(schema_of("config/rules.v1"), "utf-8")
    return path
