"""Code of others inside a manager's own process: every way that is known leads to the file that brings it."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.managers import registry
from pratique.managers.node import preloads
from pratique.runs.run import Given, Run
from pratique.words import Action, Actor
from unit import runs_sample as sample

_NPM = ("node", "/usr/bin/npm", "install")


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ("--require ./a.js", ["/mine/a.js"]),
        ("-r /b.cjs --max-old-space-size=9 --import=../c.mjs", ["/b.cjs", "/c.mjs"]),
        ('--title npm --require "./two words.js"', ["/mine/two words.js"]),
        ('--loader "./quo\\"te.mjs"', ['/mine/quo"te.mjs']),
        ("--import file:///d%20e.mjs", ["/d e.mjs"]),
        ("--import data:text/javascript,0", ["data:text/javascript,0"]),
        ("--require nowhere", ["nowhere"]),
        ("--max-old-space-size=9 --inspect", []),
        ("--require", []),
    ],
)
def test_what_node_is_told_to_load(options: str, files: list[str]) -> None:
    """By its environment, for every manager that runs in node; a native program takes no notice of it."""
    said = {"NODE_OPTIONS": options}
    assert list(registry()["npm"].inside(_NPM, said, "/mine")) == files
    assert list(registry()["yarn"].inside(("node", "/x/yarn.js", "add", "x"), said, "/mine")) == files
    assert registry()["bun"].inside(("bun", "add", "x"), said, "/mine") == ()


def test_what_the_command_line_says() -> None:
    """Options of node before the script; those after it are the manager's."""
    argv = ("node", "--title", "x", "-r", "./a.js", "/usr/bin/npm", "install", "-r", "./b.js")
    assert registry()["npm"].inside(argv, {}, "/mine") == ("/mine/a.js",)
    assert registry()["bun"].inside(("bun", "add"), {"BUN_OPTIONS": "--preload=./c.ts"}, "/mine") == (
        "/mine/c.ts",
    )


def test_a_module_is_found_as_node_would(tmp_path: Path) -> None:
    """In the nearest `node_modules` upwards."""
    (tmp_path / "node_modules" / "hook").mkdir(parents=True)
    (tmp_path / "deep").mkdir()
    found = registry()["npm"].inside(_NPM, {"NODE_OPTIONS": "-r hook"}, str(tmp_path / "deep"))
    assert found == (str(tmp_path / "node_modules" / "hook"),)


@given(st.text(max_size=200))
def test_any_options_are_taken_apart(options: str) -> None:
    """They come from whoever started the manager."""
    assert all(isinstance(word, str) for word in preloads.split(options))
    assert isinstance(preloads.files(_NPM, {"NODE_OPTIONS": options}, "/mine"), tuple)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment without anything."""
    made = tmp_path_factory.mktemp("house")
    venv.EnvBuilder(symlinks=True).create(made)
    return made


def _site(house: Path) -> Path:
    return next(house.glob("lib/python3*/site-packages"))


def _pip(house: Path, *words: str) -> tuple[str, ...]:
    return (str(house / "bin" / "python"), "-m", "pip", *(words or ("install", "x")))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("late.pth", "import late\n", True),
        ("place.pth", "/srv/mine\n", False),
        ("coverage.pth", "import coverage; coverage.process_startup()\n", False),
        ("sitecustomize.py", "", True),
        ("usercustomize.py", "", True),
    ],
)
def test_what_a_manager_s_interpreter_runs_first(house: Path, name: str, content: str, told: bool) -> None:
    """Lines that nobody knows; folders and known lines are no code of others."""
    file = _site(house) / name
    file.write_text(content)
    try:
        assert registry()["pip"].inside(_pip(house), {}, "/") == ((str(file),) if told else ())
        assert registry()["poetry"].inside(
            (str(house / "bin" / "python"), "-m", "poetry", "add"), {}, "/"
        ) == ((str(file),) if told else ())
    finally:
        file.unlink()


def test_an_editable_install_is_the_user_s_own(house: Path) -> None:
    """By the installer's note beside it; the same line without that is told."""
    file, info = _site(house) / "__editable__.mine.pth", _site(house) / "mine-1.dist-info"
    file.write_text("import __editable___mine_finder; __editable___mine_finder.install()\n")
    info.mkdir()
    (info / "RECORD").write_text(f"{file.name},,\nmine-1.dist-info/RECORD,,\n")
    assert registry()["pip"].inside(_pip(house), {}, "/") == (str(file),)

    (info / "direct_url.json").write_text(json.dumps({"url": "file:///mine", "dir_info": {"editable": True}}))
    assert registry()["pip"].inside(_pip(house), {}, "/") == ()
    file.unlink()


def test_keyring_and_the_path(house: Path, tmp_path: Path) -> None:
    """Keyring only where pip is told to import it; a `sitecustomize` in PYTHONPATH always."""
    (_site(house) / "keyring").mkdir()
    module = _site(house) / "keyring" / "__init__.py"
    module.touch()
    (tmp_path / "sitecustomize.py").touch()
    inside = registry()["pip"].inside

    assert inside(_pip(house), {}, "/") == ()
    assert inside(_pip(house), {"PIP_KEYRING_PROVIDER": "import"}, "/") == (str(module),)
    assert inside(_pip(house, "install", "--keyring-provider=import", "x"), {}, "/") == (str(module),)
    said = {"PYTHONPATH": f"/nowhere:{tmp_path}"}
    assert inside(_pip(house), said, "/") == (str(tmp_path / "sitecustomize.py"),)


@pytest.mark.parametrize("is_spared", [False, True])
def test_the_manager_s_own_environment_counts(is_spared: bool) -> None:
    """As it was when the manager began, not that of the command above it; what was refused to it is not told."""
    rule = sample.Rule("mixed", "t", "low", "e", detect={"kind": "mixed", "actor": "manager"})
    given = Given(number=sample.RUN, homes=[sample.HOME])
    run = Run(sample.policy(rule), ["sh"], "/mine", {}, "hooks", registry(), given)
    told = {**os.environ, "NODE_OPTIONS": "--require ./a.js"}
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as manager:
        manager.stdout.readline()  # the kernel lays an environment in the middle of an exec
        run.started(manager.pid)
        run.add(sample.execed(manager.pid, 1, _NPM, actor=Actor.MANAGER, cwd="/mine"))
        manager.kill()
    if is_spared:
        run.spare("/mine/a.js")
    run.ended(0, None, 0, {})
    found = [(each.rule, each.action, each.target["path"]) for each in run.summary().findings]

    assert found == ([] if is_spared else [("mixed", Action.AUDIT, "/mine/a.js")])


@pytest.mark.parametrize(
    ("options", "actor"), [("--require ./a.js", Actor.MIXED), ("", Actor.MANAGER)], ids=["loaded", "nothing"]
)
def test_what_a_manager_is_that_has_begun(options: str, actor: Actor) -> None:
    """It begins as mixed; one that loads nothing is a manager."""
    run = Run(sample.policy(), ["sh"], "/mine", {}, "hooks", registry(), Given(homes=[sample.HOME]))
    told = {**os.environ, "NODE_OPTIONS": options}
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as manager:
        manager.stdout.readline()
        event = sample.execed(manager.pid, 1, _NPM, actor=Actor.MIXED, cwd="/mine")
        run.add(event)
        found = run.recognised(event)
        manager.kill()

    assert found is actor
    assert [process.actor for process in run.summary().tree] == [actor]
