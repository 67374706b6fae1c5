"""A manager of Python packages that is itself written in Python; what differs is in their own folders."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pratique import managers
from pratique.managers import hosts
from pratique.managers.base import Context, Learned, Pattern, Stopped
from pratique.managers.files import text
from pratique.managers.helpers import helper, lifecycle
from pratique.managers.matching import basename, target_end
from pratique.managers.memory import memory_of
from pratique.managers.node.arguments import Arguments, parse
from pratique.managers.pip.project import code, inode
from pratique.managers.python import start_files
from pratique.managers.python.builds import Builds
from pratique.managers.python.facts import Facts, load
from pratique.managers.uv import installed
from pratique.managers.uv.helpers import trusted_interpreter
from pratique.managers.uv.memory import user_of
from pratique.managers.uv.probes import news, prefixes
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Quality, Stage

_MAX_NOTE = 1 << 18
_HOOK = re.compile(r"(/.*)/pyproject_hooks/_in_process/_in_process\.py")


@dataclass(frozen=True, slots=True)
class Request:
    """What one command was asked for, and what of the user's it may build."""

    arguments: Arguments
    root: str
    """The project's directory."""
    home: str
    environment: Mapping[str, str]
    """The manager's own."""
    directories: dict[str, tuple[int, int]]
    """The user's own, with what they were."""
    names: frozenset[str]
    """Canonical names of what the user asked for."""


@dataclass
class Memory(Builds[Request]):
    """Kept in `Context.memory`, one for the run."""

    asking: set[int] = field(default_factory=set)
    """The manager's own children that are interpreters it only asks, and that may ask others."""


