"""Numbers of runs: a wrapped run has its own; the runs that a daemon finds are a family with one upper half."""

import os

_HALF = 32
_LOWER = (1 << _HALF) - 1


def family() -> int:
    """A new family: an upper half that no other guard of this host has, and a lower half of zeros."""
    return (int.from_bytes(os.urandom(4)) | 1) << _HALF


def belongs(run: int, to: int) -> bool:
    """Whether `run` is `to`, or one of the family `to`."""
    return run == to or (not to & _LOWER and run >> _HALF == to >> _HALF)
