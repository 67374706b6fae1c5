"""Real popular packages, installed and first run under the daemon: no refusal, not even of a cloud SDK."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, user_venv
from lab.demands import demand
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(230, method="thread")]

_PACKAGES = ["requests", "rich", "click", "pytest", "boto3", "packaging", "attrs"]
_PROGRAMS = {
    "requests": "import requests; print(requests.__version__)",
    "rich": "from rich import print; print('[b]hello')",
    "attrs": "import attr; print(attr.__version__)",
    "boto3": ("import boto3; s = boto3.Session(); c = s.get_credentials(); print(c.access_key[:4])"),
}


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """A home with decoys."""
    with World([]) as made:
        yield made


@pytest.fixture
def house(world: World) -> Path:
    """A virtual environment of the made-up user; without a package index there is no test."""
    made = world.folder / "venv"
    python = str(user_venv() / "bin" / "python3")
    subprocess.run([python, "-m", "venv", str(made)], check=True, timeout=120, env=environment(world))
    hand_to_user(world)
    return made


def test_popular_packages_are_left_alone(guard: None, world: World, house: Path) -> None:
    """Installed, imported, run by their scripts; boto3 gets ~/.aws, and nobody else's secret is asked for."""
    configured = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    configured.pop("PIP_CONFIG_FILE", None)
    with Daemon(world) as daemon:
        done = as_user(
            world,
            [str(house / "bin" / "pip"), "install", "-q", *_PACKAGES],
            {**configured, "PIP_CONFIG_FILE": "/etc/pip.conf"},
        )
        demand(None if done.status == 0 else f"no package index: {done.err[-300:]}")
        daemon.settled()
        for code in _PROGRAMS.values():
            ran = as_user(world, [str(house / "bin" / "python"), "-c", code])
            assert ran.status == 0, ran.err
        checks = world.folder / "test_it.py"
        checks.write_text("def test_it(tmp_path):\n    assert tmp_path.exists()\n")
        hand_to_user(world)
        ran = as_user(world, [str(house / "bin" / "pytest"), "-q", "-p", "no:cacheprovider", str(checks)])
        assert ran.status == 0, ran.out + ran.err
        ended = daemon.settled(2 + len(_PROGRAMS), 30)
        assert {run["verdict"] for run in ended} <= {"clean", "findings"}, daemon.log
        assert len(ended) == 2 + len(_PROGRAMS)
