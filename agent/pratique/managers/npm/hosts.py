"""Where one npm command can be expected to fetch from: registries, lock file, proxies, URLs it was given."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pratique.managers import hosts
from pratique.managers.base import Learned
from pratique.managers.files import text
from pratique.managers.node.arguments import Arguments
from pratique.managers.node.registries import built_in
from pratique.managers.npm.arguments import parse, script_of

_MAX_BYTES = 1 << 20
_REGISTRY = re.compile(r"^\s*(?:(@[\w.~-]+):)?registry\s*=\s*['\"]?(\S+?)['\"]?\s*$", re.MULTILINE)
_RESOLVED = re.compile(r'"resolved": "([a-z+]+://[^/"]*)')
_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")


def learned(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
    """Each host with the reason, most telling first."""
    arguments = parse(argv)
    root = root_of(arguments, cwd)
    found = [*_registries(arguments, argv, environment, root)]
    default = built_in(os.path.realpath(script_of(argv) or ""), lambda _path: False)
    yield from found
    if default and not any(each.reason.startswith("registry") for each in found):
        yield from hosts.at(default, "npm's own default")
    for lock in _LOCKS:
        yield from hosts.locked(f"{root}/{lock}", _RESOLVED, lock)
    yield from hosts.named(arguments.words)
    yield from hosts.proxies(environment)


def _registries(
    arguments: Arguments, argv: Sequence[str], environment: Mapping[str, str], root: str
) -> Iterator[Learned]:
    for value in arguments.all("--registry"):
        yield from hosts.at(value, "registry on the command line")
    for name, value in environment.items():
        if name.lower() == "npm_config_registry":
            yield from hosts.at(value, f"registry in {name}")
    for path in files(argv, environment, root):
        for scope, url in _REGISTRY.findall(text(path, _MAX_BYTES, follow=True)):
            yield from hosts.at(url, f"{f'{scope} has its ' if scope else ''}registry in {path}")


def files(argv: Sequence[str], environment: Mapping[str, str], root: str) -> list[str]:
    """The project's, the user's and the installation's .npmrc."""
    top = Path(script_of(argv) or "/usr/bin/npm").parent.parent
    user = environment.get("npm_config_userconfig") or f"{environment.get('HOME', '')}/.npmrc"
    return [f"{root}/.npmrc", user, environment.get("npm_config_globalconfig") or f"{top}/etc/npmrc"]


def root_of(arguments: Arguments, cwd: str) -> str:
    """The folder with the package.json that npm works by."""
    given = os.path.join(cwd, *arguments.all("--prefix")[-1:])  # noqa: PTH118
    above = (given, *map(str, Path(given).parents))
    return next((folder for folder in above if Path(folder, "package.json").is_file()), given)
