"""What a manager of Node packages was asked, frozen before package code ran, and when that began."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pratique.managers.base import Context
from pratique.managers.matching import basename, target_end
from pratique.managers.node import project
from pratique.managers.node.arguments import Arguments, aliased, name_of, parse, specs, wanted
from pratique.managers.node.facts import Facts
from pratique.managers.node.project import Project
from pratique.managers.node.registries import Registries

GYP = "node-gyp rebuild"
"""What every one of them runs for a binding.gyp without any script."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one command was asked, and how it is configured."""

    arguments: Arguments
    root: str
    """The root of the project, as it really is."""
    home: str
    environment: Mapping[str, str]
    """The manager's own."""
    project: Project
    registries: Registries
    trees: tuple[str, ...]
    """Folders whose `node_modules` the manager fills; globs."""
    wanted: frozenset[str]
    """Names the user gave, on the command line or, without any there, in package.json."""
    unnamed: bool
    """Whether the command line has URLs or paths, too: which packages they are is not known before."""
    lock: str
    """The lock file as it stood before any package code ran; empty if there was none."""
    approved: frozenset[str] | None
    """What the project lets run scripts; None where it keeps no such list."""


@dataclass
class Memory:
    """Kept in `Context.memory`, one for the run."""

    requests: dict[tuple[int, tuple[str, ...]], Request] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    """Package folders whose code has been started."""
    nested: set[int] = field(default_factory=set)
    """The manager's own children that are the manager again."""
    began: int | None = None
    """When the first package code of the run was let go, in nanoseconds since the epoch."""

    def request(self, context: Context, read: Callable[[], Request]) -> Request:
        """The manager's request, read at its first child and never again."""
        key = (context.manager.pid, context.manager.argv)
        if key not in self.requests:
            self.requests[key] = read()
        return self.requests[key]

    def ran_in(self, folder: str) -> bool:
        """Whether package code has been started in the folder or above it."""
        return any(folder == place or folder.startswith(f"{place}/") for place in self.ran)


def program_of(argv: Sequence[str], facts: Facts) -> tuple[str, Sequence[str]]:
    """The manager's program by its own name, and the words after it."""
    for pattern in facts.patterns:
        end = target_end(argv, pattern)
        if end is not None:
            return basename(argv[end - 1]), argv[end:]
    return "", ()


def arguments_of(argv: Sequence[str], facts: Facts) -> Arguments:
    """Verb, options and words of a command line; for a bare program the verb is the one that fetches and runs."""
    program, given = program_of(argv, facts)
    lead = facts.command[:1] if program in facts.bare else ()
    found = parse(given, facts, lead)
    skipped = facts.lead.get(found.verb, 0)
    if skipped:
        rest = found.words[skipped - 1 :]
        return Arguments(rest[0] if rest else "", found.options, rest[1:])
    return Arguments(facts.nothing, found.options, found.words) if not found.verb else found


def root_of(cwd: str, markers: Sequence[str]) -> str:
    """The nearest folder upwards with one of the markers, else with a package.json, else the folder itself."""
    places = (Path(cwd), *Path(cwd).parents)
    for names in (markers, ("package.json",)):
        found = next((place for place in places if any((place / name).is_file() for name in names)), None)
        if found:
            return os.path.realpath(found)
    return os.path.realpath(cwd)


def asked(arguments: Arguments, facts: Facts, found: Project) -> tuple[frozenset[str], bool]:
    """Names the user gave, and whether something was given without a name."""
    given = specs(arguments, facts)
    named = wanted(arguments, facts) | {name for name in map(aliased, given) if name}
    return named or (frozenset() if given else found.wanted), any(name_of(spec) is None for spec in given)


def own_project(root: str, cwd: str, arguments: Arguments, patterns: Sequence[str]) -> Project:
    """The project at the root, its workspaces, and the folder the command was typed in."""
    here = root_of(cwd, ())
    near = [f"./{os.path.relpath(here, cwd)}"] if here != root else []
    typed = Arguments(arguments.verb, arguments.options, (*arguments.words, *near))
    return project.read(root, typed, cwd, GYP, patterns)
