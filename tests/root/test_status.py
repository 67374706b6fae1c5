"""What `pratique run` returns and passes through (docs/policy.md section 6): a guard must not be felt."""

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from lab.guard import guarded, run
from lab.world import World

_NO_CORE = "ulimit -c 0; "


@pytest.mark.parametrize("status", [0, 1, 2, 3, 42, 125, 126, 127, 255])
def test_exit_status_passes_through(guard: None, world: World, status: int) -> None:
    """The command's own status is returned, whatever it is."""
    outcome = run(guarded(["sh", "-c", f"exit {status}"]), world.environment(), world.folder)

    assert outcome.status == status
    assert outcome.survivors == ()


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP", "SEGV", "ABRT", "USR1", "PIPE"])
def test_death_by_signal_passes_through(guard: None, world: World, name: str) -> None:
    """A command that dies by a signal lets its caller see that same death, as without the guard."""
    command = ["sh", "-c", f"{_NO_CORE}kill -{name} $$"]
    bare = run(command, world.environment(), world.folder)
    outcome = run(guarded(command), world.environment(), world.folder)

    assert bare.status == -signal.Signals[f"SIG{name}"]
    assert outcome.status == bare.status


def test_command_not_found(guard: None, world: World) -> None:
    """A name that is nowhere gives 127, as in a shell."""
    outcome = run(guarded(["no-such-command-here"]), world.environment(), world.folder)

    assert outcome.status == 127
    assert "no-such-command-here" in outcome.err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_command_not_executable(guard: None, world: World, kind: str) -> None:
    """A file without the execute bit, or a folder, gives 126."""
    place = world.folder / kind
    place.mkdir() if kind == "folder" else place.write_text("#!/bin/sh\n", encoding="utf-8")
    outcome = run(guarded([str(place)]), world.environment(), world.folder)

    assert outcome.status == 126


def test_input_and_output_pass_byte_for_byte(guard: None, world: World) -> None:
    """Piped input reaches the command, and its output reaches the reader, without a changed byte."""
    data = bytes(range(256)) * 4096
    command = guarded(["cat"], None, "--quiet")
    done = subprocess.run(
        command, input=data, capture_output=True, env=world.environment(), timeout=60, check=False
    )

    assert done.stdout == data
    assert done.stderr == b""


def test_quiet_is_silent_when_clean(guard: None, world: World) -> None:
    """A clean install under `--quiet` writes what pip writes and nothing else."""
    command = guarded(world.install("-q", "plain-text"), None, "--quiet")
    outcome = run(command, world.environment(), world.folder)

    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_speaks_only_after_the_command_and_only_on_stderr(guard: None, world: World) -> None:
    """Standard output is the command's alone; what Pratique says comes last, on stderr."""
    command = guarded(["sh", "-c", "echo out; echo err >&2"])
    outcome = run(command, world.environment(), world.folder)

    assert outcome.out == "out\n"
    assert outcome.err.startswith("err\npratique  ")


def test_terminal_stays_a_terminal(guard: None, world: World) -> None:
    """On a terminal all three streams of the command are still that terminal."""
    probe = "import os; print(*map(os.isatty, (0, 1, 2)), flush=True)"
    said = _on_terminal(guarded([sys.executable, "-c", probe]), world)

    assert "True True True" in said


def test_terminal_keeps_its_size(guard: None, world: World) -> None:
    """The command sees the window as large as it is."""
    said = _on_terminal(guarded(["stty", "size"]), world, size=(33, 101))

    assert "33 101" in said


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal_output_has_colour_unless_refused(
    guard: None, world: World, variable: dict[str, str], coloured: bool
) -> None:
    """On a terminal the block is coloured, with `NO_COLOR` it is not, and it says the same."""
    command = guarded(world.install("-q", "poll-keeper"))
    said = _on_terminal(command, world, environment={"TERM": "xterm", **variable})

    assert "BLOCKED" in said
    assert ("\x1b[" in said.partition("pratique  ")[2]) is coloured


