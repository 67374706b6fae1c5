"""The kernel programs against real processes, forks, files and sockets."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Network, Plan, Port
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import (
    ExecRecord,
    ExitRecord,
    FileRecord,
    ForkRecord,
    IpcRecord,
    Label,
    MemoryRecord,
    NetRecord,
    Record,
)
from pratique.managers.base import Pattern
from pratique.words import Act, Action, Actor, Level, Stage

GROUPS = (*CODE_GROUPS, "net.loopback", "net.brokers", "net.private", "ipc.brokers")
NUMBER = {name: index + 1 for index, name in enumerate(GROUPS)}
RUN = 77
PIP = Pattern("pip", ("python", "pypy"), ("pip",), ("pip",), ("install", "wheel"), ("-W", "-X"), ("--proxy",))
NPM = Pattern("npm", ("node",), ("npm", "npm-cli"), (), ("install", "ci"), ("-r",), ("--prefix",))
UV = Pattern("uv", (), ("uv",), (), ("pip", "sync"), (), ("--directory",))
UVX = Pattern("uvx", (), ("uvx",), (), ())
YARN = Pattern("yarn", ("node",), ("yarn",), (), ("", "add"), ("-r",), ("--cwd",))
"""The empty word: no verb at all."""
BROKER_PORT = 47113

libc = ctypes.CDLL(None, use_errno=True)


def cell(act: Act, group: str, action: Action, **other: object) -> Cell:
    """A cell for package code in a build."""
    base = Cell(Stage.BUILD, Actor.PACKAGE, act, NUMBER.get(group, 0), False, action, 1, False)
    return base._replace(**other)


CELLS = (
    *(cell(Act.EXEC, name, Action.DENY) for name in CODE_GROUPS[:4]),
    cell(Act.EXEC, "code.fresh", Action.AUDIT),
    cell(Act.NET_CONNECT, "net.loopback", Action.DENY),
    cell(Act.NET_CONNECT, "net.brokers", Action.DENY, locked=True),
    cell(Act.NET_CONNECT, "net.private", Action.AUDIT),
    cell(Act.NET_CONNECT, "net.private", Action.DENY, tainted=True),
    cell(Act.NET_CONNECT, "net.raw-socket", Action.DENY),
    cell(Act.NET_DNS, "", Action.DENY),
    cell(Act.PROC_MEMORY, "proc.outside", Action.KILL),
    cell(Act.IPC_CONNECT, "ipc.brokers", Action.DENY),
)
PLAN = Plan(
    groups=GROUPS,
    rules=("only-rule",),
    networks=(
        Network("127.0.0.0/8", NUMBER["net.loopback"]),
        Network("::1/128", NUMBER["net.loopback"]),
        Network("10.0.0.0/8", NUMBER["net.private"]),
    ),
    ports=(Port(BROKER_PORT, NUMBER["net.brokers"]),),
    cells=CELLS,
    audit=False,
)


@pytest.fixture(scope="module", autouse=True)
def able() -> None:
    """Load and refuse here, or do without these tests."""
    support = capability()
    demand(None if support.ok else support.why)


@pytest.fixture
def probes() -> Iterator[Probes]:
    """The programs, attached, with the plan above."""
    made = Probes(PLAN, RUN, (PIP, NPM, UV, UVX, YARN))
    made.load()
    made.attach()
    yield made
    made.close()


def labelled(
    probes: Probes,
    work: Callable[[], object],
    actor: Actor = Actor.PACKAGE,
    *,
    origin: int = 1,
    watch: Callable[[int], object] | None = None,
) -> int:
    """Exit status (negative: signal) of a child that works once it is labelled; True and None are 0."""
    waiting, going = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        status = 99
        try:
            result = work()
            status = result if isinstance(result, int) and not isinstance(result, bool) else 0
        except OSError as error:
            status = error.errno or 98
        finally:
            os._exit(status)
    probes.set_label(pid, actor, Stage.BUILD, origin)
    os.write(going, b"g")
    if watch:
        watch(pid)
    os.close(waiting)
    os.close(going)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def connect(address: tuple[str, int], family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> int:
    """The errno of a connect, 0 if it went through."""
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        return client.connect_ex(address)


def run_program(*argv: str, image: str = "/bin/true") -> Callable[[], object]:
    """Work that becomes `image` with any argv."""

    def work() -> int:
        encoded = [os.fsencode(word) for word in argv]
        # Not os.execv: it refuses argument lists that the kernel takes.
        libc.execv(image.encode(), (ctypes.c_char_p * (len(argv) + 1))(*encoded))
        return ctypes.get_errno()

    return work


def of(kind: type, found: Sequence[Record]) -> list[Record]:
    """The records of one kind."""
    return [record for record in found if isinstance(record, kind)]


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """A listener that belongs to nobody in the run."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


