"""Names in the kernel: questions refused before they leave, and connects judged by what was answered."""

import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest

from lab.demands import demand
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Network, Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import NetRecord
from pratique.words import Act, Action, Actor, Level, Stage

GROUPS = (*CODE_GROUPS, "net.private", "net.loopback")
# Port 53 is one per address; nothing else on this host uses these.
RESOLVER = "127.77.53.1"
OTHER = "127.77.53.2"
ANSWER = "10.255.77.1"
ANSWER6 = "fd77::1"
PORT = 8443

BLOCKED = CODE_GROUPS.index("net.blocked") + 1
CELLS = tuple(
    Cell(Stage.BUILD, Actor.PACKAGE, act, group, False, action, 1, action is Action.KILL)
    for act, group, action in (
        (Act.NET_DNS, 0, Action.DENY),
        (Act.NET_DNS, BLOCKED, Action.KILL),
        (Act.NET_CONNECT, 0, Action.DENY),
        (Act.NET_CONNECT, len(GROUPS), Action.DENY),
    )
)
PLAN = Plan(
    groups=GROUPS,
    rules=("only-rule",),
    networks=(Network("10.0.0.0/8", len(GROUPS) - 1), Network("127.0.0.0/8", len(GROUPS))),
    ports=(),
    cells=CELLS,
    audit=False,
)


def encoded(name: str) -> bytes:
    """The name as labels."""
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".") if each) + b"\0"


def question(name: bytes, number: int = 7, kind: int = 1) -> bytes:
    """A message that asks for the encoded name."""
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", kind, 1)


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    """A resource record."""
    return owner + struct.pack(">2HIH", kind, 1, 60, len(data)) + data


def answer(asked: bytes, records: Sequence[bytes]) -> bytes:
    """The answer to a question, with these records."""
    head = asked[:2] + struct.pack(">5H", 0x8180, 1, len(records), 0, 0)
    return head + asked[12:] + b"".join(records)


def both_addresses(asked: bytes) -> bytes:
    """Two aliases, then one address of each kind, names compressed and not."""
    alias = encoded("edge.cdn.example.net")
    return answer(
        asked,
        [
            record(b"\xc0\x0c", 5, alias),
            record(alias, 5, encoded("e.example.net")),
            record(encoded("e.example.net"), 1, socket.inet_aton(ANSWER)),
            record(encoded("e.example.net"), 28, socket.inet_pton(socket.AF_INET6, ANSWER6)),
        ],
    )


class Resolver:
    """Answers on loopback, and keeps what it was asked: the witness outside the guard."""

    def __init__(self, address: str, reply: Callable[[bytes], bytes] = both_addresses) -> None:
        self.heard: list[bytes] = []
        self.reply = reply
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        with socket.socket(type=socket.SOCK_DGRAM) as stopping:
            stopping.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            message, sender = self._socket.recvfrom(65535)
            if not message:
                return
            self.heard.append(message)
            self._socket.sendto(self.reply(message), sender)


@pytest.fixture(scope="module", autouse=True)
def able() -> None:
    """Load and refuse here, or do without these tests."""
    support = capability()
    demand(None if support.ok else support.why)


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """The resolver that the host is set up with."""
    made = Resolver(RESOLVER)
    yield made
    made.close()


@pytest.fixture
def probes() -> Iterator[Probes]:
    """The programs in force, with one resolver."""
    made = Probes(PLAN, 77, ())
    made.load()
    made.attach()
    made.add_resolver(RESOLVER)
    yield made
    made.close()


def labelled(probes: Probes, work: Callable[[], object], origin: int = 1) -> int:
    """What a labelled child ends with: 0, or the errno it met."""
    waiting, going = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        status = 0
        try:
            work()
        except OSError as error:
            status = error.errno or 98
        finally:
            os._exit(status)
    probes.set_label(pid, Actor.PACKAGE, Stage.BUILD, origin)
    os.write(going, b"g")
    os.close(going)
    os.close(waiting)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ask(message: bytes, server: str = RESOLVER) -> bytes:
    """Ask on a connected socket, as resolvers do."""
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect((server, 53))
        asking.send(message)
        return asking.recv(4096)


def ask_by_sendto(message: bytes) -> bytes:
    """Ask on an unconnected socket."""
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(message, (RESOLVER, 53))
        return asking.recv(4096)