def test_terminal_interrupt_reaches_the_command(guard: None, world: World) -> None:
    """Ctrl-C typed on the terminal ends the command as it would unguarded, and Pratique still reports."""
    command = guarded(["sh", "-c", "echo ready; exec sleep 60"])
    said = _on_terminal(command, world, typed=("ready", b"\x03"), status=-signal.SIGINT)

    assert "pratique  " in said


def test_report_belongs_to_who_typed_sudo(guard: None, world: World) -> None:
    """Through sudo the report is the person's; a variable that is no number does no harm."""
    report = world.folder / "report.json"
    for given, owner in (("1234", 1234), ("x; rm", 0)):
        environment = world.environment() | {"SUDO_UID": given, "SUDO_GID": given}
        outcome = run(guarded(["true"], report), environment, world.folder, report)

        assert (outcome.status, report.stat().st_uid) == (0, owner), outcome.err
        report.unlink()


def test_outcome_is_known_to_the_report(guard: None, world: World) -> None:
    """The report keeps the command's status and Pratique's own."""
    report = world.folder / "report.json"
    outcome = run(guarded(["sh", "-c", "exit 7"], report), world.environment(), world.folder, report)
    assert outcome.report is not None

    assert outcome.report["schema"] == "pratique.report/v1"
    assert outcome.report["run"]["exit_status"] == 7
    assert outcome.report["run"]["pratique_status"] == 7
    assert outcome.report["run"]["signal"] is None
    assert outcome.report["run"]["verdict"] == "clean"


def test_fail_on_none_keeps_status_zero(guard: None, world: World) -> None:
    """With `--fail-on none` an install that succeeded gives 0 although acts were refused."""
    outcome = run(
        guarded(world.install("poll-keeper"), None, "--fail-on", "none"), world.environment(), world.folder
    )

    assert outcome.status == 0
    assert "poll-keeper" in outcome.err


def test_failure_of_the_command_outranks_findings(guard: None, world: World) -> None:
    """A failed command keeps its own status although something was refused."""
    shell = f"{' '.join(world.install('-q', 'poll-keeper'))}; exit 9"
    outcome = run(guarded(["sh", "-c", shell]), world.environment(), world.folder)

    assert outcome.status == 9


def test_audit_fails_only_when_asked(guard: None, world: World) -> None:
    """`--mode audit` gives 0, and 3 with `--fail-on audit`."""
    command = guarded(world.install("poll-keeper"), None, "--mode", "audit", "--fail-on", "audit")
    outcome = run(command, world.environment(), world.folder)

    assert outcome.status == 3


def _on_terminal(
    command: list[str],
    world: World,
    size: tuple[int, int] = (24, 80),
    environment: Mapping[str, str] = MappingProxyType({}),
    typed: tuple[str, bytes] | None = None,
    status: int | None = None,
) -> str:
    """What a command says on a terminal of its own; `typed`: once the first is seen, the second is typed."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size)
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=world.environment() | dict(environment),
    ) as process:
        os.close(terminal)
        said = _read_all(controller, typed)
        process.wait(timeout=30)
    os.close(controller)
    assert status in (None, process.returncode, 128 - (process.returncode or 0)), said
    return said


def _read_all(controller: int, typed: tuple[str, bytes] | None = None) -> str:
    said = b""
    while True:
        try:
            piece = os.read(controller, 4096)
        except OSError:
            return said.decode("utf-8", "replace")
        if not piece:
            return said.decode("utf-8", "replace")
        said += piece
        if typed is not None and typed[0].encode() in said:
            os.write(controller, typed[1])
            typed = None


def test_deleted_folder_is_no_traceback(guard: None, world: World) -> None:
    """Started in a folder that no longer exists, it says so in one line and starts nothing."""
    gone: Path = world.folder / "gone"
    gone.mkdir()
    command = ["sh", "-c", f"rmdir {gone}; exec {' '.join(guarded(['echo', 'started']))}"]
    outcome = run(command, world.environment(), gone)

    assert outcome.status in (2, 125)
    assert "started" not in outcome.out
    assert "Traceback" not in outcome.err
