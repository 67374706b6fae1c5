"""Existing places that managers write, and what an allow opens again: judged by actor, in the kernel."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.probed import copied, from_memory, labelled, of
from pratique.backends.hooks import mirrors
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExecRecord, FileRecord
from pratique.policy.lower import FilePlan
from pratique.policy.model import Allow
from pratique.policy.places import Place
from pratique.words import Act, Action, Actor, Level, Stage

GROUPS = (*CODE_GROUPS, "persistence.git", "persistence.git-project", "persistence.trust")
NUMBER = {name: index + 1 for index, name in enumerate(GROUPS)}
WRITES = (Act.FILE_WRITE, Act.FILE_CREATE)


def _cell(act: Act, group: str, action: Action, *, locked: bool = False) -> Cell:
    return Cell(Stage.BUILD, Actor.PACKAGE, act, NUMBER[group], False, action, 1, locked)


def _plan(*, audit: bool = False) -> Plan:
    cells = (
        *(_cell(act, "persistence.git", Action.DENY) for act in WRITES),
        *(_cell(act, "persistence.git-project", Action.AUDIT) for act in WRITES),
        *(_cell(act, "persistence.trust", Action.DENY, locked=True) for act in WRITES),
        *(_cell(Act.EXEC, name, Action.DENY) for name in CODE_GROUPS[:4]),
    )
    return Plan(GROUPS, ("only-rule",), (), (), cells, audit)


@pytest.fixture
def probes() -> Iterator[Probes]:
    """The programs, attached, with the plan above."""
    made = Probes(_plan(), 78, ())
    made.load()
    made.attach()
    yield made
    made.close()


@pytest.fixture
def ground(tmp_path: Path, probes: Probes) -> Path:
    """A home with a guarded file and a guarded directory, both with contents."""
    home = tmp_path.resolve()
    (home / "tool/deep").mkdir(parents=True)
    for name in (".gitconfig", "tool/deep/settings", "trusted", "config", "other"):
        (home / name).write_text("old")
    probes.guard_writes(_places(home))
    return home


def _places(home: Path) -> list[Place]:
    return [
        Place(f"{home}/.gitconfig", "persistence.git", True, False, False),
        Place(f"{home}/tool", "persistence.git", True, True, True),
        Place(f"{home}/trusted", "persistence.trust", True, False, False),
        Place(f"{home}/config", "persistence.git-project", True, False, False),
        Place(f"{home}/missing", "persistence.git", False, False, False),
    ]


def _append(path: Path) -> Callable[[], object]:
    def work() -> None:
        with path.open("a") as file:
            file.write("planted")

    return work


def _opened(path: Path, flags: int) -> Callable[[], object]:
    return lambda: os.write(os.open(path, flags, 0o600), b"planted") and 0


@pytest.mark.parametrize("way", ["name", "symlink", "hardlink", "descriptor", "read-write"])
def test_a_guarded_file_is_never_written(probes: Probes, ground: Path, way: str) -> None:
    """By whatever name it is opened, its writer is dead before the first byte, and the finding names the place."""
    place = ground / ".gitconfig"
    (ground / "symlink").symlink_to(place)
    (ground / "hardlink").hardlink_to(place)
    work = {
        "descriptor": lambda: os.open(".gitconfig", os.O_WRONLY, dir_fd=os.open(ground, os.O_RDONLY)),
        "read-write": _opened(place, os.O_RDWR),
    }.get(way, _append(place if way == "name" else ground / way))

    assert labelled(probes, work) == -signal.SIGKILL
    assert place.read_text() == "old"
    (record,) = of(FileRecord, probes.read(0.1))
    assert (record.head.action, record.head.level) == (Action.KILL, Level.KILLED_BEFORE)
    assert (record.head.act, record.head.group) == (Act.FILE_WRITE, NUMBER["persistence.git"])
    assert record.path == str(ground / "hardlink" if way == "hardlink" else place)


def test_with_a_second_thread_the_level_claims_less(probes: Probes, ground: Path) -> None:
    """It may have used the descriptor before the kill reached it: the finding does not say otherwise."""

    def work() -> None:
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
        _append(ground / ".gitconfig")()

    assert labelled(probes, work) == -signal.SIGKILL
    (record,) = of(FileRecord, probes.read(0.1))
    assert (record.head.action, record.head.level) == (Action.KILL, Level.KILLED_AFTER)


def test_truncating_is_too_late_and_says_so(probes: Probes, ground: Path) -> None:
    """An open that empties the file has acted when it returns, a reading one too."""
    for flags in (os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC):
        (ground / ".gitconfig").write_text("old")
        assert labelled(probes, _opened(ground / ".gitconfig", flags)) == -signal.SIGKILL
        assert (ground / ".gitconfig").read_text() == ""

    assert {record.head.level for record in of(FileRecord, probes.read(0.1))} == {Level.KILLED_AFTER}


def test_a_guarded_directory_holds_all_below(probes: Probes, ground: Path) -> None:
    """What is in it is not written; what is made in it stays empty."""
    assert labelled(probes, _append(ground / "tool/deep/settings")) == -signal.SIGKILL
    assert labelled(probes, _append(ground / "tool/deep/new")) == -signal.SIGKILL
    assert (ground / "tool/deep/settings").read_text() == "old"
    assert (ground / "tool/deep/new").read_text() == ""

    found = of(FileRecord, probes.read(0.1))
    assert [(record.head.act, record.head.level) for record in found] == [
        (Act.FILE_WRITE, Level.KILLED_BEFORE),
        (Act.FILE_CREATE, Level.KILLED_AFTER),
    ]


def test_readers_managers_and_other_files_are_free(probes: Probes, ground: Path) -> None:
    """Only fresh code that writes a guarded place meets the guard."""
    assert labelled(probes, lambda: (ground / ".gitconfig").read_text() and 0) == 0
    assert labelled(probes, _append(ground / "other")) == 0
    assert labelled(probes, _append(ground / "new")) == 0
    for actor in (Actor.COMMAND, Actor.MANAGER, Actor.HELPER):
        assert labelled(probes, _append(ground / ".gitconfig"), actor, origin=0) == 0

    assert (ground / ".gitconfig").read_text() == "old" + 3 * "planted"


def test_audited_places_are_written_and_told(probes: Probes, ground: Path) -> None:
    """An audit rule records; in audit mode a deny does, with what it would have been."""
    assert labelled(probes, _append(ground / "config")) == 0
    probes.replace(_plan(audit=True))
    assert labelled(probes, _append(ground / ".gitconfig")) == 0

    heads = [record.head for record in of(FileRecord, probes.read(0.1))]
    assert [(head.action, head.would) for head in heads] == [
        (Action.AUDIT, None),
        (Action.AUDIT, Action.DENY),
    ]


def test_what_is_known_as_written_is_still_judged(probes: Probes, ground: Path) -> None:
    """A file one origin was allowed to write is no other's."""
    probes.allow_file(1, str(ground / ".gitconfig"), mirrors.ALLOWED_WRITE)

    assert labelled(probes, _append(ground / ".gitconfig"), origin=1) == 0
    assert labelled(probes, _append(ground / ".gitconfig"), origin=2) == -signal.SIGKILL


