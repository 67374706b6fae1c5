"""The static layer refuses with ordinary errors what nobody needs, and real tools work inside it."""

import os
import shlex
import shutil
import signal
import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends import found, landlock, proof, syscalls
from pratique.backends.base import Command, Host
from pratique.backends.coverage import ROWS
from pratique.backends.hooks import launch
from pratique.backends.hooks.static import StaticLayer
from pratique.errors import GuardError
from pratique.model import Event
from pratique.words import Act, Level

pytestmark = pytest.mark.root

AGENT = str(Path(launch.__file__).parents[3])
OUTSIDE = os.getpid()
"""A process outside the layer; pid 1 of a container may refuse even the unguarded."""


@dataclass
class Home:
    """A decoy home and the layer around it."""

    path: Path
    readonly: list[str]
    masked: list[str]
    homes: list[str]

    def run(self, script: str) -> tuple[int, str]:
        """Run a shell script behind the layer: its status and what it printed."""
        layer = StaticLayer(self.readonly, self.masked, self.homes)
        layer.prepare()
        said = self.path / "said"
        argv = ["sh", "-c", f"exec > {said} 2>&1; {script}"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.path), "PYTHONPATH": AGENT}
        try:
            child = launch.spawn(Command(argv, str(self.path), environment), layer, lambda _: None)
        finally:
            layer.close()
        return child.wait()[0], said.read_text()

    def python(self, code: str) -> tuple[int, str]:
        """Run Python code behind the layer; an OSError it meets is printed as its name."""
        wrapped = (
            "import ctypes, errno, os, socket\nfrom pratique.backends import syscalls\n"
            f"try:\n    {code}\n    print('done')\n"
            "except OSError as error:\n    print(errno.errorcode[error.errno])\n"
        )
        return self.run(f"{shlex.quote(sys.executable)} -c {shlex.quote(wrapped)}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one place of each kind."""
    (tmp_path / ".config/systemd/user").mkdir(parents=True)
    (tmp_path / ".bashrc").write_text("original\n")
    (tmp_path / ".missing").unlink(missing_ok=True)
    places = [".bashrc", ".config/systemd/user", ".missing"]
    return Home(tmp_path, [str(tmp_path / name) for name in places], [], [str(tmp_path)])


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo evil >> .bashrc", "Read-only file system"),
        ("truncate -s 0 .bashrc", "Read-only file system"),
        ("chmod 777 .bashrc", "Read-only file system"),
        ("rm -f .bashrc", "Device or resource busy"),
        ("echo evil > x; mv -f x .bashrc", "Device or resource busy"),
        ("mv .bashrc y", "Device or resource busy"),
        ("ln .bashrc other", "Invalid cross-device link"),
        ("echo evil > .config/systemd/user/x.service", "Read-only file system"),
        ("cd .config/systemd/user && echo evil > x.service", "Read-only file system"),
        ("mkdir .config/systemd/user/default.target.wants", "Read-only file system"),
        ("mv .config/systemd .config/moved", "Device or resource busy"),
        ("mv .config moved", "Device or resource busy"),
        ("umount .bashrc", "must be superuser"),
        ("mount -o remount,rw,bind .config", "permission denied"),
        ("unshare -m sh -c 'umount .bashrc'", "Operation not permitted"),
        (f"echo evil >> /proc/{OUTSIDE}/root$PWD/.bashrc", "Permission denied"),
    ],
)
def test_places_stay_as_they_are(home: Home, script: str, error: str) -> None:
    """Every way to change a place ends in an ordinary error, and its content is what it was."""
    _, said = home.run(script)

    assert error in said
    assert (home.path / ".bashrc").read_text() == "original\n"
    assert list((home.path / ".config/systemd/user").iterdir()) == []


def test_the_rest_of_the_home_is_free(home: Home) -> None:
    """New files, renames and removals beside the places still work, also in held directories."""
    script = (
        "set -e; echo a > a; mv a b; rm b; mkdir -p .config/x .cache; echo c > .config/x/c; ln .config/x/c d"
    )

    status, said = home.run(script.replace("; ln .config/x/c d", "; ln .config/x/c .config/d"))

    assert (status, said) == (0, "")


