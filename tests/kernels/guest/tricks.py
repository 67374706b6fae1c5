"""Runs in the guest: ways around a guard that decides on strings, each with the guard off and on.

``tricks.py`` prints, per trick, whether the canary came out unguarded and guarded. ``tricks.py HOME SINK`` is the
code that tries, in a process per trick.
"""

import contextlib
import ctypes
import json
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import low
from ring import FORCE_ASYNC, POLLED, Ring, call

_OPEN_BY_HANDLE, _NAME_TO_HANDLE, _UNSHARE, _MOUNT, _RENAMEAT2 = 304, 303, 272, 165, 316
_OPEN_TREE, _OPENAT2, _PIDFD_GETFD = 428, 437, 438
_CLONE_TREE, _RECURSIVE, _IN_ROOT = 1, 0x8000, 0x10
_NEWNS, _BIND, _EXCHANGE = 0x20000, 0x1000, 2
_ROUNDS = 400
_SECONDS = 20


def _secret(home: Path) -> Path:
    return home / ".vault/one/two/secret"


def direct(home: Path) -> bytes:
    return _secret(home).read_bytes()


def symlinks(home: Path) -> bytes:
    last = _secret(home)
    for number in range(8):
        link = home / f"link-{number}"
        link.symlink_to(last)
        last = link
    return last.read_bytes()


def new_hard_link(home: Path) -> bytes:
    os.link(_secret(home), home / "new-link")
    return (home / "new-link").read_bytes()


def old_hard_link(home: Path) -> bytes:
    return (home / "old-link").read_bytes()


def proc_root(home: Path) -> bytes:
    return Path(f"/proc/self/root{_secret(home)}").read_bytes()


def directory(home: Path) -> bytes:
    folder = os.open(home / ".vault/one", os.O_PATH)
    return os.read(os.open("two/secret", os.O_RDONLY, dir_fd=folder), 100)


def reopened(home: Path) -> bytes:
    handle = os.open(_secret(home), os.O_PATH)
    return Path(f"/proc/self/fd/{handle}").read_bytes()


def renamed(home: Path) -> bytes:
    _secret(home).rename(home / "renamed")
    return (home / "renamed").read_bytes()


def renamed_above(home: Path) -> bytes:
    (home / ".vault/one").rename(home / "one")
    return (home / "one/two/secret").read_bytes()


def exchanged(home: Path) -> bytes:
    (home / "other").write_bytes(b"")
    names = [os.fsencode(path) for path in (home / "other", _secret(home))]
    call(_RENAMEAT2, -100, names[0], -100, names[1], _EXCHANGE)
    return (home / "other").read_bytes()


def bound_before(home: Path) -> bytes:
    return (home / "bound/two/secret").read_bytes()


def bound_now(home: Path) -> bytes:
    call(_UNSHARE, _NEWNS)
    call(_MOUNT, os.fsencode(home / ".vault/one"), os.fsencode(home / "empty"), None, _BIND, None)
    return (home / "empty/two/secret").read_bytes()


def mounted_inside(home: Path) -> bytes:
    return (home / ".vault/mounted/secret").read_bytes()


def by_handle(home: Path) -> bytes:
    handle, number = ctypes.create_string_buffer(struct.pack("=I", 128), 136), ctypes.c_int()
    call(_NAME_TO_HANDLE, -100, os.fsencode(_secret(home)), handle, ctypes.byref(number), 0)
    mount = os.open(home, os.O_RDONLY)
    return os.read(call(_OPEN_BY_HANDLE, mount, handle, os.O_RDONLY), 100)


def deep(home: Path) -> bytes:
    return (home / ".vault" / "/".join("d" * 60) / "secret").read_bytes()


def race(home: Path) -> bytes:
    """One thread swaps a link between an innocent file and the secret while another opens it."""
    (home / "innocent").write_bytes(b"nothing")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("innocent", _secret(home)):
                (home / "swap").unlink(missing_ok=True)
                (home / "swap").symlink_to(target)

    threading.Thread(target=swap, daemon=True).start()
    found = b""
    deadline = time.monotonic() + _SECONDS / 2
    for _ in range(_ROUNDS):
        try:
            found = (home / "swap").read_bytes()
        except OSError:
            time.sleep(0.0005)
        if b"canary" in found or time.monotonic() > deadline:
            break
    stop.set()
    return found


