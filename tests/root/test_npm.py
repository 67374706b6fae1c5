"""Real npm under the guard: replicas of documented attacks on loopback's registry, and what must stay clean."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.registry import Registry
from lab.world import World

_REPLICAS = Path(__file__).parent / "npm"
_BENIGN = ("decoy-build", "decoy-core", "decoy-one", "decoy-two", "decoy-three")
_REAL = {
    "esbuild": "ships an ELF and runs it",
    "@swc/core": "checks for its binary, or falls back",
    "core-js": "prints a banner",
    "es5-ext": "prints a banner where the time zone says so",
    "protobufjs": "reads the manifest above it",
    "unix-dgram": "is built by node-gyp",
    "bufferutil": "looks for a prebuilt addon, or builds one",
    "utf-8-validate": "the same",
    "classic-level": "the same, in C++",
    "@parcel/watcher": "builds from source where it is asked to",
}


@dataclass(frozen=True)
class Case:
    """One replica: what it steals or leaves, and what the guard must have refused."""

    install: str
    culprit: str
    rows: tuple[tuple[str, str], ...]
    """(act, group) of refused findings."""
    loot: tuple[str, ...] = ()
    """Text, or a decoy (`~/…`), that reaches the sink without the guard."""
    left: str = ""
    """File that is there afterwards without the guard, relative to home."""
    stage: str = "script"
    identity: str = "verified"
    answers: dict[str, bytes] = field(default_factory=dict)
    metadata: bool = False
    home: tuple[str, ...] = ()
    """Folders that are there before."""


_CASES = {
    "O01": Case(
        "token-tidy",
        "pkg:npm/token-tidy@3.7.2",
        (("file.read", "secrets.npm"), ("net.connect", "net.global")),
        ("GET /p", "~/.npmrc"),
    ),
    "O02": Case("name-echo", "pkg:npm/name-echo@1.1.4", (("net.dns", ""),), ("x0-", "x5-")),
    "O04": Case(
        "agent-parser",
        "pkg:npm/agent-parser@0.7.29",
        (("net.connect", "net.global"),),
        ("GET /jsx",),
        "jsx-ran",
        answers={"/jsx": b"#!/bin/sh\necho > ~/jsx-ran\n"},
    ),
    "O16": Case(
        "bundle-up",
        "pkg:npm/bundle-up@2.0.1",
        (("file.read", "secrets.npm"), ("net.connect", "net.metadata"), ("net.connect", "net.global")),
        ("GET /latest/meta-data", "PUT /sibling"),
        metadata=True,
    ),
    "O17": Case(
        "runtime-setup",
        "pkg:npm/runtime-setup@1.0.2",
        (("net.connect", "net.global"),),
        ("GET /install",),
        ".bun/bin/bun",
        answers={"/install": b"mkdir -p ~/.bun/bin && echo > ~/.bun/bin/bun\n"},
    ),
    "O18": Case(
        "last-straw",
        "pkg:npm/last-straw@1.0.0",
        (("net.connect", "net.global"),),
        ("GET /alive",),
    ),
    "O19": Case(
        "cli-line",
        "pkg:npm/cli-line@2.3.0",
        (("net.connect", "net.loopback"),),
        left="@MARKS@/lib/node_modules/decoy-agent/package.json",
    ),
    "O20": Case(
        "canister-kit",
        "pkg:npm/canister-kit@0.4.0",
        (("file.create", "persistence.systemd"),),
        left=".config/systemd/user/pgmon.service",
        home=("~/.config/systemd/user/",),
    ),
    "O32": Case(
        "stub-addon",
        "pkg:npm/stub-addon@1.2.0",
        (("file.read", "secrets.npm"), ("net.connect", "net.global")),
        ("GET /p", "~/.npmrc"),
        stage="build",
    ),
    "O33": Case(
        "gyp-cond",
        "pkg:npm/gyp-cond@1.2.0",
        (("file.read", "secrets.npm"), ("net.connect", "net.global")),
        ("GET /p", "~/.npmrc"),
        stage="build",
    ),
}


class House:
    """A user's home with an empty project, and a registry with replicas."""

    def __init__(self, world: World, registry: Registry) -> None:
        self.world, self.registry = world, registry
        self.mine = world.folder / "mine"
        self.mine.mkdir()
        (self.mine / "package.json").write_text('{"name": "mine", "version": "1.0.0"}')
        for number in range(40):
            world.home.add(f"~/decoy-docs/{number}")

    def publish(self, folder: str) -> None:
        """Publish every package below a folder of replicas."""
        for top in sorted((_REPLICAS / folder).iterdir()):
            files = {
                str(path.relative_to(top)): self.filled(path) for path in top.rglob("*") if path.is_file()
            }
            manifest = json.loads(files.pop("package.json"))
            self.registry.add(manifest, files)

    def filled(self, path: Path) -> str:
        """A replica's text with the lab's addresses in it."""
        text = path.read_text()
        for word, value in self.world.words().items():
            text = text.replace(f"@{word}@", value)
        return text

    def npm(self, *words: str, guard: bool = True) -> Outcome:
        """Run npm, behind the guard unless told otherwise."""
        place = self.world.folder / "report.json" if guard else None
        command = ["npm", *words]
        return run(guarded(command, place) if guard else command, self.environment(), self.mine, place)

    def environment(self) -> dict[str, str]:
        """What a user of this registry has set."""
        own = self.world.environment()
        return {
            "HOME": own["HOME"],
            "TMPDIR": own["TMPDIR"],
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "npm_config_registry": self.registry.url,
            "npm_config_nodedir": "/usr",
            "npm_config_update_notifier": "false",
            "npm_config_audit": "false",
            "npm_config_fund": "false",
        }


