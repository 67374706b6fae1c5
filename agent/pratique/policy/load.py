"""YAML and TOML with the line of every value, so that each mistake is reported where it stands.

YAML is read through its events into a strict subset: no tags, anchors or repeated keys, bounded depth, and
only `true`, `false`, `null` and numbers are anything but text. tomllib knows no lines and tomlkit offers
none, so a small scan over text that tomllib has accepted finds where each key stands.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from pratique.errors import ConfigError

Path = tuple[str | int, ...]

_DEEPEST = 24
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,15})\Z")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}\.[0-9]{1,15}\Z")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\s*\.\s*|[ \t])+)=""")
_HEADER = re.compile(r"\s*\[{1,2}[^\n]*?\]{1,2}")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]',
    re.DOTALL,
)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")


@dataclass(frozen=True, slots=True)
class Document:
    """Values of a file and the line of each of their paths."""

    name: str
    data: dict[str, Any]
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of the value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def error(self, path: Path, what: str, mend: str = "") -> ConfigError:
        """An error that points at the value."""
        return ConfigError(f"{self.name}:{self.line(path)}: {what}", mend)


def load_yaml(name: str, data: bytes) -> Document:
    """Read one YAML mapping; `ConfigError` with file and line for anything else."""
    try:
        text = _text(name, data)
        builder = _Builder(name)
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{name}:{line}: {error.problem or error.context or 'is no YAML'}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}:1: is no YAML: {error}") from error
    return builder.document()


def load_toml(name: str, data: bytes) -> Document:
    """Read one TOML file; `ConfigError` with file and line when it is none."""
    text = _text(name, data)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{name}:1: is nested too deeply") from error
    except ValueError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1 if found else 1
        raise ConfigError(f"{name}:{line}: {_AT_LINE.sub('', str(error)).strip()}") from error
    return Document(name, values, dict(_toml_lines(text.replace("\r\n", "\n"))))


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: is not UTF-8") from error


class _Builder:
    """Values from YAML events, without recursion: hostile nesting is an error, not the interpreter's end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[Path, int] = {}
        self._stack: list[tuple[dict[str, Any] | list[Any], Path]] = []
        self._key: list[str | None] = []
        self._roots: list[Any] = []

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError(f"{self._name}:{line}: anchors and aliases are not used here")
        if getattr(event, "tag", None) not in (None, "!"):
            raise ConfigError(f"{self._name}:{line}: tags are not used here")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()
            self._key.pop()

    def document(self) -> Document:
        if len(self._roots) != 1 or not isinstance(self._roots[0], dict):
            raise ConfigError(f"{self._name}:1: must hold exactly one mapping")
        return Document(self._name, self._roots[0], self._lines)

    def _scalar(self, event: Any, line: int) -> None:
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key[-1] is None:
            self._take_key(event.value, line)
            return
        self._put(_value(event.value) if event.implicit[0] else event.value, line)

    def _take_key(self, key: str, line: int) -> None:
        if key in self._stack[-1][0]:
            raise ConfigError(f'{self._name}:{line}: "{key}" is given twice')
        self._key[-1] = key
        # A block mapping begins on the line after its key; people look for the key.
        self._lines[(*self._stack[-1][1], key)] = line

    def _open(self, value: dict[str, Any] | list[Any], line: int) -> None:
        if len(self._stack) >= _DEEPEST:
            raise ConfigError(f"{self._name}:{line}: is nested too deeply")
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key[-1] is None:
            raise ConfigError(f"{self._name}:{line}: a key must be text")
        self._stack.append((value, self._put(value, line)))
        self._key.append(None)

    def _put(self, value: Any, line: int) -> Path:
        if not self._stack:
            self._roots.append(value)
            return ()
        holder, path = self._stack[-1]
        if isinstance(holder, list):
            path = (*path, len(holder))
            holder.append(value)
        else:
            key = str(self._key[-1])
            path = (*path, key)
            holder[key] = value
            self._key[-1] = None
        self._lines.setdefault(path, line)
        return path


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _DECIMAL.match(text) else text


def _toml_lines(text: str) -> Iterator[tuple[Path, int]]:
    """Paths of headers and keys in text that is known to be TOML, with their lines."""
    table: Path = ()
    counts: dict[Path, int] = {}
    for line, statement in _statements(text):
        if header := _HEADER.match(statement):
            table = _header_path(header[0].strip(), table, counts)
            yield table, line
        elif key := _KEY.match(statement):
            path = (*table, *_dotted(key[1]))
            yield from ((path[:end], line) for end in range(len(table) + 1, len(path) + 1))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The logical lines: a value that spans lines belongs to the line on which its key stands."""
    start = line = 1
    begin = depth = 0
    for token in _TOKEN.finditer(text):
        char = token[0]
        line += char.count("\n")
        if char == "\n" and depth == 0:
            yield start, text[begin : token.start()]
            begin, start = token.end(), line
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
    yield start, text[begin:]


def _header_path(header: str, table: Path, counts: dict[Path, int]) -> Path:
    repeated = header.startswith("[[")
    names = _dotted(header[2:-2] if repeated else header[1:-1])
    path: Path = ()
    for name in names[:-1] if repeated else names:
        path = (*path, name)
        path = (*path, counts[path] - 1) if path in counts else path
    if not repeated:
        return path
    path = (*path, names[-1])
    counts[path] = counts.get(path, 0) + 1
    return (*path, counts[path] - 1)


def _dotted(key: str) -> list[str]:
    try:
        value = tomllib.loads(f"{key.strip()}=0")
    except (ValueError, RecursionError):
        return [key.strip()]
    names = []
    while isinstance(value, dict):
        names.append(next(iter(value)))
        value = value[names[-1]]
    return names
