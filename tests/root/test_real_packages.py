"""False positives: real source distributions of five build back ends build and install without a refusal."""

import os
import subprocess
from pathlib import Path

import pytest

from lab.demands import demand
from lab.guard import Outcome, guarded, run
from lab.template import template
from lab.world import World

_REAL = {
    "docopt": "setuptools, setup.py alone",
    "markupsafe": "setuptools with a C extension",
    "idna": "flit",
    "iniconfig": "hatchling with a version from source control",
    "tomlkit": "poetry-core",
}
_LOCAL = ("T-build", "T-probes", "T-tools", "T-workers", "T-loopback")


@pytest.mark.timeout(240, method="thread")
def test_real_packages_install_clean(guard: None, world: World) -> None:
    """Five packages of the registry, each built from source by another back end, draw no refusal."""
    report = world.folder / "report.json"
    names = list(_REAL) if _registry_answers(world) else []
    if not names:
        _local_instead(world)
        return
    wanted = ["--no-binary", ",".join(names), *names]
    command = ["pip", "install", "--target", str(world.site), *wanted]
    outcome = run(guarded(command, report), _user_environment(world), world.folder, report)

    _assert_clean(outcome)
    for name in names:
        assert (world.site / name).is_dir() or (world.site / f"{name}.py").is_file(), name


def _local_instead(world: World) -> None:
    if os.environ.get("PRATIQUE_MUST_RUN") != "1":
        demand("no package registry answers: real packages were not tried")
    sources = [folder for name in _LOCAL for folder in _packages(name)]
    with World(sources) as local:
        report = local.folder / "report.json"
        names = [package.name for package in local.packages]
        _assert_clean(run(guarded(local.install(*names), report), local.environment(), local.folder, report))


def _packages(name: str) -> list[Path]:
    folder = Path(__file__).parents[1] / "scenarios" / name
    return [path for path in folder.iterdir() if path.is_dir()]


def _assert_clean(outcome: Outcome) -> None:
    refused = [finding for finding in outcome.findings if finding["action"] in ("denied", "killed")]
    assert refused == []
    assert outcome.status == 0, outcome.err
    assert outcome.report is not None
    assert outcome.report["run"]["incomplete"] is False
    assert outcome.survivors == ()


def _registry_answers(world: World) -> bool:
    command = [
        str(template() / "bin" / "pip"),
        "download",
        "--no-deps",
        "--dest",
        str(world.folder),
        "docopt",
    ]
    environment = _user_environment(world)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _user_environment(world: World) -> dict[str, str]:
    # How the registry is reached is the host's business: its proxy and pip settings stay, its home does not.
    kept = {
        key: value
        for key, value in os.environ.items()
        if key.lower().endswith("_proxy") or key.startswith("PIP_")
    }
    own = {key: value for key, value in world.environment().items() if key != "PIP_CONFIG_FILE"}
    return kept | own
