"""How one npm command was configured, told from outside: once it has ended, no child of its says so any more."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pratique.managers.files import text
from pratique.managers.node.registries import Registries, built_in, of_files
from pratique.managers.npm.arguments import parse, script_of
from pratique.managers.npm.hosts import files, root_of

_MAX_BYTES = 1 << 20
_LEVELS = len(("lib", "node_modules", "npm", "bin"))


class Settings(NamedTuple):
    """What decides where packages come from."""

    registries: Registries
    cache: str
    """Where npm keeps what it fetched."""


def read(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> Settings:
    """Those of the command line, of variables, and of each .npmrc."""
    said = {name.lower(): value for name, value in environment.items()}
    given, places = parse(argv), _files(argv, environment, cwd)
    default = built_in(_script(argv, cwd), lambda _path: False)
    registry = [*given.all("--registry")[-1:], said.get("npm_config_registry")]
    found = of_files(places, environment, registry, lambda _path: False, default)
    cache = [*given.all("--cache")[-1:], said.get("npm_config_cache"), *_lines(places, "cache"), "~/.npm"]
    home = environment.get("HOME", "")
    chosen = next(value for value in cache if value)
    replaced = said.get("npm_config_replace_registry_host", "npmjs")
    return Settings(
        replace(found, built_in=default, replaced=replaced),
        os.path.join(cwd, chosen.replace("~", home, 1) if chosen.startswith("~/") else chosen),  # noqa: PTH118
    )


def shared(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> list[str]:
    """Folders that may hold the tree of the whole machine or account, if the command installs there."""
    said = {name.lower(): value for name, value in environment.items()}
    given = parse(argv)
    asked = given.has("--global") or "global" in given.all("--location")
    asked = asked or said.get("npm_config_global") == "true" or said.get("npm_config_location") == "global"
    if not asked:
        return []
    named = (
        *given.all("--prefix"),
        said.get("npm_config_prefix"),
        *_lines(_files(argv, environment, cwd), "prefix"),
    )
    above = Path(_script(argv, cwd)).parents
    own = str(above[_LEVELS]) if len(above) > _LEVELS else ""
    home = environment.get("HOME", "")
    plain = (re.sub(r"^~(?=/)", home, prefix) for prefix in (*named, own) if prefix)
    return [str(Path(cwd, prefix, "lib")) for prefix in plain]


def _files(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> list[str]:
    """Each .npmrc, weakest first."""
    strongest = files(argv, environment, root_of(parse(argv), cwd))
    script = _script(argv, cwd)
    return [*([str(Path(script).parents[1] / "npmrc")] if script else []), *reversed(strongest)]


def _script(argv: Sequence[str], cwd: str) -> str:
    """Npm's own file; empty when the command line does not say."""
    named = script_of(argv)
    return os.path.realpath(os.path.join(cwd, named)) if named else ""  # noqa: PTH118


def _lines(paths: Sequence[str], name: str) -> list[str]:
    """What files say of one key, strongest first."""
    pattern = re.compile(rf"^\s*{name}\s*=\s*['\"]?([^'\"\n]+?)['\"]?\s*$", re.MULTILINE)
    return [
        found for path in reversed(paths) for found in pattern.findall(text(path, _MAX_BYTES, follow=True))
    ]
