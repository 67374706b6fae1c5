"""What package code might try, on decoys: run in a guarded child to prove coverage, and unguarded as control.

``python -m pratique.backends.attempts HOME ID…`` waits until HOME/go is opened for writing, then makes each
attempt in a process of its own and appends its outcome to HOME/out/outcomes. Nothing here does harm even
unguarded: each touches decoys below HOME, processes made for it, or kernel objects that die with it.
"""

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pratique.backends import syscalls

_PATIENCE = 5
_LINGER = 1.0
"""Seconds for which the author of an act that can only be answered afterwards stays, to be killed."""
_PTRACE_SEIZE = 0x4206
_MAP_CREATE = 0
_MAP_ARRAY = 2
_QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07canary1\x07example\x00\x00\x01\x00\x01"


@dataclass(frozen=True, slots=True)
class Decoys:
    """What there is to attack, and where to say what was got."""

    home: Path
    canary: str
    tcp4: tuple[str, int]
    tcp6: tuple[str, int]
    udp: tuple[str, int]
    dns: tuple[str, int]
    resolver: tuple[str, int]
    """What the host is set up with; `dns` is another."""
    abstract: str
    memory: int
    """Pid of a process outside with the canary in its environment."""
    target: int
    """Pid of a process outside that dies of SIGTERM."""
    hidden: str
    """Path for a hidden program in the system's temporary directory."""

    def evidence(self, attempt: str) -> Path:
        """Where an attempt leaves what it got."""
        return self.home / "out" / attempt

    def save(self) -> None:
        """Write the description that `load` reads."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        (self.home / "decoys.json").write_text(json.dumps(fields | {"home": str(self.home)}))

    @classmethod
    def load(cls, home: Path) -> "Decoys":
        """Read the description of the decoys in `home`."""
        fields = json.loads((home / "decoys.json").read_text())
        for name in ("tcp4", "tcp6", "udp", "dns", "resolver"):
            fields[name] = tuple(fields[name])
        return cls(**fields | {"home": home})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended for its author."""

    pid: int
    error: int | None = None
    """The errno it met, None if it met none; 0 when it broke for a reason of its own."""
    signal: int | None = None


Attempted = Callable[[Decoys, Path], None]
"""Given the decoys and where to leave evidence; `OSError` when refused."""

ATTEMPTS: dict[str, Attempted] = {}


def _attempt(name: str) -> Callable[[Attempted], Attempted]:
    def register(function: Attempted) -> Attempted:
        ATTEMPTS[name] = function
        return function

    return register


@_attempt("file.read")
def _read(decoys: Decoys, evidence: Path) -> None:
    evidence.write_text((decoys.home / ".aws/credentials").read_text())


@_attempt("file.read.linked")
def _read_linked(decoys: Decoys, evidence: Path) -> None:
    link = decoys.home / "innocent"
    link.hardlink_to(decoys.home / ".aws/credentials")
    evidence.write_text(link.read_text())


@_attempt("file.write")
def _append(decoys: Decoys, _: Path) -> None:
    with (decoys.home / ".bashrc").open("a") as file:
        file.write(decoys.canary)


@_attempt("file.write.managed")
def _append_managed(decoys: Decoys, _: Path) -> None:
    with (decoys.home / ".gitconfig").open("a") as file:
        file.write(decoys.canary)


@_attempt("file.create.managed")
def _create_managed(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".claude/decoy.json").write_text(decoys.canary)


@_attempt("file.create")
def _create(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".zshrc").write_text(decoys.canary)


