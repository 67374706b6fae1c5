"""`pratique run`: guard one command from its first instruction to the last of its children."""

import argparse
import gc
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from pratique import backends, nested
from pratique.daemon import client
from pratique.errors import UsageError
from pratique.telemetry.place import Place

if TYPE_CHECKING:
    from pratique.runs.store import ReportFile
    from pratique.session import Outcome, Request


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options of DESIGN section 9."""
    parser = subparsers.add_parser("run", help="run one command under guard", usage=_USAGE)
    parser.add_argument(
        "--profile", choices=("observe", "standard", "strict"), help="which rules hold (default: policy)"
    )
    parser.add_argument(
        "--mode", choices=("enforce", "audit"), default="enforce", help="audit records and refuses nothing"
    )
    parser.add_argument(
        "--backend",
        choices=backends.NAMES,
        default="auto",
        help="how to guard (default: the strongest here)",
    )
    parser.add_argument("--policy", metavar="FILE", help="a policy file to trust for this run")
    parser.add_argument("--report", metavar="FILE", help="write the pratique.report/v1 JSON there")
    parser.add_argument("--trace", metavar="FILE", help="record every event there, for `pratique replay`")
    parser.add_argument(
        "--fail-on", choices=("none", "audit", "deny"), default="deny", help="status 3 from this action on"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing when the run is clean")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


_AT_ONCE = 0.02
_USAGE = "pratique run [options] -- COMMAND [ARGUMENT ...]"


def run(args: argparse.Namespace) -> int:
    """Guard the command; the exit status of docs/policy.md section 6."""
    command = _command(args.command)
    outer = nested.outer_run(os.environ)
    daemon = outer is None and client.running()
    if outer is None and not daemon and os.geteuid() == 0:
        from pratique.backends.hooks import early  # noqa: PLC0415 -- of no use without root

        early.begin()
    from pratique.runs.store import ReportFile  # noqa: PLC0415  (while the programs load)
    from pratique.session import Request, guarded  # noqa: PLC0415

    request = Request(
        argv=command,
        cwd=_cwd(),
        environment=dict(os.environ),
        profile=args.profile,
        mode=args.mode,
        backend=args.backend,
        policy=args.policy,
        record=args.trace is not None or (not daemon and Place.here().enrolled()),
    )
    if outer is not None:
        return _inside(outer, request, args)
    # Opened before anything starts: a wrong place must not be found out after the install.
    if daemon:
        return _thin(request, args)
    report, trace = (ReportFile(path) if path else None for path in (args.report, args.trace))
    outcome = guarded(request, meanwhile=partial(_import_what_tells, command))
    try:
        return _finish(outcome, args, report, trace)
    finally:
        outcome.closing.join()


def _thin(request: "Request", args: argparse.Namespace) -> int:
    """Let the daemon guard it; the exit status is the same as ever."""
    from pratique.daemon import thin  # noqa: PLC0415  (without a daemon nobody needs it)
    from pratique.runs.store import ReportFile  # noqa: PLC0415

    file = ReportFile(args.report) if args.report else None
    told = thin.guarded(request, root=os.geteuid() == 0)
    if told.report is None:
        print("pratique: already guarded by an outer run; this inner run adds nothing", file=sys.stderr)
        return _die_alike(told.ended.signal) or told.ended.status
    from pratique.cli import outcomes  # noqa: PLC0415  (after the command)

    status = outcomes.tell_told(told.report, told.ended, args.fail_on, args.quiet, file)
    return _die_alike(told.ended.signal) or status


def _die_alike(number: int | None) -> int:
    """End as the command did, by the same signal, where one ended it."""
    if number is not None:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 0


def _import_what_tells(command: list[str]) -> None:
    """What judges the first stopped process, then what reports: while the command runs.

    A command that is over at once needs none of it, and would only have to wait.
    """
    time.sleep(_AT_ONCE)
    import_module("pratique.managers").warm(command)
    import_module("pratique.cli.outcomes")
    gc.freeze()
    gc.enable()
    if Place.here().enrolled():
        with suppress(ImportError):  # said when the run is handed over
            import_module("pratique.telemetry.handover")


def _finish(
    outcome: "Outcome", args: argparse.Namespace, report: "ReportFile | None", trace: "ReportFile | None"
) -> int:
    """Report once the command is gone; 128 + n by signal n where a signal ended it."""
    from pratique.cli import outcomes  # noqa: PLC0415

    status = outcomes.tell(outcome, args.fail_on, args.quiet, report, trace)
    number = outcome.ended.signal
    if number is not None and outcome.guard_lost is None:
        outcome.closing.join()
        _die_alike(number)
    return status


def _inside(outer: str, request: "Request", args: argparse.Namespace) -> int:
    """Hand over to the command: the outer run guards it already."""
    if args.report:
        from pratique.cli import outcomes  # noqa: PLC0415

        outcomes.write_nested(args.report, outer, request)
    if not args.quiet:
        print(f"pratique: already guarded by run {outer}; this inner run adds nothing", file=sys.stderr)
    sys.stderr.flush()
    os.execvp(request.argv[0], request.argv)  # noqa: S606 (it is the command)


def _command(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise UsageError("no command to run", f"usage: {_USAGE}")
    return command


def _cwd() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  (a deleted directory must give our error, not a traceback)
    except FileNotFoundError as error:
        raise UsageError("the current directory no longer exists", "cd to another one") from error
