"""Facts as an operator writes them: `stage=published`, `targets=CN,RU`, `expires=2026-11-10`. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from schemas.events.base import Moment
from schemas.events.signal import ACTIONS, COMPANY_ROLES, DIRECTIONS, STAGES, Company, FactDate, Facts
from services.notifier.names import Names
from services.runtime.errors import Misconfigured

_CLOSED = {"action": ACTIONS, "direction": DIRECTIONS, "stage": STAGES}
_LISTS = ("imposers", "targets", "products", "instruments", "companies")
_PLACES = ("imposers", "targets")
_DATES = ("effective", "compliance", "expires")
NAMES = (*_CLOSED, "agency", "severity", *_LISTS, *_DATES)


def read_facts(written: Iterable[str], before: Facts, names: Names) -> dict[str, object]:
    """The fields to set, by name; a date that is written empty is taken away. `before` has the dates that stay, `names` the places. Raises Misconfigured."""
    found: dict[str, object] = {}
    dates = {date.kind: date for date in before.dates}
    for text in written:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in NAMES:
            raise Misconfigured(f"{text!r} sets nothing; expected FACT=VALUE with one of {', '.join(NAMES)}")
        if name in _DATES:
            dates.pop(name, None)
            if value:
                dates[name] = FactDate(kind=name, moment=_moment(name, value))
            found["dates"] = tuple(dates.values())
        else:
            found[name] = _places(name, value, names) if name in _PLACES else _value(name, value)
    return found


def _value(name: str, value: str) -> object:
    if name in _CLOSED:
        if value not in _CLOSED[name]:
            raise Misconfigured(f"{value!r} is no {name}; expected one of {', '.join(_CLOSED[name])}")
        return value
    if name == "severity":
        if value not in ("1", "2", "3", "4", "5"):
            raise Misconfigured(f"{value!r} is no severity; expected 1 (routine) to 5")
        return int(value)
    if name in _LISTS:
        parts = _parts(value)
        return tuple(map(_company, parts)) if name == "companies" else parts
    return value or None


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _places(name: str, value: str, names: Names) -> tuple[str, ...]:
    """Places by their ids, each once. A measure has somebody who imposes it; it may aim at nobody by name."""
    parts = _parts(value)
    if name == "imposers" and not parts:
        raise Misconfigured("imposers= names nobody; expected a place such as US")
    if unknown := [f"{part!r} {problem}" for part in parts if (problem := names.problem(name, part))]:
        raise Misconfigured(f"{name}: {', and '.join(unknown)}")
    return tuple(dict.fromkeys(names.place(part) or part for part in parts))


def _company(text: str) -> Company:
    """`NVIDIA`, or `NVIDIA:seller` with what it is in the measure."""
    name, _, role = text.partition(":")
    if role and role not in COMPANY_ROLES:
        raise Misconfigured(f"{role!r} is no role of a company; expected one of {', '.join(COMPANY_ROLES)}")
    return Company(id=name, role=role or None)


def _moment(name: str, value: str) -> Moment:
    try:
        return Moment.parse(value)
    except ValidationError as exc:
        raise Misconfigured(f"{value!r} is no date for {name}; expected such as 2026-11-10") from exc
