"""`pratique report`: show a run that was kept, or list the last ones."""

import argparse
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from pratique.errors import UsageError

OWN = ("text", "json", "html")
EXPORTS = ("sarif", "ocsf", "cyclonedx", "in-toto")
FORMATS = (*OWN, *EXPORTS)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options of DESIGN section 9."""
    parser = subparsers.add_parser("report", help="show the report of a run")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("run", nargs="?", metavar="RUN", help="id of a run, or its beginning")
    which.add_argument("--last", action="store_true", help="the newest run (the default)")
    which.add_argument("--since", metavar="TIME", help="list runs since 2h, 7d or 2026-01-31")
    parser.add_argument(
        "--allow", action="store_true", help="print only the [[allow]] stanzas of what was refused"
    )
    add_format(parser)


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare `--format`."""
    parser.add_argument("--format", choices=FORMATS, default="text", help="how (default: text)")


def run(args: argparse.Namespace) -> int:
    """Print the report; 0, or the status of a wrong request."""
    from pratique.runs.store import Store, as_json  # noqa: PLC0415 -- `--help` needs none of it

    store = Store()
    if args.since is not None:
        return _since(list(store.since(moment(args.since))), args)
    report = _of_daemon(args.run) or (store.load(args.run) if args.run else store.last())
    if args.allow:
        from pratique.runs import text  # noqa: PLC0415 -- only what is printed is imported

        sys.stdout.write(
            as_json([f["allow"] for f in report["findings"]]).decode()
            if args.format == "json"
            else text.allows(report)
        )
        return 0
    show(report, args.format)
    return 0


def _of_daemon(run: str | None) -> dict[str, Any] | None:
    """A user's runs that the daemon found are kept by it; root reads them where they are."""
    from pratique.daemon import client  # noqa: PLC0415 -- as above

    if os.geteuid() == 0:
        return None
    try:
        found: dict[str, Any] = client.ask("report", run=run or "")["report"]
    except (client.NoDaemonError, client.RefusedError):
        return None
    return found


def show(report: dict[str, Any], how: str) -> None:
    """Print one report on standard output."""
    from pratique.runs import exports, html, people, store  # noqa: PLC0415 -- only after the command

    if how in EXPORTS:
        sys.stdout.write(exports.exported(report, how))
    elif how == "json":
        sys.stdout.write(store.as_json(report).decode())
    elif how == "html":
        sys.stdout.write(html.page(report))
    else:
        people.write(report, sys.stdout)


def moment(given: str, now: datetime | None = None) -> datetime:
    """`2h`, `7d` ago, or a date or time in ISO form (UTC unless it says otherwise)."""
    now = now or datetime.now(UTC)
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", given)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(given)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since {given!r} is no time", "say 2h, 7d, 2026-01-31 or 2026-01-31T08:00Z"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _since(reports: list[dict[str, Any]], args: argparse.Namespace) -> int:
    from pratique.runs import exports, store, text  # noqa: PLC0415 -- only after the command

    if args.format not in ("text", "json", "ocsf") or args.allow:
        raise UsageError(
            f"--since lists runs; --allow and --format {args.format} need one",
            "name a run: pratique report RUN",
        )
    if args.format == "json":
        sys.stdout.write(store.as_json(reports).decode())
    elif args.format == "ocsf":  # one finding a line: lines of many runs are one stream
        sys.stdout.write("".join(exports.exported(report, "ocsf") for report in reports))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in map(text.listed, reports)) or "no run since then\n")
    return 0
