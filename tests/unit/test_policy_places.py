"""Places: where groups are on a host, without opening a file."""

import os
import time
from pathlib import Path

import pytest

from pratique.policy.compile import compile_policy
from pratique.policy.model import Group
from pratique.policy.places import Finder, Place
from pratique.policy.sources import shipped_texts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a few decoys."""
    for name in (".aws", ".ssh", ".mozilla/firefox/a.default", ".mozilla/firefox/b.default", "elsewhere"):
        (tmp_path / "home" / name).mkdir(parents=True)
    (tmp_path / "home/.aws/credentials").write_text("decoy")
    (tmp_path / "home/.mozilla/firefox/a.default/logins.json").write_text("decoy")
    return tmp_path / "home"


def found(home: Path, *patterns: str, **fields: tuple[str, ...]) -> list[Place]:
    """The places of one group in one home, which is the project as well."""
    return Finder([str(home)], str(home)).places([Group("g", "file", paths=patterns, **fields)])


def test_existing_and_missing(home: Path) -> None:
    """A missing place is kept; below missing folders, the first of them stands for it if nobody shares it."""
    assert found(home, "~/.aws/credentials", "~/.aws/config", "~/.azure/x", "~/.local/share/y/z") == [
        Place(f"{home}/.aws/credentials", "g", True, False, False),
        Place(f"{home}/.aws/config", "g", False, False, False),
        Place(f"{home}/.azure", "g", False, False, True),
    ]


def test_deep_and_project(home: Path) -> None:
    """`/**` names the directory and all below it, there or not; `.` is the project."""
    assert found(home, "~/.ssh/**", "./.git/**") == [
        Place(f"{home}/.ssh", "g", True, True, True),
        Place(f"{home}/.git", "g", False, False, True),
    ]


def test_wildcards_list_only_what_is_there(home: Path) -> None:
    """A wildcard expands to what exists; in the last name it stays as well, for what may come."""
    assert [place.path for place in found(home, "~/.mozilla/firefox/*/logins.json")] == [
        f"{home}/.mozilla/firefox/a.default/logins.json",
        f"{home}/.mozilla/firefox/b.default/logins.json",
    ]
    assert found(home, "~/*.pem") == [Place(f"{home}/*.pem", "g", False, False, False)]


def test_links(home: Path) -> None:
    """A linked file counts as named and as resolved; a linked parent is resolved; no match is followed."""
    (home / "elsewhere/rc").write_text("decoy")
    (home / ".bashrc").symlink_to(home / "elsewhere/rc")
    (home / ".config").symlink_to(home / "elsewhere")
    (home / ".mozilla/firefox/link").symlink_to("/etc")

    assert [place.path for place in found(home, "~/.bashrc")] == [f"{home}/.bashrc", f"{home}/elsewhere/rc"]
    assert [place.path for place in found(home, "~/.config/rc")] == [f"{home}/elsewhere/rc"]
    assert not [place for place in found(home, "~/.mozilla/firefox/*/passwd") if "etc" in place.path]


@pytest.mark.parametrize("target", ["/", "/usr", "..", "."])
def test_a_link_to_half_the_system_is_not_deep(home: Path, target: str) -> None:
    """Somebody who links ~/.aws to / must not put the whole host under guard."""
    (home / ".kube").symlink_to(home / target)

    assert found(home, "~/.kube/**") == [Place(f"{home}/.kube", "g", True, True, False)]


def test_names_stand_at_the_top(home: Path) -> None:
    """Basenames are looked for at the top of homes and project only."""
    (home / "a.pem").write_text("decoy")
    (home / ".aws/b.pem").write_text("decoy")

    assert [place.path for place in found(home, names=("*.pem",)) if place.exists] == [f"{home}/a.pem"]


def test_hostile_directories_are_bounded(home: Path) -> None:
    """A directory full of matches does not make the plan endless."""
    for number in range(300):
        (home / f"{number}.key").write_text("")

    assert len(found(home, "~/*.key")) == 257


def test_what_to_watch(home: Path) -> None:
    """Where a place could come into being later, the nearest existing directory is named."""
    group = Group("g", "file", paths=("~/.config/systemd/user/**", "~/.ssh/rc"))
    seen = Finder([str(home)], None).survey([group])

    assert seen.watch == [str(home), f"{home}/.ssh"]


def test_all_shipped_groups_are_found_fast(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two homes and a project take tens of milliseconds of CPU (aim 30), and no file is opened."""
    policy = compile_policy(shipped_texts())
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened a file"))
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("opened a file"))
    spent = []
    for _ in range(3):
        start = time.process_time()
        Finder([str(home), "/root"], str(home)).places(policy.groups)
        spent.append(time.process_time() - start)

    assert min(spent) < 0.5
