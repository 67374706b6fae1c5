"""npm: how its installs look, what its children are, and which package a script belongs to."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from pratique.managers.base import Context, Learned, Pattern, Stopped
from pratique.managers.helpers import helper, lifecycle
from pratique.managers.hosts import first_reasons
from pratique.managers.memory import memory_of
from pratique.managers.node import bins, preloads
from pratique.managers.node.arguments import wanted
from pratique.managers.node.environment import Script, digest_of, read, source_of
from pratique.managers.node.places import Place, locked, package_of, place_of, same_folder
from pratique.managers.node.project import manifest_of, names_in
from pratique.managers.npm.arguments import after_npm, parse, script_of
from pratique.managers.npm.facts import facts
from pratique.managers.npm.hosts import learned
from pratique.managers.npm.identity import Claim, checkout, identify
from pratique.managers.npm.memory import Memory, Request
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Stage

_SECRET = re.compile(r"(_auth\w*|_password|--otp)([= ])\S+", re.IGNORECASE)


class Npm:
    """The `Manager` for npm and npx."""

    name = "npm"

    def patterns(self) -> tuple[Pattern, ...]:
        """`npm` with a verb that installs, and `npx` with anything."""
        return (facts().npm, facts().npx)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """Nested resolver, helper, project or package: the first that every condition of holds."""
        memory = memory_of(context, "npm", Memory)
        request = memory.request(child, context)
        memory.nested.discard(
            child.pid
        )  # a process executes: what is remembered of its number was another image
        settled = _judge(child, context, memory, request)
        if settled.actor is Actor.PACKAGE:
            if "/node_modules/" in child.cwd or _in_clone(child.cwd, request):
                memory.ran.add(child.cwd)
            memory.began = memory.began or time.time_ns()
        return settled

    def describe(self, argv: tuple[str, ...]) -> str:
        """`npm install left-padder`: without node and without secrets."""
        program, rest = after_npm(argv)
        words = (f"'{word}'" if re.search(r"\s", word) else word for word in rest)
        said = re.sub(r"://[^/@\s]*@", "://", " ".join((program, *words)))
        return _SECRET.sub(r"\1\2…", said)

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Names on the command line, or without any there what the project's package.json asks for."""
        arguments = parse(argv)
        where = os.path.join(cwd, *arguments.all("--prefix")[-1:])  # noqa: PTH118
        return tuple(sorted(wanted(arguments, facts()) or names_in(manifest_of(where))))

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """What node is told to load; npm itself has no plugins."""
        return preloads.files(argv, environment, cwd)

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Registries, lock files, proxies, and URLs on the command line."""
        return first_reasons(learned(argv, environment, cwd))


def _judge(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    by_npm = context.parent.pid in (context.manager.pid, *memory.nested)
    if by_npm and _is_nested(child, context, request):
        memory.nested.add(child.pid)
        memory.prepare(child.cwd, child.environment.get(facts().sources, "").rpartition("\n")[2])
        return Settlement(Actor.MANAGER, Stage.RESOLVE, reason="npm preparing a git dependency")
    row = helper(child, context, facts().rows, "npm" if by_npm else None)
    if row and not lifecycle(child, context) and _harmless(child, context, memory, request, by_npm=by_npm):
        return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"npm's own {row.name}")
    script = read(child) if by_npm else None
    if script is None:
        return _package(Stage.SCRIPT, UNKNOWN, "nothing npm is known to start")
    if script.event == facts().exec_event:
        return _first_run(script, child, context, memory, request)
    return _script(script, child, context, memory, request)


def _is_nested(child: Stopped, context: Context, request: Request) -> bool:
    """An npm started by npm in a fresh clone: the same node and the same npm, by their real files."""
    ours = script_of(context.manager.argv)
    if ours is None or len(child.argv) < len(("node", "npm-cli.js", "install")):
        return False
    npm = Path(os.path.realpath(Path(context.manager.cwd, ours))).with_name("npm-cli.js")
    return (
        child.exe == context.manager.exe
        and os.path.realpath(child.argv[1]) == str(npm)
        and child.argv[2] == facts().nested
        and child.environment.get("NODE_OPTIONS") == request.node_options
        and _in_clone(child.cwd, request)
        and not context.written_by_package(str(npm))
    )


def _in_clone(folder: str, request: Request) -> bool:
    cache = os.path.realpath(request.cache) if request.cache else ""
    below = folder.removeprefix(cache) if cache and folder.startswith(f"{cache}/") else ""
    return facts().clone.fullmatch(below) is not None


def _harmless(child: Stopped, context: Context, memory: Memory, request: Request, *, by_npm: bool) -> bool:
    """Its cwd holds no package's files, which git would take settings from."""
    if memory.ran_in(child.cwd) or context.written_by_package(f"{child.cwd}/.git/config"):
        return False
    if _in_clone(child.cwd, request):
        return True
    if "/node_modules/" in f"{child.cwd}/":
        return False
    return not by_npm or child.cwd in (context.manager.cwd, context.parent.cwd)


