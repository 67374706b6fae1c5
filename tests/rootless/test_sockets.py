"""Connections of package code that may be made: whoever makes or connects the socket, the peer notices nothing."""

import errno
import os
import socket
from pathlib import Path

import pytest

from pratique.words import Act, Actor
from rootless.ground import Done, guarded, lay
from rootless.plain import home, interpreter, without_privilege
from rootless.profile import PROFILE

# The policy of the proof calls one of them global; the other draws no rule.
_ALLOWED, _REFUSED = "127.66.1.2", "127.66.1.1"
pytestmark = pytest.mark.usefixtures("guarded_here")

_HEAD = f"""
import array, errno, os, select, socket, sys
input()
port, allowed, refused = int(os.environ["PORT"]), "{_ALLOWED}", "{_REFUSED}"
def error(do):
    try:
        do()
    except OSError as problem:
        return problem.errno
    return 0
"""
_BLOCKING = """
with socket.socket() as made:
    made.connect((allowed, port))
    made.sendall(b"one")
    made.shutdown(socket.SHUT_WR)
    print(made.recv(9).decode())
"""
_NON_BLOCKING = """
made = socket.socket()
made.setblocking(False)
print(made.connect_ex((allowed, port)) in (0, errno.EINPROGRESS))
select.select([], [made], [], 9)
print(made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
made.send(b"two")
made.close()
"""
_AGAIN = """
made = socket.socket()
print(made.connect_ex((allowed, 1)) == errno.ECONNREFUSED)
print(made.connect_ex((allowed, port)))
made.close()
"""
_FAST = """
made = socket.socket()
print(error(lambda: made.sendto(b"x", socket.MSG_FASTOPEN, (refused, port))) in (errno.EPERM, errno.EOPNOTSUPP))
print(made.connect_ex((refused, port)) == errno.EPERM)
"""
_PAIR = """
ours, theirs = socket.socketpair()
socket.send_fds(ours, [b"x"], [0])
print(len(socket.recv_fds(theirs, 1, 1)[1]))
"""
_SERVER = """
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as made:
    answered, _ = server.accept()
    answered.sendmsg([b"hel", b"lo"])
    print(made.recv(9).decode())
"""
_SORTED = """
made = socket.socket(type=socket.SOCK_DGRAM)
print(made.connect_ex((refused, 0)), error(lambda: made.send(b"x")) != 0, made.connect_ex((refused, port)))
"""
_DATAGRAM = """
print(error(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (refused, port))))
print(error(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (allowed, port))))
"""


_AGENT = """
import socket, sys
input()
with socket.socket(socket.AF_UNIX) as made:
    print(made.connect_ex("agent"))
"""


def _program(body: str) -> Done:
    python = interpreter()

    def inside(place: Path) -> Done:
        lay(place)
        with socket.create_server((_ALLOWED, 0)) as server:
            server.setblocking(False)
            heard: list[bytes] = []

            def answer() -> None:
                try:
                    peer, _ = server.accept()
                except BlockingIOError:
                    return
                with peer:
                    peer.settimeout(5)
                    while part := peer.recv(9):  # to its end: the peer hears that it was closed
                        heard.append(part)
                    peer.sendall(b"heard " + b"".join(heard))

            environment = {"PORT": str(server.getsockname()[1])}
            done = guarded(place, [python, "-c", _HEAD + body], environment, meanwhile=answer)
            return Done(done.status, done.signal, done.out + b"".join(heard).decode(), done.events)

    with home() as place:
        return without_privilege(lambda: inside(place))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (_BLOCKING, "heard one\none"),
        (_NON_BLOCKING, "True\n0\ntwo"),
        (_AGAIN, "True\n0\n"),
        (_FAST, "True\nTrue\n"),
        (_PAIR, "1\n"),
        (_SERVER, "hello\n"),
    ],
    ids=["blocking", "non-blocking", "again", "fast", "pair", "server"],
)
def test_streams_work(body: str, said: str) -> None:
    """Blocking or not, tried again, passed on or accepted: as without the guard; where refused, an ordinary error."""
    done = _program(body)

    assert (done.status, done.out) == (0, said)


def test_datagrams() -> None:
    """They go where they may; where nobody could hold them, package code has none."""
    there, here = _program(_DATAGRAM).out.split()

    assert int(there) == errno.EPERM
    assert int(here) == (errno.EPERM if os.environ.get(PROFILE) else 0)


def test_ways_may_be_asked_for() -> None:
    """To sort addresses, libc connects a datagram socket to port 0 of each: refused, and no finding."""
    if os.environ.get(PROFILE):
        pytest.skip("no datagram sockets there")
    done = _program(_SORTED)
    told = [event.target["port"] for event in done.events if event.act is Act.NET_CONNECT]

    assert done.out == f"{errno.EPERM} True {errno.EPERM}\n"
    assert len(told) == 1
    assert told[0] is not None


@pytest.mark.parametrize("actor", [Actor.HELPER, Actor.PACKAGE])
def test_the_users_key_agent(actor: Actor) -> None:
    """ssh, started by the manager for a git dependency, reaches the user's agent; package code does not."""
    python = interpreter()

    def inside(place: Path) -> Done:
        lay(place)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(place / "agent"))
            agent.listen()
            os.environ["SSH_AUTH_SOCK"] = str(place / "agent")
            return guarded(place, [python, "-c", _AGENT], {}, actor)

    with home() as place:
        done = without_privilege(lambda: inside(place))
    assert int(done.out) == (errno.EACCES if actor is Actor.PACKAGE else 0)
