"""Runs in the guest: bad days for a guard that knows objects by inode, device and name; printed as JSON.

A *hand* is a labelled process that opens what it is told to and answers with the errno, `0` for none.
``days.py hand HOME`` is one; ``days.py beside HOME`` is another agent with its own, until its input ends.
"""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pratique.backends import decoys, syscalls
from pratique.backends.base import Command, Host
from pratique.backends.lsm import probes
from pratique.backends.lsm.backend import LsmBackend
from pratique.backends.proof import _PACKAGE

ROOT = Path("/root/days")
_READ_FILE = 1 << 2
_MOST = 5000


class Hand:
    """The hand, its guard, and the pipes between."""

    def __init__(self, home: Path, homes: list[Path], run: int) -> None:
        for name in ("ask", "told"):
            os.mkfifo(home / name)
        self._backend = LsmBackend(Host([str(each) for each in homes], str(home), ()))
        self._backend.start(decoys.policy(), run)
        argv = [sys.executable, __file__, "hand", str(home)]
        pid = self._backend.spawn(Command(argv, str(home), dict(os.environ)))
        self._backend.label(pid, _PACKAGE)
        self._ask, self._told = (home / "ask").open("w"), (home / "told").open()
        self.gaps = self._backend.gaps()

    def opens(self, path: Path, word: str = "read") -> int:
        """The errno it met."""
        print(word, path, file=self._ask, flush=True)
        return int(self._told.readline())

    def look(self, seconds: float) -> None:
        """Let its guard do what it does between events."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            list(self._backend.events(0.1))

    def close(self) -> None:
        """End both."""
        self._ask.close()
        self._backend.finish()
        self._backend.close()


def hand(home: Path) -> None:
    """Be one."""
    with (home / "ask").open() as asked, (home / "told").open("w") as told:
        for line in asked:
            word, _, path = line.strip().partition(" ")
            print(_WORDS[word](Path(path)), file=told, flush=True)


def _read(path: Path) -> int:
    try:
        path.read_bytes()
    except OSError as error:
        return error.errno or 255
    return 0


def _shut(path: Path) -> int:
    """Have Landlock refuse this process the reading of everything but the system and one folder."""
    rules = syscalls.landlock_ruleset(files=_READ_FILE)
    for folder in ("/usr", "/proc", str(path)):
        syscalls.landlock_allow(rules, folder, _READ_FILE)
    syscalls.landlock_restrict(rules)
    return 0


_WORDS: dict[str, Callable[[Path], int]] = {"read": _read, "shut": _shut}


@contextmanager
def guarded(home: Path, homes: list[Path], run: int = 5) -> Iterator[Hand]:
    """A hand under a guard of its own."""
    made = Hand(home, homes, run)
    try:
        yield made
    finally:
        made.close()


def lay(home: Path) -> Path:
    """A home with the secret; its path."""
    secret = home / ".aws/credentials"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("canary")
    (home / "twin").write_text("nothing")
    return secret


def overlay() -> Path:
    """A home on overlayfs, its secret in the layer below."""
    lower, home = ROOT / "lower", ROOT / "overlay"
    lay(lower)
    for folder in ("upper", "work", "overlay"):
        (ROOT / folder).mkdir()
    told = f"lowerdir={lower},upperdir={ROOT / 'upper'},workdir={ROOT / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", told, home], check=True)
    return home


def btrfs() -> Path:
    """A home on a subvolume: `stat` shows another device there than the kernel's."""
    disk, top = ROOT / "disk", ROOT / "btrfs"
    with disk.open("wb") as file:
        file.truncate(256 << 20)
    top.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, top], check=True)
    subprocess.run(["btrfs", "-q", "subvolume", "create", top / "home"], check=True)
    return top / "home"


def reused(home: Path, secret: Path) -> Path | None:
    """The secret is deleted, and a harmless file gets its inode number; None where the file system gives no such."""
    wanted = secret.stat().st_ino
    secret.unlink()
    for number in range(_MOST):
        path = home / f"harmless-{number}"
        path.write_text("nothing")
        if path.stat().st_ino == wanted:
            return path
    return None


def files() -> dict[str, object]:
    """Every day of files, one hand."""
    plain, late = ROOT / "people/plain", ROOT / "people/late"
    homes = [plain, overlay(), btrfs()]
    secrets = [lay(home) for home in homes]
    seen: dict[str, object] = {"unlabelled": [secret.read_text() for secret in secrets]}
    with guarded(plain, homes) as hand:
        seen["refused"] = [hand.opens(secret) for secret in secrets]
        seen["twins"] = [hand.opens(home / "twin") for home in homes]
        with secrets[1].open("a") as copied_up:
            copied_up.write("more")
        (homes[1] / "fresh").write_text("canary")
        (homes[1] / "fresh").rename(secrets[1])
        subprocess.run(["mount", "--bind", homes[2], ROOT / "work"], check=True)
        seen["copied_up"] = hand.opens(secrets[1])
        seen["bound"] = hand.opens(ROOT / "work/.aws/credentials")
        harmless = reused(plain, secrets[0])
        seen["reused"] = hand.opens(harmless) if harmless else "no such number"
        lay(plain)
        seen["made_again"] = hand.opens(secrets[0])
        lay(late)
        os.chown(late, 1001, 1001)
        seen["late_before"] = hand.opens(late / "twin")
        hand.look(3)
        seen["late"] = [hand.opens(late / ".aws/credentials"), hand.opens(late / "twin")]
        (plain / "locked").write_text("nothing")
        hand.opens(plain / ".aws", "shut")
        seen["another_module"] = hand.opens(plain / "locked")
        seen["both"] = hand.opens(secrets[0])
    return seen


def two_guards() -> dict[str, object]:
    """One guard's refusal stands whatever another says after it."""
    one, other = ROOT / "one", ROOT / "other"
    secret, _ = lay(one), lay(other)
    with guarded(one, [one], 6) as first:
        alone = first.opens(secret)
        argv = [sys.executable, __file__, "beside", str(other)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second:
            beside = [int(second.stdout.readline()), first.opens(secret)]
            second.stdin.close()
        return {"alone": alone, "beside": beside, "after": first.opens(secret)}


def beside(home: Path) -> None:
    """Guard, say what its own hand met, and end when told to."""
    with guarded(home, [home], 7) as second:
        print(second.opens(home / ".aws/credentials"), flush=True)
        sys.stdin.read()


def without_a_hook() -> dict[str, object]:
    """As on a kernel that lacks one: it is said, and the rest refuses."""
    from pratique.backends import coverage

    whole, lacking = probes.fitting, "unix_stream_connect"
    probes.fitting = lambda way, types: (each for each in whole(way, types) if each.hook != lacking)
    wanted = ("file.read", "file.rename.onto", "ipc.connect")
    rows = coverage.prove(LsmBackend, [row for row in coverage.LSM_ROWS if row.id in wanted])
    home = ROOT / "older"
    secret = lay(home)
    with guarded(home, [home], 8) as hand:
        said = [gap for gap in hand.gaps if lacking in gap]
        refused = hand.opens(secret)
    levels = {row.scenario.removeprefix("attempt:"): row.level.word for row in rows}
    return {"levels": levels, "said": len(said), "refused": refused}


def main() -> None:
    """Print what was seen."""
    ROOT.mkdir()
    (ROOT / "people").mkdir(mode=0o755)
    print(
        json.dumps({"files": files(), "guards": two_guards(), "hook": without_a_hook(), "eperm": errno.EPERM})
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        {"hand": hand, "beside": beside}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
