"""What npm says of a script in the environment it starts it with.

A script's parent being npm itself, these are npm's own words, with one exception: `npm_package_name`,
`_version`, `_config_*`, `_engines_*` and `_bin_*` are copied from the package's own package.json (npm 11:
@npmcli/run-script/lib/package-envs.js) and prove nothing. `npm_package_resolved` and `_integrity` come from the
tree npm resolved, which no lock file on disk shows yet: npm writes its hidden lock after the scripts.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pratique.managers.base import Stopped


@dataclass(frozen=True, slots=True)
class Script:
    """A process npm started to run a script."""

    event: str
    text: str
    folder: str
    """The package's folder as npm calls it: not through any link that stands there now."""
    name: str | None
    """A claim, like the version."""
    version: str | None
    resolved: str | None
    digest: str | None


def read(child: Stopped) -> Script | None:
    """None when npm did not start it as a script."""
    said = child.environment
    event = said.get("npm_lifecycle_event")
    if not event:
        return None
    return Script(
        event,
        said.get("npm_lifecycle_script", ""),
        os.path.dirname(said.get("npm_package_json", "")),  # noqa: PTH120 -- npm's text, not a path of ours
        said.get("npm_package_name") or None,
        said.get("npm_package_version") or None,
        source_of(said.get("npm_package_resolved")),
        digest_of(said.get("npm_package_integrity")),
    )


def prefix(environment: Mapping[str, str]) -> str | None:
    """The root of the project npm works on; None for a global install."""
    return None if is_global(environment) else _path(environment.get("npm_config_local_prefix"))


def is_global(environment: Mapping[str, str]) -> bool:
    """Whether npm installs for the whole machine or account."""
    return (
        environment.get("npm_config_global") == "true" or environment.get("npm_config_location") == "global"
    )


def trees(environment: Mapping[str, str]) -> list[str]:
    """Folders whose `node_modules` this npm fills: the project's and the shared one."""
    shared = _path(environment.get("npm_config_global_prefix"))
    return [root for root in (prefix(environment), f"{shared}/lib" if shared else None) if root]


def source_of(resolved: str | None) -> str | None:
    """A `resolved`; npm writes `null` into the environment where it has none."""
    return None if resolved in (None, "", "null", "undefined") else resolved


def digest_of(integrity: str | None) -> str | None:
    """The sha512 of a subresource integrity; anything weaker is no proof."""
    found = re.search(r"(?:^|\s)(sha512-[A-Za-z0-9+/]{86}==)(?=[\s?]|$)", integrity or "")
    return found[1] if found else None


def _path(value: str | None) -> str | None:
    return value.rstrip("/") if value and value.startswith("/") and value != "/" else None
