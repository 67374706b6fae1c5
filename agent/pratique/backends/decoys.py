"""The ground on which coverage is proved: a home of decoys, listeners, victims, and a policy for them."""

import contextlib
import os
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from pratique.backends.attempts import Decoys
from pratique.backends.base import Host
from pratique.errors import GuardError
from pratique.policy.model import Group, Policy, Row, Rule
from pratique.words import Act, Action, Actor, Stage

# Loopback addresses that nothing else uses; the policy calls them global, so that loopback is not exempt.
_SINK = "127.66.1.1"
# Port 53 is one per address, and several proofs may go on at once.
_RESOLVERS = tuple(f"127.66.53.{number}" for number in range(1, 255))

_PERSISTENCE = (".bashrc", ".profile", ".bash_profile", ".bash_login", ".bash_logout")
_MISSING = (".zshrc", ".zprofile", ".zlogin", ".zlogout")


class Ground:
    """Decoys and witnesses for one round of attempts; everything is gone after `close`."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        # Resolved: rules meet objects by where they are.
        self.home = Path(tempfile.mkdtemp(prefix="pratique-proof-")).resolve()
        self._stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        self._canary = secrets.token_hex(16)
        self._late: socket.socket | None = None
        try:
            self._lay_files()
            self._listen()
            self._start_victims()
        except OSError as error:
            self.close()
            raise GuardError(f"no decoys to prove coverage on: {error}") from error
        self.decoys.save()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the victims and remove the decoys."""
        self._stack.close()

    def host(self) -> Host:
        """Describe the decoy home as the machine to guard."""
        return Host(
            homes=[str(self.home)],
            project=str(self.home),
            patterns=(),
            resolvers=[self.decoys.resolver[0]],
        )

    def open_late_broker(self) -> None:
        """Start a broker after the static layer is set: it is not masked."""
        self._late = self._bind(socket.AF_UNIX, str(self.home / "run/late.sock"))

    def text(self, name: str) -> str | None:
        """Read a decoy file, None when there is none."""
        try:
            return (self.home / name).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def evidence(self, attempt: str) -> str | None:
        """Read what an attempt left; programs leave an empty file."""
        return self.text(f"out/{attempt}")

    def got_canary(self, attempt: str) -> bool:
        """Tell whether an attempt got hold of the secret."""
        return self._canary in (self.evidence(attempt) or "")

    def holds_canary(self, name: str) -> bool:
        """Tell whether a decoy file now holds what an attempt wrote."""
        return self._canary in (self.text(name) or "")

    def has(self, name: str) -> bool:
        """Tell whether there is a decoy of that name, of any kind."""
        return os.path.lexists(self.home / name)

    def is_executable(self, name: str) -> bool:
        """Tell whether a decoy file was made executable."""
        return bool((self.home / name).stat().st_mode & stat.S_IXOTH)

    def heard(self, listener: str) -> bool:
        """Tell whether something was connected or said to a listener."""
        server: socket.socket | None = getattr(self, f"_{listener}")
        if server is None:
            return False
        try:
            if server.type == socket.SOCK_DGRAM:
                return bool(server.recv(512))
            connection = server.accept()[0]
        except BlockingIOError:
            return False
        with connection:
            # A broker obeys what it is told, so a connection that says nothing did nothing; a remote host
            # learns from the connection alone.
            return server.family != socket.AF_UNIX or bool(connection.recv(512))

    def target_died(self) -> bool:
        """Tell whether the process to be signalled is dead."""
        return self._target.poll() is not None

    def _lay_files(self) -> None:
        for folder in (".aws", ".config/systemd/user", ".config/held/place", ".claude", "bin", "run", "out"):
            (self.home / folder).mkdir(parents=True)
        (self.home / ".aws/credentials").write_text(f"[default]\naws_secret_access_key = {self._canary}\n")
        for name in _PERSISTENCE:
            (self.home / name).write_text("# decoy\n")
            (self.home / name).chmod(0o644)
        (self.home / ".gitconfig").write_text("# decoy\n")
        touch = shutil.which("touch")
        if touch is None:
            raise FileNotFoundError("touch")
        for name in ("touch", "crontab", "sudo"):
            shutil.copy(touch, self.home / "bin" / name)
        os.mkfifo(self.home / "go")
        hidden = Path(tempfile.gettempdir()).resolve() / f".pratique-{self._canary[:8]}"
        self._stack.callback(hidden.unlink, missing_ok=True)
        self._hidden = str(hidden)

    def _listen(self) -> None:
        self._tcp4 = self._bind(socket.AF_INET, (_SINK, 0))
        self._udp = self._bind(socket.AF_INET, (_SINK, 0), socket.SOCK_DGRAM)
        self._broker = self._bind(socket.AF_UNIX, str(self.home / "run/broker.sock"))
        self._agent = self._bind(socket.AF_UNIX, str(self.home / "run/agent.sock"))
        self._abstract_name = f"pratique-proof-{self._canary}"
        self._abstract = self._bind(socket.AF_UNIX, f"\0{self._abstract_name}")
        # Either may be impossible here; the control then fails, and the row says so.
        self._tcp6 = self._bind_if_possible(socket.AF_INET6, ("::1", 0))
        free = iter(_RESOLVERS)
        self._dns, self._resolver = self._bind_resolver(free), self._bind_resolver(free)

    def _bind(self, family: int, address: object, kind: int = socket.SOCK_STREAM) -> socket.socket:
        server = self._stack.enter_context(socket.socket(family, kind))
        server.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            server.listen(4)
        server.setblocking(False)
        return server

    def _bind_if_possible(
        self, family: int, address: object, kind: int = socket.SOCK_STREAM
    ) -> socket.socket | None:
        try:
            return self._bind(family, address, kind)
        except OSError:
            return None

    def _bind_resolver(self, free: Iterator[str]) -> socket.socket | None:
        tried = (self._bind_if_possible(socket.AF_INET, (each, 53), socket.SOCK_DGRAM) for each in free)
        return next((server for server in tried if server is not None), None)

    def _start_victims(self) -> None:
        self._memory = self._victim()
        self._target = self._victim()

    def _victim(self) -> subprocess.Popen[bytes]:
        victim = subprocess.Popen(["sleep", "120"], env={"PATH": os.defpath, "DECOY": self._canary})
        self._stack.callback(victim.wait)
        self._stack.callback(victim.kill)
        return victim

    @property
    def decoys(self) -> Decoys:
        """Describe the ground to the attempts."""
        return Decoys(
            home=self.home,
            canary=self._canary,
            tcp4=self._tcp4.getsockname(),
            tcp6=self._tcp6.getsockname()[:2] if self._tcp6 else ("::1", 9),
            udp=self._udp.getsockname(),
            dns=self._dns.getsockname() if self._dns else (_RESOLVERS[0], 53),
            resolver=self._resolver.getsockname() if self._resolver else (_RESOLVERS[0], 53),
            abstract=self._abstract_name,
            memory=self._memory.pid,
            target=self._target.pid,
            hidden=self._hidden,
        )