def test_replaced_places_guard_instead(probes: Probes, ground: Path) -> None:
    """Another plan's places take over; what is in none of them is free."""
    probes.guard_writes(_places(ground)[1:])

    assert labelled(probes, _append(ground / ".gitconfig")) == 0
    assert labelled(probes, _append(ground / "tool/deep/settings")) == -signal.SIGKILL


def _grant(probes: Probes, home: Path, allow: Allow, hidden: str = "/tmp") -> list[str]:
    plan = FilePlan([], [], [], [], [], [], _places(home), [])
    return Allowances(probes, plan, [str(home)], str(home), [hidden]).grant(1, [allow])


@pytest.mark.parametrize(
    ("pattern", "opens"),
    [
        ("~/.gitconfig", {".gitconfig"}),
        ("~/.git*", {".gitconfig"}),
        ("~/tool/**", {"tool/deep/settings", "tool/deep/new"}),
        ("~/tool/deep/**", {"tool/deep/settings", "tool/deep/new"}),
        ("~/tool/deep/*", {"tool/deep/settings", "tool/deep/new"}),
        ("~/tool/deep/new", {"tool/deep/new"}),
        ("~/tool/*", set()),
        ("~/tool", set()),
        ("~/trusted", set()),
        ("~/**", {".gitconfig", "tool/deep/settings", "tool/deep/new"}),
    ],
)
def test_an_allow_opens_what_it_names(probes: Probes, ground: Path, pattern: str, opens: set[str]) -> None:
    """Also what does not exist yet; not more, not for another origin, and never against a locked rule."""
    _grant(probes, ground, Allow("pkg:pypi/any", "test", write=(pattern,)))
    names = {".gitconfig", "tool/deep/settings", "tool/deep/new", "trusted"}

    assert {name for name in names if labelled(probes, _append(ground / name), origin=1) == 0} == opens
    assert all(labelled(probes, _append(ground / name), origin=2) for name in names)


