"""A process that reads Python stacks of others, without stopping them: pid and thread per line in, a stack out.

A process of its own: reading opens the other's programs and libraries, and the daemon's answering threads may
neither open what they are asked about nor wait for an interpreter lock that somebody else holds meanwhile.
"""

import json
import os
import sys
from typing import Any

_LIBRARY = ("<frozen", "<string")
_MOST = 64


def main() -> int:
    """Answer until the daemon closes the pipe."""
    from pystack.engine import get_process_threads  # noqa: PLC0415

    def frames(pid: int, tid: int) -> list[Any]:
        threads = list(get_process_threads(pid, stop_process=False))
        acting = [thread for thread in threads if thread.tid == (tid or pid)]
        # In a container threads have other numbers: one that is alone is known all the same.
        acting = acting or (threads[:1] if not tid or len(threads) == 1 else [])
        return [frame for thread in acting for frame in thread.frames]

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        pid, tid = map(int, line.split())
        try:
            found = own([place(frame) for frame in frames(pid, tid)])
        except Exception:  # noqa: BLE001 (no Python, gone, another build: then there is no line to tell)
            found = []
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    return 0


def place(frame: Any) -> dict[str, Any]:
    """Where a frame stands."""
    code = frame.code
    return {
        "file": str(code.filename),
        "line": max(0, int(code.location.lineno)),
        "function": str(code.scope),
    }


def own(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The innermost lines that are no standard library's, the last of them where the code of somebody's own is."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    found = [
        each
        for each in places
        if not each["file"].startswith(_LIBRARY) and not _is_library(each["file"], library)
    ]
    return found[-_MOST:]


def _is_library(file: str, ours: str) -> bool:
    if "site-packages" in file or "dist-packages" in file:
        return False
    return file.startswith(ours) or "/lib/python3" in file


if __name__ == "__main__":
    sys.exit(main())
