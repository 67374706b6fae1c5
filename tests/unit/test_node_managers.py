"""Real managers of Node packages install made-up packages from a registry on loopback; each exec is judged."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import client
from lab.demands import demand
from lab.registry import Registry, integrity
from node_house import ASK, KINDS, SCRIPT, House
from pip_tracer import Tree
from pratique.managers import registry
from pratique.managers.base import Stopped
from pratique.words import Actor, Quality, Stage


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Everything one test needs, for each manager."""
    demand(None if client(request.param) else f"{request.param} could not be fetched once")
    with Registry() as registry:
        yield House(request.param, Path(os.path.realpath(tmp_path)), registry)


def _packages(tree: Tree) -> set[tuple[str | None, Quality]]:
    return {(settled.identity.purl, settled.identity.quality) for _, settled in tree.of(Actor.PACKAGE)}


def test_registry_packages_are_verified(house: House) -> None:
    """Each script is its own package's, by the registry's name, whoever asked for it; nothing else is a package's."""
    house.project("top", "@s/inner")
    house.publish("top", dependencies={"@s/inner": "^1.0.0"})
    house.publish("@s/inner", "1.2.0-rc.1")
    house.publish("@s/inner", "1.2.0")

    tree = house.add("top")

    assert tree.status == 0
    assert [manager.argv[-1] for manager in tree.managers] == ["top"]
    assert _packages(tree) == {
        ("pkg:npm/top@1.0.0", Quality.VERIFIED),
        ("pkg:npm/%40s/inner@1.2.0", Quality.VERIFIED),
    }, [settled for _, settled in tree.seen]
    direct = {settled.identity.purl: settled.identity.direct for _, settled in tree.of(Actor.PACKAGE)}
    assert direct == {"pkg:npm/top@1.0.0": True, "pkg:npm/%40s/inner@1.2.0": False}
    assert {settled.stage for _, settled in tree.of(Actor.PACKAGE)} == {Stage.SCRIPT}


def test_an_alias_is_what_it_stands_for(house: House) -> None:
    """`good@npm:evil` is evil, whatever its place is called, and the user asked for it."""
    house.project("good", "evil")
    house.publish("evil", "3.0.0")

    tree = house.add("good@npm:evil@3.0.0")

    assert tree.status == 0
    assert _packages(tree) == {("pkg:npm/evil@3.0.0", Quality.VERIFIED)}, [s for _, s in tree.seen]
    assert {settled.identity.direct for _, settled in tree.of(Actor.PACKAGE)} == {True}


def test_a_tarball_that_says_it_is_esbuild_is_not(house: House) -> None:
    """An archive from elsewhere with the name and version of a package that the registry has: a claim at most."""
    house.project("esbuild")
    house.publish("esbuild", "9.9.9")
    with Registry() as elsewhere:
        elsewhere.add({"name": "esbuild", "version": "9.9.9", "scripts": SCRIPT}, {**ASK, "more.js": "1"})
        tree = house.add(f"{elsewhere.url}esbuild/-/esbuild-9.9.9.tgz")

    assert {quality for _, quality in _packages(tree)} <= {Quality.CLAIMED, Quality.UNKNOWN}


def test_a_package_json_that_lies_names_nobody_else(house: House) -> None:
    """The registry's name counts, not what is in the archive: npm_package_name says `esbuild`, the report `evil`."""
    house.project("evil", "esbuild")
    house.publish("esbuild", "9.9.9")
    lying = {"name": "esbuild", "version": "9.9.9", "scripts": SCRIPT}
    listed = {"name": "evil", "version": "1.0.0", "scripts": SCRIPT}
    archive = house.registry.add(lying, ASK, "evil")
    house.registry.archives["evil", "1.0.0"] = (listed, archive)
    house.registry.archives.pop(("evil", "9.9.9"))

    tree = house.add("evil")

    assert ("pkg:npm/esbuild@9.9.9", Quality.VERIFIED) not in _packages(tree)
    assert ("pkg:npm/esbuild@9.9.9", Quality.CLAIMED) not in _packages(tree)


def test_code_written_into_another_package_costs_the_proof(house: House) -> None:
    """What an earlier script left in a later package is not laid to the later one as a fact."""
    house.project("early", "late")
    house.publish("late", dependencies={"early": "1.0.0"})
    house.publish("early")

    def tamper(child: Stopped) -> None:
        for place in house.mine.rglob("node_modules/late/ask.js"):
            if "/early" in child.cwd:
                place.write_text("0")
                house.written.add(str(place))

    tree = house.run(*house.kind.add, "late", at_exec=tamper)

    named = dict(_packages(tree))
    assert named["pkg:npm/early@1.0.0"] is Quality.VERIFIED
    assert named["pkg:npm/late@1.0.0"] is Quality.CLAIMED


def test_own_scripts_are_the_project_s(house: House) -> None:
    """The root's own `postinstall` is first-party; one that package code has written meanwhile is not."""
    house.project(scripts={"postinstall": "node -p 1"})

    tree = house.run(*house.kind.install)
    assert tree.status == 0
    assert {child.cwd for child, _ in tree.of(Actor.PROJECT)} == {str(house.mine)}
    assert tree.of(Actor.PACKAGE) == []

    house.written = {str(house.mine / "package.json")}
    tree = house.run(*house.kind.install)
    assert tree.of(Actor.PROJECT) == []


