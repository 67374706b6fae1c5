"""The lab on a machine of its own (a booted kernel, a network namespace of one's own): no veth, no pyroute2.

The "remote" addresses are given to loopback; for the guard they are global all the same.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from lab.addresses import METADATA, ROGUE_PORTS, ROLES, SINK_PORTS
from lab.chance import chance
from lab.homes import Home
from lab.ledger import HOMES, new_folder
from lab.sink import Sink

_ROLES = ("sink", "code", "prebuilt", "rogue")
_ADDRESS = {role: f"203.0.113.{ROLES[role]}" for role in _ROLES}
_SINK6 = f"2001:db8::{ROLES['sink']}"
_SIOCSIFADDR, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8913, 0x8914, 1


class Guest:
    """Decoys and a sink; enter it as root of the machine (or of a network namespace).

    Or as somebody without privilege, once root has been there: the addresses stay.
    """

    def __init__(self, metadata: bool = False) -> None:
        self._metadata = metadata
        self._stack = ExitStack()
        self.sink = self.prebuilt = Sink()
        self.chance = chance("guest")
        self.token = f"{self.chance.getrandbits(32):08x}{os.getpid():x}"

    def __enter__(self) -> "Guest":
        with ExitStack() as stack:
            if os.geteuid() == 0:
                self._address()
            HOMES.mkdir(exist_ok=True)
            self.folder, house = new_folder("work"), new_folder("home", HOMES)
            for place in (self.folder, house):
                stack.callback(shutil.rmtree, place, ignore_errors=True)
            self.home = Home(house, self.chance)
            stack.callback(self.sink.close)
            self._listen()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def project(self) -> Path:
        """The user's project."""
        return self._made("mine")

    @property
    def programs(self) -> Path:
        """A folder that stands first in PATH, for stand-ins of programs."""
        return self._made("programs")

    def words(self) -> dict[str, str]:
        """Map what replicas may name to what it is here."""
        return {
            **{role.upper(): address for role, address in _ADDRESS.items()},
            "SINK6": _SINK6,
            "SINKNAME": _ADDRESS["sink"],
            "METADATA": METADATA,
            "LOOPBACK": str(self.loopback),
            "HOME": str(self.home.folder),
            "PROJECT": str(self.project),
            "TOKEN": self.token,
            "MARKS": str(self._made("marks")),
        }

    def leaks(self) -> list[str]:
        """Name the decoys whose secret reached the sink."""
        return self.home.canaries_in(self.sink.received())

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _address(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            flags = struct.pack("16sh14x", b"lo", 0)
            old = struct.unpack("16sh14x", fcntl.ioctl(sock, _SIOCGIFFLAGS, flags))[1]
            fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", old | _IFF_UP))
            for number, address in enumerate([*_ADDRESS.values(), *[METADATA][: self._metadata]]):
                name, packed = f"lo:{number + 1}".encode(), socket.inet_aton(address)
                fcntl.ioctl(sock, _SIOCSIFADDR, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, packed))
        self._address6()

    def _address6(self) -> None:
        # EEXIST when a guest was here before; a kernel without IPv6 goes on without.
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            packed = socket.inet_pton(socket.AF_INET6, _SINK6)
            fcntl.ioctl(sock, _SIOCSIFADDR, packed + struct.pack("=Ii", 128, socket.if_nametoindex("lo")))

    def _listen(self) -> None:
        for port in SINK_PORTS:
            for role in ("sink", "code", "prebuilt"):
                self._serve(_ADDRESS[role], port)
            with contextlib.suppress(OSError):
                self._serve(_SINK6, port)
        for port in ROGUE_PORTS:
            for role in ("sink", "rogue"):
                self._serve(_ADDRESS[role], port, socket.SOCK_DGRAM)
        if self._metadata:
            self._serve(METADATA, 80)
        self.loopback = self.sink.serve_loopback()

    def _serve(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        self.sink.serve(sock)
