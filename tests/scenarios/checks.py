"""The promises of a scenario: each function yields, in words, every promise that one run of it broke."""

import fnmatch
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.guard import Outcome
from lab.residue import holds_fanotify
from lab.template import template
from scenarios.scenario import ENFORCE, ENFORCED, OFF, Row, Scenario, Theft
from scenarios.staged import Place

NO_LINE = "no line"
"""How a promise begins that the daemon does not give on a machine that is too busy to read a stack in 0.3 s."""


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario that was run, with all that could be seen of it."""

    scenario: Scenario
    world: Place
    outcome: Outcome
    guard: str
    """`off`, `enforce`, `audit` or `strict`."""
    backend: str
    left: list[str]
    """What it left on the host."""
    manager: str = "pip"
    install: dict[str, Any] | None = None
    """Where the act is a first run: the report of the install before it."""

    @property
    def enforced(self) -> bool:
        """Whether what the rules forbid is refused."""
        return self.guard in ENFORCED

    @property
    def refused(self) -> bool:
        """Whether something of it must have been refused."""
        return self.enforced and self.scenario.refused(self.backend, self.guard)


def broken(played: Played) -> Iterator[str]:
    """Yield every broken promise."""
    yield from _status_broken(played)
    yield from work_broken(played)
    yield from thefts_broken(played)
    if played.guard != OFF:
        yield from _guard_broken(played)
        yield from _report_broken(played)


def _status_broken(played: Played) -> Iterator[str]:
    outcome = played.outcome
    # A first run is nobody's `pratique run`: its status is its own, and it goes on.
    wanted = 3 if played.refused and not played.scenario.first else 0
    if outcome.status != wanted:
        yield f"exit status {outcome.status}, not {wanted}: {outcome.err.strip()[-600:]}"


def work_broken(played: Played) -> Iterator[str]:
    """Yield each installed module that cannot be used, and what its command did not print."""
    if played.scenario.says not in played.outcome.out:
        yield f"does not say {played.scenario.says!r}: {played.outcome.out}{played.outcome.err[-600:]}"
    for module in played.scenario.succeeds:
        command = ["node", "-e", f"require({module!r})"]
        environment = {**os.environ, "PYTHONPATH": str(played.world.folder / "site")}
        if played.manager in ("pip", "uv"):
            command = [str(template() / "bin" / "python"), "-c", f"import {module}"]
        done = subprocess.run(
            command,
            env=environment,
            cwd=played.world.project,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode != 0:
            yield f"{module} is not usable after the install: {done.stderr.strip()[-200:]}"


def thefts_broken(played: Played) -> Iterator[str]:
    """Yield each theft that did not happen though it must, or happened though it must not."""
    for theft in played.scenario.theft:
        if played.enforced and (played.backend in theft.despite or theft.unheld(played.backend)):
            continue  # killed after the act, or only seen, or not even that: whether it got that far is a race
        happens = not played.enforced or (theft.strict and played.guard == ENFORCE)
        # The guard ends survivors in every mode: only the positive control must show one.
        happens = happens and (theft.alive is None or played.guard == OFF)
        if happened(theft, played) != happens:
            yield f"{'did not happen' if happens else 'HAPPENED'}: {theft}"


def happened(theft: Theft, played: Played) -> bool:
    """Whether the witness has the loot."""
    if theft.alive is not None:
        wanted = theft.alive + played.world.token
        return any(wanted in line for line in played.outcome.survivor_lines)
    if theft.gone is not None:
        return not played.world.home.path(theft.gone).exists()
    secret = played.world.home.canaries[theft.canary] if theft.canary else theft.text
    return (secret or "") in _witnessed(theft, played.world)


def _witnessed(theft: Theft, world: Place) -> str:
    if theft.sink is not None:
        port = int(world.words()[theft.sink]) if isinstance(theft.sink, str) else theft.sink
        return world.sink.received(port).decode("utf-8", "replace")
    path = _path(theft.holds or "", world)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _path(place: str, world: Place) -> Path:
    if place.startswith("project/"):
        return world.project / place.removeprefix("project/")
    return world.folder / place if place.startswith("marks/") else world.home.path(place)


def _guard_broken(played: Played) -> Iterator[str]:
    yield from (f"left behind: {item}" for item in played.left)
    if played.install is not None and played.install["run"]["verdict"] != "clean":
        yield f"the install was not clean: {_short(played.install['findings'])}"
    # What outlives a first run stays confined for as long as it lives.
    if (survivors := played.outcome.survivors) and not played.scenario.first:
        held = [pid for pid in survivors if holds_fanotify(pid)]
        yield f"processes left behind: {played.outcome.survivor_lines} (with fanotify groups: {held})"
    if played.enforced and (leaks := played.world.leaks()):
        yield f"secrets reached the sink: {leaks}"


def _report_broken(played: Played) -> Iterator[str]:
    scenario, outcome, report = played.scenario, played.outcome, played.outcome.report
    if report is None:
        yield f"no report was written: {outcome.err.strip()[-300:]}"
        return
    yield from _verdict_broken(played, report["run"]["verdict"])
    if report["run"]["incomplete"]:
        yield f"the run is incomplete: {report['run']['lost_events']} events lost"
    yield from rows_broken(played)
    yield from _blame_broken(scenario, outcome)
    if scenario.first and played.enforced:
        yield from _sources_broken(played)
    yield from _direct_broken(scenario, report)


def _verdict_broken(played: Played, verdict: str) -> Iterator[str]:
    told = played.scenario.told(played.backend, played.guard)
    hostile = "blocked" if played.refused else "findings" if told else "clean"
    wanted = hostile if not played.scenario.benign else "findings" if _audited(played) else "clean"
    unexpected = [item for item in played.outcome.findings if item not in _audited(played)]
    if verdict != wanted or (played.scenario.benign and unexpected):
        yield f"verdict {verdict}, not {wanted}: {_short(played.outcome.findings)}"


def _audited(played: Played) -> list[dict[str, Any]]:
    allowed = set(played.scenario.audited)
    audited = (finding for finding in played.outcome.findings if finding["action"] == "audited")
    return [finding for finding in audited if allowed & {*finding["groups"], finding["rule"]}]


def rows_broken(played: Played) -> Iterator[str]:
    """Yield each expected finding that is not there, or with another action."""
    for row in played.scenario.rows:
        yield from row_broken(row, played)


def row_broken(row: Row, played: Played) -> Iterator[str]:
    """Yield what is wrong with the finding that one row expects."""
    expected, findings = row.expected(played.backend, played.guard), played.outcome.findings
    if expected is None or "D" not in expected.marks:
        return
    found = [finding for finding in findings if _matches(row, finding)]
    got = [_action(finding, played.guard) for finding in found]
    if not found:
        yield f"no finding for {row.act} {row.group or row.rule} {dict(row.target)} in {_short(findings)}"
    elif not set(got) & expected.actions:
        yield f"{row.act} {row.group or row.rule}: {got}, not {sorted(expected.actions)}"


def _action(finding: Mapping[str, Any], guard: str) -> str:
    """What was done; in audit mode, what would have been."""
    return str(finding["action"] if guard in ENFORCED else finding["would"] or finding["action"])


def _matches(row: Row, finding: Mapping[str, Any]) -> bool:
    grouped = row.group is None or row.group in finding["groups"]
    ruled = row.rule in (None, finding["rule"])
    return finding["act"] in row.act and grouped and ruled and _holds(finding["target"], row.target)


def _holds(target: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(any(_is(target.get(key), value) for key in keys.split("|")) for keys, value in wanted.items())


def _is(value: object, wanted: object) -> bool:
    return wanted in str(value or "") if isinstance(wanted, str) else value == wanted


def _blame_broken(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    for finding in filter(_is_refusal, outcome.findings):
        if not fnmatch.fnmatchcase(str(finding["package"]), str(scenario.culprit)):
            yield f"blamed on {finding['package']}: {_short([finding])}"
        elif finding["identity"] != scenario.identity:
            yield f"identity is {finding['identity']}, not {scenario.identity}: {_short([finding])}"
        elif finding["stage"] != scenario.stage:
            yield f"stage is {finding['stage']}, not {scenario.stage}: {_short([finding])}"


def _sources_broken(played: Played) -> Iterator[str]:
    for row in (row for row in played.scenario.rows if row.source):
        found = [finding for finding in played.outcome.findings if _matches(row, finding)]
        lines = [_line(finding["source"]) for finding in found]
        if not any(row.source in line for line in lines):
            yield f"{NO_LINE} with {row.source!r} for {row.act} {row.group} but {lines or 'no finding'}"


def _line(source: Mapping[str, Any] | None) -> str:
    """The text of the line that a finding points to exactly; nothing where it does not."""
    if source is None or source["quality"] != "exact":
        return ""
    lines = Path(source["file"]).read_text(encoding="utf-8").splitlines()
    return lines[source["line"] - 1]


def _direct_broken(scenario: Scenario, report: Mapping[str, Any]) -> Iterator[str]:
    if scenario.benign:
        return
    listed = {str(package["purl"]): package for package in report["packages"]}
    package = next((listed[name] for name in fnmatch.filter(listed, str(scenario.culprit))), None)
    if package is None:
        yield f"{scenario.culprit} is not among the report's packages {sorted(listed)}"
    elif scenario.direct is not None and package["direct"] is not scenario.direct:
        yield f"{scenario.culprit}: direct is {package['direct']}, not {scenario.direct}"


def _is_refusal(finding: Mapping[str, Any]) -> bool:
    return bool({finding["action"], finding["would"]} & {"denied", "killed"})


def _short(findings: list[dict[str, Any]]) -> list[str]:
    return [
        f"{item['act']} {item['target']} {item['action']} {item['groups'] or item['rule']}"
        for item in findings
    ]
