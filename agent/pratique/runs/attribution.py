"""Who a stopped process is: read it while it cannot change, and let the module of its manager judge."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pratique import proc
from pratique.managers import matching
from pratique.managers.base import Context, Manager, Stopped
from pratique.model import Event, Settlement
from pratique.runs.tree import Image, Process
from pratique.words import MANAGERS, Actor, Stage

_TRUSTED = (*MANAGERS, Actor.HELPER)


class Origin(NamedTuple):
    """Where package (or project) code began: identity and argv as they were frozen at that exec."""

    number: int
    pid: int
    argv: tuple[str, ...]
    cwd: str
    manager: str | None
    settlement: Settlement
    requested: tuple[str, ...] = ()
    """What the user asked the manager for, to say of a package that it was pulled in."""


class Sponsor(NamedTuple):
    """The manager a stopped process comes from, as the tree knows it."""

    name: str
    process: Process
    image: Image
    parent: Process


def read_stopped(pid: int) -> Stopped:
    """Read a process stopped before its first instruction; `OSError` when it is gone or unreadable."""
    return Stopped(
        pid=pid,
        argv=proc.read_words(pid, "cmdline"),
        cwd=proc.read_link(pid, "cwd"),
        exe=proc.read_link(pid, "exe"),
        environment=proc.read_environment(pid),
    )


def recognise(argv: tuple[str, ...], managers: Mapping[str, Manager]) -> str | None:
    """Name of the manager family whose install this is, by the patterns that the kernel matches too."""
    for name, manager in managers.items():
        if matching.match(argv, manager.patterns()) is not None:
            return name
    return None


def sponsor(process: Process, managers: Mapping[str, Manager]) -> Sponsor | None:
    """The manager above a stopped process: the topmost of the unbroken line of one family.

    A process that was itself manager and executes again is its own parent.
    """
    found: Sponsor | None = None
    for each, image, actor, name in _images(process):
        if actor not in _TRUSTED:
            break
        family = (recognise(image.argv, managers) if actor in MANAGERS else None) or name
        if family is None:
            continue
        if found is not None and family != found.name:
            break
        found = Sponsor(family, each, image, found.parent if found else _parent(process))
    return found


def judge(
    event: Event,
    above: Sponsor | None,
    managers: Mapping[str, Manager],
    memory: dict[str, object],
    written_by_package: Callable[[str], bool],
) -> tuple[Settlement, Stopped | None]:
    """Settle one pending exec; whatever cannot be read or named is package code of unknown identity."""
    try:
        child = read_stopped(event.pid)
    except OSError as error:
        return unknown(event, f"it could not be read while stopped ({error.strerror})"), None
    if above is None or above.name not in managers:
        return unknown(event, "no known manager started it"), child
    context = Context(
        _as_stopped(above.process, above.image), _stopped_parent(above), written_by_package, memory
    )
    try:
        return managers[above.name].classify(child, context), child
    except Exception as error:  # noqa: BLE001 -- a defect met on hostile names must not let code run unjudged
        return unknown(event, f"the {above.name} module failed on it ({type(error).__name__})"), child


def unknown(event: Event, reason: str) -> Settlement:
    """Package code nothing vouches for."""
    stage = Stage.BUILD if event.stage is Stage.RESOLVE else event.stage
    return Settlement(Actor.PACKAGE, stage, new_origin=not event.origin, reason=reason)


def _images(process: Process) -> Iterator[tuple[Process, Image, Actor, str | None]]:
    """Upwards, every image that is not the one being judged, with who ran it."""
    if process.earlier is not None and process.earlier_actor is not None:
        yield process, process.earlier, process.earlier_actor, process.earlier_manager
    for each in process.parent.line() if process.parent else ():
        if each.image is not None:
            yield each, each.image, each.actor, each.manager


def _parent(process: Process) -> Process:
    return process if process.earlier is not None else process.parent or process


def _stopped_parent(above: Sponsor) -> Stopped:
    if above.parent is above.process:
        return _as_stopped(above.process, above.image)
    image = above.parent.runs() or above.image
    return _as_stopped(above.parent, image)


def _as_stopped(process: Process, image: Image) -> Stopped:
    """A live manager: argv and cwd as they were at its exec, for npm overwrites its own title later."""
    pid = process.pid
    return Stopped(
        pid, image.argv, image.cwd, proc.link_of(pid, "exe") or image.exe, proc.environment_of(pid)
    )
