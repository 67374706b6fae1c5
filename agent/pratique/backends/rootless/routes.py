"""Sockets of a run whose network namespace leads nowhere (tier 1): a route is had from the supervisor, or not at all.

Who may reach the world anyway gets sockets that were made outside. Package code that may not gets those of its own
namespace, in which there is only a loopback; where the rules let it connect, the supervisor does that on a socket
made outside, and puts it in the place of the caller's.
"""

import errno
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address

from pratique.backends.rootless import spaces
from pratique.backends.rootless.addresses import Address
from pratique.backends.rootless.answers import GO_ON, LATER, Answer, Descriptor, Fail, Value
from pratique.backends.rootless.bound import Bound
from pratique.backends.rootless.connections import INTERNET, KIND, Connections, is_usual
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call, Listener
from pratique.backends.rootless.messages import Message
from pratique.backends.rootless.sockets import Copied
from pratique.backends.rootless.tasks import Task
from pratique.words import TRUSTED

_NO_FAMILY = b"\0\0"
_INT, _TIMEVAL = 4, 16
# What programs set before they connect: level, option, length.
_OPTIONS = (
    *((socket.SOL_SOCKET, option, _INT) for option in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR)),
    *((socket.SOL_SOCKET, option, _TIMEVAL) for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)),
    *((socket.IPPROTO_TCP, option, _INT) for option in (socket.TCP_NODELAY, socket.TCP_USER_TIMEOUT)),
    *((socket.IPPROTO_TCP, option, _INT) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _INT),
    (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, _INT),
)


class Routes(Connections):
    """`Connections` where the callers' own sockets lead nowhere."""

    def __init__(
        self, judge: Judge, listener: Listener, brokers: Mapping[str, str], inside: Bound, outside: Bound
    ) -> None:
        super().__init__(judge, listener, brokers, Copied(), outside)
        self._replacing = listener
        self._inside = inside
        with socket.socket() as ours:
            self._here = spaces.network_of(ours)

    def new_socket(self, task: Task, call: Call) -> Answer:
        """`socket(family, type, protocol)`: made outside for those who may reach somebody there."""
        family, kind, protocol = (argument & 0xFFFFFFFF for argument in call.arguments[:3])
        if family == socket.AF_UNIX:
            return GO_ON
        if not is_usual(family, kind, protocol):
            return super().new_socket(task, call)
        return self._made(call) if self._has_route(task, family, kind) else GO_ON

    def new_pair(self, _task: Task, _call: Call) -> Answer:
        """`socketpair`: sends are made on copies."""
        return GO_ON

    def _made(self, call: Call) -> Answer:
        family, kind, protocol = (argument & 0xFFFFFFFF for argument in call.arguments[:3])
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:
            return Fail(error.errno or errno.EMFILE)
        return Descriptor(made.detach(), not kind & socket.SOCK_CLOEXEC)

    def _has_route(self, task: Task, family: int, kind: int) -> bool:
        # Of the interfaces everybody may know: libc asks for no address of a family that has none.
        if task.label.actor in TRUSTED or family == socket.AF_NETLINK:
            return True
        sends = kind & KIND == socket.SOCK_DGRAM and self._judge.has_endpoints(task.label.origin)
        return sends or not self._judge.refuses_the_world(task.label)

    def _connect(self, task: Task, call: Call, held: socket.socket, address: Address) -> Answer:
        # Looked at once: what listens inside now may be gone when it is asked again, and the host's would be met.
        if self._leads_inside(held, address):
            return super()._reach(call, held, Message(address.raw, b""))
        return super()._connect(task, call, held, address)

    def _refuses(self, task: Task, held: socket.socket | None, address: Address) -> bool:
        if address.abstract is not None:
            return not self._inside.abstract(address.abstract)
        # Only a stream is ever put on another socket than its own.
        stays = held is not None and held.type == socket.SOCK_DGRAM and self._leads_inside(held, address)
        return not stays and super()._refuses(task, held, address)

    def _leads_inside(self, held: socket.socket, address: Address) -> bool:
        """Whether a socket without a route meets somebody of the run on the loopback inside."""
        if address.host is None or address.port is None or not self._is_inside(held):
            return False
        found = ip_address(address.host)
        found = getattr(found, "ipv4_mapped", None) or found
        return (found.is_loopback or found.is_unspecified) and self._inside.port(address.port)

    def _is_inside(self, held: socket.socket) -> bool:
        return held.family in INTERNET and spaces.network_of(held) != self._here

    def _reach(self, call: Call, held: socket.socket, to: Message) -> Answer:
        disconnects = to.name[:2] == _NO_FAMILY
        if held.type != socket.SOCK_STREAM or disconnects or not self._is_inside(held):
            return super()._reach(call, held, to)
        made = _like(held)
        held.close()
        if os.get_blocking(made.fileno()):
            self._later(call, made, lambda: self._replaced(call, made, to.name), [to])
            return LATER
        try:
            return self._replaced(call, made, to.name)
        finally:
            made.close()
            to.close()

    def _replaced(self, call: Call, made: socket.socket, raw: bytes) -> Answer:
        answer = self._connected(made, raw)
        if isinstance(answer, Value) or (isinstance(answer, Fail) and answer.error == errno.EINPROGRESS):
            number = call.arguments[0] & 0x7FFFFFFF
            inheritable = _is_inherited(call, number)
            if not self._replacing.replace(call, made.fileno(), number, inheritable=inheritable):
                return Fail(errno.EMFILE)
        return answer


def _like(held: socket.socket) -> socket.socket:
    """A socket of our own network that is otherwise as that one."""
    made = socket.socket(held.family, held.type, held.proto)
    os.set_blocking(made.fileno(), os.get_blocking(held.fileno()))
    for level, option, length in _OPTIONS:
        with suppress(OSError):
            made.setsockopt(level, option, held.getsockopt(level, option, length))
    return made


def _is_inherited(call: Call, number: int) -> bool:
    """Whether a descriptor of the caller lives on in what it executes."""
    with suppress(OSError, ValueError), open(f"/proc/{call.thread}/fdinfo/{number}", "rb") as file:  # noqa: PTH123
        flags = next(line.split()[1] for line in file if line.startswith(b"flags:"))
        return not int(flags, 8) & os.O_CLOEXEC
    return False
