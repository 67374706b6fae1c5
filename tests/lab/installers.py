"""Installs as people type them: one entry per manager, each from the lab's own index or registry, by name."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.template import template
from lab.world import World
from pratique.backends.rootless.capability import TIER
from uv_program import uv_program

_NODE_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Installer:
    """One manager: its command line, its environment, and the program that runs when nothing guards."""

    command: Callable[[World, Sequence[str], bool], list[str]]
    """Given the names, and whether a build environment is to be made."""
    environment: Callable[[World], dict[str, str]]
    cwd: Callable[[World], Path]
    missing: Callable[[], str | None]


def _pip(world: World, names: Sequence[str], isolated: bool) -> list[str]:
    url = urlsplit(world.index.url)
    source = f"http://{world.name['index']}:{url.port}{url.path}"
    isolation = [] if isolated else ["--no-build-isolation"]
    trusted = ["--trusted-host", world.name["index"]]
    return [
        "pip",
        "install",
        "--index-url",
        source,
        *trusted,
        *isolation,
        "--target",
        str(world.site),
        *names,
    ]


def _uv(world: World, names: Sequence[str], isolated: bool) -> list[str]:
    url = urlsplit(world.index.url)
    source = f"http://{world.name['index']}:{url.port}{url.path}"
    isolation = [] if isolated else ["--no-build-isolation"]
    python = ["--python", str(template() / "bin" / "python"), "--target", str(world.site)]
    return ["uv", "pip", "install", "--default-index", source, *isolation, *python, *names]


def _npm(_: World, names: Sequence[str], __: bool) -> list[str]:
    return ["npm", "install", *names]


def _npx(_: World, names: Sequence[str], __: bool) -> list[str]:
    return ["npm", "exec", "--yes", "--", *names]


def _pip_environment(world: World) -> dict[str, str]:
    return world.environment()


def _uv_environment(world: World) -> dict[str, str]:
    program = uv_program()
    path = f"{world.programs}:{program.parent if program else ''}:{os.defpath}:/usr/sbin:/sbin"
    return {**world.environment(), "PATH": path, "UV_PYTHON_DOWNLOADS": "never"}


def _npm_environment(world: World) -> dict[str, str]:
    own = world.environment()
    return {
        **{name: own[name] for name in ("HOME", "TMPDIR", "LANG", TIER) if name in own},
        "PATH": f"{world.programs}:{_NODE_PATH}",
        "npm_config_registry": world.registry.url,
        "npm_config_nodedir": "/usr",
        "npm_config_update_notifier": "false",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
    }


def _folder(world: World) -> Path:
    return world.folder


def _project(world: World) -> Path:
    return world.project


def _never() -> None:
    return None


def _no_uv() -> str | None:
    return None if uv_program() else "uv could not be fetched once"


def _no_npm() -> str | None:
    return None if shutil.which("npm", path=_NODE_PATH) else "npm is not installed"


INSTALLERS = {
    "pip": Installer(_pip, _pip_environment, _folder, _never),
    "uv": Installer(_uv, _uv_environment, _folder, _no_uv),
    "npx": Installer(_npx, _npm_environment, _project, _no_npm),
    "npm": Installer(_npm, _npm_environment, _project, _no_npm),
}
