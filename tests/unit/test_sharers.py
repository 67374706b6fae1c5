"""Origins whose processes share a table of descriptors: what a kill at open means for them."""

import pytest

from pratique.backends.hooks.records import ForkRecord, Head, Label
from pratique.backends.hooks.sharers import Sharers
from pratique.model import Event, Kind
from pratique.words import Act, Action, Actor, Level, Stage

_ORIGINS = {11: 1, 12: 1, 21: 2}


@pytest.fixture
def ended() -> list[int]:
    """Pids that were ended."""
    return []


@pytest.fixture
def sharers(ended: list[int]) -> Sharers:
    """Three living processes of two origins; the first origin has made a pair."""

    def label_of(pid: int) -> Label | None:
        origin = _ORIGINS.get(pid)
        return None if origin is None else Label(7, origin, Stage.BUILD, Actor.PACKAGE, 0)

    made = Sharers(lambda: [*_ORIGINS, 99], label_of, ended.append)
    made.note(_fork(1, shares=True))
    made.note(_fork(2, shares=False))
    return made


def _fork(origin: int, *, shares: bool) -> ForkRecord:
    head = Head(
        time=0,
        run=7,
        pid=11,
        ppid=1,
        tid=11,
        origin=origin,
        flags=0,
        stage=Stage.BUILD,
        actor=Actor.PACKAGE,
        act=None,
        action=Action.ALLOW,
        would=None,
        level=None,
        tainted=False,
        group=0,
        rule=0,
        comm="",
    )
    return ForkRecord(head, 12, shares)


def _event(origin: int, action: Action = Action.KILL, act: Act = Act.FILE_WRITE) -> Event:
    level = Level.KILLED_BEFORE if action is Action.KILL else None
    return Event(
        0, Kind.ACT, 11, 1, 7, origin, Stage.BUILD, Actor.PACKAGE, act=act, action=action, level=level
    )


def test_all_of_the_origin_is_ended_and_the_level_claims_less(sharers: Sharers, ended: list[int]) -> None:
    """Nobody else's processes, nor one without a label."""
    assert sharers.judged(_event(1)).level is Level.KILLED_AFTER
    assert ended == [11, 12]


@pytest.mark.parametrize(
    "event", [_event(2), _event(1, Action.AUDIT), _event(1, Action.DENY), _event(1, act=Act.EXEC)]
)
def test_everything_else_is_left_as_it_is(sharers: Sharers, ended: list[int], event: Event) -> None:
    """Origins without such a pair, acts that were not answered by a kill, and programs, which hold no descriptor."""
    assert sharers.judged(event) is event
    assert ended == []


def test_another_run_of_a_daemon_is_left_alone(sharers: Sharers, ended: list[int]) -> None:
    """The command of every run has origin 0: a pair in one run says nothing of the others."""
    sharers.note(_fork(0, shares=True))
    assert sharers.judged(_event(0)._replace(run=8)).level is Level.KILLED_BEFORE
    assert sharers.judged(_event(1)._replace(run=8)).level is Level.KILLED_BEFORE
    assert ended == []