def test_only_the_run_is_bound(home: Home) -> None:
    """The user's own shell, outside, edits the file while the layer stands, and no mount is left."""
    mounts = Path("/proc/self/mountinfo").read_text()

    status, said = home.run("cat .bashrc")
    with (home.path / ".bashrc").open("a") as file:
        file.write("mine\n")

    assert (status, said) == (0, "original\n")
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_package_stores_stay_linkable(home: Home) -> None:
    """Managers hard-link from ~/.local into projects: that works, and what it leaves open is told."""
    (home.path / ".local/share/systemd/user").mkdir(parents=True)
    home.readonly.append(str(home.path / ".local/share/systemd/user"))
    layer = StaticLayer(home.readonly, [], home.homes)
    layer.prepare()
    layer.close()

    assert home.run("echo x > .local/share/x && mkdir project && ln .local/share/x project/x") == (0, "")
    assert next(gap for gap in layer.gaps if "renamed away" in gap).startswith(f"{home.path}/.local")


def test_ancestors_are_free_without_homes(home: Home) -> None:
    """Control: when no home is named, the directory above a place can be moved away."""
    home.homes = []

    assert home.run("mv .config moved") == (0, "")


def test_flags_of_a_mount_stay(home: Home) -> None:
    """A place on a nosuid, nodev file system does not lose that by being bound."""
    place = Path("/dev/shm") / f"pratique-{os.getpid()}"
    place.write_text("")
    home.readonly.append(str(place))
    flags = os.statvfs(place).f_flag

    try:
        _, said = home.python(f"print(os.statvfs({str(place)!r}).f_flag)")
    finally:
        place.unlink()

    assert said.split()[0] == str(flags | os.ST_RDONLY)