# Labels


def in_grandchild(work: Callable[[], int]) -> int:
    """Do the work in a double-forked, session-leading grandchild; its status."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, bytes([work()]))
        os._exit(0)
    os.wait()
    return os.read(reading, 1)[0]


def in_thread_after_leader_exit(work: Callable[[], int]) -> int:
    """Do the work in a thread whose leader has gone."""

    def later() -> None:
        time.sleep(0.1)
        os._exit(work())

    threading.Thread(target=later).start()
    libc.syscall(60 if os.uname().machine == "x86_64" else 93, 0)
    return 97


def in_thread_exec(address: tuple[str, int]) -> None:
    """Exec from a thread that is not the leader."""
    code = f"import socket,os; os._exit(socket.socket().connect_ex({address!r}))"
    threading.Thread(target=lambda: os.execv(sys.executable, [sys.executable, "-Ic", code])).start()  # noqa: S606
    time.sleep(5)


def in_spawned(address: tuple[str, int]) -> int:
    """A child made with vfork."""
    code = f"import socket,os; os._exit(socket.socket().connect_ex({address!r}))"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-Ic", code], os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    "escape",
    [
        connect,
        lambda address: in_grandchild(lambda: connect(address)),
        lambda address: in_thread_after_leader_exit(lambda: connect(address)),
        in_thread_exec,
        in_spawned,
    ],
    ids=["itself", "double-fork", "leader-exit", "thread-exec", "vfork"],
)
def test_label_follows_every_descendant(
    probes: Probes, server: tuple[str, int], escape: Callable[[tuple[str, int]], int]
) -> None:
    """Whatever way a process multiplies, what comes of it is refused alike."""
    assert labelled(probes, lambda: escape(server)) == errno.EPERM


def test_unlabelled_processes_are_untouched(probes: Probes, server: tuple[str, int]) -> None:
    """The rest of the host connects as ever, and leaves no record."""
    assert connect(server) == 0
    assert probes.read(0.05) == []


def test_label_ends_with_the_process(probes: Probes) -> None:
    """Fork and exit are told, and no label stays behind."""
    status = labelled(probes, lambda: os.waitpid(os.fork() or os._exit(4), 0)[1] >> 8)
    found = probes.read(0.1)

    assert status == 4
    assert [exit_.status >> 8 for exit_ in of(ExitRecord, found)] == [4, 4]
    assert len(of(ForkRecord, found)) == 1
    assert probes.labelled() == []


def _free_pids() -> list[int]:
    """Numbers that nobody has, a little ahead; near the highest, the kernel begins at 300 again."""
    settings = Path("/proc/sys/kernel")
    last, most = (int((settings / name).read_text(encoding="ascii")) for name in ("ns_last_pid", "pid_max"))
    first = last + 50 if last + 1000 < most else 1000
    return [pid for pid in range(first, first + 500) if not Path("/proc", str(pid)).exists()][:10]


def test_reused_pid_is_no_heir(probes: Probes) -> None:
    """A stale label is dropped when an unlabelled process gets its pid."""
    for _ in range(20):  # others start processes, too: one of them may take the pid
        coming = _free_pids()
        for pid in coming:
            probes.set_label(pid, Actor.PACKAGE, Stage.BUILD, 1)
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(coming[0] - 1), encoding="ascii")
        with subprocess.Popen(["sleep", "1"]) as process:
            label = probes.label_of(process.pid)
            process.kill()
        assert label is None
        if process.pid in coming:
            return
    pytest.fail("none of 20 processes got the pid that was meant for it")


def test_full_map_lets_nothing_run_free() -> None:
    """With no room for a label, parent and child die and the loss is counted."""
    small = Probes(PLAN, RUN, (), label_slots=4)
    small.load()
    small.attach()
    reading, writing = os.pipe()

    def multiply() -> None:
        for _ in range(8):
            if os.fork() == 0:
                time.sleep(1)
                os.write(writing, b"alive")
                os._exit(0)
        time.sleep(5)

    try:
        status = labelled(small, multiply)
        small.read(0.2)
        survivors = small.labelled()
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        lost = small.losses().labels
    finally:
        small.close()
    time.sleep(1.2)
    os.set_blocking(reading, False)

    assert status == -signal.SIGKILL
    assert lost == 1
    assert len(survivors) == 3
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)


def test_set_label_only_where_one_is(probes: Probes) -> None:
    """Settling a process that died in between labels nobody."""
    assert not probes.set_label(2**22 - 1, Actor.HELPER, Stage.RESOLVE, 0, must_exist=True)
    assert probes.label_of(2**22 - 1) is None


# Recognition


@pytest.mark.parametrize(
    ("argv", "manager"),
    [
        (["python3.11", "-m", "pip", "install", "x"], PIP),
        (["/usr/bin/python3", "-Im", "pip", "install"], PIP),
        (["python", "-W", "ignore", "-Xdev", "-mpip", "wheel"], PIP),
        (["python", "-Wd", "/venv/bin/pip3.11", "--proxy", "install", "install"], PIP),
        (["pypy3", "/venv/bin/pip", "-q", "install"], PIP),
        (["python", "-m", "pip", "list"], None),
        (["python", "-m", "pip", "--proxy", "install", "list"], None),
        (["python", "-c", "pip", "install"], None),
        (["python", "-Ic", "pip", "install"], None),
        (["python", "-X", "pip", "install"], None),
        (["python", "setup.py", "pip", "install"], None),
        (["python", "-m", "http", "pip", "install"], None),
        (["node", "-r", "x", "/usr/bin/npm", "--prefix", "p", "ci"], NPM),
        (["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "install"], NPM),
        (["node", "-e", "npm", "install"], None),
        (["node", "npm", "run", "install"], None),
        (["/root/.local/bin/uv", "--directory", "sync", "pip", "install"], UV),
        (["uv", "run", "pip"], None),
        (["uvx"], UVX),
        (["node", "/v/bin/yarn"], YARN),
        (["node", "/v/bin/yarn.js", "--cwd", "add", "--silent"], YARN),
        (["node", "-r", "x", "yarn", "add", "x"], YARN),
        (["node", "yarn", "build"], None),
        (["node", "yarn", "--cwd", "add", "build"], None),
        (["node", "npm"], None),
        (["node", "build", "yarn"], None),
        (["sh", "-c", "pip install x"], None),
        (["echo", "pip", "install"], None),
    ],
)
def test_recognises_installs_by_position(probes: Probes, argv: list[str], manager: Pattern | None) -> None:
    """An install is known by where its words stand, not by their presence."""
    assert labelled(probes, run_program(*argv), Actor.COMMAND) == 0
    (record,) = of(ExecRecord, probes.read(0.1))

    patterns = (PIP, NPM, UV, UVX, YARN)
    assert isinstance(record, ExecRecord)
    assert (None if record.pattern is None else patterns[record.pattern]) is manager
    assert record.head.actor is (Actor.MANAGER if manager else Actor.COMMAND)
    assert record.argv == tuple(argv)


def test_package_never_becomes_manager(probes: Probes) -> None:
    """Trust only goes down."""
    labelled(probes, run_program("pip", "install"), Actor.PACKAGE)
    (record,) = of(ExecRecord, probes.read(0.1))

    assert record.head.actor is Actor.PACKAGE


@pytest.mark.parametrize(
    "argv", [["true", *["x" * 100_000] * 16], [""], ["\udcff\x1b[31m"], ["a", "", "b"], []]
)
def test_exec_record_survives_any_argv(probes: Probes, argv: list[str]) -> None:
    """Huge, empty and hostile arguments are recorded as far as they go."""
    assert labelled(probes, run_program(*argv)) == 0
    (record,) = of(ExecRecord, probes.read(0.1))

    # Without any argument the kernel itself puts an empty one.
    assert record.argc == max(len(argv), 1)
    assert record.truncated == (len(argv) > 10)
    assert record.argv == tuple(argv or [""]) or record.truncated
    assert probes.losses().total == 0


# Stop at exec


@pytest.mark.parametrize("actor", [Actor.MANAGER, Actor.HELPER])
def test_child_of_manager_waits_before_its_first_instruction(
    probes: Probes, tmp_path: Path, actor: Actor
) -> None:
    """It is stopped as package, readable, and goes on when settled."""
    mark = tmp_path / "ran"
    seen: dict[str, object] = {}

    def settle(pid: int) -> None:
        (record,) = _until(probes, ExecRecord)
        _, status = os.waitpid(pid, os.WUNTRACED)
        seen["stopped"] = os.WIFSTOPPED(status)
        seen["ran"] = mark.exists()
        seen["label"] = probes.label_of(pid)
        seen["record"] = record.pending
        seen["cmdline"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        probes.set_label(pid, Actor.PACKAGE, Stage.SCRIPT, 5, must_exist=True)
        os.kill(pid, signal.SIGCONT)

    status = labelled(probes, run_program("touch", str(mark), image="/usr/bin/touch"), actor, watch=settle)

    assert status == 0
    assert mark.exists()
    assert seen["stopped"]
    assert not seen["ran"]
    assert seen["record"]
    assert seen["cmdline"] == b"touch\0" + bytes(mark) + b"\0"
    assert isinstance(seen["label"], Label)
    assert seen["label"].pending
    assert seen["label"].actor is Actor.PACKAGE


def _until(probes: Probes, kind: type, seconds: float = 3) -> list[Record]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = of(kind, probes.read(0.1))
        if found:
            return found
    return []


# Code groups


def from_memory() -> None:
    """Run a program that never had a name."""
    fd = os.memfd_create("x", 0)
    os.write(fd, Path("/bin/true").read_bytes())
    os.execv(f"/proc/self/fd/{fd}", ["x"])  # noqa: S606


def copied(place: Path, *, remove: bool = False) -> Callable[[], object]:
    """Write a copy of a program there and run it."""

    def work() -> None:
        place.write_bytes(Path("/bin/true").read_bytes())
        place.chmod(0o755)
        fd = os.open(place, os.O_RDONLY)
        if remove:
            place.unlink()
        os.execve(fd, ["x"], os.environ)  # noqa: S606

    return work


def test_code_groups_die_before_their_first_instruction(probes: Probes) -> None:
    """Nameless, deleted, shared-memory and hidden temporary programs never run; others do."""
    assert probes.add_exec_dir("/dev/shm", "code.shm")
    with tempfile.TemporaryDirectory() as folder:
        probes.add_exec_dir(folder, "code.hidden-temp")
        deep = Path(folder, "a", "b")
        deep.mkdir(parents=True)
        shared = Path(tempfile.mkdtemp(dir="/dev/shm"))
        cases = {
            "code.memfd": from_memory,
            "code.deleted": copied(deep / "gone", remove=True),
            "code.shm": copied(shared / "x"),
            "code.hidden-temp": copied(deep / ".x"),
        }
        for group, work in cases.items():
            assert labelled(probes, work) == -signal.SIGKILL, group
            (record,) = of(ExecRecord, probes.read(0.1))
            assert NUMBER[group] in record.code
            assert record.head.action is Action.KILL
            assert record.head.level is Level.KILLED_BEFORE
            assert GROUPS[record.head.group - 1] == group
        assert labelled(probes, copied(deep / "x")) == 0
        (record,) = of(ExecRecord, probes.read(0.1))
        assert record.code == (NUMBER["code.fresh"],)
        assert record.head.action is Action.AUDIT
        (shared / "x").unlink()
        shared.rmdir()


def test_audit_kills_nobody_and_says_what_it_would(probes: Probes) -> None:
    """In audit mode the program runs and the record says deny."""
    probes.replace(PLAN._replace(audit=True))

    assert labelled(probes, from_memory) == 0
    (record,) = of(ExecRecord, probes.read(0.1))
    assert record.head.action is Action.AUDIT
    assert record.head.would is Action.DENY


def test_pending_process_is_judged_as_package(probes: Probes) -> None:
    """A manager's child in a listed code group dies instead of waiting."""
    assert labelled(probes, from_memory, Actor.MANAGER) == -signal.SIGKILL
    (record,) = of(ExecRecord, probes.read(0.1))

    assert record.head.actor is Actor.PACKAGE
    assert record.head.level is Level.KILLED_BEFORE


