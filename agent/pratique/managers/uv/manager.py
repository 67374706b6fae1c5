"""uv: how its commands look, what its children are, and which package a build or a first run belongs to."""

import re
from collections.abc import Mapping

from pratique.managers.base import Context, Learned, Pattern, Stopped
from pratique.managers.hosts import first_reasons
from pratique.managers.memory import memory_of
from pratique.managers.pip.project import code, inode
from pratique.managers.uv import first_run
from pratique.managers.uv.arguments import after_uv, parse
from pratique.managers.uv.config import directory, working
from pratique.managers.uv.facts import facts
from pratique.managers.uv.helpers import helper
from pratique.managers.uv.hosts import learned
from pratique.managers.uv.identity import identify
from pratique.managers.uv.memory import Memory, Request, names_of, wanted_by
from pratique.managers.uv.places import build_environment, intended, is_cache, strayed
from pratique.managers.uv.probes import probe
from pratique.model import Identity, Settlement
from pratique.words import Actor, Stage

_HOOK = ("-c",)


class Uv:
    """The `Manager` for uv; `uvx` and `python -m uv` execute it before they do anything."""

    name = "uv"

    def patterns(self) -> tuple[Pattern, ...]:
        """The one pattern of `data.toml`."""
        return (facts().pattern,)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """The user's command, a build, a probe, a helper or package code: the first that holds."""
        memory = memory_of(context, "uv", Memory)
        context = memory.innermost(context)
        request = memory.request(context)  # first of all: later, package code may have changed what it names
        by_uv = context.parent.pid == context.manager.pid
        if by_uv and first_run.is_command(child, context, request):
            return _command(child, context, memory, request)
        if by_uv and _is_hook(child, context):
            return _build(child, context, memory, request)
        settled = probe(child, context, memory, request) if by_uv else None
        if settled:
            return settled
        row = helper(child, context, memory, request)
        if row:
            return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"uv's own {row.name}")
        if by_uv and first_run.is_tool(request):
            return _command(child, context, memory, request)
        return Settlement(Actor.PACKAGE, Stage.BUILD, new_origin=True, reason="nothing uv is known to start")

    def describe(self, argv: tuple[str, ...]) -> str:
        """`uv pip install rich`: without user info in URLs; `uvx` as people type it."""
        words = list(after_uv(argv))
        start = ("uvx", *words[2:]) if words[:2] == ["tool", "uvx"] else ("uv", *words)
        shown = (f"'{word}'" if re.search(r"\s", word) else word for word in start)
        return re.sub(r"://[^/@\s]*@", "://", " ".join(shown))

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Canonical names on the command line, in its requirements files and in the project."""
        arguments = parse(after_uv(argv))
        here = working(arguments, {}, cwd)
        wanted = wanted_by(arguments, here, lambda path: True)
        return tuple(sorted(names_of(arguments, wanted, directory(arguments, {}, here), lambda path: True)))

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """None: a native program."""
        return ()

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Indexes, lock files, proxies, and URLs on the command line."""
        return first_reasons(learned(argv, environment, cwd))


def _command(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    settled = first_run.command(child, context, memory, request)
    if settled.actor is Actor.MANAGER:
        memory.nested[child.pid] = child.argv
    return settled


def _is_hook(child: Stopped, context: Context) -> bool:
    """Uv's own few lines that call a build backend, given to an interpreter."""
    words = child.argv[1:]
    shaped = words[:1] == _HOOK and len(words) > 1 and facts().hook.match(words[1]) is not None
    return shaped or (words[:1] == _HOOK and intended(child, context.manager) is not None)


def _build(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    named = _named_directory(child, memory, request)
    doubt = _doubt(named, child, context, memory, request) if named else None
    if named and doubt is None:
        memory.own.add(named)
        found = Identity(source=f"file://{named}", direct=True)
        return Settlement(Actor.PROJECT, Stage.BUILD, found, new_origin=True, reason="a directory you named")
    identity, reason = identify(child, context, memory, request)
    return Settlement(Actor.PACKAGE, Stage.BUILD, identity, new_origin=True, reason=doubt or reason)


def _named_directory(child: Stopped, memory: Memory, request: Request) -> str | None:
    """The user's directory that is being built, or whose archive `uv build` unpacked again."""
    if child.cwd in request.directories:
        return child.cwd
    again = facts().built.fullmatch(child.cwd) if request.arguments.verb == "build" else None
    if again is None or not is_cache(again["cache"], request.config) or len(memory.own) != 1:
        return None
    return next(iter(memory.own))


def _doubt(named: str, child: Stopped, context: Context, memory: Memory, request: Request) -> str | None:
    """Why a directory the user named is not the user's code any more; None if it is."""
    if inode(named) != request.directories[named]:
        return "the directory you named was replaced"
    if memory.replaced() or strayed(child, context.manager):
        return "another source's directory was moved"
    if any(map(context.written_by_package, (*code(named), *code(child.cwd)))):
        return "package code wrote into the directory you named"
    environment = build_environment(child)
    if environment and memory.environments.setdefault(environment, child.cwd) != child.cwd:
        return "it runs in the build environment of another source"
    return None
