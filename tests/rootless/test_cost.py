"""What the supervisor itself takes: memory, and threads, however many connections its command makes."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.guard import PRATIQUE

_MOST_MEMORY = 60 << 20
_MOST_THREADS = 40
_CLIENTS = 60
_LIMIT = 60.0

pytestmark = pytest.mark.usefixtures("guarded_here")

_CONNECT = f"""
import os, socket, sys, threading
def connect():
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as made:
            made.send(b"x")
for number in range(1000):
    os.stat("/"), open("/etc/hostname").close()
threads = [threading.Thread(target=connect) for _ in range({_CLIENTS})]
[each.start() for each in threads]
[each.join() for each in threads]
"""


def test_memory_and_threads(tmp_path: Path) -> None:
    """Under 60 MB, and no thread for each of hundreds of connections made at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        port = str(server.getsockname()[1])
        command = [str(PRATIQUE), "run", "--quiet", "--backend", "rootless", "--"]
        command += [sys.executable, "-c", _CONNECT, port]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
            memory, threads = _most(process)
            said = process.stderr.read().decode() if process.stderr else ""

    assert process.returncode == 0, said
    assert 0 < memory < _MOST_MEMORY, f"{memory >> 20} MB"
    assert 0 < threads < _MOST_THREADS


def _most(process: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """The most memory and threads that it had until it ended."""
    memory = threads = 0
    deadline = time.monotonic() + _LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        facts = _facts(process.pid)
        memory = max(memory, int(facts.get("VmHWM", "0 kB").split()[0]) << 10)
        threads = max(threads, int(facts.get("Threads", "0")))
        time.sleep(0.005)
    return memory, threads


def _facts(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
