"""Real npm installs of real packages, from a cache that one install with the ordinary client has filled."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.workloads import Workload, environment, ratio


@dataclass(frozen=True, slots=True)
class Project:
    """What is installed: a name for the row, and the dependencies of its package.json."""

    name: str
    dependencies: dict[str, str]


PLAIN = Project("npm install", {"express": "^4", "eslint": "^8"})
NATIVE = Project(
    "npm install with scripts and an addon built from C",
    {"esbuild": "*", "core-js": "3", "es5-ext": "0.10", "bufferutil": "4", "unix-dgram": "2"},
)
_QUIET = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false"}


def npm(place: Path, project: Project) -> Workload:
    """`npm install` of a project without a lock file: resolved, unpacked, its scripts run; without the network."""
    folder = place / "npm" / "-".join(project.dependencies).replace("@", "")
    more = {**_QUIET, "npm_config_cache": str(place / "npm" / "cache"), "npm_config_nodedir": _headers()}
    count = _warmed(folder, project, more)

    def prepare() -> None:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        (folder / "package-lock.json").unlink(missing_ok=True)

    command = ["npm", "install", "--silent", "--offline"]
    name = f"{project.name}, {count} packages"
    return Workload(name, command, prepare, ratio, "ratio", 0.02, folder, more)


def _warmed(folder: Path, project: Project, more: dict[str, str]) -> int:
    """Fill the cache with what the project needs; how many packages that are."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"name": "bench", "version": "1.0.0", "private": True, "dependencies": project.dependencies}
    (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    settings = {**environment(), **_outside(), **more}
    subprocess.run(["npm", "install", "--silent"], cwd=folder, env=settings, check=True, timeout=600)
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    return len(lock["packages"]) - 1


def _outside() -> dict[str, str]:
    """How this machine reaches a registry."""
    return {name: value for name, value in os.environ.items() if name.lower().endswith(("_proxy", "_certs"))}


def _headers() -> str:
    """Where node's own headers are, so that node-gyp fetches none."""
    return str(Path(shutil.which("node") or "/usr/bin/node").resolve().parents[1])