@pytest.fixture
def broker(home: Home) -> Iterator[socket.socket]:
    """A broker that listens in the home."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home.path / "broker.sock"))
        server.listen()
        yield server


CONNECT = "socket.socket(socket.AF_UNIX).connect('broker.sock')"


@pytest.mark.usefixtures("broker")
def test_brokers_look_absent(home: Home) -> None:
    """A masked broker refuses as a dead one does; unmasked (control) it answers."""
    assert home.python(CONNECT) == (0, "done\n")

    home.masked.append(str(home.path / "broker.sock"))

    assert home.python(CONNECT) == (0, "ECONNREFUSED\n")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("syscalls.unshare(syscalls.CLONE_NEWUSER)", "EPERM"),
        ("syscalls.mount('/tmp', '/tmp', syscalls.MS_BIND)", "EPERM"),
        ("syscalls.call('setns', os.open('/proc/self/ns/net', 0), 0)", "EPERM"),
        ("syscalls.call('clone', syscalls.CLONE_NEWUSER | 17, 0, 0, 0, 0)", "EPERM"),
        ("syscalls.call('clone3', 0, 0)", "ENOSYS"),
        ("syscalls.call('io_uring_setup', 1, ctypes.create_string_buffer(120))", "ENOSYS"),
        ("syscalls.call('bpf', 0, 0, 0)", "EPERM"),
        ("syscalls.call('fsopen', b'tmpfs', 0)", "EPERM"),
        ("syscalls.call('open_by_handle_at', -100, 0, 0)", "EPERM"),
        ("syscalls.call('seccomp', 1, 8, 0)", "EBUSY"),
        ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", "EAFNOSUPPORT"),
        (f"os.kill({OUTSIDE}, 0)", "EPERM"),
        (f"os.listdir('/proc/{OUTSIDE}/root')", "EACCES"),
        (f"open('/proc/{OUTSIDE}/mem', 'rb')", "EACCES"),
        (f"syscalls.call('ptrace', 0x4206, {OUTSIDE}, 0, 0)", "EPERM"),
    ],
)
def test_calls_that_could_undo_it_fail(home: Home, code: str, error: str) -> None:
    """The kernel itself, not only the interpreter of the filter, answers so."""
    assert home.python(code) == (0, f"{error}\n")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the instruction is x86")
def test_foreign_calls_kill(home: Home) -> None:
    """A 32-bit call from a 64-bit program dies of SIGSYS."""
    code = (
        "import mmap; m = mmap.mmap(-1, 4096, prot=7); "
        "m.write(bytes.fromhex('b814000000cd80c3')); "
        "ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()"
    )

    status, said = home.python(code)

    assert status == 128 + signal.SIGSYS
    assert "done" not in said


_BACKEND = Path(__file__).parents[1] / "lab" / "intree" / "lab_backend.py"
"""In the tree: a fresh environment holds no build back end."""


def _wheel(folder: Path) -> Path:
    path = folder / "decoy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("decoy.py", "answer = 42\n")
        wheel.writestr("decoy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: decoy\nVersion: 1.0\n")
        wheel.writestr(
            "decoy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("decoy-1.0.dist-info/RECORD", "")
    return path


def test_pip_works(home: Home) -> None:
    """Pip installs a wheel, and builds a project in its own subprocesses."""
    wheel = _wheel(home.path)
    project = home.path / "project"
    project.mkdir()
    (project / "first.py").write_text("answer = 43\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "lab_backend"\nbackend-path = ["."]\n'
        '[project]\nname = "first"\nversion = "1.0"\n'
    )
    shutil.copy(_BACKEND, project)
    options = "--no-index --no-deps --no-build-isolation --disable-pip-version-check -q --target site"

    status, said = home.run(
        f"{sys.executable} -m pip install {options} {wheel} ./project && "
        f"PYTHONPATH=site {sys.executable} -c 'import decoy, first; print(decoy.answer, first.answer)'"
    )

    assert (status, said.splitlines()[-1]) == (0, "42 43")


TOOLS: Sequence[tuple[str, str, str]] = [
    ("sh", "a=$(echo x | tr x y) && (sleep 0; echo $a) & wait; echo ok", "ok"),
    (
        "git",
        (
            "git init -q r && cd r && git -c user.name=n -c user.email=e@x commit -q --allow-empty -m m && "
            "cd .. && git clone -q r s && git -C s log --format=%s"
        ),
        "m",
    ),
    (
        "gcc",
        (
            "printf '#include <stdio.h>\\nint main(void){puts(\"built\");}\\n' > m.c && "
            "printf 'm: m.c\\n\\tcc -o m m.c\\n' > Makefile && make -s -j2 && ./m"
        ),
        "built",
    ),
    (
        "node",
        'node -e \'require("child_process").execFile("echo",["kid"],(e,o)=>process.stdout.write(o))\'',
        "kid",
    ),
    ("node", 'node -e \'new (require("worker_threads").Worker)("console.log(7)",{eval:true})\'', "7"),
    ("python3", "python3 -c 'import subprocess; print(subprocess.run([\"true\"]).returncode)'", "0"),
    ("python3", "python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [-1, 2])))'", "3"),
    ("python3", "python3 -c 'import asyncio; asyncio.run(asyncio.sleep(0)); print(1)'", "1"),
    ("ssh", "ssh -V", "OpenSSH"),
]


@pytest.mark.parametrize(("tool", "script", "expected"), TOOLS)
def test_real_tools_work(home: Home, tool: str, script: str, expected: str) -> None:
    """Shells, compilers, git, node and Python's process pools never notice."""
    demand(None if shutil.which(tool) else f"there is no {tool}")

    status, said = home.run(script)

    assert status == 0, said
    assert expected in said


def test_layer_that_cannot_stand_stops_the_command(home: Home) -> None:
    """A place that vanished after `prepare` names its step, and nothing was executed."""
    layer = StaticLayer(home.readonly, [], [])
    layer.prepare()
    (home.path / ".bashrc").unlink()

    with pytest.raises(GuardError, match=r"read-only .*/\.bashrc"):
        launch.spawn(
            Command(["touch", str(home.path / "ran")], "/", {"PATH": os.defpath}), layer, lambda _: None
        )

    assert not (home.path / "ran").exists()


def test_layer_that_was_not_prepared_stops_the_command() -> None:
    """Forgetting a step is no way to run free."""
    with pytest.raises(GuardError, match="not prepared"):
        launch.spawn(Command(["true"], "/", {}), StaticLayer([], []), lambda _: None)


def test_gaps_are_told(home: Home) -> None:
    """What cannot be held is printed, never hidden: links, what is no socket, inherited directories."""
    (home.path / "dotfiles").write_text("")
    (home.path / ".zshrc").symlink_to("dotfiles")
    directory = os.dup2(os.open(home.path, os.O_PATH | os.O_DIRECTORY), 60, inheritable=True)
    layer = StaticLayer([str(home.path / ".zshrc")], [str(home.path / ".bashrc")])

    layer.prepare()
    layer.close()
    os.close(directory)

    assert sorted(gap.split(":")[0] for gap in layer.gaps if "Landlock" not in gap) == sorted([
        f"{home.path}/.zshrc is a symbolic link",
        f"{home.path}/.bashrc is no socket and was not masked",
        "the command inherits descriptor 60, a directory",
    ])  # fmt: skip


