"""The daemon's own parts, without a kernel: messages, memory, settings, notices."""

import configparser
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pratique.backends import numbers
from pratique.cli import status, top
from pratique.daemon import config, notify, peers, stack_reader, systemd, wire, wrapping
from pratique.daemon.flight import Begun, Flight
from pratique.daemon.origins import origin_facts, origin_of
from pratique.daemon.stacks import Stacks
from pratique.daemon.state import Known, State
from pratique.errors import ConfigError
from pratique.model import Event, Identity, Kind, Settlement
from pratique.runs.attribution import Origin
from pratique.words import Act, Actor, Quality, Stage
from scenarios.mutants import standard

_RUN = Known("01M83CY6TTXJCA99ECXGJSQKQS", (7 << 32) | 1, 1000, ["pip", "install", "x"], None, 1.0)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_wire(data: bytes) -> None:
    """Whoever connects may send anything."""
    try:
        wire.parse(data)
    except wire.WireError:
        return
    assert json.loads(data)["v"] == wire.VERSION


def test_a_message_arrives_whole() -> None:
    """What is sent is what is received."""
    one, other = socket.socketpair()
    with one, other:
        wire.send(one, {"ask": "status", "text": "ä" * 9000})
        assert wire.receive(other, 1 << 20)["text"] == "ä" * 9000


def test_long_slow_and_foreign_messages_are_refused() -> None:
    """Too long, cut short, and of another version: an error each time, and no waiting for ever."""
    one, other = socket.socketpair()
    with one, other:
        other.settimeout(0.1)
        wire.send(one, {"text": "x" * 100})
        with pytest.raises(wire.WireError, match="too long"):
            wire.receive(other, 50)
    one, other = socket.socketpair()
    with one, other:
        other.settimeout(0.1)
        one.send(b"\0\0\0\x09abc")
        with pytest.raises(wire.WireError, match="whole"):
            wire.receive(other, 50)
    with pytest.raises(wire.WireError, match="version"):
        wire.parse(b'{"v": 99}')


