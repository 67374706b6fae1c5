"""fanotify guards files on this kernel: each act without the guard, refused, and by an unlabelled twin."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.hooks import fanotify, marks
from pratique.backends.hooks.files import Appeared, FileGuard
from pratique.policy.places import Place
from pratique.words import Act

pytestmark = [pytest.mark.root, pytest.mark.timeout(60, method="thread")]

CANARY = "canary-c0ffee"
_REFUSED = "PermissionError"

_RING = """
import ctypes, mmap, struct
libc = ctypes.CDLL(None, use_errno=True)
params = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 4, params)
assert ring >= 0, "no io_uring"
sq, cq = struct.unpack_from("10I", params, 40), struct.unpack_from("10I", params, 80)
rings = mmap.mmap(ring, max(sq[6] + 16, cq[5] + 16 * 8))
entries = mmap.mmap(ring, 64 * 4, offset=0x10000000)
path = ctypes.create_string_buffer(secret.encode())
struct.pack_into("=BBHiQQIIQ", entries, 0, 18, FLAGS, 0, -100, 0, ctypes.addressof(path), 0, 0, 1)
struct.pack_into("I", rings, sq[6], 0)
struct.pack_into("I", rings, sq[1], 1)
libc.syscall(426, ring, 1, 1, 1, None, 0)
result = struct.unpack_from("QiI", rings, cq[5])[1]
if result < 0:
    raise OSError(-result, os.strerror(-result))
print(os.read(result, 99).decode())
"""
_BIND = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def check(status):
    assert status == 0, os.strerror(ctypes.get_errno())
check(libc.unshare(0x20000))
check(libc.mount(b"none", b"/", None, 0x44000, None))
check(libc.mount(os.fsencode(FROM), os.fsencode(TO), None, 0x1000, None))
print(open(OPENED).read())
"""

READS = {
    "direct": "print(open(secret).read())",
    "for writing": "open(secret, 'r+').close(); print(open(secret).read())",
    "symlink": "os.symlink(secret, home + '/s'); print(open(home + '/s').read())",
    "new hard link": "os.link(secret, home + '/l'); print(open(home + '/l').read())",
    "old hard link": "print(open(outside + '/old').read())",
    "renamed": "os.rename(secret, outside + '/r'); print(open(outside + '/r').read())",
    "renamed directory": "os.rename(home + '/.aws', home + '/x');"
    " print(open(home + '/x/credentials').read())",
    "through /proc": "print(open('/proc/self/root' + secret).read())",
    "dirfd": "d = os.open(home, os.O_RDONLY);"
    " print(os.read(os.open('.aws/credentials', 0, dir_fd=d), 99).decode())",
    "O_PATH and again": "f = os.open(secret, os.O_PATH); print(open(f'/proc/self/fd/{f}').read())",
    "second level": "print(open(home + '/.aws/sso/token').read())",
    "io_uring": _RING.replace("FLAGS", "0"),
    "io_uring worker": _RING.replace("FLAGS", "16"),
    "bind mount of the directory": _BIND.replace("FROM", "home + '/.aws'")
    .replace("TO", "outside")
    .replace("OPENED", "outside + '/credentials'"),
    "bind mount of the file": _BIND.replace("FROM", "secret")
    .replace("TO", "outside + '/plain'")
    .replace("OPENED", "outside + '/plain'"),
}


class Process:
    """A Python process that waits to be labelled before it runs `code`."""

    def __init__(self, code: str, **names: str) -> None:
        setting = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", f"import os, sys\nsys.stdin.readline()\n{setting}{code}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid

    def run(self) -> str:
        """Let it go on; the last line it said."""
        try:
            said, _ = self._process.communicate("\n", timeout=15)
        finally:
            self._process.kill()
        return said.strip().rpartition("\n")[2]


