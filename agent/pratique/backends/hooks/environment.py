"""Environment of a process that was stopped before its first instruction, taken out of its memory.

Nobody else can do it: the manager keeps its own, and what it starts inherits that. At exec the kernel has copied
the strings to the new stack, and until the process is let go they are all there is.
"""

import os
import re
from collections.abc import Sequence
from fnmatch import translate
from pathlib import Path

_MOST = 4 << 20
"""Bytes of strings; the kernel allows a quarter of the stack limit."""
_START, _END = 47, 48
"""Fields of /proc/PID/stat after the name: where the strings lie."""


def strip(pid: int, patterns: Sequence[str]) -> tuple[str, ...]:
    """Take variables whose name matches out of it; their names. OSError when that fails: it must not run then.

    The whole string becomes empty, name and all: every libc and runtime passes by a string without `=`.
    """
    start, end = _bounds(pid)
    named = re.compile("|".join(map(translate, patterns)), re.IGNORECASE | re.DOTALL)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:  # noqa: PTH123 (unbuffered, no path to speak of)
        block = os.pread(memory.fileno(), min(end - start, _MOST), start)
        if len(block) != end - start:
            raise OSError(f"{end - start} bytes of environment, {len(block)} could be read")
        kept, names = _without(block, named)
        if names and os.pwrite(memory.fileno(), kept, start) != len(kept):
            raise OSError("the environment could not be written back")
    return names


def _bounds(pid: int) -> tuple[int, int]:
    # The name is hostile and in brackets: what follows the last one is numbers.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[_START]), int(fields[_END])


def _without(block: bytes, named: re.Pattern[str]) -> tuple[bytes, tuple[str, ...]]:
    """The block with every matching string overwritten, of the same length."""
    found: list[str] = []
    kept: list[bytes] = []
    for entry in block.split(b"\0"):
        name, given, _ = entry.partition(b"=")
        text = name.decode("utf-8", "surrogateescape")
        taken = bool(given and named.match(text))
        found += [text] if taken else []
        kept.append(bytes(len(entry)) if taken else entry)
    return b"\0".join(kept), tuple(dict.fromkeys(found))
