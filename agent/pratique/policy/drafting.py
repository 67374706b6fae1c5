"""What a package needs, written as one `[[allow]]`: merged, sorted, and no wider than three siblings ask for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pratique.policy import allows, globs
from pratique.policy.ground import Ground, is_plain
from pratique.policy.model import Allow
from pratique.words import Stage

SIBLINGS = 3
PATH_KEYS = ("read", "write", "exec", "ipc")
_KEYS = ("connect", "dns", *PATH_KEYS)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_WIDTH = 100
_RUNS_NAMED = 3


@dataclass(slots=True)
class Wanted:
    """One stanza to be: what a package needs in one stage."""

    package: str
    digest: str | None
    stage: Stage
    objects: dict[str, set[str]] = field(default_factory=dict)
    """By key; paths as they are, not yet patterns."""
    runs: dict[str, str] = field(default_factory=dict)
    """Day by run."""


def stanza(wanted: Wanted, on: Ground) -> str:
    """The stanza as TOML, ending in a line break."""
    lines = ["[[allow]]", f"package = {quoted(wanted.package)}"]
    if wanted.digest is not None:
        lines.append(f"digest = {quoted(wanted.digest)}")
    lines.append(f"stage = [{quoted(wanted.stage.word)}]")
    lists = {key: _list(wanted, key, on) for key in _KEYS if key in wanted.objects}
    lines += [_written(key, values) for key, values in lists.items() if values]
    lines.append(f"reason = {quoted(_reason(wanted.runs))}")
    return "\n".join(lines) + "\n"


def _list(wanted: Wanted, key: str, on: Ground) -> list[str]:
    values = wanted.objects[key]
    if key in PATH_KEYS:
        return sorted(_generalised(key, values, on))
    if key == "dns":
        connect = Allow(wanted.package, "", connect=tuple(wanted.objects.get("connect", ())))
        values = {name for name in values if not allows.permits_name(connect, name)}
    return sorted(values)


def _generalised(key: str, paths: set[str], on: Ground) -> Iterator[str]:
    """Each path, or `DIR/*` for three siblings and more, unless a guarded place could be one of them."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, siblings in folders.items():
        if len(siblings) >= SIBLINGS and is_plain(key, folder, on):
            yield f"{globs.escape(folder)}/*"
        else:
            yield from map(globs.escape, siblings)


def _written(key: str, values: Sequence[str]) -> str:
    one = f"{key} = [{', '.join(map(quoted, values))}]"
    if len(one) <= _WIDTH or len(values) == 1:
        return one
    return "\n".join([f"{key} = [", *(f"    {quoted(value)}," for value in values), "]"])


def _reason(runs: Mapping[str, str]) -> str:
    names = sorted(runs)
    more = f" and {len(names) - _RUNS_NAMED} more" if len(names) > _RUNS_NAMED else ""
    return f"learned from run {', '.join(names[:_RUNS_NAMED])}{more} on {max(runs.values())}: edit me"


def quoted(text: str) -> str:
    """A TOML string in which everything can be seen, and nothing is a command to a CI system."""
    inner = "".join(_escaped(char) for char in text)
    return f'"{inner}"'.replace("##[", "#\\u0023[")


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() and char not in _BLANKS:
        return char
    return f"\\U{ord(char):08x}" if char > "\uffff" else f"\\u{ord(char):04x}"
