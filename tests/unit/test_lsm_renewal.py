"""What comes into being in mid-run: new homes are told from other directories, and places are planned again once."""

import os
import time
from pathlib import Path

import pytest

from pratique import host
from pratique.backends.lsm.objects import entries
from pratique.backends.lsm.renewal import Renewal
from pratique.policy.lower import FilePlan
from pratique.policy.places import Place


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as kept by root, in which this user is somebody who logs in; one home is in it."""
    monkeypatch.setattr(host, "_LOGIN_UIDS", (os.getuid(),))
    monkeypatch.setattr(host, "_is_roots", lambda folder: folder == str(tmp_path))
    (tmp_path / "ann").mkdir()
    return tmp_path


def _plan(*unmade: Place) -> FilePlan:
    return FilePlan([], [], [], [], [], [], [], [], unmade)


def test_a_new_home_is_a_directory_beside_a_known_one(people: Path) -> None:
    """Files and links are none, and what is known is not new."""
    (people / "bob").mkdir()
    (people / "link").symlink_to(people / "bob")
    (people / "file").write_text("")

    assert host.homes_beside([str(people / "ann")]) == [str(people / "bob")]


def test_others_folders_hold_no_homes(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of nobody who logs in is not a home: services keep theirs there, too."""
    (people / "bob").mkdir()
    monkeypatch.setattr(host, "_LOGIN_UIDS", (os.getuid() + 1,))

    assert host.homes_beside([str(people / "ann")]) == []


@pytest.mark.parametrize("folder", ["/", "", "/tmp", "/nonexistent"])
def test_where_anybody_makes_entries_are_no_homes(folder: str) -> None:
    """A home below `/tmp` must not make every temporary directory one; `/` holds everything."""
    assert not host._is_roots(folder)


def test_planned_again_once_for_what_has_come(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing folder that is there now, then nothing until something else comes."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now.__setitem__(0, now[0] + 10) or now[0])
    aws = people / "ann/.aws"
    homes, plan = [str(people / "ann")], _plan(Place(str(aws), "secrets.aws", False, False, True))
    renewal = Renewal(homes, plan)

    assert renewal.due() is None
    aws.mkdir()
    assert renewal.due() == homes
    renewal.plan(homes, plan)
    assert renewal.due() is None
    (people / "bob").mkdir()
    assert renewal.due() == [*homes, str(people / "bob")]


def test_a_missing_secret_is_named_at_once_and_a_folder_on_the_way_is_not(people: Path) -> None:
    """The folder may hold much besides: it is looked at when it is there."""
    home = people / "ann"
    leaf, way = (
        Place(str(home / name), "secrets.aws", False, False, name == ".aws") for name in (".netrc", ".aws")
    )

    found = entries(_plan(leaf, way), [str(home)])

    assert {name for _, name in found.names} == {".netrc"}
