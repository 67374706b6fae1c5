"""Whether LSM programs really refuse here, and how they must be attached for that: tried in a child."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pratique.backends.base import Support
from pratique.backends.hooks import capability as shared
from pratique.backends.hooks.loaded import check_host
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Plan
from pratique.backends.lsm.objects import Entries, Meaning, Objects
from pratique.backends.lsm.pins import ROOT
from pratique.backends.lsm.probes import Probes
from pratique.backends.lsm.programs import OBJECTS
from pratique.errors import GuardError
from pratique.words import Act, Action, Actor, Stage

_RUN = 1
_GROUP = "self-check"
_ANOTHER_BOOT = "boot with `bpf` in lsm=, on a kernel that lets programs be attached"
_LABELS, _RING = 64, 1 << 16

# One cell: package code may not read the one file.
_PLAN = Plan(
    groups=(*CODE_GROUPS, _GROUP),
    rules=("self-check",),
    networks=(),
    ports=(),
    cells=(
        Cell(Stage.SCRIPT, Actor.PACKAGE, Act.FILE_READ, len(CODE_GROUPS) + 1, False, Action.DENY, 1, True),
    ),
    audit=False,
)


def capability() -> Support:
    """Whether either attachment refuses a real open; `why` names the one that does."""
    support = shared.answered(_try)
    return support._replace(lasting=support.mend == _ANOTHER_BOOT)


def _try() -> str:
    check_host()
    if not (ROOT / ".").exists() or not os.access(ROOT, os.W_OK):
        raise GuardError(f"no BPF file system at {ROOT}", f"mount -t bpf bpf {ROOT}")
    failures = []
    for attachment in OBJECTS:
        try:
            _refuses(attachment)
            _loads(attachment)
        except GuardError as error:
            failures.append(f"{attachment}: {error.what.splitlines()[0]}")
        else:
            return f"{shared.OK}{attachment}"
    raise GuardError(
        "; ".join(failures), "boot with `bpf` in lsm=, on a kernel that lets programs be attached"
    )


def _refuses(attachment: str) -> None:
    """Return when a labelled child's open fails as told and an unlabelled one's does not; else `GuardError`."""
    probes = Probes(attachment, _PLAN, _RUN, (), only=("file_open",), label_slots=_LABELS, ring_bytes=_RING)
    try:
        probes.load()
        probes.attach()
        with tempfile.NamedTemporaryFile() as file:
            _list(probes, file.name)
            opened = _opens(file.name)
            free = shared.in_child(opened, lambda pid: None)
            held = shared.in_child(opened, lambda pid: probes.set_label(pid, Actor.PACKAGE, Stage.SCRIPT, 1))
    finally:
        probes.close()
    if (free, held) != (0, errno.EPERM):
        raise GuardError(f"attaches but does not refuse (open: {free} unlabelled, {held} labelled)")


def _loads(attachment: str) -> None:
    """Return when the kernel takes the other programs, too."""
    probes = Probes(attachment, _PLAN, _RUN, (), label_slots=_LABELS, ring_bytes=_RING)
    try:
        probes.load()
    finally:
        probes.close()


def _list(probes: Probes, path: str) -> None:
    found = Entries()
    found.objects[path].add(Meaning(read=_GROUP))
    number = {"": 0, _GROUP: len(CODE_GROUPS) + 1}
    Objects(probes.table, probes.keys.of, number.__getitem__).add(found)


def _opens(path: str) -> Callable[[], int]:
    def attempt() -> int:
        try:
            Path(path).read_bytes()
        except OSError as error:
            return error.errno or 255
        return 0

    return attempt
