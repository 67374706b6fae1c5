"""What a process becomes at exec: recognised, made to wait, or dead before its first instruction."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from lab.probed import (
    GROUPS,
    NPM,
    NUMBER,
    PIP,
    PLAN,
    UV,
    UVX,
    YARN,
    copied,
    from_memory,
    labelled,
    of,
    run_program,
    until,
)
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExecRecord, Label
from pratique.managers.base import Pattern
from pratique.words import Action, Actor, Level, Stage


@pytest.mark.parametrize(
    ("argv", "manager"),
    [
        (["python3.11", "-m", "pip", "install", "x"], PIP),
        (["/usr/bin/python3", "-Im", "pip", "install"], PIP),
        (["python", "-W", "ignore", "-Xdev", "-mpip", "wheel"], PIP),
        (["python", "-Wd", "/venv/bin/pip3.11", "--proxy", "install", "install"], PIP),
        (["pypy3", "/venv/bin/pip", "-q", "install"], PIP),
        (["python", "-m", "pip", "list"], None),
        (["python", "-m", "pip", "--proxy", "install", "list"], None),
        (["python", "-c", "pip", "install"], None),
        (["python", "-Ic", "pip", "install"], None),
        (["python", "-X", "pip", "install"], None),
        (["python", "setup.py", "pip", "install"], None),
        (["python", "-m", "http", "pip", "install"], None),
        (["node", "-r", "x", "/usr/bin/npm", "--prefix", "p", "ci"], NPM),
        (["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "install"], NPM),
        (["node", "-e", "npm", "install"], None),
        (["node", "npm", "run", "install"], None),
        (["/root/.local/bin/uv", "--directory", "sync", "pip", "install"], UV),
        (["uv", "run", "pip"], None),
        (["uvx"], UVX),
        (["node", "/v/bin/yarn"], YARN),
        (["node", "/v/bin/yarn.js", "--cwd", "add", "--silent"], YARN),
        (["node", "-r", "x", "yarn", "add", "x"], YARN),
        (["node", "yarn", "build"], None),
        (["node", "yarn", "--cwd", "add", "build"], None),
        (["node", "npm"], None),
        (["node", "build", "yarn"], None),
        (["sh", "-c", "pip install x"], None),
        (["echo", "pip", "install"], None),
    ],
)
def test_recognises_installs_by_position(probes: Probes, argv: list[str], manager: Pattern | None) -> None:
    """An install is known by where its words stand, not by their presence."""
    assert labelled(probes, run_program(*argv), Actor.COMMAND) == 0
    (record,) = of(ExecRecord, probes.read(0.1))

    patterns = (PIP, NPM, UV, UVX, YARN)
    assert isinstance(record, ExecRecord)
    assert (None if record.pattern is None else patterns[record.pattern]) is manager
    assert record.head.actor is (Actor.MIXED if manager else Actor.COMMAND)
    assert record.argv == tuple(argv)


def test_package_never_becomes_manager(probes: Probes) -> None:
    """Trust only goes down."""
    labelled(probes, run_program("pip", "install"), Actor.PACKAGE)
    (record,) = of(ExecRecord, probes.read(0.1))

    assert record.head.actor is Actor.PACKAGE


@pytest.mark.parametrize(
    "argv", [["true", *["x" * 100_000] * 16], [""], ["\udcff\x1b[31m"], ["a", "", "b"], []]
)
def test_exec_record_survives_any_argv(probes: Probes, argv: list[str]) -> None:
    """Huge, empty and hostile arguments are recorded as far as they go."""
    assert labelled(probes, run_program(*argv)) == 0
    (record,) = of(ExecRecord, probes.read(0.1))

    # Without any argument the kernel itself puts an empty one.
    assert record.argc == max(len(argv), 1)
    assert record.truncated == (len(argv) > 10)
    assert record.argv == tuple(argv or [""]) or record.truncated
    assert probes.losses().total == 0


# Stop at exec


@pytest.mark.parametrize("actor", [Actor.MANAGER, Actor.HELPER])
def test_child_of_manager_waits_before_its_first_instruction(
    probes: Probes, tmp_path: Path, actor: Actor
) -> None:
    """It is stopped as package, readable, and goes on when settled."""
    mark = tmp_path / "ran"
    seen: dict[str, object] = {}

    def settle(pid: int) -> None:
        (record,) = until(probes, ExecRecord)
        _, status = os.waitpid(pid, os.WUNTRACED)
        seen["stopped"] = os.WIFSTOPPED(status)
        seen["ran"] = mark.exists()
        seen["label"] = probes.label_of(pid)
        seen["record"] = record.pending
        seen["cmdline"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        probes.set_label(pid, Actor.PACKAGE, Stage.SCRIPT, 5, must_exist=True)
        os.kill(pid, signal.SIGCONT)

    status = labelled(probes, run_program("touch", str(mark), image="/usr/bin/touch"), actor, watch=settle)

    assert status == 0
    assert mark.exists()
    assert seen["stopped"]
    assert not seen["ran"]
    assert seen["record"]
    assert seen["cmdline"] == b"touch\0" + bytes(mark) + b"\0"
    assert isinstance(seen["label"], Label)
    assert seen["label"].pending
    assert seen["label"].actor is Actor.PACKAGE


def test_code_groups_die_before_their_first_instruction(probes: Probes) -> None:
    """Nameless, deleted, shared-memory and hidden temporary programs never run; others do."""
    assert probes.add_exec_dir("/dev/shm", "code.shm")
    with tempfile.TemporaryDirectory() as folder:
        probes.add_exec_dir(folder, "code.hidden-temp")
        deep = Path(folder, "a", "b")
        deep.mkdir(parents=True)
        shared = Path(tempfile.mkdtemp(dir="/dev/shm"))
        cases = {
            "code.memfd": from_memory,
            "code.deleted": copied(deep / "gone", remove=True),
            "code.shm": copied(shared / "x"),
            "code.hidden-temp": copied(deep / ".x"),
        }
        for group, work in cases.items():
            assert labelled(probes, work) == -signal.SIGKILL, group
            (record,) = of(ExecRecord, probes.read(0.1))
            assert NUMBER[group] in record.code
            assert record.head.action is Action.KILL
            assert record.head.level is Level.KILLED_BEFORE
            assert GROUPS[record.head.group - 1] == group
        assert labelled(probes, copied(deep / "x")) == 0
        (record,) = of(ExecRecord, probes.read(0.1))
        assert record.code == (NUMBER["code.fresh"],)
        assert record.head.action is Action.AUDIT
        (shared / "x").unlink()
        shared.rmdir()


def test_audit_kills_nobody_and_says_what_it_would(probes: Probes) -> None:
    """In audit mode the program runs and the record says deny."""
    probes.replace(PLAN._replace(audit=True))

    assert labelled(probes, from_memory) == 0
    (record,) = of(ExecRecord, probes.read(0.1))
    assert record.head.action is Action.AUDIT
    assert record.head.would is Action.DENY


def test_pending_process_is_judged_as_package(probes: Probes) -> None:
    """A manager's child in a listed code group dies instead of waiting."""
    assert labelled(probes, from_memory, Actor.MANAGER) == -signal.SIGKILL
    (record,) = of(ExecRecord, probes.read(0.1))

    assert record.head.actor is Actor.PACKAGE
    assert record.head.level is Level.KILLED_BEFORE
