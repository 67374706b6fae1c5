"""`env.strip`: what package code finds in its environment, and what the manager keeps (docs/policy.md section 5)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guard import Outcome, guarded, run
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "name-tag-1.0.0"
_POLICY = 'env.strip = ["*_TOKEN", "pip_index_*"]\n'


@pytest.fixture
def quay(lab: None) -> Iterator[World]:
    """Surroundings whose index has `name-tag`: its build copies its environment."""
    with World([_PACKAGE]) as made:
        yield made


def _installed(world: World, *options: str, guard: bool = True) -> Outcome:
    """Install it with tokens in the environment; the index itself is named there, for pip alone to use."""
    report = world.folder / "report.json"
    tokens = {"DECOY_TOKEN": f"canary-{world.token}", "HARBOUR": "Trieste", "PIP_INDEX_URL": world.index.url}
    environment = {**world.environment(), "PIP_TRUSTED_HOST": world.index.host, **tokens}
    command = ["pip", "install", "--no-build-isolation", "--target", str(world.site), "name-tag"]
    command = guarded(command, report, *options) if guard else command
    outcome = run(command, environment, world.folder, report if guard else None)
    assert outcome.status == 0, outcome.err
    return outcome


def _seen(world: World) -> tuple[dict[str, str], str]:
    """The build's own view, and everything that it and its child found, raw."""
    marks = world.folder / "marks"
    raw = (marks / "child").read_text() + (marks / "block").read_bytes().decode()
    return json.loads((marks / "own.json").read_text()), raw


@pytest.mark.parametrize("guarding", [False, True])
def test_without_strip_tokens_are_inherited(guard: None, quay: World, guarding: bool) -> None:
    """The control: bare, and under `standard`, a build finds every variable of the user's."""
    _installed(quay, guard=guarding)
    own, raw = _seen(quay)

    assert own["DECOY_TOKEN"] == f"canary-{quay.token}"
    assert quay.token in raw


def test_stripped_names_are_gone_from_package_code(guard: None, quay: World) -> None:
    """Neither the build, nor its child, nor its block of environment has them; pip found its index by one."""
    policy = quay.folder / "policy.toml"
    policy.write_text(_POLICY)

    outcome = _installed(quay, "--policy", str(policy))

    own, raw = _seen(quay)
    assert {"DECOY_TOKEN", "PIP_INDEX_URL"}.isdisjoint(own)
    assert f"canary-{quay.token}" not in raw
    assert quay.index.url not in raw
    assert own["HARBOUR"] == "Trieste"
    assert outcome.report is not None
    assert "DECOY_TOKEN" in outcome.report["run"]["environment"]


def test_strict_strips_tokens_by_itself(guard: None, quay: World) -> None:
    """The profile for build servers has names of its own, and pip still finds what it needs."""
    _installed(quay, "--profile", "strict")
    own, raw = _seen(quay)

    assert "DECOY_TOKEN" not in own
    assert f"canary-{quay.token}" not in raw
    assert own["PIP_INDEX_URL"] == quay.index.url


def test_where_nothing_is_refused_nothing_is_stripped(guard: None, quay: World) -> None:
    """A run that only records leaves the environment as it is."""
    policy = quay.folder / "policy.toml"
    policy.write_text(_POLICY)

    _installed(quay, "--policy", str(policy), "--mode", "audit")

    assert _seen(quay)[0]["DECOY_TOKEN"] == f"canary-{quay.token}"
