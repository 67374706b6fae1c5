"""A manager of Node packages as the agent sees it; what differs from one to the other is in their own folders."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from pathlib import Path

from pratique.managers import hosts
from pratique.managers.base import Context, Learned, Pattern, Stopped
from pratique.managers.files import text
from pratique.managers.helpers import helper, lifecycle
from pratique.managers.memory import memory_of
from pratique.managers.node import environment, preloads
from pratique.managers.node.environment import Script
from pratique.managers.node.facts import Facts, load
from pratique.managers.node.identity import Case, Proof, astray, identity
from pratique.managers.node.memory import (
    GYP,
    Memory,
    Request,
    arguments_of,
    asked,
    own_project,
    program_of,
    root_of,
)
from pratique.managers.node.places import Place, expanded, package_of, place_of
from pratique.managers.node.project import Project, manifest_of, names_in
from pratique.managers.node.registries import Registries
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Stage

_MAX_LOCK, _MAX_SETTINGS = 64 << 20, 1 << 20
_SECRET = re.compile(r"(_auth\w*|_password|--otp)([= ])\S+", re.IGNORECASE)
_RESOLVED = re.compile(r"\b([a-z+]+://[^/\"'\s]+)/")


class NodeFamily:
    """The `Manager` of one of them, but for `proof` and what else its class says."""

    name = ""

    @property
    def facts(self) -> Facts:
        """Its data file."""
        return load(self.name)

    # --- what differs -------------------------------------------------------------------------

    def registries(self, manager: Stopped, root: str, said: Mapping[str, str]) -> Registries:
        """Where names are configured to be asked; `said` is what the manager says to its children."""
        raise NotImplementedError

    def proof(self, case: Case) -> Proof:
        """What the manager's own state says of the code in a place."""
        raise NotImplementedError

    def workspaces(self, root: str) -> Sequence[str]:
        """Patterns of workspaces that stand elsewhere than in package.json."""
        return ()

    def approved(self, root: str) -> frozenset[str] | None:
        """Names that the project lets run scripts; None where it keeps no list."""
        return None

    def script(self, child: Stopped) -> Script | None:
        """What the manager says of a script it starts."""
        return environment.read(child)

    def forged(self, script: Script, child: Stopped, context: Context) -> str | None:
        """Why a process may be another's than its folder says; None where the manager alone chose that."""
        return None

    def target(self, file: str, context: Context) -> str:
        """The package's own file behind what the manager starts to run a program."""
        return os.path.realpath(file)

    def archived(self, file: str, context: Context, request: Request) -> Proof | None:
        """The package of a file inside an archive; None where there are no such files."""
        return None

    # --- Manager --------------------------------------------------------------------------------

    def patterns(self) -> tuple[Pattern, ...]:
        """How its installs look."""
        return self.facts.patterns

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """The manager again, helper, project or package: the first that every condition of holds."""
        memory = memory_of(context, self.name, Memory)
        request = memory.request(context, lambda: self._read(child, context))
        memory.nested.discard(child.pid)  # it executes: what is remembered of its number was another image
        settled = self._judge(child, context, memory, request)
        if settled.actor is Actor.PACKAGE:
            memory.ran.add(child.cwd) if "/node_modules/" in child.cwd else None
            memory.began = memory.began or time.time_ns()
        return settled

    def describe(self, argv: tuple[str, ...]) -> str:
        """`pnpm add left-padder`: without node and without secrets."""
        program, rest = program_of(argv, self.facts)
        words = (f"'{word}'" if re.search(r"\s", word) else word for word in rest)
        said = re.sub(r"://[^/@\s]*@", "://", " ".join((program.rstrip("-"), *words)))
        return _SECRET.sub(r"\1\2…", said)

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Names on the command line, or without any there what the project's package.json asks for."""
        manifest = manifest_of(root_of(cwd, self.facts.roots))
        found = Project({}, names_in(manifest))
        return tuple(sorted(asked(arguments_of(argv, self.facts), self.facts, found)[0]))

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """Hooks and plugins by the files that name them, here and at the project's root; what is preloaded."""
        places = dict.fromkeys((cwd, root_of(cwd, self.facts.roots)))
        rows = [(f"{place}/{file}", said) for place in places for file, said in self.facts.inside.items()]
        named = (path for path, said in rows if re.search(said, text(path, _MAX_SETTINGS), re.MULTILINE))
        return (*named, *preloads.files(argv, environment, cwd))

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Registries, lock files, proxies, and URLs on the command line."""
        return hosts.first_reasons(self._learned(argv, environment, cwd))

    # --- judging --------------------------------------------------------------------------------

    def _judge(self, child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
        by_manager = context.parent.pid in (context.manager.pid, *memory.nested)
        script = self.script(child)
        script = (
            None if script == self.script(context.manager) else script
        )  # it may run inside another's script
        fetched = script is not None and script.event == self.facts.fetched
        script = None if fetched else script
        inherited = script is not None or (not fetched and lifecycle(child, context) is not None)
        if by_manager and not inherited and self._again(child, context, request):
            memory.nested.add(child.pid)
            return Settlement(Actor.MANAGER, Stage.RESOLVE, reason=f"{self.name} running itself again")
        row = helper(child, context, self.facts.rows, self.name if by_manager else None)
        if row and not inherited and self._harmless(child, context, memory):
            return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"{self.name}'s own {row.name}")
        if by_manager and script is not None:
            return self._script(script, child, context, memory, request)
        if by_manager and request.arguments.verb in self.facts.command:
            return self._first_run(child, context, memory, request)
        return _package(Stage.SCRIPT, UNKNOWN, f"nothing {self.name} is known to start")

    def _again(self, child: Stopped, context: Context, request: Request) -> bool:
        """The same words by a program of the family's: a launcher, a pinned version, a workspace's own."""
        program, words = program_of(child.argv, self.facts)
        given = program_of(context.manager.argv, self.facts)[1]
        led = self.facts.lead.get(given[0], 0) if given else 0
        same = tuple(words) in (tuple(given), tuple(given[led:]))
        same = same and (child.cwd == context.manager.cwd or child.cwd in request.project.places)
        fetching = request.arguments.verb in self.facts.command and child.exe == context.manager.exe
        same = same or (fetching and child.cwd in map(os.path.realpath, self._trees(request)[1:]))
        clean = not any(map(context.written_by_package, (child.exe, *child.argv[:2])))
        return bool(program) and same and clean

    def _harmless(self, child: Stopped, context: Context, memory: Memory) -> bool:
        """Its cwd holds no package's files, which git and others would take settings from."""
        if memory.ran_in(child.cwd) or "/node_modules/" in f"{child.cwd}/":
            return False
        return not context.written_by_package(f"{child.cwd}/.git/config")

    def _script(
        self, script: Script, child: Stopped, context: Context, memory: Memory, request: Request
    ) -> Settlement:
        stage = Stage.BUILD if _is_gyp(script, child) else Stage.SCRIPT
        doubt = self.forged(script, child, context)
        if child.cwd in request.project.places:
            written = context.written_by_package
            doubt = doubt or request.project.doubt(child.cwd, script.event, script.text or None, written)
            return _package(stage, *astray(script, doubt)) if doubt else _own(stage, child.cwd)
        place = place_of(child.cwd, self._trees(request))
        doubt = doubt or (None if place else f"it lies in none of {self.name}'s trees")
        if place is None or doubt:
            return _package(stage, *astray(script, doubt or ""))
        case = Case(place, script, child, context, memory, request)
        settled = _package(stage, *identity(case, self.proof(case)))
        return settled._replace(approved=_approval(place, request))

    def _first_run(self, child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
        words = [word for word in child.argv if not word.startswith("-")][:3]
        files = [self.target(str(Path(child.cwd, word)), context) for word in words if "/" in word]
        for file in files:
            proof = self.archived(file, context, request)
            place = (
                Place(file, "node_modules", str(proof.name))
                if proof
                else package_of(file, self._trees(request))
            )
            if place:
                script = _program(place)
                case = Case(place, script, child, context, memory, request)
                return _package(Stage.FIRST_RUN, *identity(case, proof or self.proof(case)))
        return _package(Stage.FIRST_RUN, UNKNOWN, f"it lies in none of {self.name}'s trees")

    def _trees(self, request: Request) -> list[str]:
        """Those that are there now: the manager makes some while it works."""
        globbed = (glob(pattern) for pattern in request.trees)  # noqa: PTH207 -- they are absolute
        return [request.root, *(found for each in globbed for found in each)]

    # --- the request ----------------------------------------------------------------------------

    def _read(self, child: Stopped, context: Context) -> Request:
        manager, facts = context.manager, self.facts
        arguments = arguments_of(manager.argv, facts)
        cwd = os.path.join(manager.cwd, *arguments.all("--dir")[-1:])  # noqa: PTH118
        root = root_of(cwd, facts.roots)
        found = own_project(root, cwd, arguments, self.workspaces(root))
        names, unnamed = asked(arguments, facts, found)
        home = manager.environment.get("HOME", "")
        return Request(
            arguments,
            root,
            home,
            manager.environment,
            found,
            self.registries(manager, root, child.environment),
            expanded(facts.trees, manager.environment),
            names,
            unnamed,
            _lock(root, facts.roots),
            self.approved(root),
        )

    def _learned(self, argv: tuple[str, ...], said: Mapping[str, str], cwd: str) -> Iterator[Learned]:
        facts = self.facts
        root = root_of(cwd, facts.roots)
        found = self.registries(Stopped(0, argv, cwd, "", said), root, {})
        yield from hosts.at(found.default or "", "registry in the configuration")
        for scope, url in found.scopes.items():
            yield from hosts.at(url, f"{scope} has its registry in the configuration")
        for name in facts.roots:
            yield from hosts.locked(f"{root}/{name}", _RESOLVED, name)
        yield from hosts.named(arguments_of(argv, facts).words)
        yield from hosts.proxies(said)


def _program(place: Place) -> Script:
    """A program that was fetched to be run, with what its package says of itself."""
    manifest = manifest_of(place.folder)
    name, version = (str(manifest.get(key) or "") or None for key in ("name", "version"))
    return Script("", "", place.folder, name, version, None, None)


def _is_gyp(script: Script, child: Stopped) -> bool:
    """Also where the manager does not say what it runs."""
    words = child.argv[-2:]
    return script.text == GYP or (len(words) > 1 and words[0].endswith("node-gyp") and words[1] == "rebuild")


def _lock(root: str, names: Sequence[str]) -> str:
    return next((found for found in (text(f"{root}/{name}", _MAX_LOCK) for name in names) if found), "")


def _approval(place: Place, request: Request) -> bool | None:
    return None if request.approved is None else place.name in request.approved


def _own(stage: Stage, folder: str) -> Settlement:
    found = Identity(source=f"file://{folder}", direct=True)
    return Settlement(Actor.PROJECT, stage, found, new_origin=True, reason="the project's own script")


def _package(stage: Stage, found: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, stage, found, new_origin=True, reason=reason)
