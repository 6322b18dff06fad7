"""One sentence from the facts, stage word first: "REPORTED: US drops planned export curbs on NVIDIA H20 to China".

Deterministic and pure: the same facts give the same words, in every language there is a template for. The direction counts, not the verb
alone: what is rescinded may be a restriction or a permission (taxonomy, section 4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from schemas.config.template import UNKNOWN, Listing, Phrase, Place, Sentence, Template, Templates
from schemas.events.signal import Facts

SHOWN = 3
"""So many products, targets or companies are named; the rest is counted."""

_END_BY_NATURE = frozenset({"shelve", "suspend", "rescind", "delay", "list_remove", "licence_revoke"})
"""Actions that are themselves the end or the pause of something: "WITHDRAWN: US drops ..." is the news, not a move that was withdrawn."""

_HOLDERS = frozenset({"licensee", "seller"})
_LISTED = frozenset({"listed"})
_ROLES = {"list_add": _LISTED, "list_remove": _LISTED, "licence_grant": _HOLDERS, "licence_deny": _HOLDERS, "licence_revoke": _HOLDERS}
_EVERYONE = "*"

_SCRIPTS = {"zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-SG": "zh-Hans", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-MO": "zh-Hant"}
"""Chinese is told by its script, where a tag names a region."""


def headline(facts: Facts, *, language: str = "en", templates: Templates) -> str:
    """The headline in `language`, or in English where there is no template for it."""
    words = template_for(language, templates)
    stage = words.stages.get(facts.stage or UNKNOWN, words.stages[UNKNOWN])
    action, frame = _told(facts, stage.frame)
    sentence = _sentence(words, action, facts.direction)
    firms = _firms(facts, action)
    phrase = sentence.firms if firms and sentence.firms else sentence
    targets = _targets(facts)
    says_firms = "{firms}" in phrase.object + phrase.tail
    pieces = {
        "what": products(facts.products, words, unnamed=firms if says_firms else ()),
        "whom": listed([place(code, words) for code in targets], words.listing),
        "to": listed([_where(code, words, "to") for code in targets], words.listing),
        "origin": listed([_where(code, words, "origin") for code in targets], words.listing),
        "firms": listed([company(name, words) for name in firms], words.listing),
    }
    told = _framed(words, facts.imposers, frame, sentence.verb, phrase, pieces)
    rest = () if says_firms else _beside(firms, facts.products, words)
    if rest:
        told += words.suffix.format(firms=listed([company(name, words) for name in rest], words.listing))
    return f"{stage.word}: {_polished(told, words)}"


def template_for(language: str, templates: Templates) -> Template:
    """The template that speaks the language of a tag such as "ar-EG" or "zh-TW", or the English one."""
    return spoken(language, templates) or templates["en"]


def spoken(language: str, templates: Templates) -> Template | None:
    """The template of a tag or, its last parts left out one by one, of a wider one (RFC 4647, section 3.4). None where nobody has written one."""
    while language:
        found = templates.get(_SCRIPTS.get(language, language))
        if found is not None:
            return found
        language = language.rpartition("-")[0]
    return None


def listed(names: Sequence[str], style: Listing, shown: int = SHOWN) -> str:
    """A, B and C; after `shown` names, the number of those left out."""
    names = list(dict.fromkeys(names))
    head = names[:shown]
    if len(names) > shown:
        return style.comma.join(head) + style.more.format(n=len(names) - shown)
    return style.last.join(filter(None, (style.comma.join(head[:-1]), *head[-1:])))


def place(code: str, words: Template, *, subject: bool = False) -> str:
    """A country, the EU, or a country group, as the language calls it."""
    found = words.countries.get(code, code)
    if isinstance(found, Place):
        return found.name if subject else found.object
    return found


def _where(code: str, words: Template, way: Literal["to", "origin"]) -> str:
    """To or from a country, as its name asks or as the language's rule says."""
    found = words.countries.get(code, code)
    own = (found.to if way == "to" else found.origin) if isinstance(found, Place) else None
    return own or (words.towards if way == "to" else words.out_of).format(place=place(code, words))


def company(name: str, words: Template) -> str:
    """A company as people write it."""
    return words.companies.get(name, name)


