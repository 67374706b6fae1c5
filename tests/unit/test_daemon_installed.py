"""What an install wrote, read from records that may be hostile."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import host
from pratique.backends.base import FreshTree, HostBackend
from pratique.daemon.first_runs import FirstRuns
from pratique.daemon.installed import Install, found, is_replaced, listed, node, python
from pratique.daemon.state import State
from pratique.policy.model import Allow, Block
from pratique.words import Quality
from unit import runs_sample as sample


def _site(top: Path, record: str, name: str = "tide_table-1.0") -> Path:
    site = top / "lib" / "python3.11" / "site-packages"
    info = site / f"{name}.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(record, errors="surrogateescape")
    for place in ("tide_table/__init__.py", "tide_table/deep/a.py", "single.py", "boot.pth"):
        (site / place).parent.mkdir(parents=True, exist_ok=True)
        (site / place).touch()
    (top / "bin").mkdir()
    (top / "bin" / "tide").touch()
    return site


def _install(top: Path, since: float | None = None) -> Install:
    began = time.time() - 60 if since is None else since
    return Install((f"{top}/bin/python", f"{top}/bin/pip", "install", "x"), str(top), {}, began)


_RECORD = "tide_table/__init__.py,,\ntide_table/deep/a.py,,\nsingle.py,,\nboot.pth,,\n../../../bin/tide,,\n"


def test_a_package_is_its_directories_modules_hooks_and_scripts(tmp_path: Path) -> None:
    """Directories whole, single files each, metadata not."""
    site = _site(tmp_path, _RECORD + "tide_table-1.0.dist-info/METADATA,,\n")
    (tree,) = python.found(_install(tmp_path))

    assert tree.purl == "pkg:pypi/tide-table@1.0"
    assert tree.directories == (str(site / "tide_table"),)
    assert tree.files == (str(site / "single.py"), str(site / "boot.pth"), str(tmp_path / "bin" / "tide"))
    assert tree.verified


def test_what_came_from_a_url_is_not_verified(tmp_path: Path) -> None:
    """The manager wrote down that no index vouches for the name."""
    site = _site(tmp_path, _RECORD)
    (site / "tide_table-1.0.dist-info" / "direct_url.json").write_text("{}")
    (tree,) = python.found(_install(tmp_path))

    assert not tree.verified


def test_older_packages_are_not_the_install_s_work(tmp_path: Path) -> None:
    """Only what changed since it began."""
    _site(tmp_path, _RECORD)
    assert list(python.found(_install(tmp_path, time.time() + 60))) == []


def test_what_was_written_right_before_is_not_its_work(tmp_path: Path) -> None:
    """`python -m venv v && v/bin/pip install x` must not make pip itself fresh."""
    _site(tmp_path, _RECORD, "pip-26.0")
    time.sleep(0.05)
    assert list(python.found(_install(tmp_path, time.time()))) == []


_COVERAGE = "import coverage; coverage.process_startup()\n"


@pytest.mark.parametrize(
    ("name", "line", "fresh"),
    [
        ("coverage-7.0", _COVERAGE, False),
        ("coverage-7.0", "/some/directory\n" + _COVERAGE, False),
        ("coverage-7.0", _COVERAGE + "import os; os.system('x')\n", True),
        ("coverrage-7.0", _COVERAGE, True),
        ("tide-1.0", "import _virtualenv\n", True),
    ],
)
def test_a_known_start_line_is_no_news(tmp_path: Path, name: str, line: str, fresh: bool) -> None:
    """Of the package that is known for it, and with nothing else beside it."""
    site = _site(tmp_path, "boot.pth,,\n", name)
    (site / "boot.pth").write_text(line)
    (tree,) = python.found(_install(tmp_path))

    assert tree.files == ((str(site / "boot.pth"),) if fresh else ())


class _Watched:
    """Takes the part of a backend that marks fresh code."""

    def __init__(self) -> None:
        self.followed: list[str] = []
        self.trusted: list[str] = []
        self.left: list[str] = []

    def gone(self, tree: FreshTree) -> None:
        self.left.append(tree.purl)

    def trust(self, purl: str) -> None:
        self.trusted.append(purl)

    def follow(self, trees: list[FreshTree], _next_origin: object) -> None:
        self.followed += [tree.purl for tree in trees]

    def end_install(self, _pid: int) -> None:
        pass

    def beside(self, _tree: FreshTree) -> set[FreshTree]:
        return set()

    def unmarked(self) -> list[str]:
        return []


def _known(state: State, name: str, number: int, *, verified: bool = True) -> None:
    tree = FreshTree(f"pkg:pypi/{name}@1", (f"/v{number}/{name}",), (), verified, f"record-sha256-{number}")
    state.keep_package(tree, 0.0)


def test_known_packages_are_asked_for_at_once(tmp_path: Path) -> None:
    """However many there are: those with a word in the policy are watched, fresh ones only where they are blocked."""
    state, watched, asked = State(tmp_path / "daemon.db"), _Watched(), list[str]()
    for number in range(60):
        _known(state, f"other-{number}", 0)
    for name in ("sdk", "new-sdk", "bad", "unproved"):
        _known(state, name, 0, verified=name != "unproved")
        if name != "new-sdk":
            state.approve(f"pkg:pypi/{name}@1")
    _known(state, "twice", 1)
    _known(state, "twice", 2)
    state.approve("pkg:pypi/twice@1")
    names = ("sdk", "new-sdk", "unproved")
    policy = sample.policy(
        allows=tuple(Allow(package=f"pkg:pypi/{name}", reason="its own", read=("~/.x",)) for name in names),
        blocks=(Block("pkg:pypi/bad", "it turned"), Block("", "it turned", digest="record-sha256-2")),
    )
    first = FirstRuns(Mock(policy=policy), cast("HostBackend", watched), state)
    state._database.set_trace_callback(asked.append)
    first.watch_named()
    state.close()

    assert sorted(watched.followed) == ["pkg:pypi/bad@1", "pkg:pypi/sdk@1", "pkg:pypi/twice@1"]
    assert watched.trusted == ["pkg:pypi/sdk@1"]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "url", "fresh"),
    [("pip-26.0", False, False), ("pip-26.0", True, True), ("pips-26.0", False, True)],
)
def test_an_upgraded_manager_stays_a_manager(tmp_path: Path, name: str, url: bool, fresh: bool) -> None:
    """By its name in an index: what it installs next must be named after itself, not after it."""
    site = _site(tmp_path, _RECORD, name)
    if url:
        (site / f"{name}.dist-info" / "direct_url.json").write_text("{}")
    watched, state = _Watched(), State(tmp_path / "daemon.db")
    flight = Mock(installed={})
    flight.run.written_by_package.return_value = False
    FirstRuns(Mock(), cast("HostBackend", watched), state).learn(1, _install(tmp_path), flight)
    state.close()

    assert bool(watched.followed) is fresh


@pytest.mark.parametrize(
    "line",
    ["/etc/passwd,,", "../../../../../../etc/passwd,,", "../../../etc/x.py,,", "../..,,", ".,,", "\0,,", '"'],
)
def test_a_record_cannot_point_elsewhere(tmp_path: Path, line: str) -> None:
    """Marking what a package merely names would label strangers."""
    _site(tmp_path, line + "\n")
    for tree in python.found(_install(tmp_path)):
        assert tree.directories == tree.files == ()


def test_an_old_file_that_a_record_names_is_not_fresh(tmp_path: Path) -> None:
    """A script of another package that this one claims."""
    _site(tmp_path, "../../../bin/tide,,\n")
    os.utime(tmp_path / "bin" / "tide")
    install = _install(tmp_path)
    time.sleep(0.01)
    late = install._replace(since=time.time() + 1.0)
    (tmp_path / "lib/python3.11/site-packages/tide_table-1.0.dist-info/RECORD").touch()
    assert all(tree.files == () for tree in python.found(late))


def _modules(top: Path, packages: object) -> Path:
    modules = top / "node_modules"
    for name in ("a", "b/node_modules/@s/c"):
        (modules / name).mkdir(parents=True, exist_ok=True)
    (modules / ".package-lock.json").write_text(json.dumps({"packages": packages}))
    return modules


def test_node_packages_are_their_places(tmp_path: Path) -> None:
    """Named by the place in the tree. None is verified, for no registry is configured that it could be from."""
    whole = {"version": "1.0.0", "resolved": "https://r.example/a.tgz", "integrity": "sha512-x"}
    modules = _modules(
        tmp_path,
        {
            "node_modules/a": {**whole, "name": "esbuild"},
            "node_modules/b": {"version": "2.0.0", "resolved": "file:x.tgz"},
            "node_modules/b/node_modules/@s/c": whole,
            "": {"version": "1.0.0"},
        },
    )
    trees = {
        tree.purl: tree
        for tree in node.found(Install(("npm", "ci"), str(tmp_path), {}, time.time() - 60), lambda _: False)
    }

    assert {purl: tree.verified for purl, tree in trees.items()} == {
        "pkg:npm/a@1.0.0": False,
        "pkg:npm/b@2.0.0": False,
        "pkg:npm/%40s/c@1.0.0": False,
    }
    assert trees["pkg:npm/a@1.0.0"].directories == (str(modules / "a"),)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=10,
)
_ENTRY = st.dictionaries(st.sampled_from(["version", "name", "resolved", "integrity"]), _JSON)
_PLACES = st.sampled_from(
    ["node_modules/a", "node_modules/../..", "node_modules//etc", "node_modules/\0", ""]
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_PLACES | st.text(max_size=20), _ENTRY | _JSON) | _JSON)
def test_no_lock_file_escapes_its_tree(packages: object) -> None:
    """Whatever it says, what is marked lies below it."""
    with tempfile.TemporaryDirectory() as folder:
        modules = _modules(Path(folder).resolve(), packages)
        for tree in node.found(Install(("npm", "ci"), folder, {}, time.time() - 60), lambda _: False):
            assert all(place.startswith(f"{modules}/") for place in tree.directories)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_no_record_escapes_its_site(record: str) -> None:
    """The same for RECORD."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        site = _site(top, record)
        for tree in found(_install(top), lambda _: False):
            for place in (*tree.directories, *tree.files):
                assert place.startswith((f"{site}/", f"{top}/bin/"))