# Network


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


# When system calls are watched


@pytest.mark.parametrize(
    ("actor", "watched"),
    [
        (Actor.COMMAND, False),
        (Actor.MANAGER, False),
        (Actor.HELPER, False),
        (Actor.PROJECT, True),
        (Actor.PACKAGE, True),
    ],
)
def test_calls_are_watched_from_the_first_fresh_label_on(
    probes: Probes, tmp_path: Path, actor: Actor, watched: bool
) -> None:
    """Before it the host pays nothing for them; the link is handed on once, to whoever outlives the agent."""
    handed: list[int] = []
    probes.also_held = handed.append

    for name in ("one", "two"):
        labelled(probes, (tmp_path / name).touch, actor)

    assert ("on_return" in probes.fds()) == watched
    assert handed == ([probes.fds()["on_return"]] if watched else [])
    assert probes.was_written(str(tmp_path / "two")) == watched
    assert bool(probes.counts()["open"]) == watched


def test_what_a_manager_does_is_not_judged_beside_a_package(probes: Probes, tmp_path: Path) -> None:
    """Also with the calls watched, only fresh code's opens are counted and its files remembered."""
    labelled(probes, (tmp_path / "package").touch)
    before = probes.counts()["open"]
    labelled(probes, (tmp_path / "manager").touch, Actor.MANAGER)

    assert probes.was_written(str(tmp_path / "package"))
    assert not probes.was_written(str(tmp_path / "manager"))
    assert probes.counts()["open"] == before


