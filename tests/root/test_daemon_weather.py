"""What happens around the daemon: homes come and go, a package brings more files than anybody counts."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, shed, user_venv
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(280, method="thread")]

_HERE = Path(__file__).parent
_FILES = int(os.environ.get("PRATIQUE_FRESH_FILES", "4000"))
_FOLDERS = max(_FILES // 50, 1)
_WIDE = "pkg:pypi/wide-load@1.0.0"


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a thief and an honest package."""
    sources = [
        _HERE.parent / "scenarios" / "O01" / "token-tidy-3.7.2",
        _HERE.parent / "scenarios" / "T-build" / "plain-text-1.1.0",
    ]
    with World(sources) as made:
        yield made


@pytest.mark.parametrize("guarded", [False, True], ids=["control", "guarded"])
def test_a_home_that_came_anew(guard: None, world: World, guarded: bool) -> None:
    """Removed in mid-work it costs nobody anything; its successor's secrets are guarded like the old ones."""
    home = world.home.folder
    secret = (home / ".npmrc").read_bytes()
    with Daemon(world) as daemon:
        if not guarded:
            daemon.end(2)
        shutil.rmtree(home)
        assert as_user(world, world.install("plain-text")).status == 0
        home.mkdir()
        (home / ".npmrc").write_bytes(secret)
        hand_to_user(world)
        assert as_user(world, world.install("token-tidy")).status == 0
        if guarded:
            assert [run["verdict"] for run in daemon.settled(2)] == ["blocked", "clean"], daemon.log
    assert ("~/.npmrc" in world.leaks()) is not guarded


def _wide(world: World) -> Path:
    """A wheel with many modules in many folders, the last of which steals."""
    thief = (_HERE / "daemon_packages" / "late-riser-1.0.0" / "late_riser.py").read_text()
    made = world.folder / "wide_load-1.0.0-py3-none-any.whl"
    names = [f"wide_load/d{number % _FOLDERS:05}/m{number:06}.py" for number in range(_FILES)]
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: wide-load\nVersion: 1.0.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    parts = {f"wide_load-1.0.0.dist-info/{name}": text for name, text in info.items()}
    record = "wide_load-1.0.0.dist-info/RECORD"
    with zipfile.ZipFile(made, "w") as wheel:
        for name in names:
            wheel.writestr(name, "")
        wheel.writestr("wide_load/last/thief.py", thief.replace("@SINK@", world.network.sink))
        for name, text in parts.items():
            wheel.writestr(name, text)
        listed = [*names, "wide_load/last/thief.py", *parts, record]
        wheel.writestr(record, "".join(f"{name},,\n" for name in listed))
    return made


@pytest.mark.parametrize("guarded", [False, True], ids=["control", "guarded"])
def test_a_package_with_very_many_files(guard: None, world: World, guarded: bool) -> None:
    """Each of them is fresh, nothing is lost, installs go on (PRATIQUE_FRESH_FILES=100000: in full)."""
    wheel = _wide(world)
    hand_to_user(world)
    install = ["pip", "install", "--no-index", "--no-compile", "--target", str(world.site), str(wheel)]
    python = [str(user_venv() / "bin" / "python"), "-c", "import wide_load.last.thief"]
    with Daemon(world) as daemon:
        if not guarded:
            daemon.end(2)
        subprocess.run(
            shed(install), env=environment(world), cwd=world.folder, timeout=200, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert as_user(world, python, {"PYTHONPATH": str(world.site)}).status == 0
        if guarded:
            assert [run["verdict"] for run in daemon.settled(2)] == ["blocked", "clean"], daemon.log
            assert {found["package"] for found in daemon.report()["findings"]} == {_WIDE}, daemon.log
            assert as_user(world, world.install("plain-text")).status == 0
            assert daemon.status()["daemon"]["lost"] == 0
    assert ("~/.npmrc" in world.leaks()) is not guarded