class PythonFamily:
    """The `Manager` of one of them, but for what its class says."""

    name = ""

    @property
    def facts(self) -> Facts:
        """Its data file."""
        return load(self.name)

    # --- what differs -------------------------------------------------------------------------

    def request(self, arguments: Arguments, manager: Stopped) -> Request:
        """What the command was asked for."""
        raise NotImplementedError

    def source(self, child: Stopped) -> str | None:
        """The directory the manager unpacked a source into that the process works in; None if it is none."""
        return None

    def environment(self, child: Stopped) -> str:
        """The isolated environment made for one source: it ties a process to it."""
        return str(Path(child.argv[0]).parent.parent)

    def examine(self, root: str, context: Context, request: Request) -> tuple[Identity, str]:
        """Whose the code in such a directory is, before any of it ran."""
        return UNKNOWN, f"{self.name} does not show what it unpacked"

    def command(self, child: Stopped, context: Context, request: Request) -> Settlement | None:
        """The program of a package's that the command ends in; None if it is none."""
        return None

    def hands_over(self, child: Stopped, found: Pattern, request: Request) -> bool:
        """Whether it becomes another manager itself; what it becomes at the end is rather what was asked for."""
        return False

    # --- Manager --------------------------------------------------------------------------------

    def patterns(self) -> tuple[Pattern, ...]:
        """How its installs look."""
        return (self.facts.pattern,)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """Another manager, helper, build, project or package: the first that every condition of holds."""
        memory = memory_of(context, self.name, Memory)
        request = memory.asked(context, self._read)
        memory.asking.discard(child.pid)  # it executes: what is remembered of its number was another image
        by_manager = context.parent.pid == context.manager.pid
        inherited = lifecycle(child, context)
        if by_manager and not inherited and self._is_nested(child, context, request):
            return Settlement(
                Actor.MANAGER, Stage.RESOLVE, reason=f"a package manager that {self.name} starts"
            )
        if by_manager and not inherited and self._is_version(child, context):
            return Settlement(
                Actor.HELPER, Stage.RESOLVE, reason=f"{self.name} asking which manager there is"
            )
        row = helper(child, context, self.facts.rows, None if not by_manager else self.name)
        if row and not inherited and not memory.ran_in(child.cwd):
            return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"{self.name}'s own {row.name}")
        found = self._started(child, context, memory, request) if by_manager else None
        if context.parent.pid in memory.asking:
            found = self._probe(child, context, memory)
        return found or _package(Stage.BUILD, UNKNOWN, f"nothing {self.name} is known to start")

    def describe(self, argv: tuple[str, ...]) -> str:
        """`poetry add rich`: without the interpreter and without user info in URLs."""
        words = (f"'{word}'" if re.search(r"\s", word) else word for word in self._after(argv))
        return re.sub(r"://[^/@\s]*@", "://", " ".join((self.name, *words)))

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Canonical names on the command line and in the project."""
        manager = Stopped(0, argv, cwd, "", {})
        return tuple(sorted(self.request(self._arguments(argv), manager).names))

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """Plugins: distributions of its own environment that say they are one; what its interpreter runs first."""
        prefix = str(Path(argv[0]).parent.parent) if argv and argv[0].startswith("/") else ""
        found = (path for site in installed.sites(prefix) for path in Path(site).glob("*/entry_points.txt"))
        said = re.compile(r"^\[(?:" + "|".join(map(re.escape, self.facts.plugins)) + r")\]", re.MULTILINE)
        plugins = (str(path) for path in found if said.search(text(str(path), _MAX_NOTE)))
        return (*(plugins if prefix else ()), *start_files.files(argv, environment))

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Indexes of the project, proxies, and URLs on the command line."""
        return hosts.first_reasons(self.learned(argv, environment, cwd))

    def learned(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
        """Each host with the reason, most telling first."""
        yield from hosts.named(self._arguments(argv).words)
        yield from hosts.proxies(environment)

    # --- judging --------------------------------------------------------------------------------

    def _started(
        self, child: Stopped, context: Context, memory: Memory, request: Request
    ) -> Settlement | None:
        """What the manager itself started, in the order in which the shapes are told apart."""
        if self._is_hook(child, context):
            return self._build(child, context, memory, request)
        return self._probe(child, context, memory) or self.command(child, context, request)

    def _is_nested(self, child: Stopped, context: Context, request: Request) -> bool:
        found = managers.match(child.argv, managers.patterns())
        if found is None or found.manager not in self.facts.nested:
            return False
        if child.pid == context.manager.pid and not self.hands_over(child, found, request):
            return False
        return not any(map(context.written_by_package, (child.exe, *child.argv[:2])))

    def _is_version(self, child: Stopped, context: Context) -> bool:
        named = basename(child.argv[0]) in self.facts.nested if child.argv else False
        return named and child.argv[1:] == ("--version",) and not context.written_by_package(child.exe)

    def _is_hook(self, child: Stopped, context: Context) -> bool:
        """The build hooks' runner that came with the manager itself."""
        found = _HOOK.fullmatch(child.argv[1]) if len(child.argv) > 1 else None
        return found is not None and self._is_own(found[1], context)

    def _is_own(self, path: str, context: Context) -> bool:
        """Whether a path lies in the environment that the manager runs in, and nobody wrote it meanwhile."""
        prefix = str(Path(context.manager.argv[0]).parent.parent)
        below = context.manager.argv[0].startswith("/") and path.startswith(f"{prefix}/lib")
        return below and not context.written_by_package(path)

    def _build(self, child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
        named = child.cwd if child.cwd in request.directories else None
        doubt = self._doubt(named, context, memory, request) if named else None
        if named and doubt is None:
            return _project(Stage.BUILD, named, "a directory of your own")
        root = self.source(child) or child.cwd
        environment = self.environment(child)
        found, why = memory.identify(
            root, environment, memory.moved(root), lambda: self._examined(child, root, context, request)
        )
        return _package(Stage.BUILD, found, doubt or why)

    def _examined(
        self, child: Stopped, root: str, context: Context, request: Request
    ) -> tuple[Identity, str]:
        if self.source(child) is None or os.path.realpath(root) != root:
            return UNKNOWN, f"it works in no directory that {self.name} unpacked"
        return self.examine(root, context, request)

    def _doubt(self, named: str, context: Context, memory: Memory, request: Request) -> str | None:
        if inode(named) != request.directories[named]:
            return "your directory was replaced"
        if memory.replaced():
            return "another source's directory was moved"
        return (
            "package code wrote into your directory"
            if any(map(context.written_by_package, code(named)))
            else None
        )

    def _probe(self, child: Stopped, context: Context, memory: Memory) -> Settlement | None:
        """An interpreter with the manager's own few lines: a helper as long as nothing else runs at its start."""
        if not self._is_asking(child, context):
            return None
        places = prefixes(child) if trusted_interpreter(child, context, user_of(context.manager.pid)) else []
        if not places:
            return _package(Stage.FIRST_RUN, UNKNOWN, "an interpreter that lies in no usual place")
        own = str(Path(context.manager.argv[0]).parent.parent)
        fresh = [path for place in places if place != own for path in news(place, context.written_by_package)]
        if not fresh:
            memory.asking.add(child.pid)
            return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"{self.name} asking an interpreter")
        sites = [site for place in places for site in installed.sites(place)]
        owners = dict.fromkeys(owner.purl for path in fresh for owner in installed.owners(path, sites))
        found = Identity(Quality.CLAIMED if owners else Quality.UNKNOWN, candidates=tuple(owners))
        return _package(
            Stage.FIRST_RUN, found, f"{Path(fresh[0]).name} runs code at every start of this interpreter"
        )

    def _is_asking(self, child: Stopped, context: Context) -> bool:
        if basename(child.exe) not in self.facts.pattern.interpreters or not self._is_quiet(
            child.cwd, context
        ):
            return False
        words = list(child.argv[1:])
        while words and words[0].startswith("-") and words[0] not in ("-c", "-m", "-Ic"):
            words = words[2:] if words[0] in self.facts.pattern.interpreter_values else words[1:]
        if not words:
            return False
        if words[0] == "-m":
            return len(words) > 1 and words[1] in self.facts.modules
        script = basename(words[0]) in self.facts.scripts and self._is_own(words[0], context)
        return words[0] in ("-c", "-Ic") or script

    def _is_quiet(self, cwd: str, context: Context) -> bool:
        """Nothing that is importable from where it works was put there by anybody but the user."""
        return cwd == context.manager.cwd or not any(Path(cwd).glob("*.py"))

    # --- the request ----------------------------------------------------------------------------

    def _read(self, context: Context) -> Request:
        return self.request(self._arguments(context.manager.argv), context.manager)

    def _after(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        end = target_end(argv, self.facts.pattern)
        return argv[end:] if end is not None else ()

    def _arguments(self, argv: tuple[str, ...]) -> Arguments:
        return parse(self._after(argv), _Spelling(self.facts))


def root_of(cwd: str) -> str:
    """The nearest directory upwards with a project, else the directory itself."""
    places = (Path(cwd), *Path(cwd).parents)
    return next((str(place) for place in places if (place / "pyproject.toml").is_file()), cwd)


@dataclass(frozen=True, slots=True)
class _Spelling:
    """The data file, as the reader of command lines wants it: what follows `run NAME` is the program's own."""

    facts: Facts

    @property
    def names(self) -> Mapping[str, str]:
        return self.facts.names

    @property
    def values(self) -> frozenset[str]:
        return self.facts.values

    @property
    def packages(self) -> frozenset[str]:
        return self.facts.packages

    @property
    def command(self) -> frozenset[str]:
        return self.facts.run


def _project(stage: Stage, directory: str, reason: str) -> Settlement:
    found = Identity(source=f"file://{directory}", direct=True)
    return Settlement(Actor.PROJECT, stage, found, new_origin=True, reason=reason)


def _package(stage: Stage, found: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, stage, found, new_origin=True, reason=reason)