@_attempt("file.create.inside")
def _create_inside(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/systemd/user/decoy.service").write_text(decoys.canary)


@_attempt("file.create.directory")
def _create_directory(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/autostart").mkdir()
    time.sleep(_LINGER)


@_attempt("file.rename.onto")
def _rename_onto(decoys: Decoys, evidence: Path) -> None:
    _planted(decoys, evidence).rename(decoys.home / ".profile")


@_attempt("file.rename.into")
def _rename_into(decoys: Decoys, evidence: Path) -> None:
    _planted(decoys, evidence).rename(decoys.home / ".zprofile")
    time.sleep(_LINGER)


@_attempt("file.rename.parent")
def _rename_parent(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".config/held").rename(decoys.home / ".config/moved")


@_attempt("file.link")
def _link(decoys: Decoys, evidence: Path) -> None:
    (decoys.home / ".zlogin").hardlink_to(_planted(decoys, evidence))
    time.sleep(_LINGER)


@_attempt("file.link.symbolic")
def _link_symbolic(decoys: Decoys, evidence: Path) -> None:
    (decoys.home / ".zlogout").symlink_to(_planted(decoys, evidence))
    time.sleep(_LINGER)


@_attempt("file.remove")
def _remove(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".bash_profile").unlink()


@_attempt("file.truncate")
def _truncate(decoys: Decoys, _: Path) -> None:
    os.truncate(decoys.home / ".bash_login", 0)


@_attempt("file.setattr")
def _setattr(decoys: Decoys, _: Path) -> None:
    (decoys.home / ".bash_logout").chmod(0o777)


@_attempt("exec.listed")
def _exec_listed(decoys: Decoys, evidence: Path) -> None:
    _run(decoys.home / "bin/crontab", evidence)


@_attempt("priv.gain")
def _gain(decoys: Decoys, evidence: Path) -> None:
    _run(decoys.home / "bin/sudo", evidence)


@_attempt("exec.memfd")
def _exec_memfd(decoys: Decoys, evidence: Path) -> None:
    memory = os.memfd_create("decoy")
    os.write(memory, _program(decoys))
    os.execve(memory, ["touch", str(evidence)], {})  # noqa: S606


@_attempt("exec.deleted")
def _exec_deleted(decoys: Decoys, evidence: Path) -> None:
    path = _written(decoys, decoys.home / "deleted")
    program = os.open(path, os.O_RDONLY)
    path.unlink()
    os.execve(program, ["touch", str(evidence)], {})  # noqa: S606


@_attempt("exec.hidden")
def _exec_hidden(decoys: Decoys, evidence: Path) -> None:
    _run(_written(decoys, Path(decoys.hidden)), evidence)


@_attempt("exec.fresh")
def _exec_fresh(decoys: Decoys, evidence: Path) -> None:
    _run(_written(decoys, decoys.home / "fresh"), evidence)


@_attempt("exec.loader")
def _exec_loader(decoys: Decoys, evidence: Path) -> None:
    mapped = Path("/proc/self/maps").read_text().split()
    loader = next(word for word in mapped if Path(word).name.startswith("ld-"))
    os.execv(loader, [loader, str(decoys.home / "bin/crontab"), str(evidence)])  # noqa: S606


@_attempt("exec.map")
def _map(decoys: Decoys, evidence: Path) -> None:
    path = _written(decoys, decoys.home / "mapped")
    access = mmap.PROT_READ | mmap.PROT_EXEC
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, access):
        lines = Path("/proc/self/maps").read_text().splitlines()
        evidence.write_text(next(line for line in lines if line.endswith(str(path))))


@_attempt("net.connect.tcp4")
def _tcp4(decoys: Decoys, _: Path) -> None:
    with socket.create_connection(decoys.tcp4) as connection:
        connection.sendall(decoys.canary.encode())


@_attempt("net.connect.tcp6")
def _tcp6(decoys: Decoys, _: Path) -> None:
    with socket.create_connection(decoys.tcp6) as connection:
        connection.sendall(decoys.canary.encode())


@_attempt("net.connect.udp")
def _udp(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(decoys.canary.encode(), decoys.udp)


@_attempt("net.connect.raw")
def _raw(_: Decoys, evidence: Path) -> None:
    _with_privilege()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as opened:
        evidence.write_text(str(opened.family))


@_attempt("net.connect.packet")
def _packet(_: Decoys, evidence: Path) -> None:
    _with_privilege()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
        evidence.write_text(str(opened.family))


@_attempt("net.dns")
def _dns(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.connect(decoys.dns)
        resolver.send(_QUESTION)


@_attempt("net.dns.name")
def _name(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.connect(decoys.resolver)
        resolver.send(_QUESTION)


@_attempt("net.listen")
def _listen(decoys: Decoys, evidence: Path) -> None:
    with socket.create_server((decoys.tcp4[0], 0)) as server:
        evidence.write_text(str(server.getsockname()[1]))


@_attempt("ipc.connect")
def _broker(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/broker.sock"), decoys)


@_attempt("ipc.connect.agent")
def _agent(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/agent.sock"), decoys)


@_attempt("ipc.connect.late")
def _late_broker(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/late.sock"), decoys)


@_attempt("ipc.connect.abstract")
def _abstract(decoys: Decoys, _: Path) -> None:
    _say(f"\0{decoys.abstract}", decoys)


@_attempt("proc.memory.ptrace")
def _trace(decoys: Decoys, evidence: Path) -> None:
    syscalls.call("ptrace", _PTRACE_SEIZE, decoys.memory, 0, 0)
    evidence.write_text(str(os.getpid()))


@_attempt("proc.memory.read")
def _memory(decoys: Decoys, evidence: Path) -> None:
    process = Path("/proc") / str(decoys.memory)
    stack = next(line for line in (process / "maps").read_text().splitlines() if line.endswith("[stack]"))
    first, last = (int(edge, 16) for edge in stack.split()[0].split("-"))
    with (process / "mem").open("rb") as memory:
        memory.seek(first)
        found = decoys.canary.encode() in memory.read(last - first)
    evidence.write_text(decoys.canary if found else "")


@_attempt("proc.memory.root")
def _root(decoys: Decoys, evidence: Path) -> None:
    outside = Path("/proc") / str(decoys.memory) / "root"
    evidence.write_text(str(os.listdir(outside)))  # noqa: PTH208


@_attempt("proc.signal")
def _signal(decoys: Decoys, _: Path) -> None:
    os.kill(decoys.target, signal.SIGTERM)


@_attempt("kernel.bpf")
def _bpf(_: Decoys, evidence: Path) -> None:
    request = ctypes.create_string_buffer(struct.pack("=IIII", _MAP_ARRAY, 4, 4, 1).ljust(128, b"\0"))
    table = syscalls.call("bpf", _MAP_CREATE, request, len(request) - 1)
    evidence.write_text(Path(f"/proc/self/fdinfo/{table}").read_text())


@_attempt("ns.enter")
def _unshare(_: Decoys, evidence: Path) -> None:
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    evidence.write_text(str(Path("/proc/self/ns/user").readlink()))


@_attempt("mount")
def _mount(decoys: Decoys, evidence: Path) -> None:
    _with_privilege()
    place = str(decoys.home / "run")
    syscalls.mount(place, place, syscalls.MS_BIND)
    evidence.write_text(place)


@_attempt("ring")
def _ring(_: Decoys, evidence: Path) -> None:
    parameters = ctypes.create_string_buffer(120)
    ring = syscalls.call("io_uring_setup", 1, parameters)
    evidence.write_text(str(Path(f"/proc/self/fd/{ring}").readlink()))


def _with_privilege() -> None:
    """Get the privilege that an act needs as anybody may: over namespaces of one's own."""
    if os.geteuid() != 0:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET)


def _planted(decoys: Decoys, evidence: Path) -> Path:
    planted = decoys.home / f"planted-{evidence.name}"
    planted.write_text(decoys.canary)
    return planted


def _program(decoys: Decoys) -> bytes:
    return (decoys.home / "bin/touch").read_bytes()


def _written(decoys: Decoys, path: Path) -> Path:
    path.write_bytes(_program(decoys))
    path.chmod(0o755)
    return path


def _run(program: Path, evidence: Path) -> None:
    # argv[0] matters where one binary is many commands.
    os.execve(program, ["touch", str(evidence)], {})  # noqa: S606


def _say(address: str, decoys: Decoys) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(address)
        connection.sendall(decoys.canary.encode())


def _make(name: str, decoys: Decoys) -> Outcome:
    # Close-on-exec: silence means no error, also when the attempt became another program.
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a decoy program says is for nobody
        try:
            ATTEMPTS[name](decoys, decoys.evidence(name))
        except OSError as error:
            os.write(tell, str(error.errno or 0).encode())
        except BaseException:  # noqa: BLE001 a broken attempt must not pass for an unhindered one
            os.write(tell, b"0")
        finally:
            os._exit(0)
    os.close(tell)
    said = os.read(told, 16)
    os.close(told)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Outcome(pid, int(said) if said else None, -code if code < 0 else None)


def main(argv: list[str]) -> int:
    """Make the attempts named, once the other side opens HOME/go."""
    home, *names = argv
    decoys = Decoys.load(Path(home))
    (decoys.home / "go").read_bytes()
    with (decoys.home / "out/outcomes").open("a") as outcomes:
        for name in names:
            done = _make(name, decoys)
            outcomes.write(json.dumps([name, done.pid, done.error, done.signal]) + "\n")
            outcomes.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