@pytest.fixture
def npm() -> None:
    """Have npm here, or do without the test."""
    demand(None if shutil.which("npm") else "there is no npm")


def _house(case: Case | None = None) -> Iterator[House]:
    answers, metadata = (case.answers, case.metadata) if case else ({}, False)
    with World([], answers, metadata) as world, Registry() as registry:
        for place in case.home if case else ():
            world.home.add(place)
        yield House(world, registry)


@pytest.fixture
def house(npm: None, lab: None, request: pytest.FixtureRequest) -> Iterator[House]:
    """A house for one test; with the answers of its case."""
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    yield from _house(_CASES.get(str(name)))


def _taken(house: House, case: Case) -> list[str]:
    """What of the loot reached the sink, and what was left on the host."""
    sent, leaks = house.world.sink.received(), house.world.leaks()
    found = [each for each in case.loot if each in leaks or each.encode() in sent]
    marks = house.world.words()["MARKS"]
    left = house.world.home.folder / case.left.replace("@MARKS@", marks)
    return found + ([case.left] if case.left and left.exists() else [])


def _refused(outcome: Outcome) -> list[dict[str, Any]]:
    return [finding for finding in outcome.findings if finding["action"] in ("denied", "killed")]


@pytest.mark.parametrize("name", _CASES)
def test_positive_control(house: House, name: str) -> None:
    """With the guard off everything is taken: else the guarded run means nothing."""
    case = _CASES[name]
    house.publish(name)

    outcome = house.npm("install", case.install, guard=False)

    assert outcome.status == 0, outcome.err
    assert _taken(house, case) == [*case.loot, *([case.left] if case.left else [])]


@pytest.mark.parametrize("name", _CASES)
def test_guarded(guard: None, house: House, name: str) -> None:
    """Nothing is taken, each refusal names the package and stage, the install succeeds, nothing stays behind."""
    case = _CASES[name]
    house.publish(name)

    outcome = house.npm("install", case.install)

    assert outcome.status == 3, outcome.err
    assert _taken(house, case) == []
    assert outcome.survivors == ()
    assert outcome.report is not None
    assert outcome.report["run"]["exit_status"] == 0, outcome.out + outcome.err
    assert outcome.report["run"]["manager"] == "npm"
    refused = _refused(outcome)
    assert {(f["package"], f["identity"], f["stage"], f["actor"]) for f in refused} == {
        (case.culprit, case.identity, case.stage, "package")
    }
    for act, group in case.rows:
        assert any(f["act"] == act and (not group or group in f["groups"]) for f in refused), (act, group)
    assert (house.mine / "node_modules" / case.install / "package.json").is_file()


