"""What the `lsm` tables say of places: by inode, by name, by pattern, and without a gap while policies change."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pratique.backends.hooks.records import InodeKey
from pratique.backends.lsm.mirrors import GLOBS_MAX, Below, CGlob, CObject
from pratique.backends.lsm.objects import Entries, Meaning, Objects, entries
from pratique.policy.lower import FilePlan
from pratique.policy.places import Place

NUMBERS = {"": 0, "secrets.a": 1, "persistence.b": 2, "exe.c": 3, "ipc.d": 4}


class Table(dict[bytes, bytes]):
    """Stands for a kernel map, and keeps what was done to it in order."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[bytes] = []

    def update(self, key: bytes, value: bytes, flags: int = 0) -> bool:  # type: ignore[override]
        """Store."""
        self[key] = value
        return True

    def delete(self, key: bytes) -> bool:
        """Remove."""
        self.removed.append(key)
        return self.pop(key, None) is not None


def keys(paths: Sequence[str]) -> list[InodeKey | None]:
    """What `stat` says is good enough here; nothing has a key that is not there."""
    found = [os.stat(path) if os.path.exists(path) else None for path in paths]  # noqa: PTH110, PTH116
    return [InodeKey(each.st_ino, each.st_dev, 0) if each else None for each in found]


@pytest.fixture
def tables() -> dict[str, Table]:
    """The three maps."""
    return {name: Table() for name in ("objects", "names", "globs")}


@pytest.fixture
def objects(tables: dict[str, Table]) -> Objects:
    """The tables under test, empty."""
    return Objects(tables.__getitem__, keys, NUMBERS.__getitem__)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with a secret and a directory of units."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("x")
    (tmp_path / ".config/units").mkdir(parents=True)
    return tmp_path


def plan(home: Path, **lists: list[Place]) -> FilePlan:
    """A plan with these lists only."""
    every = ("read", "create", "exec", "readonly", "masked", "ipc", "write", "watch")
    return FilePlan(**{name: lists.get(name, []) for name in every})  # type: ignore[arg-type]


def test_a_secret_is_known_by_inode_and_by_name(home: Path) -> None:
    """Whoever replaces the file finds the name guarded, and whoever moves it the inode."""
    path = str(home / ".aws/credentials")
    found = entries(plan(home, read=[Place(path, "secrets.a", True, False, False)]), [str(home)])

    assert found.objects[path].read == "secrets.a"
    assert found.names[str(home / ".aws"), "credentials"].read == "secrets.a"


def test_a_missing_place_is_known_by_name_alone(home: Path) -> None:
    """What is not there yet has no inode."""
    path = str(home / ".zshrc")
    found = entries(plan(home, create=[Place(path, "persistence.b", False, False, False)]), [str(home)])

    assert path not in found.objects
    assert found.names[str(home), ".zshrc"].write == "persistence.b"


def test_directories_above_a_place_may_not_be_moved_away(home: Path) -> None:
    """Only the hidden ones of a home: a project's own directories are its own."""
    unit = Place(str(home / ".config/units"), "persistence.b", True, True, True)
    outside = Place("/etc/cron.d", "persistence.b", True, True, True)
    found = entries(plan(home, write=[unit, outside]), [str(home)])

    assert [path for path, meaning in found.objects.items() if meaning.above] == [str(home / ".config")]
    assert found.objects[unit.path].flags == Below.WRITE


def test_a_second_name_made_before_is_known_by_its_inode(home: Path) -> None:
    """A hard link of a file below a deep place leads out of it; its inode does not change."""
    secret = home / ".aws/credentials"
    (home / "innocent").hardlink_to(secret)
    found = entries(plan(home, read=[Place(str(home / ".aws"), "secrets.a", True, True, True)]), [str(home)])

    assert found.objects[str(secret)].read == "secrets.a"


def test_a_pattern_that_cannot_be_looked_up_is_a_gap(home: Path) -> None:
    """Nothing that is not guarded is passed over in silence."""
    places = [
        Place(f"{home}/{name}", "secrets.a", False, False, False) for name in ("*.pem", "*a*", "[ab].key")
    ]
    found = entries(plan(home, create=places), [str(home)])

    assert [name for _, name in found.globs] == ["*.pem"]
    assert len(found.gaps) == 2


def test_prefix_and_suffix_are_masked_bytes(home: Path, objects: Objects, tables: dict[str, Table]) -> None:
    """The kernel compares words: a byte counts where the mask says so."""
    found = Entries()
    found.globs[str(home), ".env.*.local"].add(Meaning(read="secrets.a"))
    objects.drop(objects.add(found))
    (value,) = tables["globs"].values()
    glob = CGlob.from_buffer_copy(value)

    assert bytes(glob.prefix)[:5] == b".env."
    assert bytes(glob.prefix_mask)[:6] == b"\xff" * 5 + b"\0"
    assert bytes(glob.suffix)[: glob.suffix_length] == b".local"
    assert glob.object.read == NUMBERS["secrets.a"]


def test_a_directory_says_that_it_has_names_and_patterns(
    home: Path, objects: Objects, tables: dict[str, Table]
) -> None:
    """The kernel compares names only in directories that say so."""
    found = Entries()
    found.names[str(home), ".zshrc"].add(Meaning(write="persistence.b"))
    found.globs[str(home), "*.pem"].add(Meaning(read="secrets.a"))
    objects.drop(objects.add(found))
    (value,) = tables["objects"].values()

    assert CObject.from_buffer_copy(value).flags == Below.NAMES | Below.GLOBS


def test_patterns_beyond_the_most_are_left_out(
    home: Path, objects: Objects, tables: dict[str, Table]
) -> None:
    """The kernel's loop is bounded; what it would never reach is not stored."""
    found = Entries()
    for number in range(GLOBS_MAX + 3):
        found.globs[str(home), f"*.{number}"].add(Meaning(read="secrets.a"))
    objects.drop(objects.add(found))

    assert len(tables["globs"]) == GLOBS_MAX


def test_an_update_removes_only_what_the_new_plan_lacks(
    home: Path, objects: Objects, tables: dict[str, Table]
) -> None:
    """What both plans have is there throughout; what only the old has goes last."""
    path = str(home / ".aws/credentials")
    both, old = Entries(), Entries()
    for each in (both, old):
        each.objects[path].add(Meaning(read="secrets.a"))
    old.objects[str(home)].add(Meaning(write="persistence.b"))
    objects.drop(objects.add(old))
    wanted = objects.add(both)

    assert tables["objects"].removed == []
    assert len(tables["objects"]) == 2
    objects.drop(wanted)
    assert len(tables["objects"]) == 1
    assert len(tables["objects"].removed) == 1


def test_mirrors_have_no_holes() -> None:
    """Keys are compared as bytes: what no field covers would be garbage."""
    assert ctypes.sizeof(CObject) == 12
