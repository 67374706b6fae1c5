"""Loads the kernel programs in the background while the launcher is still being imported.

Most of that time is spent in libbpf, which needs no interpreter: a third of the start-up is hidden.
"""

import contextlib
import threading

from pratique import host, resources
from pratique.backends.libbpf.objects import Object

LABEL_SLOTS = 65536
RING_BYTES = 16 << 20


CALLS, BEGIN = "on_return", "on_begin"


def open_object(label_slots: int, ring_bytes: int, *, lasting: bool) -> Object:
    """The programs, opened with maps of these sizes and not yet loaded.

    Unless they are to last, without those that only a whole host needs at once: a third of what the kernel verifies.
    """
    opened = Object(resources.probes() / "hooks.bpf.o")
    for name in () if lasting else (CALLS, BEGIN):
        opened.leave_out(name)
    opened.resize("labels", label_slots)
    opened.resize("ring", ring_bytes)
    return opened


class _Loading:
    """One load in a thread; a failure is dropped here and met again, with its reason, by whoever needs it."""

    def __init__(self) -> None:
        self._loaded: Object | None = None
        self._thread = threading.Thread(target=self._load, name="pratique-load", daemon=True)
        self._thread.start()

    def take(self) -> Object | None:
        self._thread.join()
        taken, self._loaded = self._loaded, None
        return taken

    def _load(self) -> None:
        try:
            opened = open_object(LABEL_SLOTS, RING_BYTES, lasting=False)
        except Exception:  # noqa: BLE001 (loading again in the open tells what is wrong)
            return
        try:
            opened.load()
        except Exception:  # noqa: BLE001 (the same)
            opened.close()
            return
        self._loaded = opened


_under_way: list[_Loading] = []


def begin() -> None:
    """Start to load, once; not where another backend was found to guard, which would not use it."""
    if not _under_way and not _other_backend():
        _under_way.append(_Loading())


def _other_backend() -> bool:
    """A guess from what was remembered last: a wrong one costs time only."""
    with contextlib.suppress(OSError):
        return '"ok": true' in (host.state_dir() / "proved" / "support-lsm.json").read_text(encoding="utf-8")
    return False


def take(label_slots: int, ring_bytes: int) -> Object | None:
    """What was loaded in the background, if it was begun, went well, and has these sizes."""
    if not _under_way:
        return None
    loaded = _under_way.pop().take()
    if loaded is not None and (label_slots, ring_bytes) != (LABEL_SLOTS, RING_BYTES):
        loaded.close()
        return None
    return loaded
