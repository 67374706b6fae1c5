"""`pratique uninstall`: end the daemon and let go of service, pins, marks and, if asked, state."""

import argparse
import os
import shutil
import time
from contextlib import suppress

from pratique.errors import UsageError

_PATIENCE = 40.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its options."""
    parser = subparsers.add_parser("uninstall", help="end the daemon and let go of everything it holds")
    parser.add_argument("--purge", action="store_true", help="remove reports and state as well")


def run(args: argparse.Namespace) -> int:
    """Undo what the daemon and its service set up; 0."""
    if os.geteuid() != 0:
        raise UsageError("only root ends the guard of a host", "sudo pratique uninstall")
    from pratique.backends import pins  # noqa: PLC0415 (`--help` needs none of it)
    from pratique.backends.lsm.pins import end_of_daemon  # noqa: PLC0415
    from pratique.daemon import places, systemd  # noqa: PLC0415

    here = places.default()
    _end()
    # A second daemon, with places of its own, is nobody's service.
    removed = str(here.runtime) == places.RUNTIME and systemd.remove(systemd.FOLDER)
    _end()  # in case the service manager was quicker
    end_of_daemon(here.pins)
    pins.unmount(here.pins)
    shutil.rmtree(here.runtime, ignore_errors=True)
    if args.purge:
        shutil.rmtree(here.state, ignore_errors=True)
    print(
        "removed the service, the daemon and what it held"
        if removed
        else "removed the daemon and what it held"
    )
    print(f"reports and state {'are gone' if args.purge else f'stay in {here.state}; --purge removes them'}")
    return 0


def _end() -> None:
    from pratique.daemon import client  # noqa: PLC0415 (`--help` needs none of it)

    with suppress(client.NoDaemonError):
        client.ask("end")
        deadline = time.monotonic() + _PATIENCE
        while client.running() and time.monotonic() < deadline:
            time.sleep(0.1)