# Files, unix sockets, memory


def test_written_files_are_known_by_inode(probes: Probes, tmp_path: Path) -> None:
    """Also under another name; what only others wrote is not."""
    labelled(probes, lambda: (tmp_path / "new").write_text("x"))
    (tmp_path / "other").write_text("x")
    (tmp_path / "new").rename(tmp_path / "moved")

    assert probes.was_written(str(tmp_path / "moved"))
    assert not probes.was_written(str(tmp_path / "other"))
    assert not probes.was_written(str(tmp_path / "missing"))


def test_refusals_by_the_system_are_evidence(probes: Probes, tmp_path: Path) -> None:
    """EACCES, EPERM and the like come with act, paths and error."""
    tmp_path.chmod(0o755)
    inside = tmp_path / "inside"
    inside.mkdir(mode=0o755)
    (inside / "a").write_text("x")

    def work() -> None:
        os.setuid(65534)
        os.chdir("/")
        for attempt in (
            lambda: (inside / "a").rename(inside / "b"),
            (inside / "a").unlink,
            (inside / "c").mkdir,
            lambda: os.link(inside / "a", inside / "d"),
            lambda: (inside / "e").symlink_to("t"),
            lambda: os.truncate(inside / "a", 0),
            lambda: (inside / "a").chmod(0o700),
            lambda: os.open(inside / "a", os.O_WRONLY),
            lambda: os.open(inside / "f", os.O_CREAT | os.O_WRONLY),
        ):
            try:
                attempt()
            except PermissionError:
                continue
            os._exit(50)

    assert labelled(probes, work) == 0
    found = of(FileRecord, probes.read(0.1))
    acts = [record.head.act for record in found]
    assert acts == [
        Act.FILE_RENAME,
        Act.FILE_REMOVE,
        Act.FILE_CREATE,
        Act.FILE_LINK,
        Act.FILE_LINK,
        Act.FILE_TRUNCATE,
        Act.FILE_SETATTR,
        Act.FILE_WRITE,
        Act.FILE_CREATE,
    ]
    assert all(record.error in {errno.EACCES, errno.EPERM} for record in found)
    assert (found[0].path, found[0].to) == (str(inside / "a"), str(inside / "b"))
    assert found[-1].path == str(inside / "f")


