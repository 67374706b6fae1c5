"""A user of npm for tests: a home, a project, a registry on loopback, and the real npm watched by the tracer.

No network, no root: ptrace stands in for the kernel. What npm says, and when, is npm's own doing here.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.demands import demand
from lab.registry import Registry
from pip_tracer import Tree, trace
from pratique.managers.base import Stopped
from pratique.model import Settlement
from pratique.words import Actor

NPM, NPX, GIT = (shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") for name in ("npm", "npx", "git"))
SCRIPT = {"postinstall": "true"}


@dataclass
class Lab:
    """A home, a project and a registry."""

    top: Path
    registry: Registry
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in ("home", "mine"):
            (self.top / name).mkdir()
        self.project()

    @property
    def mine(self) -> Path:
        """The project."""
        return self.top / "mine"

    def project(self, **manifest: Any) -> None:
        """Write the project's package.json."""
        self.write("mine", {"name": "mine", "version": "1.0.0", **manifest})

    def write(self, folder: str, manifest: Mapping[str, Any]) -> Path:
        """Make a folder with a package.json."""
        (self.top / folder).mkdir(parents=True, exist_ok=True)
        (self.top / folder / "package.json").write_text(json.dumps(manifest))
        return self.top / folder

    def npm(
        self,
        *words: str,
        program: str | None = NPM,
        at_exec: Callable[[Stopped], None] = lambda child: None,
        **more: str,
    ) -> Tree:
        """Run npm to its end, judging all that it starts."""
        environment = self.environment() | more
        tree = trace(
            [str(program), *words], self.mine, environment, lambda path: path in self.written, at_exec
        )
        assert len(tree.managers) == 1
        return tree

    def environment(self) -> dict[str, str]:
        """What a user of this registry has set."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.top / "home"),
            "npm_config_registry": self.registry.url,
            "npm_config_update_notifier": "false",
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_loglevel": "error",
        }


def lab_in(folder: Path) -> Iterator[Lab]:
    """Everything one test needs, below a folder."""
    demand(None if NPM else "there is no npm")
    with Registry() as registry:
        yield Lab(Path(os.path.realpath(folder)), registry)


def only(tree: Tree, actor: Actor = Actor.PACKAGE) -> Settlement:
    """The one judgement of an actor."""
    found = tree.of(actor)
    assert len(found) == 1, [(child.argv, settled) for child, settled in tree.seen]
    return found[0][1]


def of(tree: Tree, folder: str) -> Settlement:
    """The last judgement of a process in a folder."""
    found = [settled for child, settled in tree.seen if child.cwd.endswith(folder)]
    assert found, [child.cwd for child, _ in tree.seen]
    return found[-1]


def repository(lab: Lab, **manifest: Any) -> str:
    """A git repository of a package; its URL as a dependency."""
    demand(None if GIT else "there is no git")
    where = lab.write("code", {"name": "esbuild", "version": "9.9.9", **manifest})
    commit(where)
    return f"git+file://{where}"


def again(lab: Lab) -> str:
    """The same after a change."""
    commit(lab.top / "code")
    return f"git+file://{lab.top / 'code'}"


def commit(where: Path) -> None:
    """Commit all there is."""
    git = [str(GIT), "-C", str(where), "-c", "user.name=x", "-c", "user.email=x@x.test"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, timeout=20)