def ring(home: Path) -> bytes:
    return Ring().read(os.fsencode(_secret(home)))


def ring_worker(home: Path) -> bytes:
    return Ring(FORCE_ASYNC).read(os.fsencode(_secret(home)))


def ring_poller(home: Path) -> bytes:
    return Ring(setup=POLLED).read(os.fsencode(_secret(home)))


def ring_rename(home: Path) -> bytes:
    Ring().rename(os.fsencode(_secret(home)), os.fsencode(home / "by-ring"))
    return (home / "by-ring").read_bytes()


def raw(home: Path) -> bytes:
    return os.read(call(2, os.fsencode(_secret(home)), os.O_RDONLY, 0), 100)


def low_entry(home: Path) -> bytes:
    return low.read(os.fsencode(_secret(home)))


def cloned_tree(home: Path) -> bytes:
    """A mount that is nowhere."""
    tree = call(_OPEN_TREE, -100, os.fsencode(home / ".vault/one"), _CLONE_TREE | _RECURSIVE)
    return os.read(os.open("two/secret", os.O_RDONLY, dir_fd=tree), 100)


def rooted_open(home: Path) -> bytes:
    """openat2 that takes a directory for the root."""
    folder = os.open(home / ".vault", os.O_PATH)
    how = ctypes.create_string_buffer(struct.pack("=3Q", os.O_RDONLY, 0, _IN_ROOT), 24)
    return os.read(call(_OPENAT2, folder, b"/one/two/secret", how, 24), 100)


def changed_root(home: Path) -> bytes:
    whole = os.open("/", os.O_PATH)
    os.chroot(home / ".vault")
    try:
        return Path("/one/two/secret").read_bytes()
    finally:  # what it got is written outside
        os.fchdir(whole)
        os.chroot(".")


def root_of_another(home: Path) -> bytes:
    return Path(f"/proc/{_holder()[0]}/root{_secret(home)}").read_bytes()


def descriptor_of_another(home: Path) -> bytes:
    """What somebody outside has open, taken without opening it."""
    pid, fd = _holder()
    return os.pread(call(_PIDFD_GETFD, os.pidfd_open(pid), fd, 0), 100, 0)


def _holder() -> tuple[int, int]:
    pid, fd = sys.argv[3].split(":")
    return int(pid), int(fd)


def ring_network(home: Path) -> bytes:
    """Connect and send on a ring; what the other side heard is read by the parent."""
    with socket.socket() as client:
        Ring().say(client.fileno(), _sink(), b"canary by ring")
    return b""


def low_network(home: Path) -> bytes:
    """The same through the 32-bit entry."""
    low.say(_sink(), b"canary by low entry")
    return b""


def _sink() -> bytes:
    port = struct.pack(">H", int(sys.argv[2]))
    return struct.pack("=H", socket.AF_INET) + port + socket.inet_aton("127.66.1.9") + bytes(8)


TRICKS = (
    *(
        direct,
        symlinks,
        new_hard_link,
        old_hard_link,
        proc_root,
        directory,
        reopened,
        bound_before,
        bound_now,
    ),
    *(mounted_inside, by_handle, deep, race, ring, ring_worker, raw, low_entry, ring_network),
    *(
        ring_poller,
        cloned_tree,
        rooted_open,
        changed_root,
        root_of_another,
        descriptor_of_another,
        low_network,
    ),
    *(ring_rename, renamed, renamed_above, exchanged),
)


def attempt(home: Path) -> None:
    """Be the hostile code: each trick in a process of its own, what it got in HOME/out/NAME."""
    (home / "go").read_bytes()
    for trick in TRICKS:
        pid = os.fork()
        if pid == 0:
            try:
                (home / "out" / trick.__name__).write_bytes(trick(home))
            except OSError as error:
                (home / "out" / trick.__name__).write_text(f"{error.errno}")
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        if not _secret(home).exists():  # unguarded, it was moved away
            _secret(home).parent.mkdir(parents=True, exist_ok=True)
            _secret(home).write_bytes(b"canary")