@pytest.fixture
def temporary(probes: Probes) -> Iterator[Path]:
    """A directory in which hidden executables die."""
    with tempfile.TemporaryDirectory() as folder:
        probes.add_exec_dir(folder, "code.hidden-temp")
        yield Path(folder).resolve()


def test_an_allowed_executable_runs_and_no_other(probes: Probes, temporary: Path, tmp_path: Path) -> None:
    """A hidden file is killed and told by its path; once allowed it runs, its neighbour and strangers do not."""
    (temporary / "a").mkdir()
    wanted, other = temporary / "a/.wanted", temporary / "a/.other"
    assert labelled(probes, copied(wanted)) == -signal.SIGKILL
    (record,) = of(ExecRecord, probes.read(0.1))
    assert record.path == str(wanted)

    assert _grant(probes, tmp_path, Allow("pkg:pypi/any", "test", exec=(record.path,))) == []
    assert labelled(probes, copied(wanted), origin=1) == 0
    assert labelled(probes, copied(other), origin=1) == -signal.SIGKILL
    assert labelled(probes, copied(wanted), origin=2) == -signal.SIGKILL


def test_an_allowed_directory_runs_what_is_directly_in_it(
    probes: Probes, temporary: Path, tmp_path: Path
) -> None:
    """`DIRECTORY/*`, also one that does not exist yet; what lies deeper dies, as does what has no name."""
    _grant(probes, tmp_path, Allow("pkg:pypi/any", "test", exec=(f"{temporary}/bin/*",)))
    (temporary / "bin/deep").mkdir(parents=True)

    assert labelled(probes, copied(temporary / "bin/.tool")) == 0
    assert labelled(probes, copied(temporary / "bin/deep/.tool")) == -signal.SIGKILL
    assert labelled(probes, copied(temporary / "bin/.gone", remove=True)) == -signal.SIGKILL
    assert labelled(probes, from_memory) == -signal.SIGKILL


def test_what_cannot_be_looked_up_is_a_gap(probes: Probes, tmp_path: Path) -> None:
    """A pattern too wide for the kernel's table is named, if the kernel would have to look it up."""
    wide = Allow("pkg:pypi/any", "test", exec=("/tmp/**", "/opt/**", f"/tmp/{'x' * 250}"), source="p.toml:3")

    gaps = _grant(probes, tmp_path, wide)
    assert [gap.split(": ")[1][:10] for gap in gaps] == ["/tmp/**", "/tmp/xxxxx"]
