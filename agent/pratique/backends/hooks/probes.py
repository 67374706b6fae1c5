"""The kernel programs of the `hooks` backend: who is labelled, and what they report."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from ctypes import byref, c_uint32

from pratique.backends import numbers
from pratique.backends.base import Losses
from pratique.backends.hooks import early, mirrors, records
from pratique.backends.hooks.beginnings import Beginnings
from pratique.backends.hooks.loaded import CALLS
from pratique.backends.hooks.mirrors import CLabel, COriginKey
from pratique.backends.hooks.named import Named
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.records import Label, LostLabelRecord, Record
from pratique.backends.hooks.tables import u32
from pratique.backends.libbpf.maps import ANY, EXIST
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.managers.base import Pattern
from pratique.words import Actor, Stage

_WATCHED = (Actor.PACKAGE, Actor.PROJECT, Actor.MIXED)
"""Whose system calls are judged when they return."""


class Probes(Named):
    """Labels, decisions and records of one run. `load`, then `attach`, then label the command."""

    watches_calls = True

    def __init__(
        self,
        plan: Plan,
        run: int,
        patterns: Sequence[Pattern],
        *,
        label_slots: int = early.LABEL_SLOTS,
        ring_bytes: int = early.RING_BYTES,
        pins: Pins | None = None,
    ) -> None:
        """With `pins`: taken up from there if an earlier agent kept them, and kept there."""
        super().__init__(plan, patterns, label_slots=label_slots, ring_bytes=ring_bytes, pins=pins)
        self._run = run
        self._malformed = 0
        self._boot_offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def beginnings(self) -> Beginnings:
        """Which runs begin by themselves."""
        return Beginnings(self._loaded.map("begun"), self._loaded.map("scoped_users"))

    def belong_to(self, family: int) -> None:
        """What is labelled without naming a run is of this family."""
        self._run = family

    def set_label(
        self,
        pid: int,
        actor: Actor,
        stage: Stage,
        origin: int,
        flags: int = 0,
        *,
        must_exist: bool = False,
        run: int | None = None,
    ) -> bool:
        """Label a process; False when `must_exist` and it has no label (it is gone).

        The first label of fresh code, or of a mixed manager, puts the program of system calls in force: the whole
        host pays for it.
        """
        if self.watches_calls and actor in _WATCHED and CALLS not in self._links:
            self._watch_calls()
        label = CLabel(self._run if run is None else run, origin, stage, actor, flags)
        return self._labels.update(u32(pid), bytes(label), EXIST if must_exist else ANY)

    def label_of(self, pid: int) -> Label | None:
        """The label of process `pid`. Cheap and safe from any thread: fanotify answers wait for it."""
        raw = CLabel()
        if self._lookup(self._labels.fd, byref(c_uint32(pid)), byref(raw)):
            return None
        return records.label(raw)

    def labelled(self, run: int | None = None) -> list[int]:
        """Processes that carry a label of `run` (default: this run)."""
        wanted = self._run if run is None else run
        found = ((int.from_bytes(key, "little"), self._labels.lookup(key)) for key in self._labels)
        runs = ((pid, CLabel.from_buffer_copy(raw).run) for pid, raw in found if raw)
        return [pid for pid, number in runs if numbers.belongs(number, wanted)]

    def live(self) -> dict[int, Label]:
        """Every labelled process."""
        found = {int.from_bytes(key, "little"): self._labels.lookup(key) for key in self._labels}
        return {pid: records.label(CLabel.from_buffer_copy(raw)) for pid, raw in found.items() if raw}

    def taint(self, origin: int, run: int | None = None) -> None:
        """From now on the whole tree of `origin` counts as having read a secret."""
        key = COriginKey(self._run if run is None else run, origin)
        self._loaded.map("origins").update(bytes(key), u32(mirrors.TAINTED))

    def was_written(self, path: str) -> bool:
        """As `Named.was_written`; nothing was where no fresh code has ever been watched, and asking takes 0.3 ms."""
        return (not self.watches_calls or CALLS in self._links) and super().was_written(path)

    def read(self, timeout: float) -> list[Record]:
        """What happened since, after waiting at most `timeout` seconds for something.

        A child that was born while the label map was full is killed here, if the kernel could not.
        """
        if self._ring is None:
            return []
        found = [records.decode(raw) for raw in self._ring.read(timeout)]
        self._malformed += found.count(None)
        known = [record for record in found if record is not None]
        for record in known:
            if isinstance(record, LostLabelRecord) and not record.killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(record.child, signal.SIGKILL)
        return known

    def moment(self, boot_nanoseconds: int) -> float:
        """Seconds since the epoch of a record's time; steady through changes of the clock."""
        return boot_nanoseconds / 1e9 + self._boot_offset

    def losses(self) -> Losses:
        """What this run lost so far."""
        counted = self.counts()
        return Losses(counted["ring"], counted["labels"], counted["reads"] + self._malformed)

    def counts(self) -> dict[str, int]:
        """Every counter of this run by name, also of what is not shipped."""
        raw = self._loaded.map("stats").lookup(u32(0))
        values = mirrors.CCounters.from_buffer_copy(raw).value if raw else [0] * len(mirrors.COUNTERS)
        return dict(zip(mirrors.COUNTERS, values, strict=True))

    def _watch_calls(self) -> None:
        try:
            link = self._links[CALLS] = self._attach_later(CALLS)
        except OSError as error:
            raise GuardError(f"the kernel refused the program of system calls ({error.strerror})") from error
        self.also_held(link.fd)