def lay(home: Path) -> None:
    """Put the secret where each trick looks for it; outside the guard."""
    for folder in (
        ".vault/one/two",
        ".vault/mounted",
        "bound",
        "empty",
        "out",
        ".vault/" + "/".join("d" * 60),
    ):
        (home / folder).mkdir(parents=True)
    for place in (_secret(home), home / ".vault" / "/".join("d" * 60) / "secret"):
        place.write_bytes(b"canary")
    os.link(_secret(home), home / "old-link")
    call(_MOUNT, os.fsencode(home / ".vault/one"), os.fsencode(home / "bound"), None, _BIND, None)
    call(_MOUNT, b"tmpfs", os.fsencode(home / ".vault/mounted"), b"tmpfs", 0, None)
    (home / ".vault/mounted/secret").write_bytes(b"canary")
    os.mkfifo(home / "go")


def outcome(home: Path, sink: socket.socket) -> dict[str, bool]:
    """Whether the canary came out, per trick."""
    leaked = {trick.__name__: b"canary" in (home / "out" / trick.__name__).read_bytes() for trick in TRICKS}
    heard = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            heard += sink.accept()[0].recv(100)
    leaked["ring_network"], leaked["low_network"] = b"by ring" in heard, b"by low" in heard
    return leaked


def round_(home: Path, *, guard: bool) -> dict[str, bool]:
    """One round of all tricks in a new home."""
    from pratique.backends import choice, decoys
    from pratique.backends.base import Command, Host
    from pratique.backends.proof import _PACKAGE
    from pratique.policy.model import Group, Row
    from pratique.words import Act, Action, Actor, Stage

    lay(home)
    sink = socket.create_server(("127.66.1.9", 0))
    sink.setblocking(False)
    held = os.open(_secret(home), os.O_RDONLY)
    argv = [sys.executable, __file__, str(home), str(sink.getsockname()[1]), f"{os.getpid()}:{held}"]
    if not guard:
        pid = os.spawnv(os.P_NOWAIT, argv[0], argv)
        (home / "go").write_bytes(b"")
        os.waitpid(pid, 0)
        return outcome(home, sink)
    policy = decoys.policy()
    rule = policy.rules[0]
    rows = [row for row in rule.rows if row.act not in (Act.RING, Act.MOUNT)]
    rows.append(Row(tuple(Stage), (Actor.PACKAGE,), Act.FILE_READ, "secrets.vault", Action.DENY))
    groups = [group for group in policy.groups if group.name != "net.global"]
    groups.append(Group("net.global", "net", cidrs=("127.66.1.9/32",)))
    groups.append(Group("secrets.vault", "file", paths=("~/.vault/**",)))
    policy = policy._replace(rules=(rule._replace(rows=tuple(rows)),), groups=tuple(groups))
    backend, _ = choice.choose("lsm", Host([str(home)], str(home), ()))
    backend.start(policy, 7)
    told = set()
    try:
        pid = backend.spawn(Command(argv, str(home), dict(os.environ)))
        backend.label(pid, _PACKAGE)
        (home / "go").write_bytes(b"")
        while backend.ended() is None:
            for event in backend.events(0.1):
                if event.action >= Action.DENY:
                    told.add((event.act.word, event.actor.word, event.origin))
    finally:
        backend.finish()
        backend.close()
    assert all(actor == "package" and origin == 1 for _, actor, origin in told), told
    return outcome(home, sink)


def main() -> None:
    """Both rounds, as one line of JSON."""
    free = round_(Path("/root/free"), guard=False)
    held = round_(Path("/root/held"), guard=True)
    print(json.dumps({name: [free[name], held[name]] for name in free}))


if __name__ == "__main__":
    attempt(Path(sys.argv[1])) if len(sys.argv) > 2 else main()
