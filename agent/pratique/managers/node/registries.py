"""Which registry npm takes a name from, and what a tarball's URL in it says."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pratique.managers.files import text

_MAX_BYTES = 1 << 20
_SCOPE = re.compile(r"(@[\w.~-]+):registry\s*=\s*(.+)")
_DEFAULT = re.compile(r"\s*registry\s*=\s*(.+)")
_VARIABLE = re.compile(r"\$\{(\w+)\??\}")
_NAME = r"(?:(?P<scope>@[\w~-][\w.~-]*)(?:/|%2[fF]))?(?P<base>[\w~-][\w.~-]*)"
_TARBALL = re.compile(
    _NAME + r"/-/(?:(?P=scope)/)?(?P=base)-(?P<version>\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)\.tgz"
)
_BUILT_IN = re.compile(r"""'registry',\s*\{\s*default:\s*['"`](https?://[^'"`\s]+)['"`]""")


@dataclass(frozen=True, slots=True)
class Tarball:
    """An archive in the registry that is configured for its name."""

    name: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries of one npm command; `built_in` is npm's own default, which lock files may name instead."""

    default: str | None
    scopes: Mapping[str, str]
    built_in: str | None
    replaced: str

    def of(self, name: str) -> str | None:
        """The registry a name is asked at."""
        scope = name.partition("/")[0] if name.startswith("@") else ""
        found = self.scopes.get(scope, self.default)
        return found.rstrip("/") + "/" if found else None

    def tarball(self, resolved: str) -> Tarball | None:
        """The archive a resolver's URL stands for; None for one that is in no configured registry."""
        for base in {self.default, self.built_in, *self.scopes.values()} - {None}:
            below = _below(resolved, str(base))
            found = _TARBALL.fullmatch(below) if below else None
            if found and ".." not in below:
                name = f"{found['scope']}/{found['base']}" if found["scope"] else found["base"]
                return self._own(name, found["version"], resolved, str(base))
        return None

    def conventional(self, name: str, version: str) -> Tarball | None:
        """Where the registry of a name serves a version of it, when the lock file leaves that out."""
        base = self.of(name)
        path = f"{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        return Tarball(name, version, base + path) if base and _TARBALL.fullmatch(path) else None

    def _own(self, name: str, version: str, url: str, base: str) -> Tarball | None:
        own = self.of(name)
        if own == base.rstrip("/") + "/":
            return Tarball(name, version, url)
        if base == self.built_in and own and self.replaced in ("npmjs", "always"):
            return Tarball(name, version, own + _below(url, base))
        return None


def configured(
    environment: Mapping[str, str], argv: Sequence[str], root: str | None, written: Callable[[str], bool]
) -> Registries:
    """As npm itself sees it: what is no default is in its children's environment, scopes are in its files."""
    default = built_in(environment.get("npm_execpath", ""), written)
    files = [environment.get("npm_config_globalconfig"), environment.get("npm_config_userconfig")]
    scopes: dict[str, str] = {}
    for path in [*files, f"{root}/.npmrc" if root else None]:
        if path and not written(path):
            scopes |= _scopes(text(path, _MAX_BYTES, follow=True), environment)
    scopes |= _scopes("\n".join(f"{key}={value}" for key, value in _given(environment, argv)), environment)
    return Registries(
        environment.get("npm_config_registry") or default,
        scopes,
        default,
        environment.get("npm_config_replace_registry_host", "npmjs"),
    )


def of_files(
    files: Sequence[str],
    environment: Mapping[str, str],
    given: Sequence[str | None],
    written: Callable[[str], bool],
    default: str | None = None,
) -> Registries:
    """As files of npm's kind say, weakest first; what is `given` elsewhere comes before them."""
    content = "\n".join(text(path, _MAX_BYTES, follow=True) for path in files if not written(path))
    found = [_plain(row[1], environment) for row in map(_DEFAULT.fullmatch, content.splitlines()) if row]
    chosen = next((each for each in (*given, *reversed(found), default) if each), None)
    return Registries(chosen, _scopes(content, environment), default, "never")


def public(url: str) -> str:
    """Without user info, query and fragment."""
    return re.sub(r"^([\w+.-]+://)[^/?#]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])


def _below(url: str, base: str) -> str:
    """What of a URL lies below a registry; empty if it lies elsewhere."""
    base = base.rstrip("/") + "/"
    return url[len(base) :] if url.startswith(base) else ""


def _given(environment: Mapping[str, str], argv: Sequence[str]) -> list[tuple[str, str]]:
    words = [word[2:].partition("=") for word in argv if word.startswith("--@")]
    named = [(key[len("npm_config_") :], value) for key, value in environment.items()]
    return [*((key, value) for key, value in named if key.startswith("@")), *((k, v) for k, _, v in words)]


def _scopes(content: str, environment: Mapping[str, str]) -> dict[str, str]:
    found = (_SCOPE.fullmatch(line.strip()) for line in content.splitlines())
    return {row[1]: _plain(row[2], environment) for row in found if row}


def _plain(value: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda name: environment.get(name[1], ""), value.strip(" \t\"'"))


def built_in(npm: str, written: Callable[[str], bool]) -> str | None:
    """The default that this npm was published with: its own definition of the option."""
    top = Path(os.path.realpath(npm)).parent.parent if npm.startswith("/") else None
    path = f"{top}/node_modules/@npmcli/config/lib/definitions/definitions.js"
    if top is None or written(path):
        return None
    found = _BUILT_IN.search(text(path, _MAX_BYTES))
    return found[1] if found else None