def _script(script: Script, child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    stage = Stage.BUILD if script.text == facts().gyp else Stage.SCRIPT
    if child.cwd in memory.clones:
        return _package(stage, *checkout(script.name, memory.clones[child.cwd]))
    if child.cwd in request.project.places:
        written = context.written_by_package
        doubt = request.project.doubt(child.cwd, script.event, script.text, written)
        return _package(stage, UNKNOWN, doubt) if doubt else _own(stage, child.cwd)
    claim = Claim(script.name, script.version, script.resolved, script.digest)
    trees = memory.trees(request, child.cwd)
    place = place_of(child.cwd, trees)
    if place is None:
        return _package(stage, *_astray(claim, "it lies in none of npm's trees"))
    if not same_folder(script.folder, child.cwd, trees):
        return _package(stage, *_astray(claim, "its place in the tree is a link to another folder"))
    settled = _package(stage, *identify(place, claim, context, memory, request))
    listed = None if request.approved is None else place.name in request.approved
    return settled._replace(approved=listed)


def _astray(claim: Claim, reason: str) -> tuple[Identity, str]:
    """Nobody knows whose code it is; what it calls itself is only a candidate."""
    return UNKNOWN._replace(candidates=claim.candidates()), reason


def _first_run(
    script: Script, child: Stopped, context: Context, memory: Memory, request: Request
) -> Settlement:
    name = bins.program(script.text)
    file = bins.find(name, child.environment, child.cwd) if name else None
    if not bins.is_one_command(script.text):
        return _package(Stage.FIRST_RUN, UNKNOWN, "a command of several programs")
    if file is None:
        return _package(Stage.FIRST_RUN, UNKNOWN, "no program of an installed package")
    if any(file in local.bins for local in request.project.places.values()):
        return _own(Stage.FIRST_RUN, str(Path(file).parent))
    place = package_of(file, memory.trees(request, file))
    if place is None:
        return _package(Stage.FIRST_RUN, UNKNOWN, "it lies in none of npm's trees")
    claim = _installed(place, context)
    return _package(Stage.FIRST_RUN, *identify(place, claim, context, memory, request))


def _installed(place: Place, context: Context) -> Claim:
    """What npm's hidden lock says of a place it filled before."""
    entry = locked(place, context.written_by_package)
    name, version, resolved, integrity = (
        value if isinstance(value := entry.get(key), str) else None
        for key in ("name", "version", "resolved", "integrity")
    )
    return Claim(name or place.name, version, source_of(resolved), digest_of(integrity))


def _own(stage: Stage, folder: str) -> Settlement:
    found = Identity(source=f"file://{folder}", direct=True)
    return Settlement(Actor.PROJECT, stage, found, new_origin=True, reason="the project's own script")


def _package(stage: Stage, identity: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, stage, identity, new_origin=True, reason=reason)
