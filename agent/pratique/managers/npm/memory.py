"""What the module remembers of a run: what npm was asked, frozen before package code ran, and who ran where."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pratique.managers.base import Context, Stopped
from pratique.managers.files import text
from pratique.managers.node import environment, project, registries
from pratique.managers.node.arguments import Arguments, name_of, specs, wanted
from pratique.managers.node.project import Project, manifest_of
from pratique.managers.node.registries import Registries
from pratique.managers.npm.arguments import parse
from pratique.managers.npm.facts import facts

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What one npm command was asked, and how it is configured, by its own words to its first child."""

    arguments: Arguments
    project: Project
    registries: Registries
    cache: str
    node_options: str | None
    """What the user has node load into every process; a package's .npmrc may ask for more."""
    trees: tuple[str, ...]
    wanted: frozenset[str]
    """Names the user gave, on the command line or, without any there, in package.json."""
    approved: frozenset[str] | None
    """What the project lets run scripts; None where it keeps no such list."""
    unnamed: bool
    """Whether the command line has URLs or paths, too: which packages they are is not known before."""


@dataclass
class Memory:
    """Kept in `Context.memory`, one for the run."""

    requests: dict[tuple[int, tuple[str, ...]], Request] = field(default_factory=dict)
    nested: set[int] = field(default_factory=set)
    """npm processes that npm started to prepare a git dependency."""
    clones: dict[str, str] = field(default_factory=dict)
    """Folder of a git dependency being prepared → the URL with its commit."""
    ran: set[str] = field(default_factory=set)
    """Package folders whose code has been started."""
    redirected: bool = False
    """A git dependency brought settings by which its npm may fetch from elsewhere under the registry's name."""
    began: int | None = None
    """When the first package code of the run was let go, in nanoseconds since the epoch."""

    def request(self, child: Stopped, context: Context) -> Request:
        """The manager's request, read at its first child and never again: a nested npm obeys a package's files."""
        key = (context.manager.pid, context.manager.argv)
        if key not in self.requests:
            self.requests[key] = _read(child.environment, context)
        return self.requests[key]

    def prepare(self, clone: str, url: str) -> None:
        """A nested npm begins to work in a clone, and obeys the .npmrc that lies there."""
        self.clones[clone] = url
        lines = (line.strip() for line in text(f"{clone}/.npmrc", _MAX_BYTES, follow=True).splitlines())
        keys = {line.partition("=")[0].strip() for line in lines if line and line[0] not in "#;"}
        self.redirected = self.redirected or not keys <= facts().harmless

    def ran_in(self, folder: str) -> bool:
        """Whether package code has been started in the folder or above it."""
        return any(folder == place or folder.startswith(f"{place}/") for place in self.ran)

    def trees(self, request: Request, path: str) -> list[str]:
        """Folders whose `node_modules` npm fills in this run, with the one of npx that `path` lies in."""
        npx = f"{os.path.realpath(request.cache)}/_npx/" if request.cache else ""
        name = path.removeprefix(npx).partition("/")[0] if npx and path.startswith(npx) else ""
        return [*request.trees, *self.clones, *([f"{request.cache}/_npx/{name}"] if name else [])]


def _read(said: Mapping[str, str], context: Context) -> Request:
    manager, written = context.manager, context.written_by_package
    arguments, root = parse(manager.argv), environment.prefix(said)
    found = project.read(root, arguments, manager.cwd, facts().gyp)
    return Request(
        arguments,
        found,
        registries.configured(said, manager.argv, root, written),
        said.get("npm_config_cache", ""),
        said.get("NODE_OPTIONS"),
        tuple(environment.trees(said)),
        wanted(arguments, facts()) or (frozenset() if arguments.words else found.wanted),
        _approved(manifest_of(root) if root else {}, said),
        any(name_of(word) is None for word in specs(arguments, facts())),
    )


def _approved(manifest: Mapping[str, object], said: Mapping[str, str]) -> frozenset[str] | None:
    """`allowScripts` of package.json, and the option of that name."""
    held, option = manifest.get("allowScripts"), said.get("npm_config_allow_scripts")
    if not isinstance(held, dict | list) and not option:
        return None
    named = [name for name, value in held.items() if value is True] if isinstance(held, dict) else held
    named = named if isinstance(named, list) else []
    listed = [*(str(name) for name in named if name), *(option or "").split(",")]
    return frozenset(filter(None, (re.sub(r"(?<=.)@.*", "", name.strip()) for name in listed)))
