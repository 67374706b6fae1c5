"""The package managers that tests drive: real ones, each fetched once by npm or pip into a cached place."""

import fcntl
import shutil
import subprocess
import venv
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CACHE = Path(__file__).parents[1] / ".cache" / "clients"
_PATIENCE = 100


@dataclass(frozen=True, slots=True)
class Client:
    """What to fetch, from which registry, and the program it brings."""

    kind: str
    wanted: tuple[str, ...]
    program: str


CLIENTS = {
    "pnpm": Client("npm", ("pnpm@12",), "pnpm"),
    "yarn-1": Client("npm", ("yarn@1.22.22",), "yarn"),
    "yarn-4": Client("npm", ("@yarnpkg/cli-dist@4",), "yarn"),
    "bun": Client("npm", ("bun@1",), "bun"),
    "corepack": Client("npm", ("corepack@0.34",), "corepack"),
    "poetry": Client("pip", ("poetry>=2,<3",), "poetry"),
    # Newer ones of pdm, and of what it needs, do not agree with each other (2026-11).
    "pdm": Client("pip", ("pdm==2.26.*", "hishel>=1,<2", "unearth<0.18"), "pdm"),
    "pipx": Client("pip", ("pipx>=1.7,<2",), "pipx"),
}


def client(name: str) -> Path | None:
    """The program; None while it cannot be fetched."""
    what, place = CLIENTS[name], _CACHE / name
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            with suppress(subprocess.SubprocessError):
                command = _FETCH[what.kind](place, what.wanted)
                subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True)
                (place / "ready").touch()
    programs = {"npm": place / "node_modules" / ".bin", "pip": place / "bin"}
    return programs[what.kind] / what.program if (place / "ready").exists() else None


def _by_npm(place: Path, wanted: tuple[str, ...]) -> list[str]:
    (place / "package.json").write_text('{"name": "client", "version": "1.0.0"}')
    npm = shutil.which("npm") or "npm"
    return [npm, "install", "--prefix", str(place), "--no-audit", "--no-fund", "--loglevel=error", *wanted]


def _by_pip(place: Path, wanted: tuple[str, ...]) -> list[str]:
    venv.EnvBuilder(with_pip=True).create(place)
    return [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted]


_FETCH: dict[str, Callable[[Path, tuple[str, ...]], list[str]]] = {"npm": _by_npm, "pip": _by_pip}
