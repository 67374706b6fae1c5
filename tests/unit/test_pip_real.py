"""Real pips build real source archives, each exec stopped and judged as by the agent; no network, no root.

PRATIQUE_TEST_PYTHONS (paths with `:`) adds interpreters, so that any version of pip can be tried.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

from lab.demands import demand
from pip_tracer import Tree, trace
from pratique.managers.pip.manager import Pip
from pratique.words import Actor, Quality, Stage

_OLDEST = (21, 0)
_SYSTEM = '[build-system]\nrequires = ["need"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
_BACKEND = """
import zipfile
_METADATA = "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.2\\n"
def _write(path, name):
    with zipfile.ZipFile(f"{path}/{name}-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}-1.2.dist-info/METADATA", _METADATA)
        wheel.writestr(f"{name}-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(f"{name}-1.2.dist-info/RECORD", "")
    return f"{name}-1.2-py3-none-any.whl"
def build_wheel(path, settings=None, metadata=None):
    import subprocess
    subprocess.run(["uname", "-rs"], check=True, stdout=subprocess.DEVNULL)
    return _write(path, "NAME")
def build_editable(path, settings=None, metadata=None):
    return _write(path, "NAME")
"""


def _project(name: str) -> dict[str, str]:
    return {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n",
        "pyproject.toml": _SYSTEM,
        "backend.py": _BACKEND.replace("NAME", name),
    }


@cache
def _pips() -> list[tuple[str, tuple[int, ...]]]:
    """The oldest and the newest pip that is here, this environment's, and those given by hand."""
    given = os.environ.get("PRATIQUE_TEST_PYTHONS", "").split(":")
    installed = sorted(map(str, Path.home().glob(".pyenv/versions/*/bin/python")))
    found: dict[tuple[int, ...], str] = {}
    for python in [sys.executable, *given, *installed]:
        version = _version(python)
        if version and version >= _OLDEST:
            found.setdefault(version, python)
    ends = {min(found), max(found)} if found else set()
    return [
        (found[each], each)
        for each in sorted(found)
        if each in ends or found[each] in [sys.executable, *given]
    ]


def _version(python: str) -> tuple[int, ...] | None:
    if not os.access(python, os.X_OK):
        return None
    words = [python, "-I", "-c", "import sys, pip; print(sys.version_info >= (3, 7) and pip.__version__)"]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    return tuple(int(part) for part in re.findall(r"\d+", said)) or None


@pytest.fixture(params=_pips(), ids=lambda found: "pip-" + ".".join(map(str, found[1])))
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter with a pip of its own."""
    return str(request.param[0])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an index, archives, a wheel that builds require, and a project."""
    top = Path(os.path.realpath(tmp_path))
    for name in ("index/decoy-pkg", "links", "mine", "tmp", "home"):
        (top / name).mkdir(parents=True)
    _sdist(top / "index" / "decoy-pkg" / "decoy_pkg-1.2.tar.gz", "decoy_pkg")
    (top / "index" / "decoy-pkg" / "index.html").write_text(
        '<a href="decoy_pkg-1.2.tar.gz">decoy_pkg-1.2.tar.gz</a>'
    )
    _sdist(top / "links" / "linked-1.2.tar.gz", "linked")
    with zipfile.ZipFile(top / "links" / "need-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("need-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: need\nVersion: 1\n")
        wheel.writestr(
            "need-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("need-1.dist-info/RECORD", "")
    for name, text in _project("mine").items():
        (top / "mine" / name).write_text(text)
    return top


def _sdist(path: Path, name: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for file, text in _project(name).items():
            member = tarfile.TarInfo(f"{name}-1.2/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


def _pip(python: str, place: Path, *words: str) -> Tree:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    tree = trace([python, "-m", "pip", *words, "-q", "--find-links", "links"], place, environment)
    assert len(tree.managers) == 1
    assert tree.managers[0].argv[1:4] == ("-m", "pip", words[0])
    return tree


def _hooks(tree: Tree) -> set[str]:
    return {child.argv[2] for child, settled in tree.seen if settled.new_origin}


def test_an_archive_from_an_index_is_verified(python: str, place: Path) -> None:
    """Nested pip and its helpers stay trusted; every hook is the one verified package."""
    tree = _pip(python, place, "install", "-i", f"file://{place}/index", "-t", "out", "Decoy.Pkg")

    assert tree.status == 0
    built = tree.of(Actor.PACKAGE)
    assert {settled.identity.purl for _, settled in built} == {"pkg:pypi/decoy-pkg@1.2"}
    assert {settled.identity.quality for _, settled in built} == {Quality.VERIFIED}
    assert {settled.stage for _, settled in built} == {Stage.BUILD}
    assert {settled.identity.direct for _, settled in built} == {True}
    assert "build_wheel" in _hooks(tree)
    nested = [child for child, _ in tree.of(Actor.MANAGER)]
    assert [Pip().requested(child.argv, child.cwd) for child in nested] == [("need",)]
    assert tree.of(Actor.PROJECT) == []


def test_what_a_build_starts_is_not_judged_again(python: str, place: Path) -> None:
    """The build runs `uname -rs`, as pip does: it inherits package and never becomes a helper."""
    tree = _pip(python, place, "wheel", "--no-index", "-w", "out", "linked")

    assert tree.status == 0
    builders = {child.pid for child, _ in tree.of(Actor.PACKAGE)}
    assert all(child.cwd == str(place) for child, _ in tree.of(Actor.HELPER))
    assert builders


def test_an_archive_from_a_directory_is_claimed(python: str, place: Path) -> None:
    """Nobody vouches for what lies in a find-links directory."""
    tree = _pip(python, place, "download", "--no-index", "-d", "out", "linked")

    built = tree.of(Actor.PACKAGE)
    assert {settled.identity.purl for _, settled in built} == {"pkg:pypi/linked@1.2"}
    assert {settled.identity.quality for _, settled in built} == {Quality.CLAIMED}


@pytest.mark.parametrize("words", [("./mine",), ("-e", "mine"), ("-r", "requirements.txt")])
def test_a_local_build_is_the_project_s(python: str, place: Path, words: tuple[str, ...]) -> None:
    """What the user named on the command line or in a requirements file is first-party."""
    (place / "requirements.txt").write_text("./mine\n")
    verb = ("install", "--no-index", "--prefix", str(place / "out"))

    tree = _pip(python, place, *verb, *words)

    assert tree.of(Actor.PACKAGE) == []
    assert {settled.identity.source for _, settled in tree.of(Actor.PROJECT)} == {f"file://{place}/mine"}
    assert tree.status == 0


def test_an_archive_by_path_is_claimed(python: str, place: Path) -> None:
    """`pip install ./links/linked-1.2.tar.gz` names the file, not who made it."""
    tree = _pip(python, place, "install", "--no-index", "-t", "out", "./links/linked-1.2.tar.gz")

    assert tree.status == 0
    assert {settled.identity.quality for _, settled in tree.of(Actor.PACKAGE)} == {Quality.CLAIMED}
    assert {settled.identity.digest is None for _, settled in tree.of(Actor.PACKAGE)} == {False}


def test_a_git_requirement_is_cloned_by_helpers(python: str, place: Path) -> None:
    """Git and its sub-programs are helpers in the new clone; what is built from it is package code."""
    demand(None if Path("/usr/bin/git").exists() else "there is no git")
    git = ["/usr/bin/git", "-C", str(place / "mine"), "-c", "user.name=x", "-c", "user.email=x@x.test"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True, timeout=20)

    tree = _pip(python, place, "install", "--no-index", "-t", "out", f"git+file://{place}/mine@v1#egg=mine")

    assert tree.status == 0
    helpers = {child.argv[1] for child, _ in tree.of(Actor.HELPER) if child.argv[0] == "git"}
    assert {"clone", "rev-parse"} <= helpers
    built = [settled for child, settled in tree.of(Actor.PACKAGE) if "build_wheel" in child.argv]
    assert [settled.identity.quality for settled in built] == [Quality.CLAIMED]
    assert [(settled.identity.purl or "").partition("?")[0] for settled in built] == ["pkg:pypi/mine"]
