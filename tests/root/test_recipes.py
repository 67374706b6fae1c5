"""The recipes really run: real tools, an index of ours, and a thief among the packages is stopped."""

import shutil
import subprocess
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.demands import demand
from lab.guard import PRATIQUE, Outcome, run
from lab.ledger import exclusive
from lab.world import World
from recipe_book import BOOK, ROOT, image_lines, pipeline_script, shown, workflow_script

_SCENARIOS = ROOT / "tests" / "scenarios"
_PLACE = ROOT / ".cache" / "recipes"
_TOOLS = ("tox", "nox", "pre-commit")
_SUDO = '#!/bin/sh\nwhile case $1 in -*) true;; *) false;; esac; do shift; done\nexec "$@"\n'
_LAYOUT = {
    "policy.toml": "ci/policy.toml",
    "tox.ini": "tox.ini",
    "noxfile.py": "noxfile.py",
    "pre-commit-config.yaml": ".pre-commit-config.yaml",
    "Makefile": "Makefile",
    "monorepo": "monorepo",
}
_TEST = "import unittest\n\nimport {module}\n\n\nclass Works(unittest.TestCase):\n    def test(self):\n        pass\n"
HONEST, THIEF = "plain-text", "token-tidy"

pytestmark = pytest.mark.timeout(150, method="thread")


@dataclass(frozen=True, slots=True)
class Project:
    """A repository that follows the recipes."""

    world: World
    folder: Path

    def needs(self, package: str) -> None:
        """Let it depend on this package."""
        (self.folder / "requirements.txt").write_text(f"{package}\n")
        (self.folder / "test_it.py").write_text(_TEST.format(module=package.replace("-", "_")))

    def sh(self, script: str, by: str = "bash") -> Outcome:
        """Run it as a service's runner does: stop at the first line that fails."""
        return run([by, "-e", "-c", script], self.environment(), self.folder, self.folder / "pratique.json")

    def environment(self) -> dict[str, str]:
        """A user's, with our index, the tools and the guard on the PATH."""
        environment = self.world.environment()
        places = [
            environment["PATH"],
            str(_PLACE / "venv" / "bin"),
            str(PRATIQUE.parent),
            str(self.folder / "bin"),
        ]
        return environment | {
            "PATH": ":".join(places),
            "PIP_INDEX_URL": self.world.index.url,
            "PIP_TRUSTED_HOST": self.world.index.host,
            "PIP_FIND_LINKS": str(_PLACE / "wheels"),
        }


