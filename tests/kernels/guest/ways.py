"""Runs in the guest, without privilege: ways around `rootless` beyond those of the coverage, unguarded and guarded.

``ways.py`` prints, per way, what came of it without the guard and with it: `through`, `refused` or `killed`.
``ways.py FOLDER`` is the code that tries, in a process per way.
"""

import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, "/opt/tests")

import low
from ring import Ring, call

from rootless.ground import guarded, lay, unguarded
from rootless.plain import home, without_privilege

_OPENAT2, _SECCOMP, _PTRACE, _READV, _TRUNCATE, _PRCTL = 437, 317, 101, 310, 76, 157
_NO_NEW_PRIVS, _ATTACH, _FASTOPEN, _MPTCP, _SENDMMSG, _IN_ROOT = 38, 16, 0x20000000, 262, 307, 0x10
_HOST = "127.66.1.1"
"""What the policy of the proof calls global."""
_FREE, _HELD = "free/without", "free/with"


def _secret() -> Path:
    return Path(os.environ["HOME"], ".aws/credentials")


def _outsider() -> tuple[int, int]:
    """A process of the same user outside the run, and where in it a secret lies."""
    pid, address = os.environ["OUTSIDER"].split(":")
    return int(pid), int(address)


def direct() -> bytes:
    return _secret().read_bytes()


def openat2() -> bytes:
    return os.read(_opened(_secret(), os.O_RDONLY), 100)


def _opened(path: str | Path, flags: int, resolve: int = 0) -> int:
    """`openat2` below the home."""
    folder, how = os.open(os.environ["HOME"], os.O_PATH), struct.pack("=3Q", flags, 0, resolve)
    return call(_OPENAT2, folder, os.fsencode(path), how, len(how))


def by_exec() -> bytes:
    return subprocess.run(["cat", _secret()], capture_output=True, check=False).stdout


def symbolic_link() -> bytes:
    Path("link").symlink_to(_secret())
    return Path("link").read_bytes()


def dots() -> bytes:
    return Path(f"{Path.cwd()}/../../.aws/../.aws/credentials").read_bytes()


def changed_directory() -> bytes:
    os.chdir(_secret().parent)
    return Path("credentials").read_bytes()


def directory() -> bytes:
    return os.read(os.open("credentials", os.O_RDONLY, dir_fd=os.open(_secret().parent, os.O_PATH)), 100)


def proc_root() -> bytes:
    return Path(f"/proc/self/root{_secret()}").read_bytes()


def reopened() -> bytes:
    return Path(f"/proc/self/fd/{os.open(_secret(), os.O_PATH)}").read_bytes()


def hard_link() -> bytes:
    os.link(_secret(), "hard")
    return Path("hard").read_bytes()


def old_hard_link() -> bytes:
    return Path("../linked-before").read_bytes()


def old_hard_link_resolved() -> bytes:
    """By a call that resolves names in its own way: nobody but the kernel looks at that one."""
    return os.read(_opened("/free/linked-before", os.O_RDONLY, _IN_ROOT), 100)


def renamed_above() -> bytes:
    _secret().parent.rename("moved")
    try:
        return Path("moved/credentials").read_bytes()
    finally:
        Path("moved").rename(_secret().parent)


def truncated() -> bytes:
    call(_TRUNCATE, os.fsencode(Path(os.environ["HOME"], ".bashrc")), 0)
    return b"SECRET"


def cut_short_resolved() -> bytes:
    """The same, of a place that may be read."""
    _opened("/.bashrc", os.O_RDONLY | os.O_TRUNC, _IN_ROOT)
    return b"SECRET"


def ring() -> bytes:
    return Ring().read(os.fsencode(_secret()))


def low_entry() -> bytes:
    return low.read(os.fsencode(_secret()))


