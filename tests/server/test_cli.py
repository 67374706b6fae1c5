"""The command line: one command starts everything, the others work beside it on the same store."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from fleet import hosts
from pratique_server.cli import main

_SECONDS = 40


class Served:
    """`pratique-server serve` as a process of its own, and what it printed at its start."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [
            sys.executable, "-m", "pratique_server", "serve", "--data", folder, "--grpc", "127.0.0.1:0",
            "--enrol", "127.0.0.1:0", "--ui", "127.0.0.1:0", *options,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.folder = folder
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.said = self._start()

    def _start(self) -> str:
        """What it says until it serves."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if line == "serving\n":
                break
        return "".join(lines)

    def found(self, pattern: str) -> str:
        """The first group of a pattern in what was printed."""
        match = re.search(pattern, self.said)
        assert match, self.said
        return match.group(1)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it."""
        self.process.send_signal(number)
        status = self.process.wait(_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A collector at its first start."""
    running = Served(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGKILL)


def _say(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_from_nothing_to_a_run_in_the_api(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """One command starts it, one line enrols a host, and what the host sends is there by the API within 2 s."""
    token = served.found(r"--token (\S+)")
    authorities = (served.folder / "pki" / "authority.pem").read_bytes()
    joined = hosts.enrol(served.found(r"enrolment  (\S+)"), token, authorities, "dev-1")
    with hosts.connected(joined, served.found(r"hosts      (\S+)")) as client:
        client.put(hosts.last(1))
    sent = time.monotonic()
    secret = _say(capsys, "user", "token", "admin", "--data", served.folder).strip()

    answer = httpx.get(
        served.found(r"people     (\S+)") + "/api/v1/runs",
        headers={"Authorization": f"Bearer {secret}"},
        timeout=20,
    )

    row = answer.json()["items"][0]
    assert (row["host_name"], row["verdict"], row["description"]) == ("dev-1", "blocked", "pip install evil")
    assert time.monotonic() - sent < 20  # 2 on a quiet machine
    assert served.stop() == 0


def test_the_other_commands(served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Tokens, people, hosts, policy, export and backup work while the collector serves."""
    data = ("--data", served.folder)
    authorities = (served.folder / "pki" / "authority.pem").read_bytes()
    token = _say(capsys, "token", "create", "--note", "build farm", *data).strip()
    joined = hosts.enrol(served.found(r"enrolment  (\S+)"), token, authorities, "dev\n::error")
    with hosts.connected(joined, served.found(r"hosts      (\S+)")) as client:
        client.put(hosts.last(1))

    assert joined.host in _say(capsys, "token", "list", *data)
    assert "dev\\n::error" in _say(capsys, "host", "list", *data)
    assert json.loads(_say(capsys, "host", "show", joined.host, *data))["state"] == "active"
    _say(capsys, "user", "add", "ann", "--role", "analyst", *data)
    assert "analyst" in _say(capsys, "user", "list", *data)
    assert len(json.loads(_say(capsys, "export", "findings", *data))["id"]) > 26
    assert len(_say(capsys, "export", "events", "--run", hosts.run_id(1), *data).splitlines()) == 50
    assert _say(capsys, "export", "runs", "--since", "2100-01-01", *data) == ""
    _say(capsys, "host", "revoke", joined.host, *data)
    assert "revoked" in _say(capsys, "host", "list", *data)
    assert "files" in _say(capsys, "backup", tmp_path / "copy", *data)
    with closing(sqlite3.connect(tmp_path / "copy" / "index.db")) as copy:
        assert copy.execute("SELECT count(*) FROM segments").fetchone() == (1,)


def test_a_policy_by_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody puts their own proposal into force, and mistakes are one line with status 2."""
    data, file = ("--data", tmp_path), tmp_path / "p.toml"
    file.write_text('profile = "strict"\n')
    number = _say(capsys, "policy", "propose", file, "--reason", "why", "--as", "ann", *data).strip()

    assert main(["policy", "accept", number, "--as", "ann", "--data", str(tmp_path)]) == 2
    assert "somebody else" in capsys.readouterr().err
    _say(capsys, "policy", "accept", number, "--as", "bob", *data)
    _say(capsys, "policy", "block", hosts.EVIL, "--reason", "a worm", *data)
    listed = _say(capsys, "policy", "list", *data)
    assert "in force" in listed
    assert hosts.EVIL in listed
    assert main(["policy", "lift", "77", "--data", str(tmp_path)]) == 2
    assert main(["backup", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert main(["export", "events", "--data", str(tmp_path)]) == 2
    assert main(["serve", "--database", "mysql://x/y", "--data", str(tmp_path)]) == 2
