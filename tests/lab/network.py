"""Remote hosts of the lab: documentation addresses in a network namespace of this process.

The namespace has no name. It lives by a descriptor of this process only, so the kernel removes it, and the
veth pair with it, at the very moment the process dies, even by SIGKILL.
"""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType

from pyroute2 import IPRoute  # type: ignore[import-untyped]

from lab.addresses import METADATA, ROLES
from lab.errors import LabError
from lab.ledger import exclusive

_BLOCK = int(IPv4Address("203.0.113.0"))
_BLOCK6 = int(IPv6Address("2001:db8::"))
_SLOTS = 16
_CLONE_NEWNET = 0x40000000
_NODAD = 0x02
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A private /28 (and /64) behind a veth; `listen` opens sockets on the far side."""

    def __init__(self, metadata: bool = False) -> None:
        self._metadata = metadata
        self._stack = ExitStack()

    def __enter__(self) -> "Network":
        with ExitStack() as stack:
            slot = stack.enter_context(_free_slot())
            base, base6 = _BLOCK + slot * _SLOTS, _BLOCK6 + (slot << 64)
            self.near, self._near6 = str(IPv4Address(base + 1)), str(IPv6Address(base6 + 1))
            self.address = {role: str(IPv4Address(base + number)) for role, number in ROLES.items()}
            self.address6 = {role: str(IPv6Address(base6 + number)) for role, number in ROLES.items()}
            self._name = f"prlab{os.getpid():x}v{slot:x}"
            self._space = _new_namespace()
            stack.callback(os.close, self._space)
            if self._metadata:
                stack.enter_context(exclusive("metadata"))
            self._wire(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def sink(self) -> str:
        """Where the loot goes."""
        return self.address["sink"]

    @property
    def sink6(self) -> str:
        """The same by IPv6."""
        return self.address6["sink"]

    def dial(self, address: str, port: int) -> socket.socket:
        """Connect from inside the namespace."""
        with _inside(self._space):
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.settimeout(3)
        try:
            sock.connect((address, port))
        except OSError:
            sock.close()
            raise
        return sock

    def listen(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Open a bound (and for TCP listening) socket inside the namespace."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with _inside(self._space):
            sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        return sock

    def _wire(self, stack: ExitStack) -> None:
        with _inside(self._space):
            far = stack.enter_context(IPRoute())
        near = stack.enter_context(IPRoute())
        peer = {"ifname": "far", "net_ns_fd": self._space}
        near.link("add", kind="veth", ifname=self._name, peer=peer)
        stack.callback(near.link, "del", ifname=self._name)
        _up(far, "lo", [], [])
        _up(far, "far", [*self.address.values()], [*self.address6.values()])
        link = _up(near, self._name, [self.near], [self._near6])
        if self._metadata:
            far.addr("add", index=far.link_lookup(ifname="far")[0], address=METADATA, prefixlen=32)
            near.route("add", dst=f"{METADATA}/32", oif=link, scope="link")


def everywhere(role: str) -> list[str]:
    """Every address that the host of that role may come to have."""
    return [str(IPv4Address(_BLOCK + slot * _SLOTS + ROLES[role])) for slot in range(_SLOTS)]


def _up(route: IPRoute, name: str, addresses: list[str], addresses6: list[str]) -> int:
    index: int = route.link_lookup(ifname=name)[0]
    for address in addresses:
        route.addr("add", index=index, address=address, prefixlen=28)
    for address in addresses6:
        route.addr("add", index=index, address=address, prefixlen=64, flags=_NODAD)
    route.link("set", index=index, state="up")
    return index


@contextmanager
def _free_slot() -> Iterator[int]:
    for slot in range(_SLOTS):
        with exclusive(f"slot-{slot}", wait=False) as mine:
            if mine:
                yield slot
                return
    raise LabError(f"all {_SLOTS} lab networks of this host are in use")


def _new_namespace() -> int:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise LabError(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        space = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(here)
    finally:
        os.close(here)
    return space


@contextmanager
def _inside(space: int) -> Iterator[None]:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(space)
        yield
    finally:
        _enter(here)
        os.close(here)


def _enter(space: int) -> None:
    if _libc.setns(space, _CLONE_NEWNET) != 0:
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")
