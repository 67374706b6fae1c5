"""What a runtime of JavaScript is told to load before the manager itself: by command line and environment."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pratique.managers.matching import basename
from pratique.managers.npm.facts import facts

_OPTIONS = ("-r", "--require", "--import", "--loader", "--experimental-loader", "--preload")
_VARIABLES = {"node": "NODE_OPTIONS", "nodejs": "NODE_OPTIONS", "bun": "BUN_OPTIONS"}
_WORD = re.compile(r'(?:[^ "]|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_LONGEST, _SHOWN = 1 << 16, 200


def files(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
    """The files, as they would be found; code that stands in the option itself as it does there."""
    runtime = basename(argv[0]) if argv else ""
    given = environment.get(_VARIABLES.get(runtime, ""), "")
    named = (*_named(split(given)), *_named(_before_script(argv)))
    return tuple(dict.fromkeys(_place(name, cwd)[:_SHOWN] for name in named if name))


def split(options: str) -> list[str]:
    """The words of such a variable, as node takes it apart: blanks part them, but for those in double quotes."""
    return [
        re.sub(r"\\(.)", r"\1", word.replace('\\"', "\0").replace('"', "")).replace("\0", '"')
        for word in _WORD.findall(options[:_LONGEST])
    ]


def _before_script(argv: Sequence[str]) -> Sequence[str]:
    """Node's own options; a native manager has none."""
    pattern, index = facts().npm, 1
    if not argv or basename(argv[0]) not in pattern.interpreters:
        return ()
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in pattern.interpreter_values else 1
    return argv[1:index]


def _named(words: Iterable[str]) -> Iterator[str]:
    """The values of these options."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _OPTIONS:
            yield value if equals else next(rest, "")


def _place(name: str, cwd: str) -> str:
    if name.startswith("file:"):
        return unquote(urlsplit(name).path)
    if name.startswith(("/", "./", "../")):
        return os.path.normpath(Path(cwd, name))
    above = (f"{folder}/node_modules/{name}" for folder in (cwd, *Path(cwd).parents))
    return next((place for place in above if ":" not in name and Path(place).exists()), name)
