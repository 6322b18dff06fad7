"""Hand-written files: YAML 1.2 into strict models, with every problem told as `file:line:column: what is wrong`.

    read (size, UTF-8) -> compose (syntax) -> plain values (duplicate keys, tags, aliases) -> model

YAML 1.2 means that `NO` is Norway, `12:30` is text and a date is text too: the models decide what it is. Keys are always text.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.runtime.errors import Misconfigured

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 500_000  # once aliases are expanded
_FORMAT = "1"  # of the cached values
_OPENERS = ("[", "{", "- ", "? ", ": ")
_FAST_OPENERS = 10_000  # of what can nest
_TAG = "tag:yaml.org,2002:"


class ConfigDir:
    """The shipped files, overlaid by a team's own directory with `rules/ lexicon/ sources/ subscriptions.yaml`.

    In each folder a file of the team replaces the shipped file of the same name, and any other is added. Reading a large YAML file takes
    about 5 ms a kilobyte, so what was read is kept under `cache`, by its content.
    """

    def __init__(self, overlay: Path | None = None, *, cache: Path | None = None) -> None:
        self._overlay = overlay
        self._cache = cache

    def files(self, folder: str, *, shipped: str | None = None) -> tuple[Path, ...]:
        """The YAML files of a folder, by name. `shipped` is a package and its directory: "services.classifier:lexicon"."""
        found = {path.name: path for path in _yaml_in(_package_dir(shipped))} if shipped else {}
        if self._overlay is not None:
            self._check_overlay()
            found |= {path.name: path for path in _yaml_in(self._overlay / folder)}
        return tuple(found[name] for name in sorted(found))

    def file(self, name: str) -> Path | None:
        """A single file of the team, such as "subscriptions.yaml", or None when it has none."""
        if self._overlay is None:
            return None
        self._check_overlay()
        path = self._overlay / name
        return path if path.exists() or path.is_symlink() else None

    def load(self, path: Path, model: type[M]) -> M:
        """One file. Raises Misconfigured with all its problems."""
        if self._overlay is not None and path.is_relative_to(self._overlay):
            _stay_inside(path, self._overlay)
        return load_yaml(path, model, cache=self._cache)

    def load_all(self, folder: str, model: type[M], *, shipped: str | None = None) -> dict[Path, M]:
        """Every file of a folder, in the order of `files`. Raises Misconfigured with the problems of all of them."""
        loaded: dict[Path, M] = {}
        problems: list[str] = []
        for path in self.files(folder, shipped=shipped):
            try:
                loaded[path] = self.load(path, model)
            except Misconfigured as exc:
                problems.extend(exc.problems)
        if problems:
            raise Misconfigured(*problems)
        return loaded

    def _check_overlay(self) -> None:
        if self._overlay is not None and not self._overlay.is_dir():
            raise Misconfigured(f"{self._overlay} is no directory; expected one with rules/, lexicon/, sources/ or subscriptions.yaml")


def load_yaml(path: Path, model: type[M], *, cache: Path | None = None) -> M:
    """The file as a model. Raises Misconfigured with all its problems."""
    return read_yaml(path, cache=cache).to(model)


def read_yaml(path: Path, *, cache: Path | None = None) -> YamlFile:
    """The file as plain values. Raises Misconfigured when it cannot be read or is no YAML."""
    text = _text_of(path)
    key = hashlib.sha256(f"{_FORMAT}\n{text}".encode()).hexdigest()
    kept = cache / f"{key}.json" if cache is not None else None
    if kept is not None and kept.is_file():
        return YamlFile(path, text, json.loads(kept.read_bytes()))
    value = _Values(path, text).plain()
    if kept is not None:
        _keep(kept, json.dumps(value, ensure_ascii=False))
    return YamlFile(path, text, value)


def content_hash(paths: Iterable[Path]) -> str:
    """A hash of the files' names and bytes, whatever order they come in."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@dataclass(frozen=True)
class YamlFile:
    """A file that was read: its plain values, and where each stands."""

    path: Path
    text: str = field(repr=False)
    value: Any

    def to(self, model: type[M]) -> M:
        """The values as a model. Raises Misconfigured with every problem and its place."""
        try:
            return model.model_validate(self.value)
        except ValidationError as exc:
            values = _Values(self.path, self.text)
            raise Misconfigured(*(_problem(values, error) for error in exc.errors(include_url=False))) from None

    def where(self, *loc: str | int) -> str:
        """`file:line:column` of a value, for checks that go beyond one model: `file.where("rules", 3, "id")`."""
        return _Values(self.path, self.text).where(loc)