def reach(address: str, port: int = PORT) -> None:
    """Connect a datagram socket: decided like any connect, and nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as reaching:
        try:
            reaching.connect((address, port))
        except OSError as error:
            if error.errno == errno.EPERM:
                raise


def asked_and_reached(name: str, address: str = ANSWER, port: int = PORT) -> Callable[[], None]:
    """Ask for a name, then connect to an address."""

    def work() -> None:
        ask(question(encoded(name)))
        reach(address, port)

    return work


def told(probes: Probes) -> list[NetRecord]:
    """The network records."""
    return [each for each in probes.read(0.1) if isinstance(each, NetRecord)]


def test_an_unlabelled_process_asks_what_it_likes(probes: Probes, resolver: Resolver) -> None:
    """The control of all below: it is the label that is refused, and others pay nothing."""
    ask(question(encoded("leak.example.net")))

    assert len(resolver.heard) == 1
    assert told(probes) == []


@pytest.mark.parametrize("way", [ask, ask_by_sendto])
def test_a_name_is_refused_before_it_leaves(
    probes: Probes, resolver: Resolver, way: Callable[[bytes], bytes]
) -> None:
    """The resolver hears nothing, and the record says what was asked for."""
    assert labelled(probes, lambda: way(question(encoded("0x5345.Leak.example.net")))) == errno.EPERM

    (record_,) = told(probes)
    assert resolver.heard == []
    assert record_.name == "0x5345.leak.example.net"
    assert (record_.head.act, record_.head.action) == (Act.NET_DNS, Action.DENY)
    assert (record_.head.level, record_.address, record_.port) == (Level.ENFORCED, RESOLVER, 53)


def test_a_blocked_name_is_refused_whatever_allows_it(probes: Probes, resolver: Resolver) -> None:
    """An emergency block wins over an allow of the very name; its twin beside it goes on, and it does when lifted."""
    names = ("api.example.org", "deep.cdn.example.org", "apis.example.org")
    for name in names:
        probes.allow_name(1, name, [PORT])
    assert [labelled(probes, lambda name=name: ask(question(encoded(name)))) for name in names] == [0, 0, 0]

    assert probes.block_names(["api.example.org", "*.cdn.example.org"]) == []
    refused = [labelled(probes, lambda name=name: ask(question(encoded(name)))) for name in names]
    last = [each for each in told(probes) if each.head.action == Action.DENY]
    probes.block_names(["*.cdn.example.org"])
    lifted = [labelled(probes, lambda name=name: ask(question(encoded(name)))) for name in names]

    assert refused == [errno.EPERM, errno.EPERM, 0]
    assert {(each.name, each.head.group, each.head.level) for each in last} == {
        (name, BLOCKED, Level.ENFORCED) for name in names[:2]
    }
    assert lifted == [0, errno.EPERM, 0]
    assert len(resolver.heard) == 6


def test_an_allowed_name_is_asked_and_reached(probes: Probes, resolver: Resolver) -> None:
    """By both kinds of address, through aliases; at its port alone, and by its own origin alone."""
    probes.allow_name(1, "api.example.org", [PORT])

    for address in (ANSWER, ANSWER6):
        assert labelled(probes, asked_and_reached("API.example.org", address)) == 0, address
    assert labelled(probes, asked_and_reached("api.example.org", port=PORT + 1)) == errno.EPERM
    assert labelled(probes, asked_and_reached("api.example.org"), origin=2) == errno.EPERM
    assert len(resolver.heard) == 3
    names = {(each.head.act, each.name, each.allowed) for each in told(probes) if each.head.origin == 1}
    assert (Act.NET_CONNECT, "api.example.org", True) in names
    assert (Act.NET_CONNECT, "api.example.org", False) in names


def test_an_address_nobody_asked_for_stays_refused(probes: Probes, resolver: Resolver) -> None:
    """The name opens the addresses that were answered, not others."""
    probes.allow_name(1, "api.example.org", [PORT])

    assert labelled(probes, lambda: reach(ANSWER)) == errno.EPERM
    assert labelled(probes, asked_and_reached("api.example.org", "10.255.77.2")) == errno.EPERM


def test_a_name_that_answers_with_loopback_opens_nothing(probes: Probes, resolver: Resolver) -> None:
    """What listens there is somebody else's."""
    probes.allow_name(1, "api.example.org", [PORT])
    resolver.reply = lambda asked: answer(asked, [record(b"\xc0\x0c", 1, socket.inet_aton("127.0.0.1"))])

    assert labelled(probes, asked_and_reached("api.example.org", "127.0.0.1")) == errno.EPERM


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.example.org", 0),
        ("b.a.example.org", 0),
        ("example.org", errno.EPERM),
        ("evilexample.org", errno.EPERM),
        ("example.org.evil.net", errno.EPERM),
        ("a.example.orgx", errno.EPERM),
    ],
)
def test_a_wildcard_covers_what_is_below_it(
    probes: Probes, resolver: Resolver, name: str, expected: int
) -> None:
    """And nothing else that looks like it."""
    probes.allow_name(1, "*.example.org", [])

    assert labelled(probes, lambda: ask(question(encoded(name)))) == expected
    assert len(resolver.heard) == (not expected)