def test_runs_are_remembered(tmp_path: Path) -> None:
    """Over a restart: runs in flight, origins, and what ended, each for its user."""
    state = State(tmp_path / "daemon.db")
    state.begin(_RUN)
    state.keep_origin(_RUN.number, 5, {"pid": 3})
    state.close()
    again = State(tmp_path / "daemon.db")

    assert again.unended() == [_RUN]
    assert again.origins(_RUN.number) == {5: {"pid": 3}}
    assert again.last_origin() == 5
    again.end(_RUN.id, 2.0, "clean", 0)
    assert again.unended() == []
    assert [run.verdict for run in again.latest(1000, 5)] == ["clean"]
    assert again.latest(1001, 5) == []
    assert [run.id for run in again.find("01m83c")] == [_RUN.id]
    again.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_memory_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is kept under another name, a new one is begun, and the daemon says so."""
    (tmp_path / "daemon.db").write_bytes(content)
    state = State(tmp_path / "daemon.db")

    assert state.note is not None
    assert "set aside" in state.note
    state.begin(_RUN)
    assert state.unended() == [_RUN]
    (aside,) = tmp_path.glob("*.damaged")
    assert aside.read_bytes() == content
    state.close()


def test_a_place_that_cannot_be_written_costs_memory_only(tmp_path: Path) -> None:
    """The daemon goes on without one."""
    (tmp_path / "file").touch()
    state = State(tmp_path / "file" / "daemon.db")

    assert state.note is not None
    state.begin(_RUN)
    assert state.unended() == [_RUN]
    state.close()


def test_settings_default_to_everybody(tmp_path: Path) -> None:
    """No file means the whole host."""
    assert config.load(str(tmp_path / "none.toml")).scope().users is None


def test_settings_name_users(tmp_path: Path) -> None:
    """By name or number."""
    file = tmp_path / "daemon.toml"
    file.write_text('[daemon]\nonly_users = ["root", 61234, "61235"]\nhomes = ["/h"]\n')
    settings = config.load(str(file))

    assert settings.scope().users == (0, 61234, 61235)
    assert "/h" in settings.all_homes()


@pytest.mark.parametrize("text", ["[daemon]\nonly_user = 1", "[daemon]\nhomes = 3", "[", "\xff"])
def test_wrong_settings_are_errors(tmp_path: Path, text: str) -> None:
    """Guarding other people than meant is worse than not starting."""
    file = tmp_path / "daemon.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError):
        config.load(str(file))


def test_an_unknown_user_is_an_error() -> None:
    """Not silently nobody."""
    with pytest.raises(ConfigError, match="no user"):
        config.Settings(only_users=("no-such-user",)).scope()


def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram per state; silence when nobody asked for it."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.tell(notify.READY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify.tell(notify.READY)
        assert manager.recv(100) == b"READY=1"


def test_peers_are_known_by_the_kernel() -> None:
    """Nothing in a message says who asks."""
    one, other = socket.socketpair()
    with one, other:
        peer = peers.of(one)
    assert (peer.pid, peer.uid) == (os.getpid(), os.getuid())
    assert peers.Peer(1, 1000, 1000).owns(1000)
    assert not peers.Peer(1, 1000, 1000).owns(1001)
    assert peers.Peer(1, 0, 0).owns(1001)


@pytest.mark.parametrize("asker", [0, os.getpid()])
@pytest.mark.parametrize("pid", [0, -1, 1, 1 << 22, "x", None])
def test_nobody_wraps_what_is_not_its_child(asker: int, pid: object) -> None:
    """Nor does who has no number here: the first process has no parent either, and one that is gone."""
    with pytest.raises(wire.WireError, match="not a child"):
        wrapping._child(peers.Peer(asker, 1000, 1000), pid)


def test_a_child_is_its_parents() -> None:
    """The twin."""
    with subprocess.Popen(["sleep", "10"]) as child:
        assert wrapping._child(peers.Peer(os.getpid(), 1000, 1000), child.pid) == child.pid
        child.kill()


def test_families_hold_their_runs_only() -> None:
    """A number with an empty lower half stands for all with its upper half."""
    family = numbers.family()
    assert numbers.belongs(family | 5, family)
    assert numbers.belongs(7, 7)
    assert not numbers.belongs(8, 7)
    assert not numbers.belongs(numbers.family() | 5, family | 5)


def test_origins_survive_being_remembered() -> None:
    """What was known of a package is known after a restart."""
    identity = Identity(Quality.VERIFIED, "pkg:pypi/x@1", "u", "d", True, ("pkg:pypi/y@1",))
    made = Origin(
        3, 9, ("a", "b"), "/w", "pip", Settlement(Actor.PACKAGE, Stage.BUILD, identity, new_origin=True)
    )

    assert origin_of(3, json.loads(json.dumps(origin_facts(made)))) == made


def test_a_refusal_told_after_the_exit_keeps_no_run_alive() -> None:
    """An opener that is looked at before it is refused may be told of when it is gone: the report need not wait."""
    flight = Flight(Begun(1, 4_000_000, ("python",)), standard(), "hooks", itertools.count(1).__next__)
    gone = Event(
        time=1.0,
        kind=Kind.EXIT,
        pid=4_000_000,
        ppid=1,
        run=1,
        origin=1,
        stage=Stage.FIRST_RUN,
        actor=Actor.PACKAGE,
    )
    flight.take(gone)
    flight.take(gone._replace(kind=Kind.ACT, act=Act.FILE_READ, target={"path": "/x"}))

    assert flight.due()
    flight.take(gone._replace(kind=Kind.FORK))
    assert flight.pids == {4_000_000}


def test_status_lines_escape_hostile_names() -> None:
    """A command line cannot move the cursor or speak to a CI system."""
    run = {
        "id": "01", "user": "u", "command": ["pip", "\x1b[2J", "\n::error::x"], "began": time.time(),
        "processes": 1, "refused": 2, "confined": False,
    }  # fmt: skip
    daemon = {
        "pid": 1, "version": "0", "began": time.time(), "scope": [5], "backend": "hooks", "profile": "standard",
        "ended_runs": 0, "lost": 0, "note": None,
    }  # fmt: skip
    shown = status.lines({"daemon": daemon, "runs": [run], "ended": [], "recent": []}, time.time())

    assert not any("\x1b" in line or "\n" in line or line.startswith("::") for line in shown)


def test_the_live_picture_escapes_hostile_names() -> None:
    """`top` shows what `status` shows."""
    run = {
        "id": "01M83CY6TTXJCA99ECXGJSQKQS", "user": "u", "command": ["pip", "\x1b[2J[red]x"], "began": time.time(),
        "processes": 1, "refused": 2, "confined": True,
    }  # fmt: skip
    daemon = {"backend": "hooks", "profile": "standard", "ended_runs": 0}
    recent = [{"text": "denied \x1b[2J"}]
    console = Console(width=150, file=io.StringIO())
    console.print(top.picture({"daemon": daemon, "runs": [run], "recent": recent}, time.time()))
    shown = console.file.getvalue()  # type: ignore[attr-defined]

    assert "\x1b" not in shown
    assert "[red]x" in shown
    assert "confined" in shown


def test_the_unit_is_written_and_taken_away(tmp_path: Path) -> None:
    """With the program that installs it, told apart sections, and a watchdog that outlasts a busy moment."""
    place = systemd.install("/opt/bin/pratique", tmp_path, start=False)
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(place)

    assert unit["Service"]["ExecStart"] == "/opt/bin/pratique daemon"
    assert unit["Service"]["Type"] == "notify"
    assert unit["Service"]["KillMode"] == "process"
    assert int(unit["Service"]["WatchdogSec"]) > 5


def test_the_line_of_a_waiting_process_is_read(tmp_path: Path) -> None:
    """The package's own innermost line, not the library's; the refusal is answered in any case."""
    script = tmp_path / "evil.py"
    script.write_text("import time\ndef steal():\n    time.sleep(20)\nsteal()\n")
    asker = subprocess.Popen([sys.executable, str(script)])
    stacks = Stacks()
    answered: list[int] = []
    try:
        stacks.start()

        def asked() -> object:  # again, for a busy machine may take more than the 0.3 s that a refusal waits
            stacks.hold(asker.pid, "/secret", lambda: answered.append(1))
            time.sleep(0.4)
            return stacks.source(asker.pid, "/secret")

        assert _soon(asked)
        assert stacks.source(asker.pid, "/secret") == {
            "file": str(script), "line": 3, "function": "steal", "quality": "exact",
        }  # fmt: skip
        assert stacks.hold(1 << 30, "/gone", lambda: answered.append(2))
        assert _soon(lambda: answered[-1] == 2)
        assert stacks.source(1 << 30, "/gone") is None
    finally:
        stacks.stop()
        asker.kill()
        asker.wait()
    assert not stacks.hold(1, "/late", lambda: answered.append(3))


def test_the_line_of_a_stopped_process_is_read(tmp_path: Path) -> None:
    """Exactly, once it stands; of one that does not come to stand, none, and it is answered all the same."""
    script = tmp_path / "evil.py"
    script.write_text("import os, signal\ndef steal():\n    os.kill(os.getpid(), signal.SIGSTOP)\nsteal()\n")
    asker = subprocess.Popen([sys.executable, str(script)])
    runner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stacks = Stacks()
    answered: list[int] = []
    try:
        stacks.start()

        def asked() -> object:
            stacks.hold(asker.pid, "/secret", lambda: answered.append(asker.pid), asker.pid)
            time.sleep(0.4)
            return stacks.source(asker.pid, "/secret")

        assert _soon(asked)
        assert stacks.source(asker.pid, "/secret") == {
            "file": str(script), "line": 3, "function": "steal", "quality": "exact",
        }  # fmt: skip
        assert stacks.hold(runner.pid, "/going", lambda: answered.append(runner.pid), runner.pid)
        assert _soon(lambda: answered[-1] == runner.pid)
        assert stacks.source(runner.pid, "/going") is None
    finally:
        stacks.stop()
        for process in (asker, runner):
            process.kill()
            process.wait()


def test_where_nobody_waits_the_package_is_looked_for(tmp_path: Path) -> None:
    """The innermost line of its own code, and said to be sampled; nothing of others, or of who is gone."""
    script, module = tmp_path / "main.py", tmp_path / "evil" / "__init__.py"
    module.parent.mkdir()
    module.write_text("import time\ndef steal():\n    time.sleep(20)\n")
    script.write_text("import evil\nevil.steal()\n")
    asker = subprocess.Popen([sys.executable, str(script)])
    stacks = Stacks()
    try:
        stacks.start()

        def looked(place: str, inside: Path) -> object:
            stacks.look(asker.pid, place, [str(inside)])
            time.sleep(0.4)
            return stacks.source(asker.pid, place)

        assert _soon(lambda: looked("192.0.2.1:80", module.parent))
        assert stacks.source(asker.pid, "192.0.2.1:80") == {
            "file": str(module), "line": 3, "function": "steal", "quality": "sampled",
        }  # fmt: skip
        assert _soon(lambda: looked("main", script))
        assert looked("other", tmp_path / "elsewhere") is None
        stacks.look(1 << 30, "gone", [str(tmp_path)])
        time.sleep(0.4)
        assert stacks.source(1 << 30, "gone") is None
    finally:
        stacks.stop()
        asker.kill()
        asker.wait()


def _soon(done: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 20
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_innermost_own_line_counts() -> None:
    """Frames of the standard library and of no file are skipped."""
    places = [
        {"file": "<string>", "line": 1, "function": "<module>"},
        {"file": "/v/lib/python3.11/site-packages/evil/__init__.py", "line": 12, "function": "go"},
        {"file": "/usr/lib/python3.11/pathlib.py", "line": 99, "function": "open"},
        {"file": "<frozen importlib._bootstrap>", "line": 5, "function": "_load"},
    ]
    assert stack_reader.own(places) == places[1:2]
    assert stack_reader.own(places[:1]) == []
