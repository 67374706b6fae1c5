"""Which backend guards a run: the first that refuses something here, unless one is asked for."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from pratique.backends.base import Backend, Host, HostBackend, Support
from pratique.backends.memory import remembered
from pratique.errors import GuardError

# Strongest first. Adding a backend is a line here and a package beside this file.
_BACKENDS = {
    "lsm": "pratique.backends.lsm.backend:LsmBackend",
    "hooks": "pratique.backends.hooks.backend:HooksBackend",
    "rootless": "pratique.backends.rootless.backend:RootlessBackend",
}
_OF_ROOT = ("lsm", "hooks")
_WHOLE_HOST = {
    "lsm": "pratique.backends.lsm.whole_host:WholeHost",
    "hooks": "pratique.backends.hooks.whole_host:WholeHost",
}


def choose(name: str, host: Host) -> tuple[Backend, list[str]]:
    """The backend called `name`, or the first supported one for `auto`, and what is to be said of the choice.

    `GuardError` says what each lacks.
    """
    whys = []
    for candidate in _BACKENDS if name == "auto" else (name,):
        if (refused := _unprivileged(candidate)) is not None:
            whys.append((candidate, refused))
            continue
        support = _answer(candidate, partial(_asked, candidate, host))
        if support.ok:
            return _load(candidate, host), _said(candidate, whys)
        whys.append((candidate, support))
    what = "; ".join(f"{candidate}: {support.why}" for candidate, support in whys)
    raise GuardError(f"no backend can guard here ({what}); nothing was started", whys[-1][1].mend)


def _said(chosen: str, whys: Sequence[tuple[str, Support]]) -> list[str]:
    """One line, where root's backends were passed over; `pratique doctor` has the whole reasons."""
    if chosen in _OF_ROOT:
        return []
    reasons = "; ".join(f"{other}: {why.why.partition(chr(10))[0]}" for other, why in whys)
    return [f"guarded by the {chosen} backend ({reasons})"] if whys else []


def every(host: Host) -> list[Backend]:
    """Each backend of this version, strongest first, whether or not it works here."""
    return [_load(name, host) for name in _BACKENDS]


def whole_host(host: Host) -> HostBackend:
    """The strongest backend that guards what nobody wrapped; `GuardError` says what each lacks."""
    lacks = []
    for name, place in _WHOLE_HOST.items():
        module, _, attribute = place.partition(":")
        backend: HostBackend = getattr(import_module(module), attribute)(host)
        support = supported(backend)
        if support.ok:
            return backend
        lacks.append((f"{name}: {support.why}", support.mend))
    raise GuardError(f"no backend can guard this host ({'; '.join(why for why, _ in lacks)})", lacks[0][1])


def _unprivileged(name: str) -> Support | None:
    """Why a backend need not be tried by who is not root: to load one costs a start-up."""
    if name in _OF_ROOT and os.geteuid() != 0:
        return Support(ok=False, why="needs root", mend="run pratique as root, or with sudo")
    return None


def supported(backend: Backend) -> Support:
    """Whether it works here. A yes is remembered for this boot; a no is asked again where it may have been mended."""
    return _answer(backend.name, backend.supported)


def _answer(name: str, ask: Callable[[], Support]) -> Support:
    """A backend that is known not to work here need not even be imported."""
    found = remembered(
        f"support-{name}", lambda: ask()._asdict(), lambda value: value["ok"] or value["lasting"]
    )
    return Support(**found)


def _asked(name: str, host: Host) -> Support:
    return _load(name, host).supported()


def _load(name: str, host: Host) -> Backend:
    module, _, attribute = _BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), attribute)(host)
    return backend