def test_a_lock_file_raises_no_name(house: House) -> None:
    """A lock that takes a good name's code from another archive of the registry makes no verified good name."""
    house.project("good", "evil", dependencies={"good": "1.0.0"})
    house.publish("good")
    evil = house.registry.add({"name": "evil", "version": "1.0.0", "scripts": SCRIPT}, {**ASK, "x": "1"})
    good = house.registry.archives["good", "1.0.0"][1]
    house.run(*house.kind.install)
    lock = house.mine / house.kind.lock
    shutil.rmtree(house.mine / "node_modules", ignore_errors=True)
    shutil.rmtree(house.mine / ".yarn", ignore_errors=True)
    text = lock.read_text().replace(integrity(good), integrity(evil)).replace("good/-/good-", "evil/-/evil-")
    lock.write_text(text)

    tree = house.run(*house.kind.install)

    ran_evil = any((Path(child.cwd) / "x").exists() for child, _ in tree.of(Actor.PACKAGE))
    assert ("pkg:npm/good@1.0.0", Quality.VERIFIED) not in _packages(tree) or not ran_evil


@pytest.mark.parametrize("house", [name for name, kind in KINDS.items() if kind.fetch], indirect=True)
def test_a_fetched_program_is_a_first_run(house: House) -> None:
    """What the manager fetches only to run it is its package's first run, verified."""
    house.project("tool")
    tool = {"name": "tool", "version": "2.0.0", "bin": {"tool": "cli.js"}}
    house.registry.add(tool, {"cli.js": "#!/usr/bin/env node\nconsole.log('at your service')\n"})

    tree = house.run(*house.kind.fetch, "tool")

    assert tree.status == 0
    found = {(s.identity.purl, s.identity.quality, s.stage) for _, s in tree.of(Actor.PACKAGE)}
    assert found == {("pkg:npm/tool@2.0.0", Quality.VERIFIED, Stage.FIRST_RUN)}, [s for _, s in tree.seen]


@pytest.mark.parametrize(
    "script",
    [
        "cd ../../../../.. && node evil.js",
        "cd ../../../../.. && npm_lifecycle_event=postinstall npm_package_name=mine node evil.js",
        "NODE_OPTIONS='--require /tmp/x.js' node ask.js",
        "LD_PRELOAD=/tmp/x.so node ask.js",
        "PATH=/tmp:$PATH node ask.js",
        "npm_config_registry=x node ask.js",
        "cd ../../../good-npm-1.0.0-*/node_modules/good && node ../../../../../evil.js",
        "cd ../../../good-npm-1.0.0-*/node_modules/good && npm_package_name=good node -e 1",
        "npm_lifecycle_event= git --version",
        "cd ../../../../.. && npm_lifecycle_event= git --version",
    ],
)
def test_yarn_s_own_shell_gives_nobody_another_name(tmp_path: Path, script: str) -> None:
    """A script may choose where and how the next command starts: then it is neither verified nor the project's."""
    demand(None if client("yarn-4") else "yarn 4 could not be fetched once")
    with Registry() as registry:
        house = House("yarn-4", Path(os.path.realpath(tmp_path)), registry)
        house.project(scripts={"postinstall": "node own.js"})
        for name in ("own.js", "evil.js"):
            (house.mine / name).write_text("")
        house.publish("good")
        house.publish("evil", scripts={"postinstall": script}, dependencies={"good": "1.0.0"})

        tree = house.add("evil")

    own = [child.argv[-1] for child, _ in tree.of(Actor.PROJECT)]
    assert set(own) <= {"own.js"}
    assert tree.of(Actor.HELPER) == []
    good = [(c.argv[-1], c.cwd) for c, s in tree.of(Actor.PACKAGE) if s.identity.purl == "pkg:npm/good@1.0.0"]
    assert all(last == "ask.js" and cwd.endswith("/good") for last, cwd in good), good
    evil = [s.identity.quality for c, s in tree.of(Actor.PACKAGE) if c.cwd.endswith("/evil")]
    assert Quality.VERIFIED not in evil


def test_code_inside_the_manager_is_known(house: House) -> None:
    """The file by which hooks or plugins get into the manager's own process is named; without it, none."""
    family = registry()[house.kind.family]
    argv = (str(client(house.name)), *house.kind.install)
    files = {
        "pnpm": (".pnpmfile.cjs", "module.exports = {}"),
        "yarn": (".yarnrc.yml", "plugins:\n  - x"),
        "bun": ("bunfig.toml", 'preload = ["./x.ts"]'),
    }
    assert family.inside(argv, {}, str(house.mine)) == ()

    name, content = files[house.kind.family]
    (house.mine / name).write_text(content)
    assert family.inside(argv, {}, str(house.mine)) == (str(house.mine / name),)


def test_a_program_fetched_by_yarn_has_no_helpers(tmp_path: Path) -> None:
    """A script of what `yarn dlx` installs is no helper either, whatever it sets."""
    demand(None if client("yarn-4") else "yarn 4 could not be fetched once")
    with Registry() as registry:
        house = House("yarn-4", Path(os.path.realpath(tmp_path)), registry)
        (house.top / "home" / ".yarnrc.yml").write_text("enableScripts: true\n")
        scripts = {"postinstall": "npm_lifecycle_event= git --version"}
        tool = {"name": "tool", "version": "2.0.0", "bin": {"tool": "cli.js"}, "scripts": scripts}
        registry.add(tool, {"cli.js": "#!/usr/bin/env node\n"})

        tree = house.run("dlx", "tool")

    assert [child.argv for child, _ in tree.of(Actor.PACKAGE) if "git" in child.argv[0]]
    assert tree.of(Actor.HELPER) == []
