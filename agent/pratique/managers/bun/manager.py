"""bun: where it is configured, and what it is allowed to run."""

import tomllib
from collections.abc import Mapping
from typing import Any

from pratique.managers.base import Stopped
from pratique.managers.bun import evidence
from pratique.managers.files import text
from pratique.managers.node.family import NodeFamily
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import arguments_of
from pratique.managers.node.project import manifest_of
from pratique.managers.node.registries import Registries, of_files

_MAX_BYTES = 1 << 20


class Bun(NodeFamily):
    """The `Manager` for bun and bunx."""

    name = "bun"

    def registries(self, manager: Stopped, root: str, _: Mapping[str, str]) -> Registries:
        """Its own files, npm's, variables and the command line."""
        said = manager.environment
        home = said.get("HOME", "")
        given = arguments_of(manager.argv, self.facts).all("--registry")[-1:]
        names = ("BUN_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY")
        own = [_install(f"{place}/{file}") for place, file in ((root, "bunfig.toml"), (home, ".bunfig.toml"))]
        named = [_url(table.get("registry")) for table in own]
        found = of_files(
            (f"{home}/.npmrc", f"{root}/.npmrc"),
            said,
            [*given, *map(said.get, names), *named],
            lambda path: False,
        )
        scopes = {name: _url(value) for table in reversed(own) for name, value in _scopes(table).items()}
        return Registries(
            found.default,
            {**found.scopes, **{name: url for name, url in scopes.items() if url}},
            None,
            "never",
        )

    def proof(self, case: Case) -> Proof:
        """By the folder of the cache that it was taken from."""
        return evidence.proof(case)

    def approved(self, root: str) -> frozenset[str] | None:
        """`trustedDependencies` of package.json."""
        held = manifest_of(root).get("trustedDependencies")
        return frozenset(name for name in held if isinstance(name, str)) if isinstance(held, list) else None


def _install(path: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text(path, _MAX_BYTES, follow=True)).get("install")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _scopes(table: Mapping[str, Any]) -> dict[str, Any]:
    held = table.get("scopes")
    named = held.items() if isinstance(held, dict) else ()
    return {f"@{name.removeprefix('@')}": value for name, value in named}


def _url(held: object) -> str | None:
    found = held.get("url") if isinstance(held, dict) else held
    return found if isinstance(found, str) else None