class Home:
    """A home with secrets, a place outside it, and a guard whose judge refuses the labelled pids."""

    def __init__(self, top: Path) -> None:
        self.path, self.outside = top / "home", top / "outside"
        self.labelled: set[int] = set()
        self.asked: list[tuple[int, Act, tuple[str, ...]]] = []
        self._fill()

    def _fill(self) -> None:
        (self.path / ".aws" / "sso").mkdir(parents=True)
        self.outside.mkdir()
        self.secret.write_text(CANARY)
        (self.path / ".aws" / "sso" / "token").write_text(CANARY)
        (self.path / "plain").write_text("plain text")
        (self.outside / "plain").write_text("plain text")
        os.link(self.secret, self.outside / "old")

    @property
    def secret(self) -> Path:
        """A file below a deep place."""
        return self.path / ".aws" / "credentials"

    def judge(self, pid: int, act: Act, path: str, groups: tuple[str, ...]) -> bool:
        """Refuse whoever is labelled."""
        self.asked.append((pid, act, groups))
        return pid not in self.labelled

    def guard(self, judge: Callable[..., bool] | None = None) -> FileGuard:
        """A guard over this home, not yet in force."""
        secrets = [Place(str(self.path / ".aws"), "secrets.aws", exists=True, is_dir=True, deep=True)]
        missing = [
            Place(str(self.path / ".bashrc"), "persistence.shell", exists=False, is_dir=False, deep=False)
        ]
        return FileGuard(secrets, missing, self.programs(), judge or self.judge, self.labelled.__contains__)

    def programs(self) -> list[Place]:
        """The programs that were put outside."""
        return [
            Place(str(path), "exe.scheduler", exists=True, is_dir=False, deep=False)
            for path in self.outside.glob("bin/*")
        ]

    def attempt(self, code: str, labelled: bool) -> str:
        """Run `code` in a process, labelled or not; the last line it said."""
        process = Process(code, home=str(self.path), outside=str(self.outside), secret=str(self.secret))
        if labelled:
            self.labelled.add(process.pid)
        return process.run()