def test_a_transitive_culprit_is_pulled_in(guard: None, house: House) -> None:
    """The finding names the dependency, and that nobody asked for it."""
    house.publish("O01")
    house.registry.add({"name": "top", "version": "1.0.0", "dependencies": {"token-tidy": "3.7.2"}})

    outcome = house.npm("install", "top")

    assert outcome.status == 3, outcome.err
    packages = {package["purl"]: package for package in (outcome.report or {})["packages"]}
    assert packages["pkg:npm/token-tidy@3.7.2"]["direct"] is False
    assert "top" in outcome.err


def test_a_hidden_prepare_of_an_optional_git_dependency(guard: None, house: House) -> None:
    """O27: git and the nested npm do their work, `prepare` is refused, its failure is hidden as npm does."""
    source = house.world.folder / "code"
    source.mkdir()
    for path in (_REPLICAS / "O27" / "router-setup-1.0.0").iterdir():
        (source / path.name).write_text(house.filled(path))
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@x.test"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, timeout=20)
    (house.mine / "package.json").write_text(
        f'{{"name": "mine", "version": "1.0.0", "optionalDependencies": {{"router": "git+file://{source}"}}}}'
    )

    house.world.home.add("~/.claude/")
    control = house.npm("install", guard=False)
    settings = house.world.home.path("~/.claude/settings.json")
    assert (control.status, settings.exists()) == (0, True), control.err
    settings.unlink()
    house.world.home.path("~/.config/autostart/x.desktop").unlink()
    outcome = house.npm("install")

    assert outcome.status == 3, outcome.err
    assert (outcome.report or {})["run"]["exit_status"] == 0
    assert not settings.exists() or settings.read_text() == "", "an open that is refused may have created it"
    refused = _refused(outcome)
    assert {finding["identity"] for finding in refused} == {"claimed"}
    assert all(finding["package"].startswith("pkg:npm/router-setup?vcs_url=git") for finding in refused)


def test_benign_packages_draw_no_refusal(guard: None, house: House) -> None:
    """A shipped ELF, a banner and parallel scripts, installed, rebuilt and run."""
    house.publish("benign")
    binary = Path("/bin/true").read_bytes()
    manifest, _ = house.registry.archives["decoy-build", "0.25.0"]
    install = house.filled(_REPLICAS / "benign" / "decoy-build-0.25.0" / "install.js")
    house.registry.add(manifest, {"install.js": install, "bin/decoy": binary})

    for words in (("install", *_BENIGN), ("ci",), ("exec", "decoy-build", "--", "x")):
        outcome = house.npm(*words)
        assert _refused(outcome) == []
        assert outcome.status == 0, outcome.out + outcome.err
        purls = {(p["purl"], p["identity"]) for p in (outcome.report or {})["packages"]}
        assert {identity for _, identity in purls} == {"verified"}, purls
    assert all(
        (house.mine / "node_modules" / f"decoy-{n}" / "done").exists() for n in ("one", "two", "three")
    )


def test_a_native_addon_is_built(guard: None, house: House) -> None:
    """node-gyp, its Python, make and the compiler do what they do; the addon loads."""
    demand(None if shutil.which("make") and shutil.which("cc") else "there is no compiler")
    demand(None if Path("/usr/include/node/node_api.h").exists() else "there are no node headers")
    house.publish("benign")

    outcome = house.npm("install", "decoy-addon")

    assert _refused(outcome) == []
    assert outcome.status == 0, outcome.out + outcome.err
    subprocess.run(["node", "-e", "require('decoy-addon')"], cwd=house.mine, check=True, timeout=20)
    packages = (outcome.report or {})["packages"]
    assert [(p["purl"], p["stages"]) for p in packages] == [("pkg:npm/decoy-addon@1.0.0", ["build"])]


def test_the_project_s_own_scripts_may_set_hooks(guard: None, house: House) -> None:
    """As husky does from `prepare`: first-party code, at most audited."""
    subprocess.run(["git", "init", "-q", str(house.mine)], check=True, timeout=20)
    (house.mine / "package.json").write_text(
        '{"name": "mine", "version": "1.0.0", "scripts": {"prepare": "echo true > .git/hooks/pre-commit"}}'
    )

    outcome = house.npm("install")

    assert outcome.status == 0, outcome.err
    assert _refused(outcome) == []
    assert (house.mine / ".git" / "hooks" / "pre-commit").read_text() == "true\n"


