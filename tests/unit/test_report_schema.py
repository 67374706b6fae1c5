"""The report is a contract: schema/report-v1.json describes every key, and every report keeps to it."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import jsonschema
import pytest

from pratique import resources
from pratique.model import Kind
from pratique.words import Act, Action, Actor, Level, Quality, Stage
from unit import runs_sample as sample

SCHEMA = json.loads((resources.schema() / "report-v1.json").read_text(encoding="utf-8"))
WIDER = {"counts", "versions", "connect_by_actor"}
"""Tables whose keys are data."""


def reports() -> list[dict[str, Any]]:
    """A blocked one, a clean one, one of nothing at all, and one of an unknown package in a broken run."""
    clean = sample.started(sample.run())
    clean.ended(0, None, 0, {"exec": 9})
    unknown = sample.refused(
        sample.started(sample.run(), sample.origin(Quality.UNKNOWN, purl=None, direct=None))
    )
    unknown.ended(None, 9, 12, {})
    unknown.survivors([4121])
    return [
        sample.built(),
        sample.built(clean),
        sample.built(sample.run()),
        sample.built(unknown, guard_lost="x"),
    ]


@pytest.mark.parametrize("number", range(4))
def test_reports_are_valid(number: int) -> None:
    """Every report fits the schema, and says nothing the schema does not explain."""
    report = reports()[number]

    jsonschema.validate(report, SCHEMA, jsonschema.Draft202012Validator)
    assert list(unexplained(report, SCHEMA)) == []


def test_every_key_has_a_meaning() -> None:
    """A key without a description is no contract."""
    assert [path for path, part in keys(SCHEMA) if not described(part)] == []


def test_words_are_the_closed_lists() -> None:
    """The schema's words are those of pratique.words, in full."""
    defs = SCHEMA["$defs"]

    assert defs["act"]["enum"] == Act.words()
    assert defs["actor"]["enum"] == Actor.words()
    assert defs["stage"]["enum"] == Stage.words()
    assert defs["level"]["enum"] == Level.words()
    assert defs["quality"]["enum"] == Quality.words()


def test_promised_keys_are_there() -> None:
    """The keys that DESIGN section 9 promises are required."""
    run = "id command cwd user host manager profile mode backend started ended exit_status signal"
    finding = (
        "id rule title severity action would stage actor package identity candidates origin process act "
        "target groups time count source techniques explain allow"
    )
    top = SCHEMA["properties"]

    assert set(SCHEMA["required"]) >= {
        "schema",
        "run",
        "coverage",
        "policy",
        "packages",
        "findings",
        "counts",
        "tree",
    }
    assert set(top["run"]["required"]) >= {
        *run.split(),
        "pratique_status",
        "verdict",
        "incomplete",
        "lost_events",
        "environment",
        "versions",
    }
    assert set(top["findings"]["items"]["required"]) >= set(finding.split())
    assert set(top["packages"]["items"]["required"]) >= {
        "purl",
        "identity",
        "source",
        "stages",
        "direct",
        "digests",
        "events",
        "findings",
    }


def test_times_are_utc() -> None:
    """RFC 3339 with Z, to the millisecond."""
    started = sample.built()["run"]["started"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", started)
    assert datetime.fromisoformat(started).timestamp() == 1000.0


def test_what_is_unknown_is_null() -> None:
    """No package, no origin and no status are guessed."""
    run = sample.run()
    run.add(sample.execed(50, 1, ["node", "x"], Actor.COMMAND))
    secret = {"path": "/x"}
    run.add(sample.acted(50, Act.FILE_READ, Action.AUDIT, secret, origin=0, rule="read-secrets"))
    report = sample.built(run)

    assert report["findings"][0]["package"] is None
    assert report["findings"][0]["origin"] is None
    assert report["findings"][0]["source"] is None
    assert report["run"]["exit_status"] is None
    assert report["run"]["manager"] is None
    assert report["run"]["judged"] is False


def test_a_finding_carries_its_evidence() -> None:
    """Package, origin, process chain and rule stand in the finding itself."""
    finding = next(found for found in sample.built()["findings"] if found["rule"] == "read-secrets")

    assert finding["package"] == "pkg:npm/left-padder@1.0.2"
    assert finding["identity"] == "verified"
    assert finding["origin"]["argv"] == ["sh", "-c", "node setup.js"]
    assert finding["process"]["argv"] == ["node", "setup.js"]
    assert [each["pid"] for each in finding["process"]["ancestry"]][-2:] == [4101, 4120]
    assert finding["process"]["parent"] == 4120
    assert finding["explain"].startswith("Install scripts")
    assert "[[allow]]" in finding["allow"]


def test_the_tree_is_bounded_and_keeps_evidence() -> None:
    """At most 2000 rows; those that findings point at, and their ancestors, are among them."""
    run = sample.run()
    for pid in range(10_000, 13_000):
        run.add(sample.event(Kind.FORK, pid, 1, Actor.COMMAND))
    report = sample.built(sample.refused(sample.started(run)))

    assert len(report["tree"]) == 2000
    assert {4101, 4120, 4121} <= {row["pid"] for row in report["tree"]}
    assert report["counts"]["processes"] > 3000


def keys(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema."""
    for name, inner in part.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from keys(inner, f"{path}.{name}")
    for inner in [part.get("items"), *part.get("$defs", {}).values()]:
        if inner:
            yield from keys(inner, f"{path}[]")


def described(part: dict[str, Any]) -> bool:
    """Whether a property says what it means, itself or by reference."""
    name = part.get("$ref", "").removeprefix("#/$defs/")
    return bool(part.get("description") or SCHEMA["$defs"].get(name, {}).get("description"))


def unexplained(value: Any, part: dict[str, Any], path: str = "") -> Iterator[str]:
    """Keys of a report that the schema does not name."""
    if isinstance(value, list):
        for item in value:
            yield from unexplained(item, part.get("items", {}), f"{path}[]")
    if isinstance(value, dict):
        for name, inner in value.items():
            known = part.get("properties", {}).get(name)
            if known is None and path.rpartition(".")[2] not in WIDER:
                yield f"{path}.{name}"
            yield from unexplained(inner, known or {}, f"{path}.{name}")