@pytest.fixture(scope="session")
def tools() -> None:
    """The real tools, fetched once by pip itself, and what builds need from an index."""
    with exclusive("recipes"):
        if not (_PLACE / "ready").exists():
            venv.EnvBuilder(clear=True, with_pip=True).create(_PLACE / "venv")
            pip = [str(_PLACE / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
            fetched = [
                _works(*pip, "install", "--quiet", *_TOOLS),
                _works(*pip, "download", "--quiet", "--dest", str(_PLACE / "wheels"), "setuptools"),
            ]
            demand(None if all(fetched) else "the tools of the recipes cannot be fetched: no index reached")
            (_PLACE / "ready").touch()


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=140, check=False).returncode == 0


@pytest.fixture
def project(guard: None, tools: None) -> Iterator[Project]:
    """A fresh checkout of a repository that follows the recipes, and an index with an honest package and a thief."""
    with World(
        [_SCENARIOS / "T-build" / "plain-text-1.1.0", _SCENARIOS / "O01" / "token-tidy-3.7.2"]
    ) as world:
        made = Project(world, world.folder / "checkout")
        for name, place in _LAYOUT.items():
            _copy(BOOK / name, made.folder / place)
        _script(made.folder / "bin" / "sudo", _SUDO)
        made.needs(HONEST)
        yield made


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, to)


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _clean(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.out[-2000:] + outcome.err[-4000:]


def _guarded_an_install(outcome: Outcome) -> None:
    """The report is about an install: a manager was recognised and its package named."""
    assert outcome.report is not None, outcome.err
    assert outcome.report["run"]["manager"] == "pip"
    assert "pkg:pypi/plain-text@1.1.0" in [package["purl"] for package in outcome.report["packages"]]
    assert outcome.findings == []


SCRIPTS = {"github": workflow_script(), "gitlab": pipeline_script()}


@pytest.mark.parametrize("service", SCRIPTS)
def test_ci_goes_on_with_honest_packages(project: Project, service: str) -> None:
    """The service's lines end well, and the report that is kept says what was installed."""
    outcome = project.sh(SCRIPTS[service])

    _clean(outcome)
    _guarded_an_install(outcome)
    assert outcome.report is not None
    assert outcome.report["run"]["profile"] == "strict"


@pytest.mark.parametrize("service", SCRIPTS)
def test_ci_stops_at_a_thief(project: Project, service: str) -> None:
    """The job fails, later lines do not run, the report is there, and nothing has left."""
    project.needs(THIEF)
    outcome = project.sh(f"{SCRIPTS[service]}\ntouch went-on")

    assert outcome.status == 3
    assert not (project.folder / "went-on").exists()
    assert {finding["package"] for finding in outcome.findings} == {"pkg:pypi/token-tidy@3.7.2"}
    assert project.world.sink.received() == b""


def test_image_line(project: Project) -> None:
    """With what it needs, the Dockerfile's line installs, under the plain shell that builds use."""
    shutil.copy(project.folder / "ci" / "policy.toml", project.folder / "policy.toml")
    (line,) = image_lines()

    _clean(project.sh(f"export PIP_TARGET={project.world.site}; {line}", by="sh"))
    assert (project.world.site / "plain_text.py").exists()


@pytest.mark.parametrize(
    "walls",
    [
        "setpriv --bounding-set -sys_admin,-bpf --inh-caps -sys_admin,-bpf",
        "unshare --pid --fork --mount-proc",
    ],
    ids=["capabilities", "pid-namespace"],
)
def test_image_line_without_rights(project: Project, walls: str) -> None:
    """In what an ordinary image build is, the line is guarded without privilege; it says so, and is never bare."""
    shutil.copy(project.folder / "ci" / "policy.toml", project.folder / "policy.toml")
    (line,) = image_lines()
    outcome = project.sh(f"export PIP_TARGET={project.world.site}; {walls} {line}", by="sh")

    assert "guarded by the rootless backend" in outcome.err
    assert outcome.status == 0, outcome.err
    assert (project.world.site / "plain_text.py").exists()


@pytest.mark.parametrize("tool", ["tox", "nox", "pre-commit install-hooks"])
def test_tool_is_guarded_from_outside(project: Project, tool: str) -> None:
    """The pip that the tool starts is recognised, and its packages are named."""
    line = next(line for line in shown() if line.endswith(f"-- {tool}"))
    assert line == f"pratique run -- {tool}"
    outcome = project.sh(f"git init -q .\n{line.replace(' run ', ' run --report pratique.json ')}")

    _clean(outcome)
    _guarded_an_install(outcome)


def test_thief_below_a_tool_is_stopped(project: Project) -> None:
    """However deep the install is, its package's acts are refused and the tool's own success becomes a 3."""
    project.needs(THIEF)
    outcome = project.sh("pratique run --report pratique.json -- tox")

    assert outcome.status == 3
    assert {finding["package"] for finding in outcome.findings} == {"pkg:pypi/token-tidy@3.7.2"}
    assert project.world.sink.received() == b""


def test_make(project: Project) -> None:
    """A thief leaves the target unmade, and make says so."""
    project.needs(THIEF)
    outcome = project.sh("make .venv")

    assert outcome.status == 2
    assert "Error 3" in outcome.err
    assert project.world.sink.received() == b""


def test_several_projects(project: Project) -> None:
    """Local projects and a registry's package, at one install and in one report."""
    (line,) = [line for line in shown() if "monorepo" in line]
    outcome = project.sh(
        f"python3 -m venv .venv\n{line}\n.venv/bin/python -c 'import harbour, pilot, plain_text'"
    )

    _clean(outcome)
    assert outcome.report is not None
    assert "pkg:pypi/plain-text@1.1.0" in [package["purl"] for package in outcome.report["packages"]]
    assert [finding for finding in outcome.findings if finding["action"] != "audited"] == []


@pytest.mark.parametrize(
    "line", [line for line in shown() if "bin/python -m pip" in line or "guarded-python" in line]
)
def test_editor(project: Project, line: str) -> None:
    """An interpreter called by its path is an installer all the same, behind the stand-in too."""
    project.needs(THIEF)
    _clean(project.sh("python3 -m venv .venv"))
    _copy(BOOK / "guarded-python", project.folder / ".venv" / "bin" / "guarded-python")

    assert project.sh(line).status == 3
    assert project.world.sink.received() == b""


def test_rest_of_the_page(project: Project) -> None:
    """The commands of the page that no other test runs, each on its own."""
    others = [line for line in shown() if "policy check" in line or "ci/policy.toml" in line]
    _clean(project.sh("python3 -m venv .venv"))

    ended = {line: project.sh(line) for line in others}

    assert len(ended) == 3
    assert {line: outcome.err for line, outcome in ended.items() if outcome.status} == {}
