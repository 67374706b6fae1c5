"""The command that `uv run` and `uvx` start at the end: the user's own, or one that a package brought."""

import os
from pathlib import Path

from pratique import managers
from pratique.managers.base import Context, Stopped
from pratique.managers.matching import basename
from pratique.managers.pip.names import public
from pratique.managers.uv import installed
from pratique.managers.uv.facts import facts
from pratique.managers.uv.installed import Owner
from pratique.managers.uv.memory import Memory, Request
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Quality, Stage

_DEPTH = "UV_RUN_RECURSION_DEPTH"
_TOOLS = ("tool run", "tool uvx")


def is_command(child: Stopped, context: Context, request: Request) -> bool:
    """Whether uv marks it as what `uv run` was asked to run: one deeper than uv itself."""
    return request.arguments.verb == "run" and _depth(child) == _depth(context.manager) + 1


def is_tool(request: Request) -> bool:
    """Whether the command ends in running a tool."""
    return request.arguments.verb in _TOOLS


def command(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement:
    """Who the command belongs to: RECORD of the environment says so, else it is the user's."""
    file = _file(child)
    if file and context.written_by_package(file):
        return _package(UNKNOWN, "package code of this run wrote it")
    file, found = _owners(file) if file else (None, [])
    if _is_manager(child, file, found, context):
        return Settlement(Actor.MANAGER, Stage.RESOLVE, reason="a package manager you started through uv")
    if file and found:
        return _owned(file, found, context, memory, request)
    if file:
        return _package(UNKNOWN, "no package of the environment lists it")
    return _unlisted(child, request)


def _unlisted(child: Stopped, request: Request) -> Settlement:
    """A command that lies in no environment."""
    url = next(
        (word for word in request.arguments.words[:1] if word.startswith(("https://", "http://"))), None
    )
    if url:
        return _package(Identity(source=public(url), direct=True), "a script that uv fetched from a URL")
    if is_tool(request) and basename(child.exe) not in facts().interpreters:
        return _package(UNKNOWN, "it is in no environment of a tool")
    return _project("the command you gave to uv", None)


def _owners(file: str) -> tuple[str, list[Owner]]:
    """The file and who lists it; of a copy that `uv run --with` made, the original."""
    prefix = _prefix(file)
    for site in installed.overlaid(prefix):
        original = os.path.normpath(Path(site, os.path.relpath(file, installed.sites(prefix)[0])))
        if found := installed.owners(original, [site]):
            return original, found
    return file, installed.owners(file, installed.sites(prefix))


def _owned(file: str, found: list[Owner], context: Context, memory: Memory, request: Request) -> Settlement:
    if len(found) > 1:
        candidates = tuple(owner.purl for owner in found)
        return _package(Identity(Quality.CLAIMED, candidates=candidates), "several packages list it")
    directory = installed.own_directory(found[0], request)
    if directory:
        return _project("a command of your own project", directory)
    return _package(*installed.identity(found[0], file, context, memory, request))


def _is_manager(child: Stopped, file: str | None, found: list[Owner], context: Context) -> bool:
    """`uv run pip install …`: the family's own command, not a script that bears its name."""
    pattern = managers.match(child.argv, managers.patterns())
    if pattern is None:
        return False
    if file is None:
        return not context.written_by_package(child.exe)
    return {owner.name for owner in found} == {pattern.manager}


def _file(child: Stopped) -> str | None:
    """The file in an environment that decides what runs: a script, a module, or the image itself."""
    runner = basename(child.exe) in facts().interpreters + facts().shells
    words = list(child.argv[1:]) if runner else [child.exe]
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c"):
        words.pop(0)
    if words[:1] == ["-m"]:
        return _module(child, words[1]) if len(words) > 1 else None
    if not words or words[0] == "-c":
        return None
    named = str(Path(child.cwd, words[0]))
    return next((path for path in (named, os.path.realpath(named)) if _in_environment(path)), None)


def _module(child: Stopped, name: str) -> str | None:
    """`python -m NAME`: the file of the environment, unless the working directory has one."""
    path = name.replace(".", "/")
    first = path.partition("/")[0]
    if Path(child.cwd, first).is_dir() or Path(child.cwd, f"{first}.py").exists():
        return None
    places = installed.sites(str(Path(child.argv[0]).parent.parent))
    kinds = (f"{path}/__main__.py", f"{path}.py", f"{path}/__init__.py")
    return next((f"{site}/{kind}" for site in places for kind in kinds if Path(site, kind).is_file()), None)


def _prefix(file: str) -> str:
    """The environment a file lies in."""
    return next((str(place) for place in Path(file).parents if installed.is_environment(place)), "")


def _in_environment(path: str) -> bool:
    place = Path(path)
    return place.parent.name == "bin" and installed.is_environment(place.parent.parent)


def _depth(process: Stopped) -> int:
    said = process.environment.get(_DEPTH, "0")
    return int(said) if said.isascii() and said.isdigit() else 0


def _package(identity: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, Stage.FIRST_RUN, identity, new_origin=True, reason=reason)


def _project(reason: str, directory: str | None) -> Settlement:
    found = Identity(source=f"file://{directory}", direct=True) if directory else UNKNOWN
    return Settlement(Actor.PROJECT, Stage.FIRST_RUN, found, new_origin=True, reason=reason)
