"""The promises of a scenario: each function yields, in words, every promise that one run of it broke."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.guard import Outcome
from lab.residue import holds_fanotify
from lab.template import template
from lab.world import World
from scenarios.scenario import Row, Scenario, Theft

OFF, ENFORCE, AUDIT = "off", "enforce", "audit"


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario that was run, with all that could be seen of it."""

    scenario: Scenario
    world: World
    outcome: Outcome
    guard: str
    """`off`, `enforce` or `audit`."""
    backend: str
    left: list[str]
    """What it left on the host."""


def broken(played: Played) -> Iterator[str]:
    """Yield every broken promise."""
    yield from _status_broken(played)
    yield from _work_broken(played)
    yield from _thefts_broken(played)
    if played.guard != OFF:
        yield from _guard_broken(played)
        yield from _report_broken(played)


def _status_broken(played: Played) -> Iterator[str]:
    outcome = played.outcome
    wanted = 3 if played.guard == ENFORCE and not played.scenario.benign else 0
    if outcome.status != wanted:
        yield f"exit status {outcome.status}, not {wanted}: {outcome.err.strip()[-600:]}"


def _work_broken(played: Played) -> Iterator[str]:
    for module in played.scenario.succeeds:
        command = [str(template() / "bin" / "python"), "-c", f"import {module}"]
        environment = {**os.environ, "PYTHONPATH": str(played.world.site)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode != 0:
            yield f"{module} is not usable after the install: {done.stderr.strip()[-200:]}"


def _thefts_broken(played: Played) -> Iterator[str]:
    for theft in played.scenario.theft:
        if played.guard == ENFORCE and played.backend in theft.despite:
            continue  # killed after the act, or only seen: whether it got that far is a race
        happens = played.guard in (OFF, AUDIT)
        # The guard ends survivors in every mode: only the positive control must show one.
        happens = happens and (theft.alive is None or played.guard == OFF)
        if _happened(theft, played) != happens:
            yield f"{'did not happen' if happens else 'HAPPENED'}: {theft}"


def _happened(theft: Theft, played: Played) -> bool:
    if theft.alive is not None:
        wanted = theft.alive + played.world.token
        return any(wanted in line for line in played.outcome.survivor_lines)
    secret = played.world.home.canaries[theft.canary] if theft.canary else theft.text
    return (secret or "") in _witnessed(theft, played.world)


def _witnessed(theft: Theft, world: World) -> str:
    if theft.sink is not None:
        return world.sink.received(theft.sink).decode("utf-8", "replace")
    place = theft.holds or ""
    path = world.folder / place if place.startswith("marks/") else world.home.path(place)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _guard_broken(played: Played) -> Iterator[str]:
    yield from (f"left behind: {item}" for item in played.left)
    if survivors := played.outcome.survivors:
        held = [pid for pid in survivors if holds_fanotify(pid)]
        yield f"processes left behind: {played.outcome.survivor_lines} (with fanotify groups: {held})"
    if played.guard == ENFORCE and (leaks := played.world.leaks()):
        yield f"secrets reached the sink: {leaks}"


def _report_broken(played: Played) -> Iterator[str]:
    scenario, outcome, report = played.scenario, played.outcome, played.outcome.report
    if report is None:
        yield f"no report was written: {outcome.err.strip()[-300:]}"
        return
    yield from _verdict_broken(played, report["run"]["verdict"])
    if report["run"]["incomplete"]:
        yield f"the run is incomplete: {report['run']['lost_events']} events lost"
    for row in scenario.rows:
        yield from _row_broken(row, played)
    yield from _blame_broken(scenario, outcome)
    yield from _direct_broken(scenario, report)


def _verdict_broken(played: Played, verdict: str) -> Iterator[str]:
    hostile = "blocked" if played.guard == ENFORCE else "findings"
    wanted = hostile if not played.scenario.benign else "findings" if _audited(played) else "clean"
    unexpected = [item for item in played.outcome.findings if item not in _audited(played)]
    if verdict != wanted or (played.scenario.benign and unexpected):
        yield f"verdict {verdict}, not {wanted}: {_short(played.outcome.findings)}"


def _audited(played: Played) -> list[dict[str, Any]]:
    allowed = set(played.scenario.audited)
    audited = (finding for finding in played.outcome.findings if finding["action"] == "audited")
    return [finding for finding in audited if allowed & set(finding["groups"])]


def _row_broken(row: Row, played: Played) -> Iterator[str]:
    expected, findings = row.of(played.backend), played.outcome.findings
    if expected is None or "D" not in expected.marks:
        return
    found = [finding for finding in findings if _matches(row, finding)]
    key = "action" if played.guard == ENFORCE else "would"
    if not found:
        yield f"no finding for {row.act} {row.group} {dict(row.target)} in {_short(findings)}"
    elif not any(finding[key] in expected.actions for finding in found):
        got = [finding[key] for finding in found]
        yield f"{row.act} {row.group}: {key} is {got}, not {sorted(expected.actions)}"


def _matches(row: Row, finding: Mapping[str, Any]) -> bool:
    grouped = row.group is None or row.group in finding["groups"]
    return finding["act"] in row.act and grouped and _holds(finding["target"], row.target)


def _holds(target: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(any(_is(target.get(key), value) for key in keys.split("|")) for keys, value in wanted.items())


def _is(value: object, wanted: object) -> bool:
    return wanted in str(value or "") if isinstance(wanted, str) else value == wanted


def _blame_broken(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    for finding in filter(_is_refusal, outcome.findings):
        if finding["package"] != scenario.culprit:
            yield f"blamed on {finding['package']}: {_short([finding])}"
        elif finding["identity"] != scenario.identity:
            yield f"identity is {finding['identity']}, not {scenario.identity}: {_short([finding])}"


def _direct_broken(scenario: Scenario, report: Mapping[str, Any]) -> Iterator[str]:
    if scenario.benign:
        return
    listed = {package["purl"]: package for package in report["packages"]}
    package = listed.get(scenario.culprit)
    if package is None:
        yield f"{scenario.culprit} is not among the report's packages {sorted(map(str, listed))}"
    elif package["direct"] is not scenario.direct:
        yield f"{scenario.culprit}: direct is {package['direct']}, not {scenario.direct}"


def _is_refusal(finding: Mapping[str, Any]) -> bool:
    return bool({finding["action"], finding["would"]} & {"denied", "killed"})


def _short(findings: list[dict[str, Any]]) -> list[str]:
    return [f"{item['act']} {item['target']} {item['action']} {item['groups']}" for item in findings]
