"""Tests of the rootless backend, by a person without privilege; run by root, they become nobody in particular."""

from functools import cache
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.rootless.capability import ENCLOSED, TIER, capability, unenclosed
from rootless.plain import without_privilege
from rootless.profile import PROFILE

_HARD_LIMIT = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, with a hard time limit: a guard that hangs must not hang CI."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.rootless)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_HARD_LIMIT, method="thread"))


@pytest.fixture(
    autouse=True,
    params=["1", "2", "2-container", "3", "4"],
    ids=["tier1", "tier2", "container", "tier3", "tier4"],
)
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each tier that this host has, forced one by one; tier 2 also behind a container's profile."""
    number, _, profile = str(request.param).partition("-")
    if number == str(ENCLOSED):
        demand(_no_namespaces())
    monkeypatch.setenv(TIER, number)
    if profile:
        monkeypatch.setenv(PROFILE, profile)
    return str(request.param)


@pytest.fixture(scope="session")
def guarded_here() -> None:
    """Do without the test where nobody without privilege can guard a command."""
    demand(without_privilege(_unsupported))


@cache
def _no_namespaces() -> str | None:
    return without_privilege(unenclosed) or None


def _unsupported() -> str | None:
    support = capability()
    return None if support.ok else support.why