def products(ids: Sequence[str], words: Template, *, unnamed: Sequence[str] = (), shown: int = SHOWN) -> str:
    """Products with their makers, each maker said once in a row: "NVIDIA H20, H100 and AMD MI308". Makers in `unnamed` go without saying."""
    names, before = [], None
    for product in dict.fromkeys(ids):
        maker = _maker(product, words)
        name = words.products.get(product, product.replace("_", " "))
        if maker is not None and maker != before:
            name = words.unmade.format(product=name) if maker in unnamed else words.made.format(maker=company(maker, words), product=name)
        names.append(name)
        before = maker
    return listed(names, words.listing, shown) or words.goods


def _told(facts: Facts, frame: str) -> tuple[str, str]:
    """The action to word and the frame to word it in. A plan is a plan at any stage, until it has ended: then what was planned has."""
    action = facts.action or "other"
    if action == "propose":
        direction = facts.direction if facts.direction in ("tighten", "loosen") else "other"
        return (direction, "ended") if frame == "ended" else ("propose", "done")
    return action, "done" if frame == "ended" and action in _END_BY_NATURE else frame


def _sentence(words: Template, action: str, direction: str | None) -> Sentence:
    """The wording of the action in this direction. Where action and direction contradict each other, the direction speaks."""
    general = words.sentences["other"]
    choices = words.sentences.get(action, general)
    if direction in choices:
        return choices[direction]
    if direction in ("tighten", "loosen", "mixed") and set(choices) != {"else"}:
        return general[direction]
    return choices["else"] if "else" in choices else next(iter(choices.values()))


def _firms(facts: Facts, action: str) -> tuple[str, ...]:
    """The companies the sentence is about. A list names the listed, a licence its holder: a buyer gets no export licence."""
    roles = _ROLES.get(action)
    if roles is None:
        return tuple(firm.id for firm in facts.companies)
    fitting = tuple(firm.id for firm in facts.companies if firm.role in roles)
    return fitting or tuple(firm.id for firm in facts.companies if firm.role is None)


def _beside(firms: Sequence[str], ids: Sequence[str], words: Template) -> tuple[str, ...]:
    """The companies that the products' names do not already tell."""
    makers = {_maker(product, words) for product in ids[:SHOWN]}
    return tuple(firm for firm in firms if firm not in makers)


def _maker(product: str, words: Template) -> str | None:
    return next((maker for maker, made in words.makers.items() if product in made), None)


def _targets(facts: Facts) -> list[str]:
    """Whom it hits. Everyone is nobody in particular, and nobody aims at himself."""
    return [code for code in facts.targets if code != _EVERYONE and code not in facts.imposers]


def _framed(words: Template, imposers: Sequence[str], frame: str, verb: Sequence[str], phrase: Phrase, pieces: dict[str, str]) -> str:
    first = _takes_first_form(words, imposers)
    shape = words.frames[frame].active if imposers else words.frames[frame].passive
    shape = re.sub(r"<(.*?)\|(.*?)>", r"\1" if first else r"\2", shape)
    return shape.format(
        who=listed([place(code, words, subject=True) for code in imposers], words.listing),
        verb=verb[0] if first else verb[1],
        base=verb[3] if len(verb) == 4 else verb[1],
        third=verb[2],
        object=_filled(phrase.object, pieces),
        tail=_filled(phrase.tail, pieces),
    )


def _takes_first_form(words: Template, imposers: Sequence[str]) -> bool:
    if words.agreement == "number" and len(imposers) > 1:
        return False
    return not imposers or imposers[0] not in words.second_form


def _filled(text: str, pieces: dict[str, str]) -> str:
    """The text with its pieces; a [part] goes when what it names is not known."""

    def part(match: re.Match[str]) -> str:
        return match[1] if all(pieces[name] for name in re.findall(r"\{(\w+)\}", match[1])) else ""

    return re.sub(r"\[(.*?)\]", part, text).format(**pieces)


def _polished(text: str, words: Template) -> str:
    for loose, merged in words.contractions.items():
        text = text.replace(loose, merged)
    return text[:1].upper() + text[1:]