def test_npx_is_guarded_to_its_last_program(guard: None, house: House) -> None:
    """The program that npx fetched is a first run of its package: its secret read is refused and named."""
    house.registry.add(
        {"name": "decoy-tool", "version": "1.0.0", "bin": {"decoy-tool": "cli.js"}},
        {
            "cli.js": "#!/usr/bin/env node\n"
            "try { require('fs').readFileSync(require('os').homedir() + '/.npmrc'); process.exit(1) }"
            "catch (error) { console.log(error.code) }\n"
        },
    )

    outcome = house.npm("exec", "--yes", "decoy-tool")

    assert outcome.status == 3, outcome.err
    assert [(f["package"], f["identity"], f["stage"]) for f in _refused(outcome)] == [
        ("pkg:npm/decoy-tool@1.0.0", "verified", "first-run")
    ]


_ASK = """
const s = require('net').connect(new URL(process.env.npm_config_registry).port, '127.0.0.1')
s.on('error', e => { console.log('answer', e.code); process.exit(0) })
s.on('connect', () => { console.log('answer connected'); process.exit(0) })
"""


@pytest.mark.parametrize("guarding", [False, True])
def test_the_registry_is_no_right_of_a_script(guard: None, house: House, guarding: bool) -> None:
    """The report names npm's registry with the variable that sets it; a script that connects there is refused."""
    package = {"name": "same-way", "version": "1.0.0", "scripts": {"postinstall": "node ask.js"}}
    house.registry.add(package, {"ask.js": _ASK})

    outcome = house.npm("install", "--foreground-scripts", "same-way", guard=guarding)

    assert f"answer {'EPERM' if guarding else 'connected'}" in outcome.out, outcome.err
    if outcome.report is not None:
        assert outcome.report["run"]["hosts"] == [
            {"host": "127.0.0.1", "reason": "registry in npm_config_registry"}
        ]


@pytest.mark.timeout(300, method="thread")
def test_real_packages_install_clean(guard: None, house: House) -> None:
    """Ten packages of the real registry with install scripts draw no refusal."""
    environment = _real_registry(house)
    if environment is None:
        return
    report = house.world.folder / "report.json"
    outcome = run(guarded(["npm", "install", *_REAL], report), environment, house.mine, report)

    assert _refused(outcome) == []
    assert outcome.status == 0, outcome.out + outcome.err
    packages = (outcome.report or {})["packages"]
    named = {package["purl"].rpartition("@")[0] for package in packages}
    assert {package["identity"] for package in packages} == {"verified"}
    assert named <= {f"pkg:npm/{name.replace('@', '%40')}" for name in _REAL}
    assert len(named) >= len(_REAL) - 2  # some run their script on other platforms only


@pytest.mark.timeout(240, method="thread")
def test_husky_sets_up_the_project(guard: None, house: House) -> None:
    """The project's own `prepare` writes git hooks: first-party code, recorded at most."""
    environment = _real_registry(house)
    if environment is None:
        return
    subprocess.run(["git", "init", "-q", str(house.mine)], check=True, env=environment)
    manifest = {
        "name": "mine",
        "version": "1.0.0",
        "scripts": {"prepare": "husky"},
        "devDependencies": {"husky": "9"},
    }
    (house.mine / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    report = house.world.folder / "report.json"
    outcome = run(guarded(["npm", "install"], report), environment, house.mine, report)

    assert _refused(outcome) == []
    assert outcome.status == 0, outcome.out + outcome.err
    assert (house.mine / ".husky" / "_").is_dir()


def _real_registry(house: House) -> dict[str, str] | None:
    """The environment in which npm reaches its own registry; None when it does not answer."""
    environment = {key: value for key, value in house.environment().items() if key != "npm_config_registry"}
    environment |= {
        key: value for key, value in os.environ.items() if key.lower().endswith(("_proxy", "_ca_certs"))
    }
    view = subprocess.run(
        ["npm", "view", "esbuild", "version"], env=environment, capture_output=True, timeout=60, check=False
    )
    if view.returncode == 0:
        return environment
    if os.environ.get("PRATIQUE_MUST_RUN") != "1":
        demand("no package registry answers: real packages were not tried")
    return None