def listener() -> bytes:
    """A supervisor of one's own would let everything go on."""
    everything = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000), 8)
    told = ctypes.create_string_buffer(struct.pack("=H6xQ", 1, ctypes.addressof(everything)), 16)
    call(_PRCTL, _NO_NEW_PRIVS, 1, 0, 0, 0)
    os.close(call(_SECCOMP, 1, 8, told))
    return b"SECRET"


def traced() -> bytes:
    call(_PTRACE, _ATTACH, _outsider()[0], 0, 0)
    return b"SECRET"


def memory_read() -> bytes:
    pid, address = _outsider()
    room = ctypes.create_string_buffer(6)
    here, there = (struct.pack("=QQ", at, 6) for at in (ctypes.addressof(room), address))
    call(_READV, pid, here, 1, there, 1, 0)
    return room.raw


def memory_written() -> bytes:
    pid, address = _outsider()
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    os.pwrite(memory, b"SECRET", address)
    return os.pread(memory, 6, address)


def signalled() -> bytes:
    os.kill(_outsider()[0], signal.SIGCONT)
    return b"SECRET"


def tcp() -> None:
    socket.create_connection(_there()).sendall(b"tcp\n")


def tcp_mapped() -> None:
    socket.create_connection((f"::ffff:{_HOST}", _there()[1])).sendall(b"tcp_mapped\n")


def tcp_not_blocking() -> None:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(_there())
    time.sleep(0.5)
    client.send(b"tcp_not_blocking\n")


def tcp_fast() -> None:
    socket.socket().sendto(b"tcp_fast\n", _FASTOPEN, _there())


def tcp_multipath() -> None:
    client = socket.socket(proto=_MPTCP)
    client.connect(_there())
    client.send(b"tcp_multipath\n")


def udp() -> None:
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"udp\n", _there())


def udp_connected() -> None:
    client = socket.socket(type=socket.SOCK_DGRAM)
    client.connect(_there())
    client.send(b"udp_connected\n")


def udp_message() -> None:
    socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"udp_message\n"], [], 0, _there())


def udp_messages() -> None:
    client = socket.socket(type=socket.SOCK_DGRAM)
    words, name = (
        ctypes.create_string_buffer(b"udp_messages\n", 13),
        ctypes.create_string_buffer(_address(), 16),
    )
    vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(words), 13), 16)
    row = (ctypes.addressof(name), 16, ctypes.addressof(vector), 1, 0, 0, 0)
    call(_SENDMMSG, client.fileno(), struct.pack("=QI4xQQQQi4xQ", *row, 0), 1, 0)


def ring_network() -> None:
    with socket.socket() as client:
        Ring().say(client.fileno(), _address(), b"ring_network\n")


def low_network() -> None:
    low.say(_address(), b"low_network\n")


def unix_path() -> None:
    client = socket.socket(socket.AF_UNIX)
    client.connect(f"{os.environ['HOME']}/run/broker.sock")
    client.send(b"unix_path\n")


def unix_message() -> None:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.sendto(b"unix_message\n", f"{os.environ['HOME']}/run/agent.sock")


def unix_abstract() -> None:
    client = socket.socket(socket.AF_UNIX)
    client.connect(f"\0{os.environ['PORT']}")
    client.send(b"unix_abstract\n")


def _there() -> tuple[str, int]:
    return _HOST, int(os.environ["PORT"])


def _address() -> bytes:
    return (
        struct.pack("=H", socket.AF_INET)
        + struct.pack(">H", _there()[1])
        + socket.inet_aton(_HOST)
        + bytes(8)
    )


READS: tuple[Callable[[], bytes], ...] = (
    *(direct, openat2, by_exec, symbolic_link, dots, changed_directory, directory, proc_root, reopened),
    *(hard_link, old_hard_link, old_hard_link_resolved, renamed_above, truncated, cut_short_resolved),
    *(ring, low_entry, listener),
    *(traced, memory_read, memory_written, signalled),
)
SAYS: tuple[Callable[[], None], ...] = (
    *(tcp, tcp_mapped, tcp_not_blocking, tcp_fast, tcp_multipath),
    *(udp, udp_connected, udp_message, udp_messages, ring_network, low_network),
    *(unix_path, unix_message, unix_abstract),
)


