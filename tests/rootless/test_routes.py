"""Tier 1: sockets with a route are had from the supervisor; each try has the same without the guard beside it."""

import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.rootless import spaces
from pratique.backends.rootless.capability import ENCLOSED, TIER, unenclosed
from pratique.words import Actor
from rootless.ground import Done, guarded, lay, unguarded
from rootless.plain import home, interpreter, without_privilege

# The policy of the proof has no rule for this one.
_ALLOWED = "127.66.1.2"
_WAIT = 1.5
pytestmark = pytest.mark.usefixtures("guarded_here")

_COOKIE = """
import socket
input()
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(type=kind) as made:
        print(made.getsockopt(socket.SOL_SOCKET, 71, 8).hex())
"""
_SERVER = f"""
import os, socket
input()
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
    server.settimeout({_WAIT})
    try:
        server.accept()
        print("met")
    except TimeoutError:
        print("alone")
"""
_SAME_PORT = """
import os, socket
input()
where = ("127.0.0.1", int(os.environ["PORT"]))
with socket.create_server(where) as server, socket.create_connection(where, 5) as made:
    server.accept()[0].sendall(b"own")
    print(made.recv(9).decode())
with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as made:
    server.bind(where)
    made.sendto(b"own too", where)
    print(server.recv(9).decode())
"""
_KEPT = f"""
import fcntl, os, socket
input()
made = socket.socket()
made.settimeout(7)
made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
made.set_inheritable(True)
before = made.fileno(), made.getsockopt(socket.SOL_SOCKET, 71, 8)
made.connect(("{_ALLOWED}", int(os.environ["PORT"])))
after = made.fileno(), made.getsockopt(socket.SOL_SOCKET, 71, 8)
print(before[0] == after[0], before[1] == after[1])
options = (socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
print(*(made.getsockopt(*option) for option in options))
print(made.get_inheritable(), os.get_blocking(made.fileno()), made.getpeername()[0])
"""


@pytest.fixture(autouse=True)
def tier(monkeypatch: pytest.MonkeyPatch) -> str:
    """Tier 1, where it can be had."""
    demand(without_privilege(unenclosed) or None)
    monkeypatch.setenv(TIER, str(ENCLOSED))
    return str(ENCLOSED)


def _done(
    body: str, actor: Actor, told: dict[str, str], meanwhile: Callable[[], None] = lambda: None
) -> Done:
    python = interpreter()

    def inside(place: Path) -> Done:
        lay(place)
        return guarded(place, [python, "-c", body], told, actor, meanwhile)

    with home() as place:
        return without_privilege(lambda: inside(place))


def _control(body: str, told: dict[str, str]) -> Done:
    with home() as place:
        return unguarded(place, [interpreter(), "-c", body], told)


def test_package_code_holds_no_route() -> None:
    """Its sockets belong to a network that leads nowhere; those of the command belong to the host's."""
    with socket.socket() as ours:
        here = spaces.network_of(ours).hex()
    package, command = (_done(_COOKIE, actor, {}).out.split() for actor in (Actor.PACKAGE, Actor.COMMAND))

    assert _control(_COOKIE, {}).out.split() == [here, here]
    assert command == [here, here]
    assert len(package) == 2
    assert here not in package


@pytest.mark.parametrize(("actor", "said"), [(Actor.PACKAGE, "alone\n"), (Actor.COMMAND, "met\n")])
def test_what_package_code_serves_is_its_own(actor: Actor, said: str) -> None:
    """Nobody outside reaches a port that package code listens at; a server of the user's own is reached."""
    told = {"PORT": str(_free_port())}

    def call() -> None:
        _call(int(told["PORT"]))

    assert _done(_SERVER, actor, told, call).out == said


def test_unguarded_it_is_reached() -> None:
    """The control of the one above: the same program, found at its port by anybody."""
    told = {"PORT": str(_free_port())}
    argv = [interpreter(), "-c", _SERVER]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=told, text=True
    ) as process:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
        while process.poll() is None:
            _call(int(told["PORT"]))
        assert process.stdout is not None
        assert process.stdout.read() == "met\n"


def test_a_port_inside_opens_none_outside() -> None:
    """Who binds the number of a host's service meets himself there; that service hears nothing."""
    heard: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        port = stream.getsockname()[1]
        datagram.bind(("127.0.0.1", port))
        done = _done(_SAME_PORT, Actor.PACKAGE, {"PORT": str(port)})
        for server in (stream, datagram):
            server.setblocking(False)
            with suppress(BlockingIOError):
                heard.append(server.accept() if server is stream else server.recv(9))

    assert done.out == "own\nown too\n"
    assert heard == []


def test_the_socket_in_its_place_is_as_it_was() -> None:
    """A connect that is allowed is made outside: number, options and mode are those of the socket that was there."""
    with socket.create_server((_ALLOWED, 0)) as server:
        done = _done(_KEPT, Actor.PACKAGE, {"PORT": str(server.getsockname()[1])})

    assert done.out == f"True False\n1 1\nTrue False {_ALLOWED}\n"


def _call(port: int) -> None:
    with suppress(OSError), socket.socket() as made:
        made.settimeout(0.1)
        made.connect(("127.0.0.1", port))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
