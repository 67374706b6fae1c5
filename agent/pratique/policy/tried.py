"""The acts of a `pratique.report/v1` file as learning reads them; the file may come from anywhere."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pratique.model import Identity
from pratique.words import Act, Quality, Stage

SCHEMA = "pratique.report/v1"
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Tried:
    """One finding: who tried what on which object, in which run."""

    run: str
    day: str
    rule: str
    actor: str
    identity: Identity
    stage: Stage
    act: Act
    target: Mapping[str, Any]
    groups: tuple[str, ...]
    tainted: bool
    remark: str
    """Why the report itself offers no allow; empty when it does."""


def tried(report: object) -> Iterator[Tried]:
    """Every finding of a report; `ValueError` when it is none."""
    run, findings = _of(report, "run", dict), _of(report, "findings", list)
    if _of(report, "schema", str) != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    name, day = _of(run, "id", str)[:_LONGEST_NAME], _of(run, "started", str).partition("T")[0]
    for finding in findings:
        yield _tried(finding, name, day[:_LONGEST_NAME])


def _tried(finding: object, run: str, day: str) -> Tried:
    offered = _of(finding, "allow", str | None)
    return Tried(
        run=run,
        day=day,
        rule=_of(finding, "rule", str),
        actor=_of(finding, "actor", str),
        identity=_identity(finding, offered),
        stage=Stage(Stage.parse(_of(finding, "stage", str))),
        act=Act(Act.parse(_of(finding, "act", str))),
        target=_of(finding, "target", dict),
        groups=tuple(str(group) for group in _of(finding, "groups", list)),
        tainted=_of(finding, "tainted", bool),
        remark=_remark(offered),
    )


def _identity(finding: object, offered: str | None) -> Identity:
    """Who it was; a finding has its digest in the stanza that it offers."""
    purl = _of(finding, "package", str | None)
    quality = Quality(Quality.parse(_of(finding, "identity", str)))
    stanza = _stanza(offered)
    digest = stanza.get("digest") if stanza.get("package") == purl else None
    return Identity(quality, purl, digest=digest if isinstance(digest, str) else None)


def _stanza(offered: str | None) -> dict[str, Any]:
    try:
        found = tomllib.loads(offered or "").get("allow")
    except (ValueError, RecursionError):
        return {}
    first = found[0] if isinstance(found, list) and found else {}
    return first if isinstance(first, dict) else {}


def _remark(offered: str | None) -> str:
    if offered is None:
        return "the report offers no allow for it"
    lines = offered.strip().split("\n")
    return " ".join(line.lstrip("# ") for line in lines) if offered.startswith("#") else ""


# Any: what is behind the key is checked here, once.
def _of(holder: object, key: str, kind: Any) -> Any:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f'"{key}" is missing or of a wrong type')
    return value
