"""Conditions and sequences: what each modifier means, and what a wrong rule is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import ConfigError
from pratique.runs.detect import FIELDS, Sequence, compile_detect

EVENT = {
    "act": "exec",
    "argv": "curl -o /tmp/x http://example.org",
    "path": "/home/dev/.ssh/id_rsa",
    "groups": ("secrets.ssh", "secrets.git"),
    "port": 8443,
    "address": "::ffff:10.1.2.3",
    "tainted": True,
    "name": None,
    "errno": 0,
}


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"act": "exec"}, True),
        ({"act": "file.read"}, False),
        ({"act": ["exec", "file.read"]}, True),
        ({"act|in": ["file.read", "exec"]}, True),
        ({"act|not": "exec"}, False),
        ({"argv|contains": "curl"}, True),
        ({"argv|contains|all": ["curl", "-o"]}, True),
        ({"argv|contains|all": ["curl", "wget"]}, False),
        ({"argv|contains|not": ["wget", "nc"]}, True),
        ({"argv|startswith": "curl "}, True),
        ({"argv|endswith": ".org"}, True),
        ({"path|glob": "*/.ssh/*"}, True),
        ({"path|glob": ".ssh"}, False),
        ({"path|re": r"id_(rsa|ed25519)$"}, True),
        ({"groups": "secrets.ssh"}, True),
        ({"groups|startswith": "secrets."}, True),
        ({"groups|all": ["secrets.ssh", "secrets.git"]}, True),
        ({"groups|not": "persistence.shell"}, True),
        ({"port": 8443}, True),
        ({"port|gt": 1024}, True),
        ({"port|lt": 1024}, False),
        ({"address|cidr": "10.0.0.0/8"}, True),
        ({"address|cidr": ["192.0.2.0/24", "fd00::/8"]}, False),
        ({"tainted": True}, True),
        ({"errno": False}, False),
        ({"name": "x"}, False),
        ({"name|contains": "None"}, False),
        ({"name|not": "x"}, True),
        ({"name": None}, True),
        ({"act": "exec", "port|gt": 9000}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], holds: bool) -> None:
    """Each modifier alone and together; all conditions of a table must hold."""
    assert compile_detect(conditions)(EVENT) is holds


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"pth": "x"}, "unknown field 'pth'; did you mean 'path'?"),
        ({"path|like": "x"}, "path: unknown modifier 'like'"),
        ({"path|re": "("}, "path|re"),
        ({"address|cidr": "10.0.0.0/99"}, "address|cidr"),
        ({"port|gt": "many"}, "port|gt"),
        ({"path|contains": 3}, "path|contains"),
        ({"path|re|glob": "x"}, "path: 're' and 'glob' exclude each other"),
        ({"path": []}, "path: the list of values is empty"),
        ({"path": {"a": 1}}, "path|is"),
        ({}, "conditions must be a table"),
    ],
)
def test_a_wrong_rule_is_told_which_field(conditions: dict[str, Any], said: str) -> None:
    """Mistakes are found when a rule is compiled, and name the field."""
    with pytest.raises(ConfigError) as raised:
        compile_detect(conditions)

    assert said in str(raised.value)


@given(st.dictionaries(st.sampled_from(FIELDS), st.none() | st.text() | st.integers() | st.tuples(st.text())))
def test_no_event_makes_a_condition_fail(event: dict[str, Any]) -> None:
    """Whatever an event holds, a compiled rule answers."""
    check = compile_detect({"argv|re": "x+", "path|glob": "*", "address|cidr": "10.0.0.0/8", "port|gt": 3})

    assert check(event) in (True, False)


def removed(time: float, origin: int = 1, **more: Any) -> dict[str, Any]:
    """A file removed."""
    return {"time": time, "act": "file.remove", "origin": origin, "outside": True, **more}


MASS = {"steps": [{"act": "file.remove", "outside": True}], "within": "10s", "by": "origin", "count": 40}


def test_forty_in_ten_seconds() -> None:
    """The fortieth removal within ten seconds fires, once."""
    sequence = Sequence(MASS)

    fired = [sequence.feed(removed(number / 10)) for number in range(60)]

    assert fired.index(True) == 39
    assert sum(fired) == 1


def test_slow_or_scattered_removals_do_not_fire() -> None:
    """Neither over a longer time nor over several origins."""
    slow, scattered = Sequence(MASS), Sequence(MASS)

    assert not any(slow.feed(removed(number)) for number in range(200))
    assert not any(scattered.feed(removed(number / 100, origin=number % 3)) for number in range(90))


def test_steps_must_come_in_order_and_in_time() -> None:
    """Read a secret, then connect: the other way round, too late or in another origin is nothing."""
    rule = {"steps": [{"groups|startswith": "secrets."}, {"act": "net.connect"}], "within": 5, "by": "origin"}
    read, connect = {"groups": ("secrets.ssh",), "origin": 1}, {"act": "net.connect", "origin": 1}

    def fires(*events: dict[str, Any]) -> bool:
        sequence = Sequence(rule)
        return [sequence.feed(event) for event in events][-1]

    assert fires({**read, "time": 0}, {**connect, "time": 4})
    assert fires({**read, "time": 0}, {**read, "time": 8}, {**connect, "time": 9})
    assert not fires({**connect, "time": 0}, {**read, "time": 1})
    assert not fires({**read, "time": 0}, {**connect, "time": 6})
    assert not fires({**read, "time": 0}, {**connect, "time": 1, "origin": 2})


def test_by_run_joins_origins() -> None:
    """`by: run` sees steps of different origins as one."""
    sequence = Sequence({**MASS, "by": "run", "count": 3})

    assert [sequence.feed(removed(number, origin=number)) for number in range(3)] == [False, False, True]


def test_sequence_state_is_bounded_and_can_be_dropped() -> None:
    """A storm of origins cannot grow it; an origin that is gone starts anew."""
    sequence = Sequence({**MASS, "count": 2})
    for origin in range(10_000):
        sequence.feed(removed(1, origin=origin))
    sequence.forget(9_999)

    assert len(sequence._attempts) <= 4096
    assert sequence.feed(removed(2, origin=9_999)) is False
    assert sequence.feed(removed(2, origin=9_998)) is True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"within": "soon"}, "within"),
        ({"within": None}, "within"),
        ({"by": "host"}, "by"),
        ({"count": 0}, "count"),
        ({"steps": []}, "steps"),
        ({"steps": [{"x": 1}]}, "unknown field 'x'"),
        ({"unless": 1}, "unknown key 'unless'"),
    ],
)
def test_a_wrong_sequence_is_told_which_key(change: dict[str, Any], said: str) -> None:
    """Mistakes name the key."""
    with pytest.raises(ConfigError) as raised:
        Sequence({**MASS, **change})

    assert said in str(raised.value)
