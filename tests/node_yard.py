"""A user of npm, pnpm, yarn or bun in each of its layouts, and what an install is found to have written."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import node_house
import npm_house
from clients import client
from lab.registry import Registry
from pratique.backends.base import FreshTree
from pratique.daemon.installed import Install, found

_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Layout:
    """A manager, and what makes it lay packages out in one of its ways."""

    manager: str
    settings: Mapping[str, str]
    lock: str

    @property
    def program(self) -> str | None:
        """The manager's own; None where it is missing."""
        found = npm_house.NPM if self.manager == "npm" else client(self.manager)
        return str(found) if found else None

    @property
    def add(self) -> tuple[str, ...]:
        """The words before a package's name."""
        return ("install",) if self.manager == "npm" else node_house.KINDS[self.manager].add


_FOLDERS = "nodeLinker: node-modules\n"
LAYOUTS = {
    "npm": Layout("npm", {}, "package-lock.json"),
    "pnpm": Layout("pnpm", {}, "pnpm-lock.yaml"),
    "yarn-1": Layout("yarn-1", {}, "yarn.lock"),
    "yarn-4": Layout("yarn-4", {}, "yarn.lock"),
    "yarn-4-folders": Layout("yarn-4", {".yarnrc.yml": _FOLDERS}, "yarn.lock"),
    "bun": Layout("bun", {"bunfig.toml": '[install]\nlinker = "hoisted"\n'}, "bun.lock"),
    "bun-isolated": Layout("bun", {"bunfig.toml": '[install]\nlinker = "isolated"\n'}, "bun.lock"),
}

RARE = {
    "npm-linked": Layout("npm", {".npmrc": "install-strategy=linked\n"}, "package-lock.json"),
    "pnpm-hoisted": Layout("pnpm", {"pnpm-workspace.yaml": "nodeLinker: hoisted\n"}, "pnpm-lock.yaml"),
    "yarn-4-store": Layout("yarn-4", {".yarnrc.yml": "nodeLinker: pnpm\n"}, "yarn.lock"),
}
"""Layouts that somebody must ask for."""


class Yard:
    """A home, a project, a registry, and one manager in one layout."""

    def __init__(self, name: str, top: Path, registry: Registry) -> None:
        self.layout, self.registry = (LAYOUTS | RARE)[name], registry
        manager = self.layout.manager
        self._house: Any = (
            npm_house.Lab(top, registry) if manager == "npm" else node_house.House(manager, top, registry)
        )
        self.top, self.mine, self.environment = top, self._house.mine, self._house.environment()
        self.written: set[str] = set()
        self.project()

    def project(self, **manifest: Any) -> None:
        """Write the project anew."""
        self._house.project(**manifest)
        for name, content in self.layout.settings.items():
            (self.mine / name).write_text(content)

    @property
    def lock(self) -> Path:
        """The project's lock file."""
        return Path(self.mine / self.layout.lock)

    def publish(
        self, name: str, version: str = "1.0.0", files: Mapping[str, str] | None = None, **more: Any
    ) -> bytes:
        """A package that says its name when it is loaded."""
        said = {"index.js": f"console.log('{name} {version}')\n", **(files or {})}
        return self.registry.add({"name": name, "version": version, **more}, said)

    def add(self, *specs: str) -> dict[str, FreshTree]:
        """Install packages by name; what was written."""
        return self.run(*self.layout.add, *specs)

    def again(self) -> dict[str, FreshTree]:
        """Install from the lock file as it is, with nothing there but what the manager keeps for itself."""
        for folder in ("node_modules", ".yarn"):
            shutil.rmtree(self.mine / folder, ignore_errors=True)
        return self.run("install")

    def run(self, *words: str) -> dict[str, FreshTree]:
        """Run the manager; what it wrote, by package and place."""
        time.sleep(0.05)
        since = time.time()
        command = [str(self.layout.program), *words]
        self.done = subprocess.run(
            command,
            cwd=self.mine,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        argv = command if self.layout.manager in ("pnpm", "bun") else ["node", *command]
        install = Install(tuple(argv), str(self.mine), self.environment, since)
        self.trees = list(found(install, lambda path: path in self.written))
        return {tree.purl: tree for tree in self.trees}


def where(tree: FreshTree) -> str:
    """The place of a package."""
    return next(iter((*tree.directories, *tree.files)))


def real(folder: Path) -> Path:
    """Its path through no link."""
    return Path(os.path.realpath(folder))
