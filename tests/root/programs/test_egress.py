"""Connects, sends and questions are refused by address, and told as often as they must be."""

import errno
import os
import socket
import threading
from collections.abc import Callable

import pytest

from lab.probed import BROKER_PORT, CELLS, PLAN, connect, in_grandchild, labelled, of
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExecRecord, ExitRecord, NetRecord
from pratique.words import Act, Level


def test_refuses_every_way_to_loopback(probes: Probes, server: tuple[str, int]) -> None:
    """By v4, v6, mapped, unspecified address, and datagram."""
    port = server[1]
    ways = {
        "v4": lambda: connect(server),
        "unspecified": lambda: connect(("0", port)),
        "mapped": lambda: connect(("::ffff:127.0.0.1", port), socket.AF_INET6),
        "v6": lambda: connect(("::1", port), socket.AF_INET6),
        "udp": lambda: connect(server, kind=socket.SOCK_DGRAM),
        "sendto": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", server),
        "sendto6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::1", port)),
    }
    for way, work in ways.items():
        assert labelled(probes, work) == errno.EPERM, way
        (record,) = of(NetRecord, probes.read(0.1))
        assert record.head.level is Level.ENFORCED, way
        assert record.address == ("::1" if way in {"v6", "sendto6"} else "127.0.0.1"), way
        assert record.port == port


def test_run_may_reach_what_it_bound_itself(probes: Probes, server: tuple[str, int]) -> None:
    """The listener decides, not a port number: the same number elsewhere opens no door."""

    def own() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            return in_grandchild(lambda: connect(listening.getsockname()))

    def borrowed() -> int:
        with socket.create_server(("127.0.0.2", server[1])):
            return connect(server)

    assert labelled(probes, own) == 0
    assert labelled(probes, borrowed) == errno.EPERM


def test_broker_ports_stay_closed(probes: Probes) -> None:
    """Also when the run bound the port itself, and an allow does not open a locked cell."""
    probes.allow_net(1, "127.0.0.1/32", 0)

    def own() -> int:
        with socket.create_server(("127.0.0.1", BROKER_PORT)):
            return connect(("127.0.0.1", BROKER_PORT))

    assert labelled(probes, own) == errno.EPERM


@pytest.mark.parametrize(
    ("origin", "shift", "expected"), [(1, 0, 0), (2, 0, errno.EPERM), (1, 1, errno.EPERM)]
)
def test_allow_is_for_one_origin_and_port(
    probes: Probes, server: tuple[str, int], origin: int, shift: int, expected: int
) -> None:
    """Others keep being refused."""
    probes.allow_net(1, "127.0.0.0/8", server[1] + shift)

    assert labelled(probes, lambda: connect(server), origin=origin) == expected
    (record,) = of(NetRecord, probes.read(0.1))
    assert record.allowed == (expected == 0)


def test_unusual_sockets_are_refused_at_birth(probes: Probes) -> None:
    """Raw and ping sockets would pass by the address hooks."""
    raw = lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)  # noqa: E731
    ping = lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)  # noqa: E731

    for work in (raw, ping):
        assert labelled(probes, work) in {errno.EPERM, errno.EACCES}
    assert labelled(probes, lambda: socket.socket(type=socket.SOCK_DGRAM).close()) == 0


def test_dns_is_an_act_of_its_own(probes: Probes) -> None:
    """Port 53 is decided as net.dns, whatever the address."""
    work = lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("10.9.9.9", 53))  # noqa: E731

    assert labelled(probes, work) == errno.EPERM
    (record,) = of(NetRecord, probes.read(0.1))
    assert record.head.act is Act.NET_DNS


def test_taint_reaches_the_whole_origin(probes: Probes) -> None:
    """A tainted tree loses what is audited for others."""
    work = lambda: connect(("10.255.255.1", 9), kind=socket.SOCK_DGRAM)  # noqa: E731
    before = labelled(probes, work)
    probes.taint(1)

    assert before != errno.EPERM
    assert labelled(probes, work) == errno.EPERM
    assert labelled(probes, work, origin=2) == before


def test_replaced_plan_rules_at_once(probes: Probes, server: tuple[str, int]) -> None:
    """And the one after it too: there are only two generations."""
    statuses = []
    for cells in ((), CELLS, ()):
        probes.replace(PLAN._replace(cells=cells))
        statuses.append(labelled(probes, lambda: connect(server)))

    assert statuses == [0, errno.EPERM, 0]


def test_repeated_sends_are_told_once(probes: Probes) -> None:
    """A loop of datagrams to one place is one record."""

    def work() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for _ in range(10):
                sender.sendto(b"x", ("127.0.0.1", 9))

    probes.replace(PLAN._replace(cells=()))
    labelled(probes, work)

    assert len(of(NetRecord, probes.read(0.1))) == 1
    assert probes.counts()["connect"] == 10


def _connects(server: tuple[str, int], others: int = 0) -> Callable[[], None]:
    """Ten connects to the server; before the last, some to other places."""

    def work() -> None:
        for _ in range(9):
            connect(server)
        for port in range(1, 1 + others):
            connect(("127.0.0.1", port))
        connect(server)

    return work


@pytest.mark.parametrize("others", [0, 3])
def test_repeated_connects_are_told_with_their_number(
    probes: Probes, server: tuple[str, int], others: int
) -> None:
    """The first is told at once, the rest with a number before anything else of the process: none is lost."""
    probes.replace(PLAN._replace(cells=()))
    labelled(probes, _connects(server, others))
    told = probes.read(0.1)
    connects = of(NetRecord, told)

    assert [one.times for one in connects if one.port == server[1]] == ([1, 8, 1] if others else [1, 9])
    assert [one.times for one in connects if one.port != server[1]] == [1] * others
    assert sum(one.times for one in connects) == probes.counts()["connect"] == 10 + others
    assert isinstance(told[-1], ExitRecord)


def test_an_exec_ends_what_was_folded(probes: Probes, server: tuple[str, int]) -> None:
    """Connects are those of the image that made them: they are told before the next one begins."""

    def work() -> None:
        _connects(server)()
        os.execv("/bin/true", ["true"])  # noqa: S606

    probes.replace(PLAN._replace(cells=()))
    labelled(probes, work)
    told = probes.read(0.1)
    kinds = [type(record) for record in told]

    assert [one.times for one in of(NetRecord, told)] == [1, 9]
    assert kinds.index(ExecRecord) > max(i for i, kind in enumerate(kinds) if kind is NetRecord)


def test_refused_and_audited_connects_are_told_one_by_one(probes: Probes, server: tuple[str, int]) -> None:
    """What a rule minds is evidence each time."""
    labelled(probes, _connects(server))

    assert [one.times for one in of(NetRecord, probes.read(0.1))] == [1] * 10


def test_threads_lose_none_of_what_they_fold(probes: Probes) -> None:
    """Eight threads between two addresses: every connect is in some record's number."""

    def hammer(port: int) -> None:
        for _ in range(50):
            connect(("127.0.0.1", port))

    def work() -> None:
        threads = [threading.Thread(target=hammer, args=(port,)) for port in (1, 2) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    probes.replace(PLAN._replace(cells=()))
    labelled(probes, work)

    assert sum(one.times for one in of(NetRecord, probes.read(0.1))) == probes.counts()["connect"] == 400
