"""pnpm: where it is configured, and what it is allowed to run."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pratique.managers.base import Context, Stopped
from pratique.managers.files import text
from pratique.managers.node.family import NodeFamily
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import arguments_of
from pratique.managers.node.project import manifest_of
from pratique.managers.node.registries import Registries, of_files
from pratique.managers.pnpm import evidence

_MAX_BYTES = 1 << 20
_LAUNCHED = re.compile(r"""\$basedir\w*"?/['"]?([^"'$\n]+)['"]\s+"\$@"$""", re.MULTILINE)
_LISTS = ("onlyBuiltDependencies", "allowBuilds")


class Pnpm(NodeFamily):
    """The `Manager` for pnpm and pnpx."""

    name = "pnpm"

    def registries(self, manager: Stopped, root: str, _: Mapping[str, str]) -> Registries:
        """Its .npmrc files, its own variables, and the command line."""
        said = manager.environment
        given = [*arguments_of(manager.argv, self.facts).all("--registry")[-1:]]
        names = ("pnpm_config_registry", "PNPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY")
        config = said.get("XDG_CONFIG_HOME") or f"{said.get('HOME', '')}/.config"
        user = said.get("npm_config_userconfig") or f"{said.get('HOME', '')}/.npmrc"
        files = (f"{config}/pnpm/rc", user, f"{root}/.npmrc")
        return of_files(files, said, [*given, *map(said.get, names)], lambda path: False)

    def proof(self, case: Case) -> Proof:
        """By the place, the registry's document and the lock file."""
        return evidence.proof(case.place, case.context, case.memory, case.request)

    def target(self, file: str, context: Context) -> str:
        """Behind a launcher in `.bin`, which pnpm writes for the shell: the one file that it names."""
        named = _LAUNCHED.findall(text(file, _MAX_BYTES)) if "/node_modules/.bin/" in file else []
        found = {os.path.realpath(Path(file).parent / name) for name in named}
        own = len(found) == 1 and not context.written_by_package(file)
        return found.pop() if own else os.path.realpath(file)

    def workspaces(self, root: str) -> Sequence[str]:
        """Those of pnpm-workspace.yaml."""
        return _listed(_workspace(root), "packages")

    def approved(self, root: str) -> frozenset[str] | None:
        """`allowBuilds` and `onlyBuiltDependencies`, in pnpm-workspace.yaml or in package.json."""
        settings = manifest_of(root).get("pnpm")
        own = settings if isinstance(settings, dict) else {}
        content = _workspace(root)
        if not any(name in own or re.search(rf"^{name}:", content, re.MULTILINE) for name in _LISTS):
            return None
        named = (*_names(own.get(_LISTS[0])), *_names(own.get(_LISTS[1])), *_listed(content, _LISTS[0]))
        return frozenset((*named, *_allowed(content)))


def _workspace(root: str) -> str:
    return text(f"{root}/pnpm-workspace.yaml", _MAX_BYTES, follow=True)


def _section(content: str, name: str) -> str:
    found = re.search(
        rf"^{name}:[ \t]*(?:#[^\n]*)?\n((?:[ \t-][^\n]*\n|[ \t]*(?:#[^\n]*)?\n)*)",
        f"{content}\n",
        re.MULTILINE,
    )
    return found[1] if found else ""


def _listed(content: str, name: str) -> list[str]:
    """The items of a list of words, as people and pnpm write them."""
    return re.findall(r"^\s*-\s+['\"]?([^'\"#\n]+?)['\"]?\s*(?:#.*)?$", _section(content, name), re.MULTILINE)


def _allowed(content: str) -> list[str]:
    rows = re.findall(
        r"^\s+['\"]?([^'\"#\n:]+?)['\"]?:\s+true\s*(?:#.*)?$", _section(content, "allowBuilds"), re.MULTILINE
    )
    return [re.sub(r"(?<=.)@.*", "", row) for row in rows]


def _names(held: object) -> list[str]:
    if isinstance(held, dict):
        return [str(name) for name, value in held.items() if value is True]
    return [name for name in held if isinstance(name, str)] if isinstance(held, list) else []
