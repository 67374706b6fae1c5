"""The kernel programs of the `lsm` backend: labels and addresses as in `hooks`, and a refusal per act."""

import os
from collections.abc import Sequence
from pathlib import Path

from pratique import resources
from pratique.backends.base import Losses
from pratique.backends.hooks import early, probes
from pratique.backends.hooks.loaded import BEGIN, KEYS
from pratique.backends.hooks.plan import Plan
from pratique.backends.libbpf import programs
from pratique.backends.libbpf.btf import KernelTypes
from pratique.backends.libbpf.maps import Map
from pratique.backends.libbpf.objects import Object
from pratique.backends.lsm.mirrors import CSettings
from pratique.backends.lsm.programs import ELSEWHERE, OBJECTS, PROGRAMS, fitting
from pratique.backends.pins import Kept, Pins
from pratique.errors import GuardError
from pratique.managers.base import Pattern

_SHARED = ("on_exit", "on_fork", "on_exec")


class Probes(probes.Probes):
    """As those of `hooks`; nothing looks at the return of system calls, every act is answered where it is done."""

    watches_calls = False
    lasting = (BEGIN,)
    maps = (*probes.Probes.maps, "objects", "names", "globs", "settings", "stopped")

    def __init__(
        self,
        attachment: str,
        plan: Plan,
        run: int,
        patterns: Sequence[Pattern],
        *,
        only: Sequence[str] = (),
        label_slots: int = early.LABEL_SLOTS,
        ring_bytes: int = early.RING_BYTES,
        pins: Pins | None = None,
    ) -> None:
        """`only`: the hooks to answer; all of them if none are named."""
        super().__init__(plan, run, patterns, label_slots=label_slots, ring_bytes=ring_bytes, pins=pins)
        self._attachment = attachment
        self._settings = CSettings(os.getpid())
        types = KernelTypes()
        try:
            found = fitting(attachment, types)
            self._fitting = [program.name for program in found if not only or program.hook in only]
        finally:
            types.close()
        self.tracing = (*_SHARED, *self._fitting)
        self.kept_programs = (KEYS, *self.tracing)
        held = {program.hook for program in PROGRAMS if program.name in self._fitting}
        self.missing = sorted({program.hook for program in PROGRAMS} - held - ELSEWHERE)
        """Hooks that this kernel does not have."""

    def confine(self, *, confine: bool) -> None:
        """Say who the agent is, and whether what a wrapped run refuses without a rule is refused."""
        self._settings.confine = confine
        self._set()

    def beat(self, moment: int) -> None:
        """Say that lines are read, at that moment (CLOCK_BOOTTIME, ns); at 0, that they are not."""
        self._settings.beat = moment
        self._set()

    def _set(self) -> None:
        self.table("settings").update(bytes(4), bytes(self._settings))

    def table(self, name: str) -> Map:
        """A map of the loaded object."""
        return self._loaded.map(name)

    def verified(self) -> dict[str, int]:
        """Instructions that the kernel followed, by program."""
        return {name: programs.verified(self._program(name)) for name in self.tracing}

    def losses(self) -> Losses:
        """What this run lost so far; an answer that was passed over is a loss like an unread argument."""
        lost = super().losses()
        missed = sum(programs.missed(self._program(name)) for name in self.tracing)
        return Losses(lost.ring, lost.labels, lost.reads + missed)

    def pin(self, folder: Path) -> None:
        """Keep every link, and the labels, although the agent dies."""
        for name, link in self._links.items():
            if name != "name_keys":
                link.pin(folder / name)
        self._labels.pin(folder / "labels")

    def _load(self) -> Object | Kept:
        if self._pins is not None and self._pins.held():
            return self._pins.open()
        opened = self._open()
        try:
            opened.load()
        except OSError as error:
            opened.close()
            from pratique.backends.libbpf.explaining import explain  # noqa: PLC0415 (only after a refusal)

            log = explain(lambda: self._open().load())
            what = f"the kernel refused the {self._attachment} programs ({error.strerror})"
            raise GuardError(f"{what}\n{log}".rstrip()) from error
        return opened

    def _open(self) -> Object:
        opened = Object(resources.probes() / OBJECTS[self._attachment])
        opened.resize("labels", self._label_slots)
        opened.resize("ring", self._ring_bytes)
        for program in PROGRAMS:
            if program.name not in self._fitting:
                opened.leave_out(program.name)
        if self._pins is None:
            opened.leave_out(BEGIN)
        return opened