def test_trust_takes_clean_runs_and_days(tmp_path: Path) -> None:
    """Five clean runs and seven days; an approval at once; a new version is fresh again."""
    state = State(tmp_path / "daemon.db")
    tree = FreshTree("pkg:pypi/x@1", ("/s/x",), (), verified=True)
    now = time.time()
    state.keep_package(tree, now)
    week = now + 7 * 86_400

    assert state.fresh(week) == [tree]
    for _ in range(4):
        assert state.ran_clean([tree.purl], week) == []
    assert state.ran_clean([tree.purl], now) == []
    assert state.fresh(now) == [tree]
    assert state.fresh(week) == []
    assert state.distrust(tree.purl)
    assert state.fresh(week) == [tree]
    assert state.approve(tree.purl)
    assert state.fresh(now) == []
    newer = tree._replace(purl="pkg:pypi/x@2")
    state.keep_package(newer, now)
    assert state.fresh(now) == [newer]
    assert not state.approve("pkg:pypi/unknown@1")
    state.close()


def test_what_is_gone_from_its_place_is_forgotten(tmp_path: Path) -> None:
    """Of another version of that name, all; of an approval, only where it lay."""
    state = State(tmp_path / "daemon.db")
    one, two, other = (FreshTree(f"pkg:pypi/{name}", ("/s/x",), ()) for name in ("x@1", "x@2", "x-ray@1"))
    for tree in (one, two, other):
        state.keep_package(tree, time.time())

    assert state.versions("pkg:pypi/x@3") == [one, two]
    state.approve(one.purl)
    for tree in (one, two):
        state.gone(tree)

    assert state.fresh(time.time()) == [other]
    state.keep_package(one, time.time())
    assert state.fresh(time.time()) == [other]  # somebody vouched for it once
    state.close()


