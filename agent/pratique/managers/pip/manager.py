"""pip: how its installs look, what its children are, and which package a build belongs to."""

import os
import re
from collections.abc import Iterator, Mapping

from pratique.managers import hosts
from pratique.managers.base import Context, Learned, Pattern, Stopped
from pratique.managers.helpers import helper, lifecycle
from pratique.managers.memory import memory_of
from pratique.managers.pip.arguments import after_pip, gather, local_path, parse
from pratique.managers.pip.children import is_hook, is_nested, is_rerun
from pratique.managers.pip.facts import facts
from pratique.managers.pip.identity import Place, build_environment, identify, place_of, tracked
from pratique.managers.pip.memory import Memory, Request, remember_checkout
from pratique.managers.pip.project import code, inode
from pratique.managers.pip.sources import configured, hosts_of
from pratique.managers.python import start_files
from pratique.model import Identity, Settlement
from pratique.words import Actor, Stage


class Pip:
    """The `Manager` for pip, whichever Python runs it."""

    name = "pip"

    def patterns(self) -> tuple[Pattern, ...]:
        """The one pattern of `data.toml`."""
        return (facts().pattern,)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """Nested resolver, helper, project or package: the first that every condition of holds."""
        memory = memory_of(context, "pip", Memory)
        request = memory.request(context)  # first of all: later, package code may have changed what it names
        memory.begins(child.pid)
        by_pip = context.parent.pid in (context.manager.pid, *memory.nested, *memory.reruns)
        if by_pip and is_nested(child, context, memory):
            (memory.reruns if is_rerun(child, context) else memory.nested).add(child.pid)
            return Settlement(Actor.MANAGER, Stage.RESOLVE, reason="pip running pip again")
        settled = _helper(child, context, memory, by_helper=not by_pip)
        if settled:
            return settled
        if by_pip and is_hook(child, context):
            return _build(child, context, memory, request)
        return Settlement(Actor.PACKAGE, Stage.BUILD, new_origin=True, reason="nothing pip is known to start")

    def describe(self, argv: tuple[str, ...]) -> str:
        """`pip install rich`: without the interpreter and without user info in URLs."""
        words = (f"'{word}'" if re.search(r"\s", word) else word for word in after_pip(argv))
        return re.sub(r"://[^/@\s]*@", "://", " ".join(("pip", *words)))

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Canonical names on the command line and in its requirements files."""
        wanted = gather(parse(after_pip(argv)), cwd, {}, lambda path: True)
        return tuple(sorted(wanted.names()))

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """What its interpreter runs first, and keyring where pip is told to import that."""
        return (*start_files.files(argv, environment), *_keyring(argv, environment))

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Indexes, find-links places, proxies, and URLs on the command line."""
        return hosts.first_reasons(_learned(argv, environment, cwd))


def _keyring(argv: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[str]:
    asked = (environment.get("PIP_KEYRING_PROVIDER"), *parse(after_pip(argv)).all("--keyring-provider"))
    if asked[-1] == "import":
        yield from start_files.importable(argv, environment, "keyring")


def _learned(argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
    arguments = parse(after_pip(argv))
    wanted = gather(arguments, cwd, environment, lambda path: True)
    sources = configured(arguments, wanted, argv[0] if argv else "", environment, cwd)
    yield from (Learned(host, "an index") for host in hosts_of(sources.indexes))
    yield from (Learned(host, "a find-links place") for host in hosts_of(sources.links))
    yield from hosts.named(arguments.words)
    yield from (Learned(host, "a proxy") for host in hosts_of(sources.proxies))


def _helper(child: Stopped, context: Context, memory: Memory, *, by_helper: bool) -> Settlement | None:
    row = helper(child, context, facts().rows, None if by_helper else "pip")
    if (
        row is None
        or lifecycle(child, context)
        or not _harmless(child, context, memory, row.checkout, by_helper)
    ):
        return None
    remember_checkout(memory, child.argv[1:])
    return Settlement(Actor.HELPER, Stage.RESOLVE, reason=f"pip's own {row.name}")


def _harmless(child: Stopped, context: Context, memory: Memory, checkout: bool, by_helper: bool) -> bool:
    """Its cwd holds no package's files, which git and others would take settings from."""
    if checkout and memory.fresh_checkout(child.cwd):
        return not context.written_by_package(f"{child.cwd}/.git/config")
    if memory.ran_in(child.cwd) or place_of(child.cwd, memory) or "/site-packages/" in f"{child.cwd}/":
        return False
    return by_helper or child.cwd == context.manager.cwd


def _build(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    named = _named_directory(child, context, memory, request)
    doubt = _doubt(named, child, context, memory, request) if named else None
    if named and doubt is None:
        found = Identity(source=f"file://{named}", direct=True)
        return Settlement(Actor.PROJECT, Stage.BUILD, found, new_origin=True, reason="a directory you named")
    identity, reason = identify(child, context, memory, request)
    return Settlement(Actor.PACKAGE, Stage.BUILD, identity, new_origin=True, reason=doubt or reason)


def _named_directory(child: Stopped, context: Context, memory: Memory, request: Request) -> str | None:
    """The directory the user named that is being built: the cwd, or what pip < 21.3 copied into its own."""
    if context.parent.pid in memory.nested:
        return None  # a build requirement: package code chose it
    if child.cwd in request.directories:
        return child.cwd
    place = place_of(child.cwd, memory)
    entries = tracked(place, child, context, memory, request) if place and place.name is None else []
    return _copied(place, entries[0].url, request, memory) if place and len(entries) == 1 else None


def _copied(place: Place, url: str, request: Request, memory: Memory) -> str | None:
    path = os.path.realpath(local_path(url) or "")
    return path if path in request.directories and place.root not in memory.builds else None


def _doubt(directory: str, child: Stopped, context: Context, memory: Memory, request: Request) -> str | None:
    """Why a directory the user named is not the user's code any more; None if it is."""
    if inode(directory) != request.directories[directory]:
        return "the directory you named was replaced"
    if memory.replaced():
        return "package code moved another source's directory"
    if any(context.written_by_package(file) for file in code(directory)):
        return "package code wrote into the directory you named"
    environment = build_environment(child)
    if environment and memory.environments.setdefault(environment, child.cwd) != child.cwd:
        return "it runs in the build environment of another source"
    return None
