"""`pratique top`: the daemon's runs and findings, live in the terminal."""

import argparse
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

_FINDINGS = 8
_LEAST = 0.2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its options."""
    parser = subparsers.add_parser("top", help="watch the daemon's runs live")
    parser.add_argument("--every", metavar="SECONDS", type=float, default=1.0, help="default: 1")
    parser.add_argument("--times", metavar="N", type=int, default=None, help="end after N pictures")


def run(args: argparse.Namespace) -> int:
    """Show it until Ctrl-C; 0."""
    from rich.live import Live  # noqa: PLC0415 (`--help` needs none of it)

    from pratique.daemon import client  # noqa: PLC0415

    left = args.times
    with Live(picture(client.ask("status"), time.time()), auto_refresh=False) as live:
        while left is None or left > 1:
            time.sleep(max(_LEAST, args.every))
            live.update(picture(client.ask("status"), time.time()), refresh=True)
            left = left - 1 if left is not None else None
    return 0


def picture(answer: dict[str, Any], now: float) -> "RenderableType":
    """One picture; names of guarded processes are shown as plain, escaped text."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from pratique.runs import escape, redact  # noqa: PLC0415

    daemon, runs = answer["daemon"], answer["runs"]
    title = (
        f"pratique  {daemon['backend']}  {daemon['profile']}  {len(runs)} runs, {daemon['ended_runs']} ended"
    )
    table = Table("run", "user", "s", "processes", "refused", "command", title=title, expand=True)
    for each in runs:
        command = escape.visible(" ".join(redact.argv(each["command"]) or ()))
        state = "confined " if each["confined"] else ""
        cells = (each["id"][-8:], each["user"], f"{now - each['began']:.0f}", str(each["processes"]))
        table.add_row(*map(Text, cells), Text(str(each["refused"])), Text(state + command[:120]))
    lines = [
        Text(escape.harmless_line(escape.visible(found["text"]))) for found in answer["recent"][-_FINDINGS:]
    ]
    return Group(table, *lines)