@pytest.fixture(scope="module", autouse=True)
def fanotify_here() -> None:
    """Permission events need root and a kernel that has them."""
    try:
        os.close(fanotify.open_gate())
    except OSError as error:
        demand(f"fanotify permission events: {error.strerror}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A fresh home without a guard."""
    return Home(tmp_path)


@pytest.fixture
def guard(home: Home) -> Iterator[FileGuard]:
    """The home's guard, in force."""
    guard = home.guard()
    try:
        guard.start()
        yield guard
    finally:
        guard.stop()


@pytest.mark.parametrize("way", READS)
def test_positive_control_of_reads(home: Home, way: str) -> None:
    """Without the guard each way leads to the canary: the refusals below refuse something."""
    assert home.attempt(READS[way], labelled=True) == CANARY


@pytest.mark.parametrize("way", READS)
def test_every_way_to_a_secret_is_refused(home: Home, guard: FileGuard, way: str) -> None:
    """A labelled process gets EPERM for the object, whatever name or mechanism leads to it."""
    said = home.attempt(READS[way], labelled=True)

    assert CANARY not in said
    assert said.startswith(_REFUSED)
    assert (guard.refused, guard.lost, guard.notices()) == (1, 0, [])


@pytest.mark.parametrize("way", READS)
def test_an_unlabelled_twin_reads_on(home: Home, guard: FileGuard, way: str) -> None:
    """The same act by a process of no run goes through the guard unharmed."""
    assert home.attempt(READS[way], labelled=False) == CANARY
    assert guard.refused == 0


REPLACED = {
    "by name": READS["direct"],
    "bind mount that lies about the path": _BIND.replace("FROM", "home + '/.aws'")
    .replace("TO", "outside")
    .replace("OPENED", "outside + '/credentials'"),
}


@pytest.mark.parametrize("way", REPLACED)
def test_a_replaced_secret_is_guarded_at_once(home: Home, guard: FileGuard, way: str) -> None:
    """A file renamed over a secret has a new inode; its directory answers for it before any sweep."""
    (home.outside / "new").write_text(CANARY)
    (home.outside / "new").rename(home.secret)

    assert home.attempt(REPLACED[way], labelled=True).startswith(_REFUSED)
    assert home.attempt(REPLACED[way], labelled=False) == CANARY


def test_a_replaced_secret_gets_a_mark_of_its_own(home: Home, guard: FileGuard) -> None:
    """After a sweep the new inode is refused outside its directory too."""
    (home.outside / "new").write_text(CANARY)
    (home.outside / "new").rename(home.secret)
    guard.sweep()

    assert home.attempt(READS["new hard link"], labelled=True).startswith(_REFUSED)


def test_the_number_of_a_removed_secret_is_not_a_secret(home: Home, guard: FileGuard) -> None:
    """File systems give it to the next file at once; what is made by the old name is guarded."""
    number = home.secret.stat().st_ino
    home.secret.unlink()
    (home.outside / "old").unlink()
    for each in range(300):
        (home.path / f"harmless-{each}").write_text("plain text")
    again = next((path for path in home.path.glob("harmless-*") if path.stat().st_ino == number), None)
    demand(None if again else "the file system gives no number again")
    home.secret.write_text(CANARY)

    assert home.attempt(f"print(open({str(again)!r}).read())", labelled=True) == "plain text"
    assert home.attempt(READS["direct"], labelled=True).startswith(_REFUSED)


def test_a_new_directory_below_a_deep_place_is_guarded(home: Home, guard: FileGuard) -> None:
    """What appears below a `/**` place is marked by the next sweep, with what is in it by then."""
    (home.path / ".aws" / "cli" / "cache").mkdir(parents=True)
    (home.path / ".aws" / "cli" / "cache" / "key").write_text(CANARY)
    guard.sweep()

    read = "print(open(home + '/.aws/cli/cache/key').read())"
    assert home.attempt(read, labelled=True).startswith(_REFUSED)
    assert home.attempt(read, labelled=False) == CANARY


def test_files_nobody_listed_cost_nothing(home: Home, guard: FileGuard) -> None:
    """Other files of a directory that is marked for one name raise no event."""
    before = guard.answered

    assert home.attempt("print(open(home + '/plain').read())", labelled=True) == "plain text"
    (home.path / "later").write_text("x")
    guard.sweep()
    (home.path / "later").read_text()
    assert guard.answered - before == 1  # the write that made `later`, before the sweep exempted it


def test_an_exempted_file_that_becomes_a_secret_is_guarded(home: Home, guard: FileGuard) -> None:
    """The exemption of an ordinary file ends when it is renamed to a guarded name."""
    (home.path / "plain").write_text(CANARY)
    (home.path / "plain").rename(home.secret)
    guard.sweep()

    assert home.attempt(READS["direct"], labelled=True).startswith(_REFUSED)


CREATE = "open(home + '/.bashrc', 'w').write('evil'); print('planted')"


def test_positive_control_of_create(home: Home) -> None:
    """Without the guard a start-up file that was missing can be made."""
    assert home.attempt(CREATE, labelled=True) == "planted"


def test_create_of_a_missing_place_is_refused_without_residue(home: Home, guard: FileGuard) -> None:
    """The O_CREAT fails, the empty file it left is removed, and its author needs not be killed for it."""
    assert home.attempt(CREATE, labelled=True).startswith(_REFUSED)
    guard.sweep()

    assert not (home.path / ".bashrc").exists()
    time.sleep(0.3)
    guard.sweep()
    assert guard.appeared() == []


def test_a_user_may_make_the_missing_place(home: Home, guard: FileGuard) -> None:
    """An unlabelled create succeeds; a later refused open of that file does not remove it, even if empty."""
    assert home.attempt("open(home + '/.bashrc', 'w')", labelled=False) == ""
    guard.sweep()

    assert home.attempt("open(home + '/.bashrc')", labelled=True).startswith(_REFUSED)
    guard.sweep()
    assert (home.path / ".bashrc").exists()
    assert guard.appeared() == []


PLANTS = {
    "rename": "os.rename(home + '/plain', home + '/.bashrc')",
    "link": "os.link(home + '/plain', home + '/.bashrc')",
    "symlink": "os.symlink('plain', home + '/.bashrc')",
    "mkdir": "os.mkdir(home + '/.bashrc')",
    "mknod": "os.mknod(home + '/.bashrc')",
    "link, then a refused open": "os.link(home + '/plain', home + '/.bashrc'); open(home + '/.bashrc')",
}


@pytest.mark.parametrize("way", PLANTS)
def test_planting_without_an_open_names_its_author(home: Home, guard: FileGuard, way: str) -> None:
    """Fanotify cannot refuse these; the main loop learns at once who did it and where."""
    home.attempt(PLANTS[way], labelled=True)
    guard.sweep()
    time.sleep(0.3)
    guard.sweep()

    author = max(home.labelled)
    expected = Appeared(author, str(home.path / ".bashrc"), "persistence.shell")
    assert expected in guard.appeared()
    assert os.path.lexists(home.path / ".bashrc")


def test_notices_wake_the_main_loop(home: Home, guard: FileGuard) -> None:
    """The notice descriptor becomes readable by itself; nobody polls directories."""
    home.attempt(PLANTS["rename"], labelled=True)

    assert guard.appeared() == []
    guard.sweep()
    assert len(guard.appeared()) == 1


def _descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


EXEC = "os.execv(outside + '/bin/crontab', ['crontab', 'ran'])"


def _install_program(home: Home) -> None:
    (home.outside / "bin").mkdir()
    shutil.copy("/bin/echo", home.outside / "bin" / "crontab")


@pytest.mark.parametrize(("guarded", "labelled", "said"), [(False, True, "ran"), (True, False, "ran")])
def test_a_program_runs_where_it_may(home: Home, guarded: bool, labelled: bool, said: str) -> None:
    """Without the guard, and for a process of no run, the program runs."""
    _install_program(home)
    guard = home.guard()
    try:
        if guarded:
            guard.start()
        assert home.attempt(EXEC, labelled) == said
    finally:
        guard.stop()


@pytest.mark.parametrize(
    "code",
    [
        EXEC,
        "os.symlink(outside + '/bin/crontab', home + '/c'); os.execv(home + '/c', ['c', 'ran'])",
        "os.link(outside + '/bin/crontab', home + '/c'); os.execv(home + '/c', ['c', 'ran'])",
        "os.execve(os.open(outside + '/bin/crontab', os.O_RDONLY), ['c', 'ran'], {})",
    ],
)
def test_exec_of_a_program_is_refused(home: Home, code: str) -> None:
    """Execve of the guarded inode fails with EPERM under any name; reading the file stays allowed."""
    _install_program(home)
    guard = home.guard()
    try:
        guard.start()
        assert home.attempt(code, labelled=True).startswith(_REFUSED)
        assert home.attempt("open(outside + '/bin/crontab', 'rb'); print('read')", labelled=True) == "read"
    finally:
        guard.stop()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_multi_call_binary_is_reported_not_guarded(home: Home, link: Callable[..., None]) -> None:
    """Refusing `su` where it is busybox would refuse every tool of the system: the gap is printed instead."""
    (home.outside / "bin").mkdir()
    shutil.copy("/bin/true", home.outside / "busybox")
    if link is os.link:
        shutil.move(home.outside / "busybox", home.outside / "bin" / "busybox")
        link(home.outside / "bin" / "busybox", home.outside / "bin" / "su")
    else:
        link(home.outside / "busybox", home.outside / "bin" / "su")
    guard = home.guard()
    try:
        guard.start()
        assert [gap for gap in guard.gaps if "/bin/su:" in gap]
    finally:
        guard.stop()


def test_a_judge_that_fails_refuses_the_labelled_only(home: Home) -> None:
    """An error in the agent's own code opens nothing to a run, closes nothing to others, is not lost."""

    def fail(*_: object) -> bool:
        raise LookupError("the judge")

    guard = home.guard(fail)
    try:
        guard.start()
        assert home.attempt(READS["direct"], labelled=True).startswith(_REFUSED)
        assert home.attempt(READS["direct"], labelled=False) == CANARY
        assert [type(error) for error in guard.notices()] == [LookupError, LookupError]
    finally:
        guard.stop()


def test_the_agent_may_open_what_it_guards(home: Home, guard: FileGuard) -> None:
    """Other threads of the agent wait for the answering one and never for themselves."""
    threads = [threading.Thread(target=home.secret.read_text) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert not [thread for thread in threads if thread.is_alive()]
    assert home.secret.read_text() == CANARY


def test_a_fifo_in_a_guarded_directory_stalls_nobody(home: Home, guard: FileGuard) -> None:
    """The kernel opens each event's object for the agent; a FIFO without a writer must not block that."""
    fifo = Process("os.mkfifo(home + '/.aws/f'); os.open(home + '/.aws/f', os.O_RDWR)", home=str(home.path))

    assert fifo.run() == ""
    assert home.attempt(READS["direct"], labelled=True).startswith(_REFUSED)


def test_a_waiter_that_is_killed_leaves_nothing(home: Home) -> None:
    """The answer to an opener that died while it waited is no error, and the next opener gets its own."""
    ready, go = threading.Event(), threading.Event()

    def slow(pid: int, *_: object) -> bool:
        ready.set()
        return go.wait(10) and pid not in home.labelled

    guard = home.guard(slow)
    try:
        guard.start()
        waiter = subprocess.Popen(["cat", str(home.secret)], stdout=subprocess.DEVNULL)
        assert ready.wait(10)
        waiter.kill()
        assert waiter.wait(10) == -9
        go.set()
        assert home.attempt(READS["direct"], labelled=False) == CANARY
        assert (guard.lost, guard.notices()) == (0, [])
    finally:
        go.set()
        guard.stop()


_STORM = "for _ in range(200):\n try: open(secret); print('read')\n except PermissionError: pass"


def test_no_answer_is_lost_in_a_storm(home: Home, guard: FileGuard) -> None:
    """Labelled and unlabelled openers at once: every open gets its own answer."""
    processes = [Process(_STORM, secret=str(home.secret)) for _ in range(6)]
    home.labelled.update(process.pid for process in processes[::2])
    threads = [threading.Thread(target=process.run) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=40)

    assert (guard.answered, guard.refused, guard.lost) == (1200, 600, 0)


def test_a_busy_agent_keeps_nobody_waiting(home: Home, guard: FileGuard) -> None:
    """With the interpreter lock contended by a busy main loop, a marked open stays far below 50 ms at p95."""
    measure = (
        "import time\nwaits = []\nfor _ in range(200):\n start = time.perf_counter(); open(secret).close()\n"
        " waits.append(time.perf_counter() - start)\nprint(sorted(waits)[190] * 1000)"
    )
    process = Process(measure, secret=str(home.secret))
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(process.run()))
    thread.start()
    while thread.is_alive():
        sum(range(1000))

    assert float(said[0]) < 50


def test_what_is_too_large_to_mark_is_reported(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge tree costs a bounded start, and the rest of it is a printed gap."""
    monkeypatch.setattr(marks, "DIRECTORIES", 1)
    guard = home.guard()
    try:
        guard.start()
        assert [gap for gap in guard.gaps if "too large" in gap]
    finally:
        guard.stop()


def test_update_moves_the_guard(home: Home, guard: FileGuard) -> None:
    """After an update the new places are refused and the old ones are free again, their marks gone."""
    place = Place(str(home.outside / "plain"), "secrets.app", exists=True, is_dir=False, deep=False)
    guard.update([place], [], [])
    before = guard.answered

    assert home.attempt(READS["direct"], labelled=True) == CANARY
    assert guard.answered == before
    assert home.attempt("open(outside + '/plain')", labelled=True).startswith(_REFUSED)


def test_update_guards_what_was_exempted(home: Home, guard: FileGuard) -> None:
    """A file beside a guarded name that the next policy lists is refused, though its events were off so far."""
    place = Place(str(home.path / "plain"), "secrets.app", exists=True, is_dir=False, deep=False)
    guard.update([place], [], [])

    assert home.attempt("open(home + '/plain')", labelled=True).startswith(_REFUSED)


def test_stop_leaves_nothing(home: Home) -> None:
    """No descriptor, thread, mark or setting is left, and a second stop is harmless."""
    before = (_descriptors(), threading.active_count(), sys.getswitchinterval())
    guard = home.guard()
    guard.start()
    assert home.attempt(READS["direct"], labelled=True).startswith(_REFUSED)
    guard.stop()
    guard.stop()

    assert (_descriptors(), threading.active_count(), sys.getswitchinterval()) == before
    assert home.attempt(READS["direct"], labelled=True) == CANARY


def test_start_is_fast_with_many_places(home: Home) -> None:
    """A home in which 150 patterns have matches is marked in well under the budget of a guarded start."""
    places = []
    for number in range(150):
        path = home.path / f".app{number}" / "token"
        path.parent.mkdir()
        path.write_text(CANARY)
        places.append(Place(str(path), "secrets.app", exists=True, is_dir=False, deep=False))
    guard = FileGuard(places, [], [], home.judge, home.labelled.__contains__)
    start = time.perf_counter()
    try:
        guard.start()
        assert time.perf_counter() - start < 0.25
        assert guard.marks == 300
        assert guard.gaps == []
    finally:
        guard.stop()
