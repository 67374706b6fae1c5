"""yarn: which of the two it is, where it is configured, and what it is allowed to run."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pratique.managers.base import Context, Stopped
from pratique.managers.files import text
from pratique.managers.node.environment import Script
from pratique.managers.node.family import NodeFamily
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import Request, arguments_of
from pratique.managers.node.registries import Registries, of_files
from pratique.managers.yarn import berry, classic

_MAX_BYTES = 1 << 20
_CLASSIC = re.compile(r"^registry\s+\"?([^\"\s]+)", re.MULTILINE)
_BERRY = re.compile(r"^npmRegistryServer:\s*['\"]?([^'\"\s#]+)", re.MULTILINE)


class Yarn(NodeFamily):
    """The `Manager` for yarn 1 and for yarn 2 and newer."""

    name = "yarn"

    def registries(self, manager: Stopped, root: str, said: Mapping[str, str]) -> Registries:
        """Its own files, npm's, variables and the command line; yarn 1 tells its default to its children."""
        own = manager.environment
        files = (f"{own.get('HOME', '')}/.npmrc", f"{root}/.npmrc")
        configured = [
            found
            for place in (root, own.get("HOME", ""))
            for name, pattern in ((".yarnrc", _CLASSIC), (".yarnrc.yml", _BERRY))
            for found in pattern.findall(text(f"{place}/{name}", _MAX_BYTES, follow=True))
        ]
        names = ("YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "npm_config_registry")
        given = [
            *arguments_of(manager.argv, self.facts).all("--registry")[-1:],
            *map(own.get, names),
            *configured,
        ]
        return of_files(files, own, given, lambda path: False, said.get("npm_config_registry"))

    def configured(self, manager: Stopped, root: str) -> Registries:
        """The same once yarn has ended, and tells no child of its own default any more."""
        own, same = classic.built_in(manager)
        found = self.registries(manager, root, {"npm_config_registry": own} if own else {})
        defaults = {each.rstrip("/") for each in (own, same) if each}
        if own is None or str(found.default).rstrip("/") not in defaults:
            return found
        return replace(found, default=own, built_in=same, replaced="npmjs")

    def proof(self, case: Case) -> Proof:
        """By content: neither tells its scripts which archive they are of."""
        return berry.proof(case) if _is_berry(case.child) else classic.proof(case)

    def archived(self, file: str, context: Context, request: Request) -> Proof | None:
        """Yarn 4 leaves most packages packed."""
        return berry.archived(file, context, request)

    def forged(self, script: Script, child: Stopped, context: Context) -> str | None:
        """Only yarn 4 lets a script choose where and how the next command starts."""
        return berry.forged(script, child, context) if _is_berry(child) else None


def _is_berry(child: Stopped) -> bool:
    return "BERRY_BIN_FOLDER" in child.environment
