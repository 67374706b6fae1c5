"""A user of any manager of Node packages: a home, a project, a registry on loopback, and the real client traced."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients import client
from lab.registry import Registry
from pip_tracer import Tree, trace
from pratique.managers.base import Stopped

SCRIPT = {"postinstall": "node ask.js"}
ASK = {"ask.js": "require('fs').writeFileSync('asked', '1')\n"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How one of them is told what to do."""

    family: str
    add: tuple[str, ...]
    install: tuple[str, ...]
    fetch: tuple[str, ...]
    """Fetches a program and runs it."""
    approve: Callable[[Path, tuple[str, ...]], None]
    """Let these packages run scripts in a project."""
    lock: str


def _pnpm(project: Path, names: tuple[str, ...]) -> None:
    rows = "".join(f"  '{name}': true\n" for name in names)
    (project / "pnpm-workspace.yaml").write_text(f"fetchRetries: 0\nallowBuilds:\n{rows}")


def _bun(project: Path, names: tuple[str, ...]) -> None:
    manifest = json.loads((project / "package.json").read_text())
    (project / "package.json").write_text(json.dumps({**manifest, "trustedDependencies": names}))


def _berry(project: Path, _: tuple[str, ...]) -> None:
    (project / ".yarnrc.yml").write_text("enableScripts: true\n")


def _always(_: Path, __: tuple[str, ...]) -> None:
    """It asks nobody."""


KINDS = {
    "yarn-1": Kind("yarn", ("add",), ("install",), (), _always, "yarn.lock"),
    "yarn-4": Kind("yarn", ("add",), ("install",), ("dlx",), _berry, "yarn.lock"),
    "bun": Kind("bun", ("add",), ("install",), ("x",), _bun, "bun.lock"),
    "pnpm": Kind("pnpm", ("add",), ("install",), ("dlx",), _pnpm, "pnpm-lock.yaml"),
}


@dataclass
class House:
    """A home, a project, a registry, and one manager."""

    name: str
    top: Path
    registry: Registry
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.kind = KINDS[self.name]
        for folder in ("home", "mine", "tmp"):
            (self.top / folder).mkdir()
        self.project()
        (self.top / "home" / ".npmrc").write_text(f"registry={self.registry.url}\n")

    @property
    def mine(self) -> Path:
        """The project."""
        return self.top / "mine"

    def project(self, *approved: str, **manifest: Any) -> None:
        """Write the project's package.json, and let packages run scripts."""
        self.write("mine", {"name": "mine", "version": "1.0.0", **manifest})
        (self.mine / ".npmrc").write_text(f"registry={self.registry.url}\n")
        self.kind.approve(self.mine, approved)

    def write(self, folder: str, manifest: Mapping[str, Any]) -> Path:
        """Make a folder with a package.json."""
        (self.top / folder).mkdir(parents=True, exist_ok=True)
        (self.top / folder / "package.json").write_text(json.dumps(manifest))
        return self.top / folder

    def publish(self, name: str, version: str = "1.0.0", **manifest: Any) -> None:
        """A package with a script that leaves a trace."""
        whole = {"name": name, "version": version, "scripts": SCRIPT, **manifest}
        self.registry.add(whole, ASK)

    def add(self, *specs: str) -> Tree:
        """Install packages by name."""
        return self.run(*self.kind.add, *specs)

    def run(self, *words: str, at_exec: Callable[[Stopped], None] = lambda child: None) -> Tree:
        """Run the manager to its end, judging all that it starts."""
        program = str(client(self.name))
        return trace(
            [program, *words], self.mine, self.environment(), lambda path: path in self.written, at_exec
        )

    def environment(self) -> dict[str, str]:
        """What a user of this registry has set."""
        return environment(self.name, self.top, self.registry.url)


def environment(name: str, top: Path, registry: str) -> dict[str, str]:
    """What a user has set who installs with this manager from this registry, below a folder of their own."""
    program = client(name)
    return {
        "PATH": f"{program.parent if program else ''}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(top / "home"),
        "TMPDIR": str(top / "tmp"),
        "LANG": "C.UTF-8",
        "npm_config_registry": registry,
        "BUN_CONFIG_REGISTRY": registry,
        **(_OWN[name](registry, top) if name in _OWN else {}),
    }


def _yarn_1(_: str, top: Path) -> dict[str, str]:
    return {"YARN_CACHE_FOLDER": str(top / "cache"), "YARN_DISABLE_SELF_UPDATE_CHECK": "1"}


def _yarn_4(registry: str, _: Path) -> dict[str, str]:
    return {
        "YARN_NPM_REGISTRY_SERVER": registry,
        "YARN_UNSAFE_HTTP_WHITELIST": "127.0.0.1",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_NPM_MINIMAL_AGE_GATE": "0",
        "YARN_ENABLE_IMMUTABLE_INSTALLS": "0",
    }


_OWN: dict[str, Callable[[str, Path], dict[str, str]]] = {"yarn-1": _yarn_1, "yarn-4": _yarn_4}