_ALLOWED = encoded("api.example.org")


@pytest.mark.parametrize(
    "message",
    [
        question(b"\x0fapi.example.org\0"),
        question(b"\x03api\0") + b"\x07example\x03org\0",
        question(b"\x03api\xc0\x0c"),
        question(b"\x03api\x07example\x03or\0"),
        question(b"\x03api\x07example\x04org\0\0"),
        question(_ALLOWED)[:14],
        question(_ALLOWED)[:4] + b"\0\2" + question(_ALLOWED)[6:] + encoded("leak.example.net"),
        question(_ALLOWED)[:4] + b"\0\0" + question(_ALLOWED)[6:],
        b"x" * 600,
        b"x",
        question(encoded(".".join(["a" * 60] * 4) + ".api.example.org")),
        question(_ALLOWED) + b"z" * 600,
    ],
)
def test_what_is_no_plain_question_is_refused(probes: Probes, resolver: Resolver, message: bytes) -> None:
    """A name hidden in a message that could be read in two ways must not pass for an allowed one."""
    probes.allow_name(1, "api.example.org", [PORT])

    assert labelled(probes, lambda: ask(message)) == errno.EPERM
    assert resolver.heard == []
    (record_,) = told(probes)
    assert record_.malformed or record_.name != "api.example.org"


def test_several_questions_in_one_send_are_refused(probes: Probes, resolver: Resolver) -> None:
    """Segmentation offload makes datagrams of one message behind the hook."""
    probes.allow_name(1, "api.example.org", [PORT])
    one, other = question(_ALLOWED), question(encoded("lea.example.net"))

    def work() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.connect((RESOLVER, 53))
            asking.setsockopt(socket.IPPROTO_UDP, 103, len(one))  # UDP_SEGMENT
            asking.send(one + other)

    assert len(one) == len(other)
    work()
    assert labelled(probes, work) == errno.EPERM
    assert len(resolver.heard) == 2


def test_other_servers_and_streams_are_judged_by_address(probes: Probes, resolver: Resolver) -> None:
    """Only the host's own resolvers are asked by name; an allowed name opens no other server."""
    probes.allow_name(1, "api.example.org", [PORT])
    rogue = Resolver(OTHER)
    try:
        assert labelled(probes, lambda: ask(question(_ALLOWED), OTHER)) == errno.EPERM
        assert rogue.heard == []
        ask(question(_ALLOWED), OTHER)
        assert len(rogue.heard) == 1
    finally:
        rogue.close()
    assert labelled(probes, lambda: socket.create_connection((RESOLVER, 53), 2).close()) == errno.EPERM


def test_a_racing_thread_gets_no_name_out(probes: Probes, resolver: Resolver) -> None:
    """Allowed and forbidden names sent side by side from many threads: none is judged for another."""
    probes.allow_name(1, "api.example.org", [])
    rounds = 500

    def flood(name: str) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.connect((RESOLVER, 53))
            for number in range(rounds):
                with suppress(PermissionError):
                    asking.send(question(encoded(name), number))

    def work() -> None:
        threads = [
            threading.Thread(target=flood, args=(name,))
            for name in ("api.example.org", "leak.example.net") * 3
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert labelled(probes, work) == 0
    assert any(b"api" in each for each in resolver.heard)
    assert not [each for each in resolver.heard if b"leak" in each]


def test_any_answer_is_survived(probes: Probes, resolver: Resolver) -> None:
    """Bytes of any kind from a resolver neither stop the asker nor open an address that was not answered."""
    probes.allow_name(1, "api.example.org", [PORT])
    good = both_addresses(question(_ALLOWED))
    broken = [good[:cut] for cut in range(12, len(good), 7)]
    broken += [good[:at] + bytes([255]) + good[at + 1 :] for at in range(2, len(good), 3)]
    broken += [os.urandom(size) for size in (1, 11, 12, 13, 512, 2047, 2048, 4000)]
    replies = iter(broken)
    resolver.reply = lambda asked: asked[:2] + next(replies)[2:] if len(asked) > 2 else b""

    def work() -> None:
        for _ in broken:
            ask(question(_ALLOWED))
        reach("10.255.77.9")

    assert labelled(probes, work) == errno.EPERM
    assert len(resolver.heard) == len(broken)