def test_environments_that_were_removed_are_forgotten(tmp_path: Path) -> None:
    """The next install looks after them; what lies on a file system that is not mounted now is kept."""
    watched, state = _Watched(), State(tmp_path / "daemon.db")
    gone, unmounted = (FreshTree(f"pkg:pypi/{name}@1", (f"{tmp_path}/{name}/x",), ()) for name in ("a", "b"))
    device = tmp_path.stat().st_dev
    state.keep_package(gone._replace(device=device), time.time())
    state.keep_package(unmounted._replace(device=device + 1), time.time())
    state.keep_package(FreshTree("pkg:pypi/approved@1", (), (), device=device), time.time())
    state.approve("pkg:pypi/approved@1")
    flight = Mock(installed={})
    flight.run.written_by_package.return_value = False
    _site(tmp_path, _FILES)
    FirstRuns(Mock(), cast("HostBackend", watched), state).learn(1, _install(tmp_path), flight)
    left = {tree.purl for tree in state.fresh(time.time())}
    state.close()

    assert watched.left == [gone.purl]
    assert left == {unmounted.purl, "pkg:pypi/tide-table@1.0"}


def test_every_package_has_its_turn(tmp_path: Path) -> None:
    """So many at a time, round and round, also while some of them go."""
    state = State(tmp_path / "daemon.db")
    for number in range(5):
        _known(state, f"p{number}", 0)
    turns = [[tree.purl[9:11] for tree in state.some(2)] for _ in range(4)]
    state.gone(state.fresh(0)[0])
    state.some(2)
    state.close()

    assert turns == [["p0", "p1"], ["p2", "p3"], ["p4"], ["p0", "p1"]]