def test_removals_that_succeed_are_told(probes: Probes, tmp_path: Path) -> None:
    """The mass-removal rule counts them; changes of files that were there are told as well."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("x")

    def work() -> None:
        (tmp_path / "a").unlink()
        (tmp_path / "b").rename(tmp_path / "d")
        (tmp_path / "c").write_text("")
        (tmp_path / "new").write_text("")

    labelled(probes, work)
    found = of(FileRecord, probes.read(0.1))

    assert [(record.head.act, Path(record.path).name, record.error) for record in found] == [
        (Act.FILE_REMOVE, "a", 0),
        (Act.FILE_RENAME, "b", 0),
        (Act.FILE_TRUNCATE, "c", 0),
    ]
    assert Path(found[1].to).name == "d"


def test_unix_peer_is_the_kernels_own(probes: Probes, tmp_path: Path) -> None:
    """A listed socket kills whoever reaches it, by any name, before the first send."""
    path, alias = tmp_path / "broker", tmp_path / "alias"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        alias.symlink_to(path)

        def work() -> None:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(alias))
            client.send(b"sent")

        free = labelled(probes, work)
        assert probes.add_ipc_key(str(alias), "ipc.brokers")
        held = labelled(probes, work)
        first, _ = server.accept()
        second, _ = server.accept()
        with first, second:
            received = (first.recv(9), second.recv(9))
    records = of(IpcRecord, probes.read(0.1))

    assert (free, held) == (0, -signal.SIGKILL)
    assert received == (b"sent", b"")
    assert [record.name for record in records] == [str(path)] * 2
    assert records[1].head.level is Level.KILLED_AFTER
    assert records[1].head.group == NUMBER["ipc.brokers"]


def test_refused_unix_connect_is_evidence(probes: Probes, tmp_path: Path) -> None:
    """A masked broker shows as refused or absent."""
    labelled(probes, lambda: socket.socket(socket.AF_UNIX).connect(str(tmp_path / "none")))
    (record,) = of(IpcRecord, probes.read(0.1))

    assert (record.name, record.error) == (str(tmp_path / "none"), errno.ENOENT)


def ptrace_attach(pid: int) -> int:
    """The errno of PTRACE_ATTACH."""
    return 0 if libc.ptrace(16, pid, 0, 0) == 0 else ctypes.get_errno()


def vm_read(pid: int) -> int:
    """Read one byte of nobody's memory: the attempt counts."""
    libc.process_vm_readv(pid, None, 0, None, 0, 0)
    return 0


