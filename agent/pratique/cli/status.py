"""`pratique status`: what the daemon guards now, and what it found lately."""

import argparse
import json
import sys
import time
from typing import Any

_SHOWN = 10


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its options."""
    parser = subparsers.add_parser("status", help="show the daemon's runs and recent findings")
    parser.add_argument("--json", action="store_true", help="print all that is known, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print it; 0."""
    from pratique.daemon import client  # noqa: PLC0415 (`--help` needs none of it)

    answer = client.ask("status")
    if args.json:
        print(json.dumps({key: value for key, value in answer.items() if key not in ("v", "ok")}, indent=1))
        return 0
    for line in lines(answer, time.time()):
        print(line)
    sys.stdout.flush()
    return 0


def lines(answer: dict[str, Any], now: float) -> list[str]:
    """The answer for people; every word of a guarded process is escaped."""
    from pratique.runs import escape, redact  # noqa: PLC0415

    daemon, runs = answer["daemon"], answer["runs"]
    whom = "everybody" if daemon["scope"] is None else f"users {', '.join(map(str, daemon['scope']))}"
    shown = [
        f"daemon {daemon['pid']}, version {daemon['version']}, up {_ago(now - daemon['began'])}, guards {whom}",
        f"backend {daemon['backend']}, profile {daemon['profile']}",
        f"{len(runs)} runs now, {daemon['ended_runs']} ended, {daemon['lost']} events lost",
    ]
    shown += [f"note: {daemon['note']}"] if daemon["note"] else []
    for each in runs:
        state = "confined" if each["confined"] else "running"
        command = " ".join(redact.argv(each["command"]) or ())[:80]
        shown.append(
            f"{state:<9} {each['id']}  {each['user']:<10} {_ago(now - each['began']):>5}"
            f"  {each['processes']} processes, {each['refused']} refused  {command}"
        )
    shown += [f"ended     {each['id']}  {each['verdict']}" for each in answer["ended"][:_SHOWN]]
    shown += [found["text"] for found in answer["recent"][-_SHOWN:]]
    return [escape.harmless_line(escape.visible(line)) for line in shown]


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
