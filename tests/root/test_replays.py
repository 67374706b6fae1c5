"""Every scenario as bare system calls, without and with the guard: what booted kernels run, proved here first."""

import pytest

from lab.chance import shuffled
from lab.demands import demand
from lab.world import World
from pratique.backends.base import Host
from pratique.backends.hooks.backend import HooksBackend
from scenarios.replaying import play
from scenarios.replays import Replay, replays
from scenarios.runner import missing
from scenarios.scenario import ENFORCE, STRICT

_ALL = list(replays())
_FIRST = shuffled("replays", [wanted for wanted in _ALL if wanted.scenario.first])
_STRICTER = [wanted for wanted in _FIRST if STRICT in wanted.scenario.guards][:2]
_GUARDED = [wanted for wanted in _ALL if not wanted.scenario.first] + _FIRST[:4]
"""First runs are played behind the daemon, all of them; here a few, drawn by the seed, behind the interface."""


def _name(wanted: Replay) -> str:
    return wanted.id


@pytest.mark.parametrize("wanted", _ALL, ids=_name)
def test_positive_control(lab: None, wanted: Replay) -> None:
    """Unguarded, the system calls alone do what the package does: else the next test means nothing."""
    demand(missing(wanted.scenario))
    with World([], metadata=wanted.scenario.metadata) as world:
        assert play(wanted, world) == []


@pytest.mark.parametrize("wanted", _GUARDED, ids=_name)
def test_guarded(guard: None, wanted: Replay) -> None:
    """Labelled as package code, the same calls are refused and found, on any backend behind the interface."""
    _expect(wanted, ENFORCE)


@pytest.mark.parametrize("wanted", _STRICTER, ids=_name)
def test_strict(guard: None, wanted: Replay) -> None:
    """What `standard` only records of a first run is refused under `strict`."""
    _expect(wanted, STRICT)


def _expect(wanted: Replay, how: str) -> None:
    demand(missing(wanted.scenario))

    def hooks(machine: Host) -> HooksBackend:
        return HooksBackend(machine)

    with World([], metadata=wanted.scenario.metadata) as world:
        assert play(wanted, world, hooks, guard=how) == []
