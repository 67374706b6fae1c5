"""The real uv builds and runs real packages, each exec stopped and judged as by the agent; no root.

The indexes are this process's own, on loopback; uv itself is fetched once by pip.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.demands import demand
from pip_tracer import Tree, trace
from pratique.managers.base import Stopped
from pratique.managers.uv.keys import index_key
from pratique.model import Settlement
from pratique.words import Actor, Quality, Stage
from python_house import project, sdist
from uv_program import uv_program


class Place:
    """A user's directory, two indexes, and a uv that knows only the first."""

    def __init__(self, top: Path, uv: Path, port: int) -> None:
        self.top, self.uv, self.port = top, uv, port
        self.index = f"http://127.0.0.1:{port}/good/"
        for folder in ("home", "tmp"):
            (top / folder).mkdir()

    def publish(self, name: str, index: str = "good", **more: str) -> None:
        """Put a source archive into one of the indexes."""
        path = sdist(self.top / "files" / index, project(name, **more), name)
        page = self.top / index / name / "index.html"
        page.parent.mkdir(parents=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        page.write_text(f'<a href="/files/{index}/{path.name}#sha256={digest}">{path.name}</a>')

    def run(self, *words: str, program: str = "uv") -> Tree:
        """Trace a uv command, with the good index."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.top / "home"),
            "TMPDIR": str(self.top / "tmp"),
            "UV_DEFAULT_INDEX": self.index,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON": sys.executable,
        }
        tree = trace([str(self.uv.with_name(program)), *words], self.top, environment)
        assert tree.status == 0, tree.seen
        return tree


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Serve the directory on loopback while the test runs."""
    uv = uv_program()
    demand(None if uv else "uv could not be fetched once")
    handler = partial(_Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Place(Path(os.path.realpath(tmp_path)), uv, server.server_address[1])
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the output is the test's."""


def _built(tree: Tree) -> dict[str | None, Quality]:
    return {settled.identity.purl: settled.identity.quality for _, settled in tree.of(Actor.PACKAGE)}


def _last(tree: Tree) -> tuple[Stopped, Settlement]:
    return tree.seen[-1]


@pytest.mark.parametrize("cache", [(), ("--no-cache",)])
def test_sources_from_the_index_are_verified(place: Place, cache: tuple[str, ...]) -> None:
    """Each package by its own name, the build requirement too; what a build starts is not judged again."""
    place.publish("need")
    place.publish("decoy-pkg", needs='["need"]')

    tree = place.run("pip", "install", "-q", *cache, "--target", "out", "Decoy.Pkg")

    assert _built(tree) == {"pkg:pypi/decoy-pkg@1.2": Quality.VERIFIED, "pkg:pypi/need@1.2": Quality.VERIFIED}
    assert {settled.identity.direct for _, settled in tree.of(Actor.PACKAGE)} == {True, False}
    assert all((settled.identity.digest or "").startswith("sha256-") for _, settled in tree.of(Actor.PACKAGE))
    assert {settled.stage for _, settled in tree.of(Actor.PACKAGE)} == {Stage.BUILD}


def test_an_index_that_a_package_names_verifies_nothing(place: Place) -> None:
    """A package may tell uv where to take its build requirements from: the user has not."""
    more = f'[tool.uv.sources]\nneed = {{ index = "evil" }}\n[[tool.uv.index]]\nname = "evil"\nurl = "http://127.0.0.1:{place.port}/evil/"\n'
    place.publish("need")
    place.publish("need", index="evil")
    place.publish("decoy-pkg", needs='["need"]', more=more)

    tree = place.run("pip", "install", "-q", "--target", "out", "decoy-pkg")

    found = {
        "/need/" in child.cwd: (child.cwd, settled.identity.quality)
        for child, settled in tree.of(Actor.PACKAGE)
    }
    cwd, quality = found[True]
    assert quality is (Quality.VERIFIED if f"/{index_key(place.index)}/" in cwd else Quality.CLAIMED)


def test_archives_from_elsewhere_are_claimed(place: Place) -> None:
    """A find-links directory, a path, a URL."""
    archive = sdist(place.top / "links", project("linked"), "linked")
    ways = (
        ("--no-index", "--find-links", "links", "linked"),
        ("./links/linked-1.2.tar.gz",),
        (f"linked @ http://127.0.0.1:{place.port}/links/{archive.name}",),
    )
    for number, words in enumerate(ways):
        tree = place.run("pip", "install", "-q", "--target", f"out{number}", *words)
        names = {(purl or "").partition("?")[0]: quality for purl, quality in _built(tree).items()}
        assert names == {"pkg:pypi/linked@1.2": Quality.CLAIMED}, words


def test_a_git_requirement_is_cloned_by_helpers(place: Place) -> None:
    """Git and its sub-programs are helpers; what is built from the checkout is package code."""
    demand(None if Path("/usr/bin/git").exists() else "there is no git")
    mine = place.top / "mine"
    mine.mkdir()
    for file, text in project("mine").items():
        (mine / file).write_text(text)
    git = ["/usr/bin/git", "-C", str(mine), "-c", "user.name=x", "-c", "user.email=x@x.test"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True, timeout=20)

    tree = place.run("pip", "install", "-q", "--target", "out", f"mine @ git+file://{mine}@v1")

    helpers = {child.argv[1] for child, _ in tree.of(Actor.HELPER) if child.argv[0].endswith("git")}
    assert {"init", "fetch", "rev-parse", "clone", "reset"} <= helpers
    assert [(purl or "").partition("?")[0] for purl in _built(tree)] == ["pkg:pypi/mine@1.2"]
    assert set(_built(tree).values()) == {Quality.CLAIMED}


@pytest.mark.parametrize("words", [("./mine",), ("-e", "mine"), ("-r", "requirements.txt")])
def test_a_local_build_is_the_project_s(place: Place, words: tuple[str, ...]) -> None:
    """What the user named on the command line or in a requirements file is first-party."""
    _local(place, "mine")
    (place.top / "requirements.txt").write_text("./mine\n")

    tree = place.run("pip", "install", "-q", "--compile-bytecode", "--target", "out", *words)

    assert tree.of(Actor.PACKAGE) == []
    assert {settled.identity.source for _, settled in tree.of(Actor.PROJECT)} == {f"file://{place.top}/mine"}


def _local(place: Place, name: str, **more: str) -> Path:
    folder = place.top / name
    folder.mkdir()
    for file, text in project(name, **more).items():
        (folder / file).write_text(text)
    return folder


def test_a_project_is_locked_synced_and_run(place: Place) -> None:
    """The project's build is first-party, its dependency a verified package at build and at first run."""
    place.publish("need")
    _local(place, "mine", wants='["need"]')

    synced = place.run("--directory", "mine", "sync", "-q")
    own = place.run("--directory", "mine", "run", "-q", "python", "-c", "print(1)")
    script = place.run("--directory", "mine", "run", "-q", "mine")
    theirs = place.run("--directory", "mine", "run", "-q", "need")
    overlaid = place.run("run", "-q", "--no-project", "--with", "need", "need")

    assert _built(synced) == {"pkg:pypi/need@1.2": Quality.VERIFIED}
    assert {settled.identity.source for _, settled in synced.of(Actor.PROJECT)} == {
        f"file://{place.top}/mine"
    }
    for tree in (own, script):
        assert (_last(tree)[1].actor, _last(tree)[1].stage) == (Actor.PROJECT, Stage.FIRST_RUN)
    for tree in (theirs, overlaid):
        found = _last(tree)[1]
        assert (found.actor, found.stage) == (Actor.PACKAGE, Stage.FIRST_RUN)
        assert (found.identity.purl, found.identity.quality) == ("pkg:pypi/need@1.2", Quality.VERIFIED)


def test_a_build_of_the_project_is_first_party(place: Place) -> None:
    """The archive, and the wheel from what was unpacked again of it."""
    _local(place, "mine")

    tree = place.run("build", "-q", "mine")

    assert tree.of(Actor.PACKAGE) == []
    assert any("/sdists-v" in child.cwd for child, _ in tree.of(Actor.PROJECT))


def test_a_tool_is_a_package_from_build_to_first_run(place: Place) -> None:
    """Uvx: the build and the start of the tool have one name."""
    place.publish("need")

    tree = place.run("-q", "need", program="uvx")

    # This host's own interpreter may have .pth files nobody lists: asking it is then a nameless first run.
    packages = [settled for child, settled in tree.of(Actor.PACKAGE) if "-I" not in child.argv]
    assert {settled.identity.purl for settled in packages} == {"pkg:pypi/need@1.2"}
    assert {settled.identity.quality for settled in packages} == {Quality.VERIFIED}
    assert [settled.stage for settled in packages][-1] is Stage.FIRST_RUN
    assert tree.managers[0].argv[1:3] == ("tool", "uvx")