class _Values:
    """The nodes of one file, made into plain values, with the place of each."""

    def __init__(self, path: Path, text: str) -> None:
        self._shown = _shown(path)
        self._root = _compose(self._shown, text)
        self._problems: list[str] = []
        self._count = 0

    def plain(self) -> Any:
        """Dicts, lists, texts, numbers, booleans and None. Raises Misconfigured with every problem."""
        value = self._value(self._root, frozenset())
        if self._problems:
            raise Misconfigured(*self._problems)
        return value

    def where(self, loc: Sequence[str | int], *, of_key: bool = False) -> str:
        """`file:line:column` of the value (or of its key), or of the innermost part of `loc` that exists."""
        node, mark = self._root, self._root
        for step in loc:
            key, child = _child(node, step)
            if child is not None:
                node, mark = child, key if of_key and step == loc[-1] else child
        return self._at(mark)

    def _value(self, node: Any, above: frozenset[int]) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise Misconfigured(f"{self._at(node)}: more than {MAX_VALUES} values once aliases are expanded; expected a file written by hand")
        if node is None:
            return None
        if id(node) in above:
            raise Misconfigured(f"{self._at(node)}: an alias that contains itself; expected plain values")
        if isinstance(node.value, str):
            return self._scalar(node)
        if node.tag == _TAG + "map":
            return self._mapping(node, above | {id(node)})
        if node.tag == _TAG + "seq":
            return [self._value(child, above | {id(node)}) for child in node.value]
        return self._wrong_tag(node)

    def _mapping(self, node: Any, above: frozenset[int]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key.value, str):
                self._problems.append(f"{self._at(key)}: a key that is no text; expected a word before the colon")
            elif key.value in values:
                self._problems.append(f"{self._at(key)}: the key {key.value!r} stands twice in one mapping; expected each key once")
            else:
                values[key.value] = self._value(child, above)
        return values

    def _scalar(self, node: Any) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text: str = node.value
        if kind in ("str", "timestamp"):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            digits = text.replace("_", "").lower()
            return int(digits, 0 if digits.lstrip("+-")[:2] in ("0x", "0o", "0b") else 10)
        if kind == "float" and not text.lower().lstrip("+-").startswith((".inf", ".nan")):
            return float(text.replace("_", ""))
        return self._wrong_tag(node)

    def _wrong_tag(self, node: Any) -> None:
        self._problems.append(
            f"{self._at(node)}: a value of the kind {str(node.tag).removeprefix(_TAG)!r}; expected text, numbers, true or false, lists and mappings"
        )

    def _at(self, node: Any) -> str:
        return f"{self._shown}:{node.start_mark.line + 1}:{node.start_mark.column + 1}" if node is not None else f"{self._shown}:1:1"


def _composed_fast(text: str) -> Any:
    """By libyaml, in a sixth of the time. None where it finds fault, since the parser in Python words that better, or might nest too deeply for C's stack."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if sum(map(text.count, _OPENERS)) > _FAST_OPENERS:
        return None
    try:
        return YAML(typ="safe", pure=False).compose(text)
    except (YAMLError, ValueError):
        return None


def _compose(shown: str, text: str) -> Any:
    from ruamel.yaml import YAML  # 0.1 s, which most commands never need
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    directive = re.search(r"^%.*$", text, re.MULTILINE)
    if directive:
        raise Misconfigured(f"{shown}:{_place(text, directive.start())}: a directive ({directive[0]!r}); expected plain YAML 1.2")
    try:
        return _composed_fast(text) or YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"
        raise Misconfigured(f"{shown}:{place}: not YAML: {' '.join(filter(None, (exc.context, exc.problem)))}") from exc
    except YAMLError as exc:
        position = getattr(exc, "position", 0)
        raise Misconfigured(f"{shown}:{_place(text, position)}: not YAML: {getattr(exc, 'reason', None) or exc}") from exc
    except RecursionError:
        raise Misconfigured(f"{shown}:1:1: nested too deeply; expected a file written by hand") from None


def _child(node: Any, step: str | int) -> tuple[Any, Any]:
    """The key and the value below `node` that `step` names; (None, None) where pydantic names no part of the file, such as a branch of a union."""
    if node is None or isinstance(node.value, str):
        return None, None
    if isinstance(step, int):
        if node.tag == _TAG + "seq" and step < len(node.value):
            return node.value[step], node.value[step]
    elif node.tag == _TAG + "map":
        return next(((key, child) for key, child in node.value if key.value == step), (None, None))
    return None, None


def _problem(values: _Values, error: Mapping[str, Any]) -> str:
    loc, kind = error["loc"], error["type"]
    name = ".".join(str(step) for step in loc) or "the file"
    if kind == "extra_forbidden":
        return f"{values.where(loc, of_key=True)}: {name}: unknown key; expected one that is documented (is it a typing error?)"
    if kind == "missing":
        return f"{values.where(loc)}: {name}: missing; expected a value"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be ", "expected ", 1).replace("valid tuple", "list", 1)
    shown = f" (found {error['input']!r})" if isinstance(error["input"], str | int | float | bool) and len(str(error["input"])) <= 60 else ""
    return f"{values.where(loc)}: {name}: {message}{shown}"


def _text_of(path: Path) -> str:
    shown = _shown(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Misconfigured(f"{shown}: cannot be read: {exc.strerror}") from exc
    if len(content) > MAX_BYTES:
        raise Misconfigured(f"{shown}: larger than {MAX_BYTES // 1024 // 1024} MB; expected a file written by hand")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise Misconfigured(f"{shown}:{line}:1: not UTF-8 text; expected the file saved as UTF-8") from exc


def _yaml_in(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml") and not path.name.startswith("."))


def _package_dir(shipped: str) -> Path:
    package, _, directory = shipped.partition(":")
    return Path(str(package_files(package))) / directory


def _stay_inside(path: Path, directory: Path) -> None:
    if not path.resolve().is_relative_to(directory.resolve()):
        raise Misconfigured(f"{_shown(path)}: a link that leads out of {_shown(directory)}; expected a file inside it")


def _keep(path: Path, content: str) -> None:
    """Written whole or not at all; a cache that cannot be written is only slow."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(content, "utf-8")
        part.replace(path)
    except OSError:
        return


def _place(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return f"{text.count(chr(10), 0, position) + 1}:{position - start + 1}"


def _shown(path: Path) -> str:
    """As people would write it: from the working directory where the file is below it."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 links stay as they are written
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
