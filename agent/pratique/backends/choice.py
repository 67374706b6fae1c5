"""Which backend guards a run: the first that refuses something here, unless one is asked for."""

from dataclasses import asdict
from importlib import import_module

from pratique.backends.base import Backend, Host, Support
from pratique.backends.memory import remembered
from pratique.errors import GuardError

# Strongest first. Adding a backend is a line here and a package beside this file.
_BACKENDS = {
    "lsm": "pratique.backends.lsm.backend:LsmBackend",
    "hooks": "pratique.backends.hooks.backend:HooksBackend",
}
_PLANNED = ("rootless",)


def choose(name: str, host: Host) -> Backend:
    """The backend called `name`, or the first supported one for `auto`; `GuardError` says what each lacks."""
    if name in _PLANNED:
        raise GuardError(
            f"the {name} backend is not available in this version", "use --backend hooks, as root"
        )
    whys = []
    for candidate in _BACKENDS if name == "auto" else (name,):
        backend = _load(candidate, host)
        support = supported(backend)
        if support.ok:
            return backend
        whys.append((candidate, support))
    what = "; ".join(f"{candidate}: {support.why}" for candidate, support in whys)
    raise GuardError(f"no backend can guard here ({what}); nothing was started", whys[-1][1].mend)


def every(host: Host) -> list[Backend]:
    """Each backend of this version, strongest first, whether or not it works here."""
    return [_load(name, host) for name in _BACKENDS]


def supported(backend: Backend) -> Support:
    """Whether it works here. A yes is remembered for this boot; a no is asked again where it may have been mended."""
    found = remembered(
        f"support-{backend.name}",
        lambda: asdict(backend.supported()),
        lambda value: value["ok"] or value["lasting"],
    )
    return Support(**found)


def _load(name: str, host: Host) -> Backend:
    module, _, attribute = _BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), attribute)(host)
    return backend
