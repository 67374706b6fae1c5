"""pip's command line and requirements files, read the way pip reads them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pratique.managers.files import text
from pratique.managers.matching import target_end
from pratique.managers.pip.facts import facts

_MAX_FILES, _MAX_BYTES = 64, 1 << 20
_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Words after the verb; each option by one spelling, in the order given."""

    verb: str = ""
    options: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an option."""
        return tuple(value for option, value in self.options if option == name)

    def has(self, name: str) -> bool:
        """Whether the option or flag was given."""
        return any(option == name for option, _ in self.options)


@dataclass
class Wanted:
    """What the user asked for, requirements files included."""

    requirements: list[str] = field(default_factory=list)
    editables: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)
    """Options on lines of their own in files (`--index-url …`)."""

    def names(self) -> frozenset[str]:
        """Canonical names of what was asked for by name."""
        found = (name_of(word) for word in (*self.requirements, *self.editables))
        return frozenset(name for name in found if name)

    def urls(self) -> frozenset[str]:
        """URLs the user named, in requirements and in constraints, without fragments."""
        words = (*self.requirements, *self.editables, *self.constraints)
        return frozenset(url.partition("#")[0] for url in map(url_of, words) if url)


def after_pip(argv: Sequence[str]) -> Sequence[str]:
    """The words after pip's own name: from its general options on."""
    end = target_end(argv, facts().pattern)
    if end is None and argv[1:2] and argv[1].endswith(facts().runner):
        end = 2
    return argv[end:] if end is not None else ()


def parse(words: Sequence[str]) -> Arguments:
    """Split like optparse: options anywhere, abbreviations, clusters, `--` ends them."""
    options: list[tuple[str, str]] = []
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
        else:
            options += _long(word, queue) if word.startswith("--") else _cluster(word, queue)
    return Arguments(rest[0] if rest else "", tuple(options), tuple(rest[1:]))


def gather(
    arguments: Arguments, cwd: str, environment: Mapping[str, str], readable: Callable[[str], bool]
) -> Wanted:
    """Requirements from the command line and, followed to their end, from files (never from URLs)."""
    wanted = Wanted(list(arguments.words), list(arguments.all("--editable")))
    constraints = [*arguments.all("--constraint"), *environment.get("PIP_CONSTRAINT", "").split()]
    requirements = [*arguments.all("--requirement"), *environment.get("PIP_REQUIREMENT", "").split()]
    queue = [(name, cwd, False) for name in requirements] + [(name, cwd, True) for name in constraints]
    seen: set[str] = set()
    while queue and len(seen) < _MAX_FILES:
        name, base, constraint = queue.pop(0)
        path = os.path.realpath(Path(base, local_path(name) or name))
        if path in seen or not readable(path):
            continue
        seen.add(path)
        for line in _lines(path, environment):
            queue += [
                (more, str(Path(path).parent), nested) for more, nested in _take(line, wanted, constraint)
            ]
    return wanted


def _take(line: str, wanted: Wanted, constraint: bool) -> list[tuple[str, bool]]:
    """Put one line where it belongs; return the files it includes, and whether they constrain."""
    if not line.startswith("-"):
        (wanted.constraints if constraint else wanted.requirements).append(
            re.split(r"\s--?\w", line)[0].strip()
        )
        return []
    read = parse(["install", *line.split()])
    wanted.editables += () if constraint else read.all("--editable")
    wanted.options += read.options
    return [(name, constraint) for name in read.all("--requirement")] + [
        (name, True) for name in read.all("--constraint")
    ]


def name_of(requirement: str) -> str | None:
    """Canonical name in `name[extra]>=1; marker` or `url#egg=name`; None for a path or a bare URL."""
    if is_path(requirement) or "://" in requirement.partition("@")[0]:
        egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", requirement)
        return canonical(egg[1]) if egg else None
    found = _NAME.fullmatch(requirement)
    return canonical(found[1]) if found and re.match(r"$|[<>=!~;(@]", found[2]) else None


def url_of(requirement: str) -> str | None:
    """The URL in `name @ url` or in a bare URL."""
    found = re.search(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s;]+", requirement.partition(" ;")[0])
    return found[0] if found and "/" in found[0] else None


def local_path(word: str) -> str | None:
    """The path of a `file:` URL, else None."""
    if not word.lower().startswith("file:"):
        return None
    return unquote(urlsplit(word).path)


def is_path(word: str) -> bool:
    """Whether pip takes the word for a path: it begins with a dot or has a slash, and is no URL."""
    return (
        "://" not in word
        and not word.startswith("file:")
        and (word.startswith(".") or "/" in word.partition("@")[0])
    )


def canonical(name: str) -> str:
    """The one spelling of a project's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _long(word: str, queue: list[str]) -> Iterator[tuple[str, str]]:
    name, given, value = word.partition("=")
    fits = [name] if name in facts().options else [o for o in facts().options if o.startswith(name)]
    name = fits[0] if len(fits) == 1 else name
    if not given and name in facts().values and queue:
        value = queue.pop(0)
    yield facts().names.get(name, name), value


def _cluster(word: str, queue: list[str]) -> Iterator[tuple[str, str]]:
    for index, letter in enumerate(word[1:], start=2):
        name = facts().names.get(f"-{letter}", f"-{letter}")
        if f"-{letter}" in facts().values:
            yield name, word[index:] or (queue.pop(0) if queue else "")
            return
        yield name, ""


def _lines(path: str, environment: Mapping[str, str]) -> Iterator[str]:
    for line in text(path, _MAX_BYTES, follow=True).replace("\\\n", "").splitlines():
        bare = _COMMENT.sub("", line).strip()
        if bare:
            yield _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), bare)
