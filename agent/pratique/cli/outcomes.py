"""Telling the outcome of a run: stored, written where asked, printed. Imported after the command only."""

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from pratique.backends import memory
from pratique.backends.base import Ended
from pratique.errors import GuardError
from pratique.model import Coverage
from pratique.policy.model import Policy
from pratique.runs import people, verdict
from pratique.runs import report as reports
from pratique.runs.escape import harmless_line, visible
from pratique.runs.run import Run
from pratique.runs.store import ReportFile, Store
from pratique.session import Outcome, Request
from pratique.telemetry.place import Place
from pratique.words import Action

_NOTICED = 1.0


def tell(
    outcome: Outcome, fail_on: str, quiet: bool, report: ReportFile | None, record: ReportFile | None
) -> int:
    """Store, write and print the report; pratique's exit status."""
    began = time.monotonic()
    rows = _coverage(outcome)
    ending = reports.Ending(
        coverage=rows,
        fail_on=fail_on,
        guard_lost=outcome.guard_lost,
        notes=[*_notes(outcome), *_slow(time.monotonic() - began)],
        installed=outcome.installed,
    )
    told = reports.build(outcome.run.summary(), ending)
    Store().save(told)
    if report is not None:
        report.write(told)
    if record is not None:
        from pratique.runs import trace  # noqa: PLC0415 -- only where somebody asked for it

        trace.write(record, outcome.run, ending)
    _say(told, quiet=quiet)
    _hand_over(outcome, told)
    return int(told["run"]["pratique_status"])


def tell_told(
    told: dict[str, Any], ended: Ended, fail_on: str, quiet: bool, report: ReportFile | None
) -> int:
    """Write and print a report that the daemon made and keeps; pratique's exit status."""
    actions = [Acted(_ACTIONS[found["action"]]) for found in told["findings"]]
    status = verdict.wrapped_status(ended.exit_status, ended.signal, actions, fail_on)
    told["run"] |= {"exit_status": ended.exit_status, "signal": ended.signal, "fail_on": fail_on}
    told["run"]["pratique_status"] = status
    if report is not None:
        report.write(told)
    _say(told, quiet=quiet)
    return status


def _say(told: dict[str, Any], *, quiet: bool) -> None:
    if not (quiet and told["run"]["verdict"] == "clean" and not told["run"]["incomplete"]):
        people.write(told, sys.stderr)


class Acted(NamedTuple):
    """A finding as far as the exit status goes."""

    action: Action


_ACTIONS = {"audited": Action.AUDIT, "denied": Action.DENY, "killed": Action.KILL, "allowed": Action.ALLOW}


def _hand_over(outcome: Outcome, told: reports.Json) -> None:
    """On an enrolled host, keep the run for the collector; whatever goes wrong there, the run is over and told."""
    place = Place.here()
    if not place.enrolled():
        return
    from pratique.telemetry import handover  # noqa: PLC0415 -- only enrolled hosts have its libraries

    try:
        problem = handover.hand_over(place, told, outcome.run.recorded or (), outcome.run.unrecorded)
    except Exception as error:  # noqa: BLE001 -- telemetry never changes what a run returns
        problem = f"this run was not kept for the collector: {type(error).__name__}: {error}"
    if problem is not None:
        sys.stderr.write(f"{harmless_line(f'pratique: {visible(problem)}')}\n")


def _coverage(outcome: Outcome) -> Sequence[Coverage]:
    """The rows proved on this boot; the first report of a boot proves them."""
    try:
        return () if outcome.guard_lost else memory.coverage(outcome.backend)
    except GuardError:
        return ()  # doctor says why; the run itself was guarded


def _slow(seconds: float) -> Sequence[str]:
    """Say what the first report of a boot waited for: it is not in the time that the run added."""
    if seconds < _NOTICED:
        return ()
    return [f"proving what this host covers took {seconds:.0f} s more; it is done once per boot"]


def _notes(outcome: Outcome) -> Sequence[str]:
    started = [outcome.ended.error] if outcome.ended.error else []
    return [*started, *outcome.gaps]


def write_nested(path: str, outer: str, request: Request) -> None:
    """Write the report of a run inside a run: nothing was judged here, and who judges instead."""
    policy = Policy(digest="", profile="outer", rules=(), groups=())
    run = Run(policy, request.argv, request.cwd, request.environment, "outer", {})
    note = f"this run is inside run {outer}, whose report judges it; nothing was judged here"
    ReportFile(path).write(reports.build(run.summary(), reports.Ending(notes=[note])))