def attempt(folder: Path) -> None:
    """Be the hostile code; what each way got, and how its process ended, is left in the folder."""
    sys.stdin.readline()
    os.chdir(folder)
    for way in (*READS, *SAYS):
        pid = os.fork()
        if pid == 0:
            try:
                (folder / f"{way.__name__}.got").write_bytes(way() or b"")
            finally:
                os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        Path(f"{way.__name__}.end").write_text(str(status))


class Outside:
    """Who is not in the run: a neighbour with a secret in its memory, and servers that keep what they hear."""

    def __init__(self, place: Path) -> None:
        self._secret = ctypes.create_string_buffer(b"SECRET")
        self._neighbour = os.fork()
        if self._neighbour == 0:
            while True:
                signal.pause()
        tcp = socket.create_server((_HOST, 0))
        self.port = tcp.getsockname()[1]
        (place / "run").mkdir()
        names: tuple[tuple[int, int, object], ...] = (
            (socket.AF_INET, socket.SOCK_DGRAM, (_HOST, self.port)),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"{place}/run/broker.sock"),
            (socket.AF_UNIX, socket.SOCK_DGRAM, f"{place}/run/agent.sock"),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.port}"),
        )
        self._servers = [tcp, *(_bound(family, kind, name) for family, kind, name in names)]
        self._open: list[socket.socket] = []
        self._heard = b""

    @property
    def words(self) -> dict[str, str]:
        """What the code that tries must know."""
        where = f"{self._neighbour}:{ctypes.addressof(self._secret)}"
        found = {"PYTHONPATH": os.environ["PYTHONPATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        return {"PORT": str(self.port), "OUTSIDER": where, **found}

    def heard(self) -> set[str]:
        """What was said since the last time."""
        self.listen()
        told, self._heard = set(self._heard.decode().split()), b""
        return told

    def listen(self) -> None:
        """Take what there is."""
        for server in self._servers:
            server.setblocking(False)
            try:
                while server.type == socket.SOCK_STREAM:
                    self._open.append(server.accept()[0])
                while True:
                    self._heard += server.recv(100)
            except BlockingIOError:
                continue
        for connection in self._open:
            connection.settimeout(0.5)
            try:
                self._heard += connection.recv(100)
            except OSError:
                continue

    def close(self) -> None:
        """Nobody is left."""
        os.kill(self._neighbour, signal.SIGKILL)
        os.waitpid(self._neighbour, 0)


def _bound(family: int, kind: int, name: object) -> socket.socket:
    server = socket.socket(family, kind)
    server.bind(name)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        server.listen(8)
    return server


def outcome(folder: Path, heard: set[str]) -> dict[str, str]:
    """What came of each way."""
    found = {}
    for way in (*READS, *SAYS):
        got = folder / f"{way.__name__}.got"
        through = (got.exists() and b"SECRET" in got.read_bytes()) or way.__name__ in heard
        killed = int((folder / f"{way.__name__}.end").read_text()) < 0
        found[way.__name__] = "through" if through else "killed" if killed else "refused"
    return found


def both(place: Path) -> dict[str, tuple[str, str]]:
    """Each way without the guard, and with it."""
    lay(place)
    os.link(place / ".aws/credentials", place / "free/linked-before")
    outside = Outside(place)
    try:
        results = []
        for folder, start in ((place / _FREE, unguarded), (place / _HELD, guarded)):
            folder.mkdir()
            start(place, [sys.executable, str(Path(__file__).resolve()), str(folder)], outside.words)
            results.append(outcome(folder, outside.heard()))
        return {name: (results[0][name], results[1][name]) for name in results[0]}
    finally:
        outside.close()


def main() -> None:
    """Both rounds, as a line of JSON."""
    with home() as place:
        print(json.dumps(without_privilege(lambda: both(place))))


if __name__ == "__main__":
    attempt(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