def policy() -> Policy:
    """Forbid package code everything the attempts do to the decoys, under the groups' usual names."""
    rule = Rule("coverage-proof", "Decoys of the coverage proof", "low", "", rows=_rows())
    return Policy(digest="coverage-proof", profile="proof", rules=(rule,), groups=_groups())


def _groups() -> tuple[Group, ...]:
    def below(folder: str, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"~/{folder}{name}" for name in names)

    def static(name: str, kind: str, paths: tuple[str, ...]) -> Group:
        return Group(name, kind, paths=paths, static=("~/",))

    code = ("code.memfd", "code.deleted", "code.shm", "code.hidden-temp", "code.fresh", "proc.outside")
    return (
        Group("secrets.aws", "file", paths=("~/.aws/credentials",)),
        static("persistence.shell", "file", below("", (*_PERSISTENCE, *_MISSING))),
        static("persistence.systemd", "file", below(".config/", ("systemd/user/**", "held/place/**"))),
        static("persistence.desktop", "file", ("~/.config/autostart/**",)),
        static("ipc.brokers", "ipc", below("run/", ("broker.sock", "late.sock"))),
        Group("ipc.agents", "ipc", paths=("~/run/agent.sock",)),
        Group("persistence.git", "file", paths=("~/.gitconfig",)),
        Group("persistence.ai", "file", paths=("~/.claude/**",)),
        Group("exe.scheduler", "exe", names=("crontab",)),
        Group("exe.privilege", "exe", names=("sudo",)),
        Group("net.global", "net", cidrs=(f"{_SINK}/32", "::1/128")),
        *(Group(name, "code") for name in (*code, "net.raw-socket")),
    )


def _rows() -> tuple[Row, ...]:
    writes = (
        *(Act.FILE_WRITE, Act.FILE_CREATE, Act.FILE_LINK, Act.FILE_RENAME),
        *(Act.FILE_REMOVE, Act.FILE_TRUNCATE, Act.FILE_SETATTR),
    )
    places = (
        *("persistence.shell", "persistence.systemd", "persistence.desktop"),
        *("persistence.git", "persistence.ai"),
    )
    programs = (
        "exe.scheduler",
        "exe.privilege",
        "code.memfd",
        "code.deleted",
        "code.shm",
        "code.hidden-temp",
    )
    denied = [
        *((act, place) for act in writes for place in places),
        *((Act.EXEC, program) for program in programs),
        *((act, "proc.outside") for act in (Act.PROC_MEMORY, Act.PROC_SIGNAL)),
        *((act, "*") for act in (Act.NET_DNS, Act.KERNEL_BPF, Act.NS_ENTER, Act.MOUNT, Act.RING)),
        (Act.FILE_READ, "secrets.aws"),
        (Act.PRIV_GAIN, "exe.privilege"),
        (Act.IPC_CONNECT, "ipc.brokers"),
        (Act.IPC_CONNECT, "ipc.agents"),
        (Act.NET_CONNECT, "net.global"),
        (Act.NET_CONNECT, "net.raw-socket"),
    ]
    audited = [(Act.EXEC, "code.fresh"), (Act.EXEC_MAP, "code.fresh"), (Act.NET_LISTEN, "*")]
    return (
        *(_row(act, group, Action.DENY) for act, group in denied),
        *(_row(act, group, Action.AUDIT) for act, group in audited),
    )


def _row(act: Act, group: str, action: Action) -> Row:
    return Row(tuple(Stage), (Actor.PACKAGE,), act, group, action)