def getfd(pid: int) -> int:
    """Take a descriptor out of another process."""
    libc.syscall(438, os.pidfd_open(pid), 0, 0)
    return 0


@pytest.mark.parametrize(
    ("reach", "how"),
    [
        (lambda pid: len(Path(f"/proc/{pid}/environ").read_bytes()) and 0, "environ"),
        (lambda pid: os.open(f"/proc/{pid}/mem", os.O_RDONLY) and 0, "mem"),
        (lambda pid: os.open(f"/proc/{pid}/task/{pid}/mem", os.O_RDWR) and 0, "mem"),
        (ptrace_attach, "ptrace"),
        (vm_read, "process_vm_readv"),
        (getfd, "pidfd_getfd"),
    ],
)
def test_others_memory_costs_the_life(probes: Probes, reach: Callable[[int], int], how: str) -> None:
    """Reaching outside the origin kills; reaching into the own tree does not."""
    with subprocess.Popen(["sleep", "30"]) as victim:
        status = labelled(probes, lambda: reach(victim.pid))
        victim.kill()
    (record,) = of(MemoryRecord, probes.read(0.1))

    def inside() -> int:
        child = os.fork() or time.sleep(30)
        try:
            return reach(child or 0)
        finally:
            os.kill(child or 0, signal.SIGKILL)

    assert status == -signal.SIGKILL
    assert (record.victim, record.how) == (victim.pid, how)
    assert record.head.group == NUMBER["proc.outside"]
    assert labelled(probes, inside) == 0
    assert labelled(probes, lambda: len(Path("/proc/self/environ").read_bytes()) and 0) == 0


# The ring and the life of the programs


def test_lost_and_held_make_all() -> None:
    """A full ring counts exactly what it drops."""
    small = Probes(PLAN, RUN, (), ring_bytes=4096)
    small.load()
    small.attach()
    try:
        labelled(small, lambda: [connect(("127.0.0.1", 9)) for _ in range(200)] and 0)
        held = len(small.read(0.1))
        lost, counts = small.losses().ring, small.counts()
    finally:
        small.close()

    assert lost > 0
    assert held + lost == counts["connect"] + counts["exit"]


def test_close_detaches_everything(server: tuple[str, int]) -> None:
    """A label's process is free once the programs are gone, and closing twice is fine."""
    made = Probes(PLAN, RUN, ())
    made.load()
    made.attach()
    code = f"import socket; input(); exit(socket.socket().connect_ex({server!r}))"
    # Another program, not a mere fork: that would keep the links open itself.
    with subprocess.Popen([sys.executable, "-Ic", code], stdin=subprocess.PIPE) as process:
        made.set_label(process.pid, Actor.PACKAGE, Stage.BUILD, 1)
        made.close()
        made.close()
        process.communicate(b"go\n")

    assert process.returncode == 0


def test_capability_is_proved_by_a_refusal() -> None:
    """A host that can says so only after a connect was refused."""
    support = capability()

    assert support.ok, support.why


def test_start_is_quick() -> None:
    """Load and attach stay a small part of the start of a run."""
    made = Probes(PLAN, RUN, (PIP,))
    began = time.monotonic()
    made.load()
    made.attach()
    took = time.monotonic() - began
    made.close()

    assert took < 0.6
