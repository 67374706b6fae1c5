"""Sockets: connected and sent from by the supervisor, on a copy of the caller's socket and of what it said."""

import ctypes
import errno
import os
import queue
import socket
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pratique.backends import seccomp, syscalls
from pratique.backends.rootless import addresses
from pratique.backends.rootless.addresses import Address
from pratique.backends.rootless.answers import GO_ON, LATER, Answer, Descriptor, Fail, Value
from pratique.backends.rootless.bound import Bound
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call, Listener
from pratique.backends.rootless.locate import located
from pratique.backends.rootless.messages import MOST_MESSAGES, Message, read_message, write_length
from pratique.backends.rootless.sockets import Made, Sockets
from pratique.backends.rootless.tasks import Task
from pratique.backends.rootless.tracing import Tracer
from pratique.words import TRUSTED, Act

_DNS_PORTS = (53, 853)
_NAMES = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", 262: "tcp"}
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
INTERNET = (socket.AF_INET, socket.AF_INET6)
_MOST_DATA = 1 << 20
_MSG_DONTWAIT, _MSG_FASTOPEN = 0x40, 0x20000000
KIND = 0xF
_SOCKET_TYPES = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
_WORKERS = 32

_libc = ctypes.CDLL(None, use_errno=True)


class Workers:
    """A few threads for what may have to wait for somebody: the loop answers others meanwhile."""

    def __init__(self, enter: Callable[[], None]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._enter = enter
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def do(self, job: Callable[[], None]) -> None:
        """Do it soon; a worker is started when all are busy, up to a few."""
        self._busy += 1
        if self._busy > len(self._threads) and len(self._threads) < _WORKERS:
            worker = threading.Thread(target=self._work, name="pratique-worker", daemon=True)
            self._threads.append(worker)
            worker.start()
        self._jobs.put(job)

    def close(self) -> None:
        """Let the workers go; one that still waits for somebody ends with the process."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        self._enter()
        while (job := self._jobs.get()) is not None:
            job()
            self._busy -= 1


class Connections:
    """Answers `connect`, the sends that may name somebody, `socket` and `listen`."""

    def __init__(
        self,
        judge: Judge,
        listener: Listener | Tracer,
        brokers: Mapping[str, str],
        sockets: Sockets,
        bound: Bound,
    ) -> None:
        """`brokers`: resolved path or directory of a unix socket → its group; `bound`: what the run itself serves."""
        self._judge, self._listener = judge, listener
        self._brokers, self._sockets = brokers, sockets
        self._bound = bound
        self.workers = Workers(lambda: None)

    def new_socket(self, task: Task, call: Call) -> Answer:
        """`socket(family, type, protocol)`: only the unusual ones come here, where sockets can be copied."""
        family, kind, protocol = (argument & 0xFFFFFFFF for argument in call.arguments[:3])
        if isinstance(self._sockets, Made) and is_usual(family, kind, protocol):
            return self._usual_socket(self._sockets, task, (family, kind, protocol))
        told = {"protocol": "raw", "request": f"socket({family}, {kind & 0xF}, {protocol})"}
        refused = self._judge.refuses(task, Act.NET_CONNECT, ("net.raw-socket",), told)
        if family not in _FAMILIES and self._judge.policy.mode == "enforce":
            return Fail(errno.EAFNOSUPPORT)
        return Fail(errno.EPERM) if refused else GO_ON

    def _usual_socket(self, sockets: Made, task: Task, asked: tuple[int, int, int]) -> Answer:
        family, kind, protocol = asked
        if task.label.actor in TRUSTED or family == socket.AF_NETLINK:
            return GO_ON
        # Sends go on where we hold no socket, and a thread may put another one in its place: it shall have none.
        if kind & KIND == socket.SOCK_DGRAM and not self._may_send(task, family):
            return Fail(errno.EPERM)
        try:
            return Descriptor(sockets.make(family, kind, protocol), not kind & socket.SOCK_CLOEXEC)
        except OSError as error:
            return Fail(error.errno or errno.EMFILE)

    def _may_send(self, task: Task, family: int) -> bool:
        if family == socket.AF_UNIX:
            return self._judge.policy.mode == "audit"
        return not self._judge.refuses_the_world(task.label) or self._judge.has_endpoints(task.label.origin)

    def new_pair(self, task: Task, _call: Call) -> Answer:
        """`socketpair` of datagrams, where sockets cannot be copied: each could send to somebody else."""
        trusted = task.label.actor in TRUSTED or self._judge.policy.mode == "audit"
        return GO_ON if trusted else Fail(errno.EPERM)

    def listen(self, task: Task, call: Call) -> Answer:
        """`listen(socket, backlog)`: told of."""
        with suppress(OSError), self._sockets.of(task, call.arguments[0]) as held:
            self._sockets.release(held)
            if held.family in INTERNET:
                host, port = held.getsockname()[:2]
                self._judge.refuses(
                    task, Act.NET_LISTEN, (), {"address": host, "port": port or None, "protocol": "tcp"}
                )
        return GO_ON

    def connect(self, task: Task, call: Call) -> Answer:
        """`connect(socket, address, length)`."""
        number, where, length = call.arguments[:3]
        raw = task.read(where, min(length, addresses.LIMIT))
        address = (
            addresses.parse(raw) if raw is not None and len(raw) == min(length, addresses.LIMIT) else None
        )
        if raw is not None and raw[:2] == b"\0\0":
            address = Address(socket.AF_UNSPEC, raw)
        if address is None:
            return Fail(errno.EFAULT if raw is None else errno.EINVAL)
        if self._goes_on(task):
            return self._judged(task, call, Message(address.raw, b""))
        try:
            held = self._sockets.of(task, number)
        except OSError as error:
            return Fail(errno.EPERM if error.errno == errno.EPERM else error.errno or errno.EBADF)
        return self._connect(task, call, held, address)

    def sendto(self, task: Task, call: Call) -> Answer:
        """`sendto(socket, data, length, flags, address, length)` with an address."""
        number, data, length, flags, where, size = call.arguments
        name = task.read(where, min(size & 0xFFFFFFFF, addresses.LIMIT))
        body = task.read(data, min(length, _MOST_DATA)) if length else b""
        if name is None or body is None:
            return Fail(errno.EFAULT)
        return self._send(task, call, number, [Message(name, body)], flags, lambda sent: sent[0])

    def sendmsg(self, task: Task, call: Call) -> Answer:
        """`sendmsg(socket, message, flags)`."""
        number, where, flags = call.arguments[:3]
        message = read_message(task, where)
        if message is None:
            return Fail(errno.EFAULT)
        return self._send(task, call, number, [message], flags, lambda sent: sent[0])

    def sendmmsg(self, task: Task, call: Call) -> Answer:
        """`sendmmsg(socket, messages, count, flags)`."""
        number, where, count, flags = call.arguments[:4]
        wanted = min(count & 0xFFFFFFFF, MOST_MESSAGES)
        messages = [read_message(task, where, index) for index in range(wanted)]
        whole = [message for message in messages if message is not None]
        if not whole:
            return Fail(errno.EFAULT)

        def told(sent: Sequence[int]) -> int:
            for index, length in enumerate(sent):
                write_length(task, where, index, length)
            return len(sent)

        return self._send(task, call, number, whole, flags, told)

    def _connect(self, task: Task, call: Call, held: socket.socket, address: Address) -> Answer:
        if address.path is not None:
            return self._connect_unix(task, call, held, address.path)
        if self._refuses(task, held, address):
            held.close()
            return Fail(errno.EPERM)
        return self._reach(call, held, Message(address.raw, b""))

    def _reach(self, call: Call, held: socket.socket, to: Message) -> Answer:
        """Connect, in a thread where that may mean to wait: for the peer, or for a server with a full queue."""
        if held.type != socket.SOCK_DGRAM and os.get_blocking(held.fileno()):
            self._later(call, held, lambda: self._connected(held, to.name), [to])
            return LATER
        try:
            return self._connected(held, to.name)
        finally:
            held.close()
            to.close()

    def _connect_unix(self, task: Task, call: Call, held: socket.socket, path: str) -> Answer:
        answer: Answer
        try:
            with located(task, call.thread, syscalls.AT_FDCWD, path) as found:
                if not stat.S_ISSOCK(found.mode):
                    answer = Fail(errno.ECONNREFUSED)
                elif self._refuses_broker(task, found.path, path):
                    answer = Fail(errno.EACCES)
                else:
                    to = Message(b"", b"")
                    to.resolved(found.fd)
                    return self._reach(call, held, to)
        except OSError as error:
            answer = Fail(error.errno or errno.ECONNREFUSED)
        held.close()
        return answer

    def _refuses_broker(self, task: Task, path: str, spelt: str) -> bool:
        groups = tuple(
            group
            for place, group in self._brokers.items()
            if path == place or path.startswith(f"{place}/") or spelt == place
        )
        return bool(groups) and self._judge.refuses(
            task, Act.IPC_CONNECT, tuple(dict.fromkeys(groups)), {"path": path}
        )

    def _goes_on(self, task: Task) -> bool:
        """Whether the kernel does what this caller asks for, once it is judged: nobody can do it on a copy."""
        return self._sockets.made_here and (task.label.actor in TRUSTED or self._judge.policy.mode == "audit")

    def _judged(self, task: Task, call: Call, message: Message) -> Answer:
        refused = bool(message.name) and self._refuses_name(task, call, None, message)
        message.close()
        return Fail(errno.EPERM) if refused else GO_ON

    def _refuses(self, task: Task, held: socket.socket | None, address: Address) -> bool:
        if address.abstract is not None:
            return not self._bound.abstract(address.abstract)
        if address.host is None or address.port is None:
            return False
        protocol = _protocol(held) if held is not None else "tcp"
        act = Act.NET_DNS if address.port in _DNS_PORTS else Act.NET_CONNECT
        target: dict[str, Any] = {
            "address": address.host,
            "port": address.port or None,
            "protocol": protocol,
        }
        group = self._judge.network_group(address.host, address.port)
        # Who has bound a port is asked only where that makes a difference: it takes a look at everybody.
        matters = group == "net.loopback" and self._judge.speaks_of(task.label, act, (group,))
        if matters and self._bound.port(address.port):
            group = "net.own"
        groups = (group,) if group else ()
        if (
            protocol == "udp"
            and address.port == 0
            and self._judge.would_refuse(task.label, act, groups, target)
        ):
            return True  # so libc asks which way leads to each address it has found: no finding
        return self._judge.refuses(task, act, groups, target)

    def _send(
        self,
        task: Task,
        call: Call,
        number: int,
        messages: list[Message],
        flags: int,
        value: Callable[[Sequence[int]], int],
    ) -> Answer:
        if self._goes_on(task):
            judged = [self._judged(task, call, message) for message in messages]
            return next((answer for answer in judged if isinstance(answer, Fail)), GO_ON)
        try:
            held = self._sockets.of(task, number)
        except OSError as error:
            return self._unheld(error, flags)
        named = [message for message in messages if message.name]
        if any(self._refuses_name(task, call, held, message) for message in named):
            held.close()
            return Fail(errno.EPERM)
        try:
            passed = [message.with_descriptors(task) for message in messages]
        except OSError as error:
            held.close()
            return Fail(error.errno or errno.EBADF)
        flags &= 0x7FFFFFFF

        def send(more: int) -> Answer:
            return _sent(held, passed, flags | more, value)

        answer = send(_MSG_DONTWAIT)
        blocking = not flags & _MSG_DONTWAIT and os.get_blocking(held.fileno())
        if isinstance(answer, Fail) and answer.error == errno.EAGAIN and blocking:
            self._later(call, held, lambda: send(0), passed)
            return LATER
        held.close()
        for message in passed:
            message.close()
        return answer

    def _unheld(self, error: OSError, flags: int) -> Answer:
        """No datagram socket, where they are made here: a stream takes no name but to connect with."""
        if self._sockets.made_here and isinstance(error, PermissionError):
            return Fail(errno.EOPNOTSUPP) if flags & _MSG_FASTOPEN else GO_ON
        return Fail(error.errno or errno.EBADF)

    def _refuses_name(self, task: Task, call: Call, held: socket.socket | None, message: Message) -> bool:
        address = addresses.parse(message.name)
        if address is None:
            return False
        if address.path is None:
            return self._refuses(task, held, address)
        with suppress(OSError), located(task, call.thread, syscalls.AT_FDCWD, address.path) as found:
            message.resolved(found.fd)
            return self._refuses_broker(task, found.path, address.path)
        return False

    def _later(
        self, call: Call, held: socket.socket, job: Callable[[], Answer], passed: Sequence[Message] = ()
    ) -> None:
        def do() -> None:
            answer = job()
            held.close()
            for message in passed:
                message.close()
            if isinstance(answer, Value):
                self._listener.give(call, answer.value)
            elif isinstance(answer, Fail):
                self._listener.fail(call, answer.error)

        self.workers.do(do)

    def _connected(self, held: socket.socket, raw: bytes) -> Answer:
        error = 0 if _libc.connect(held.fileno(), raw, len(raw)) == 0 else ctypes.get_errno()
        if error in (0, errno.EINPROGRESS):
            self._sockets.release(held)
        return Fail(error) if error else Value(0)


def is_usual(family: int, kind: int, protocol: int) -> bool:
    """Whether programs ask for such a socket every day."""
    local = family in (socket.AF_UNIX, socket.AF_NETLINK)
    return local or (
        family in INTERNET and kind & KIND in _SOCKET_TYPES and protocol in seccomp.USUAL_PROTOCOLS
    )


def _protocol(held: socket.socket) -> str:
    return _NAMES.get(held.proto) or ("udp" if held.type == socket.SOCK_DGRAM else "tcp")


def _sent(
    held: socket.socket, messages: Sequence[Message], flags: int, value: Callable[[Sequence[int]], int]
) -> Answer:
    lengths: list[int] = []
    for message in messages:
        length = message.send(held.fileno(), flags)
        if length < 0:
            error = ctypes.get_errno()
            return Value(value(lengths)) if lengths else Fail(error)
        lengths.append(length)
    return Value(value(lengths))
