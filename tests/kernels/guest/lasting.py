"""Runs in the guest: what holds while a policy is swapped, while files are replaced, and after the agent was killed.

``lasting.py agent`` guards a reader that outlives its parent and never exits; ``lasting.py read`` is that reader;
without arguments it is the one who watches, and prints what was seen as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path("/root/lasting")
SECRET, LATER, LOG = HOME / ".aws/credentials", HOME / ".netrc", HOME / "log"
_SECONDS = 30


def read() -> None:
    """Be the reader: a line per round, `1` for each secret that could be read and `0` for each that could not."""
    if os.fork():
        os._exit(0)
    os.setsid()
    with LOG.open("w") as log:
        while True:
            log.write("".join(str(int(_readable(path))) for path in (SECRET, LATER)) + "\n")
            log.flush()
            time.sleep(0.01)


def _readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def agent() -> None:
    """Guard the reader, swap policies under it, and wait to be killed."""
    from pratique.backends import choice, decoys
    from pratique.backends.base import Command, Host
    from pratique.backends.proof import _PACKAGE
    from pratique.policy.model import Group, Row
    from pratique.words import Act, Action, Actor, Stage

    first = decoys.policy()
    rule = first.rules[0]
    row = Row(tuple(Stage), (Actor.PACKAGE,), Act.FILE_READ, "a.new", Action.DENY)
    groups = (Group("a.new", "file", paths=("~/.netrc",)), *first.groups)
    second = first._replace(rules=(rule._replace(rows=(row, *rule.rows)),), groups=groups)
    backend = choice.choose("lsm", Host([str(HOME)], str(HOME), ()))
    backend.start(first, 9)
    pid = backend.spawn(Command([sys.executable, __file__, "wait"], str(HOME), dict(os.environ)))
    backend.label(pid, _PACKAGE)
    (HOME / "go").write_bytes(b"")
    while not LOG.exists() or LOG.stat().st_size == 0:
        list(backend.events(0.1))
    for number in range(21):
        backend.update(second if number % 2 == 0 else first)
        list(backend.events(0.05))
    print("swapped", flush=True)
    while True:
        list(backend.events(0.1))


def watch() -> None:
    """Start the agent, let it swap, replace a secret, kill the agent, clean up."""
    SECRET.parent.mkdir(parents=True)
    SECRET.write_text("canary")
    LATER.write_text("canary")
    os.mkfifo(HOME / "go")
    guard = subprocess.Popen([sys.executable, __file__, "agent"], stdout=subprocess.PIPE, text=True)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "swapped\n"
    seen = {"swapping": _rounds()}
    fresh = SECRET.with_name("fresh")
    fresh.write_text("canary")
    fresh.rename(SECRET)
    time.sleep(0.5)
    seen["replaced"] = _rounds()
    guard.send_signal(signal.SIGKILL)
    guard.wait()
    time.sleep(0.5)
    seen["killed"] = _rounds()
    reader = subprocess.run(
        ["pgrep", "-f", "lasting.py wait"], capture_output=True, text=True, check=False
    ).stdout
    alive, told = _is_alive(reader), _cleaned()
    print(
        json.dumps(
            {
                **seen,
                "alive": alive,
                "unlabelled": _readable(SECRET),
                "told": told,
                "left": os.listdir("/sys/fs/bpf"),
                "alive_after": _is_alive(reader),
                "again": _cleaned(),
            }
        )
    )


def _cleaned() -> str:
    command = ["pratique", "doctor", "--cleanup"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _is_alive(pids: str) -> bool:
    """Whether one of the processes runs; nobody in the guest waits for orphans."""
    stats = [Path(f"/proc/{pid}/stat") for pid in pids.split()]
    return any(path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z" for path in stats)


def _rounds() -> list[str]:
    """What the reader saw since the last time."""
    with LOG.open() as log:
        log.seek(_read[0])
        found = log.read().split()
        _read[0] = log.tell()
    return sorted(set(found))


_read = [0]

if __name__ == "__main__":
    role = sys.argv[1] if len(sys.argv) > 1 else "watch"
    if role == "wait":
        (HOME / "go").read_bytes()
        read()
    {"agent": agent, "watch": watch}[role]()