def test_what_lies_in_a_place_now(tmp_path: Path) -> None:
    """Another version of the name; another package in a folder of Node; what has lost its record. No neighbours."""
    records = [tmp_path / name for name in ("x-1", "y-1")]
    for record in records:
        record.touch()
    old, beside = (FreshTree(f"pkg:pypi/{each.name}", ("/s/x",), (), record=str(each)) for each in records)
    old, beside = old._replace(purl="pkg:pypi/x@1"), beside._replace(purl="pkg:pypi/y@1")
    newer = old._replace(purl="pkg:pypi/x@2")
    lock = FreshTree("pkg:npm/a@1", ("/n/a",), (), record="/n/lock")

    assert is_replaced(old, newer)
    assert not is_replaced(old, newer._replace(directories=("/elsewhere/x",)))
    assert not is_replaced(old, beside)
    assert is_replaced(lock, lock._replace(purl="pkg:npm/b@1"))
    records[0].unlink()
    assert is_replaced(old, beside)


def test_a_clock_that_was_set_does_not_move_an_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events count from the agent's start; files are stamped by the clock as it is now."""
    moment = host.BOOTED + time.clock_gettime(time.CLOCK_BOOTTIME) - 5
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 86_400)

    assert host.stamped(moment) == pytest.approx(real + 86_400 - 5, abs=0.1)


_FILES = "tide_table/__init__.py,sha256-aa,3\ntide_table-1.0.dist-info/METADATA,sha256-bb,9\n"


def test_the_digest_is_that_of_the_files_and_of_nothing_an_installer_adds(tmp_path: Path) -> None:
    """The same wheel has one digest on every host, whoever installed it, and another content has another one."""
    added = (
        "../../../bin/tide,sha256-cc,1\ntide_table-1.0.dist-info/INSTALLER,sha256-dd,4\nx.cpython-311.pyc,,\n"
    )
    digests = []
    for name, record in {
        "pip": _FILES + added,
        "uv": _FILES[::1],
        "evil": _FILES.replace("aa", "ee"),
    }.items():
        (tmp_path / name).mkdir()
        _site(tmp_path / name, record)
        (tree,) = python.found(_install(tmp_path / name))
        digests.append(tree.digest)

    assert digests[0] is not None
    assert digests[0].startswith("record-sha256-")
    assert digests[0] == digests[1] != digests[2]


def test_a_record_that_package_code_wrote_proves_no_name(tmp_path: Path) -> None:
    """It is listed, but as what it claims to be."""
    _site(tmp_path, _FILES)
    mine = list(found(_install(tmp_path), lambda _: False))
    theirs = list(found(_install(tmp_path), lambda _: True))

    assert [each.quality for each in listed(mine)] == [Quality.VERIFIED]
    assert [each.quality for each in listed(theirs)] == [Quality.CLAIMED]
    assert [each.purl for each in listed(theirs * 2)] == ["pkg:pypi/tide-table@1.0"]
