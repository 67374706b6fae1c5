"""A run that two daemons saw one after the other has one report: nothing is lost, nothing counts twice."""

import json
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from pratique import resources
from pratique.runs.joining import joined
from pratique.runs.run import Run
from pratique.words import Act, Action, Actor, Level
from unit import runs_sample as sample

_SCHEMA = json.loads((resources.schema() / "report-v1.json").read_text(encoding="utf-8"))
_AWS = {"path": f"{sample.HOME}/.aws/credentials"}
_GIT = {"path": f"{sample.HOME}/.git-credentials"}
_MANAGER = sample.execed(4101, 1, ["node", "/usr/bin/npm", "install", "web-kit"], Actor.MANAGER)


def _read(run: Run, target: dict[str, str], action: Action = Action.DENY) -> None:
    groups, level = ("secrets.aws",), Level.ENFORCED
    run.add(
        sample.acted(4121, Act.FILE_READ, action, target, rule="read-secrets", groups=groups, level=level)
    )


def _first(*targets: dict[str, str]) -> dict[str, Any]:
    """What a daemon tells that leaves while the script runs."""
    run = sample.started(sample.run())
    for target in targets:
        _read(run, target)
    run.ended(None, None, 2, {"exec": 3, "open": 10})
    return sample.built(run)


def _then(*targets: dict[str, str]) -> dict[str, Any]:
    """What the next one tells: it knows the origin, took over two processes, and sees the end."""
    run = sample.run()
    run.know(sample.origin())
    run.add(_MANAGER._replace(time=1003.0))
    argv = ["node", "setup.js"]
    run.add(sample.execed(4121, 4120, argv, origin=1, time=1003.0))
    for target in targets:
        _read(run, target)
    run.ended(0, None, 1, {"exec": 5, "open": 4})
    return sample.built(run)


def test_findings_of_both_are_there_once() -> None:
    """What both saw was tried as often as both saw it; ids of the first stay, and are unique."""
    report = joined(_first(_AWS), _then(_AWS, _GIT))

    assert [(each["target"], each["count"]) for each in report["findings"]] == [(_AWS, 2), (_GIT, 1)]
    assert [each["id"][-4:] for each in report["findings"]] == ["0001", "0002"]
    assert [(each["purl"], each["findings"]) for each in report["packages"]] == [
        ("pkg:npm/left-padder@1.0.2", 2)
    ]


def test_one_account_of_time_counts_and_processes() -> None:
    """The start of the first, the end of the later; sums, with what was taken over once; one tree."""
    first, then = _first(_AWS), _then()
    report = joined(first, then)
    run = report["run"]

    assert (run["started"], run["exit_status"]) == (first["run"]["started"], 0)
    assert (run["verdict"], run["pratique_status"], run["lost_events"]) == ("blocked", 3, 3)
    assert (report["counts"]["open"], report["counts"]["exec"]) == (14, 3 + 5 - 2)
    assert report["counts"]["processes"] == first["counts"]["processes"] == len(report["tree"])
    assert [node["pid"] for node in report["tree"]] == [node["pid"] for node in first["tree"]]


def test_the_same_part_told_again_changes_nothing() -> None:
    """A daemon reports a run when its command ends and when its last process does: each time all that it saw."""
    first, early, late = _first(_AWS), _then(_GIT), _then(_GIT, _AWS)

    assert joined(first, early) == joined(first, early)
    assert joined(first, late)["findings"][:2] == [
        {**found, "count": found["count"] + (number == 0)}
        for number, found in enumerate(joined(first, early)["findings"])
    ]


@given(st.lists(st.lists(st.sampled_from([0, 1, 2]), max_size=3), min_size=2, max_size=4))
def test_any_number_of_daemons(parts: list[list[int]]) -> None:
    """However often it was handed over: each act counts, ids stay unique, and the report is one by its schema."""
    targets = (_AWS, _GIT, {"path": f"{sample.HOME}/.netrc"})
    report = _first(*(targets[number] for number in parts[0]))
    for part in parts[1:]:
        report = joined(report, _then(*(targets[number] for number in part)))
    tried = sum(each["count"] for each in report["findings"])

    jsonschema.validate(report, _SCHEMA)
    assert tried == sum(map(len, parts))
    assert len({each["id"] for each in report["findings"]}) == len({n for part in parts for n in part})
    known = {node["id"] for node in report["tree"]}
    assert all(node["parent"] in known for node in report["tree"] if node["parent"] is not None)