@pytest.mark.parametrize(("abi", "gaps", "memory"), [(1, 2, "done"), (3, 1, "EACCES"), (6, 0, "EACCES")])
def test_older_landlock_holds_what_it_can(
    home: Home, monkeypatch: pytest.MonkeyPatch, abi: int, gaps: int, memory: str
) -> None:
    """Without scopes an empty domain still shuts outsiders' memory, and renames between directories work."""
    demand("this kernel's Landlock is older" if syscalls.landlock_abi() < abi else None)
    monkeypatch.setattr(syscalls, "landlock_abi", lambda: abi)
    ruleset, told = landlock.domain()
    if ruleset is not None:
        os.close(ruleset)

    assert len(told) == gaps
    assert home.python(f"os.listdir('/proc/{OUTSIDE}/root')") == (0, f"{memory}\n")
    assert home.run("mkdir a b; echo x > a/x; mv a/x b/x && ln b/x a/y && mkfifo a/p && cat a/y") == (
        0,
        "x\n",
    )


class StaticAlone:
    """A backend that has nothing but the static layer: it labels nobody and tells nothing."""

    name = "static"

    def __init__(self, host: Host) -> None:
        home = Path(host.homes[0])
        names = (".bashrc", ".profile", ".bash_profile", ".bash_login", ".bash_logout")
        places = (*names, ".config/systemd/user", ".config/held/place")
        brokers = [str(home / "run/broker.sock")]
        self.layer = StaticLayer([str(home / name) for name in places], brokers, host.homes)

    def spawn(self, command: Command) -> int:
        """Start the attempts behind the layer."""
        self.layer.prepare()
        self.child = launch.spawn(command, self.layer, lambda _: None)
        return self.child.pid

    def ended(self) -> bool | None:
        """Tell of the end of the attempts."""
        return self.child.ended() or None

    def events(self, timeout: float) -> list[Event]:
        """Tell nothing, in a while."""
        time.sleep(0.01)
        return []

    def finish(self) -> None:
        """Reap the attempts."""
        self.child.wait()

    def close(self) -> None:
        """Free the layer."""
        self.layer.close()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def test_its_rows_of_the_coverage_table_are_proved() -> None:
    """Each row that rests on the static layer alone is refused here, and each other row is not claimed."""
    found = proof.prove(StaticAlone, ROWS)  # type: ignore[arg-type]

    static = {row.id for row in ROWS if _is_static(row)}
    assert {row.scenario: row.reason for row in found if row.level == Level.ENFORCED}.keys() == {
        f"attempt:{name}" for name in static
    }
    assert {row.level for row in found} == {Level.ENFORCED, Level.BLIND}


def _is_static(row: proof.Attempt) -> bool:
    mechanisms = ("bound read-only", "held by a mount", "the system call filter", "the Landlock", "masked")
    return row.reason.startswith(mechanisms)


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_the_proof_leaves_nothing_behind() -> None:
    """Decoys, victims and mounts are gone afterwards."""
    before, decoys = Path("/proc/self/mountinfo").read_text(), set(Path("/tmp").glob("pratique-proof-*"))
    chosen = [row for row in ROWS if row.act in (Act.MOUNT, Act.PROC_SIGNAL)]

    proof.prove(StaticAlone, chosen)  # type: ignore[arg-type]

    assert Path("/proc/self/mountinfo").read_text() == before
    assert set(Path("/tmp").glob("pratique-proof-*")) <= decoys
    assert not _children()


def test_what_is_mounted_to_prove_found_runs_is_not_left_to_the_host() -> None:
    """There no layer refuses the mount, so it happens: in a name space of its own."""
    before = Path("/proc/self/mountinfo").read_text()

    (row,) = [row for row in found.prove() if row.act is Act.MOUNT]

    assert row.level is Level.KILLED_AFTER
    assert Path("/proc/self/mountinfo").read_text() == before
