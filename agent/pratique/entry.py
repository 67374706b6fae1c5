"""The console script: begins what takes longest before the command line is even read."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

from pratique import nested
from pratique.daemon import client


def entry() -> NoReturn:
    """Run the command line, and end the process at once: taking an interpreter down by the book costs 25 ms."""
    gc.disable()  # what is imported stays
    if (
        sys.argv[1:2] == ["run"]
        and os.geteuid() == 0
        and nested.MARK not in os.environ
        and not client.running()
    ):
        from pratique.backends.hooks import early  # noqa: PLC0415 -- of no use without root

        early.begin()
    from pratique.cli import main  # noqa: PLC0415 (while the programs load)

    if sys.argv[1:2] != ["run"]:  # that turns it on again when its command runs; the daemon lives for months
        gc.enable()
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a reader that went away was met in `main`
            stream.flush()
    os._exit(status)
