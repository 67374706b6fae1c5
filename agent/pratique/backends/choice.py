"""Which backend guards a run: the first that refuses something here, unless one is asked for."""

from importlib import import_module

from pratique.backends.base import Backend, Host, HostBackend, Support
from pratique.backends.memory import remembered
from pratique.errors import GuardError

# Strongest first. Adding a backend is a line here and a package beside this file.
_BACKENDS = {"hooks": "pratique.backends.hooks.backend:HooksBackend"}
_WHOLE_HOST = {"hooks": "pratique.backends.hooks.whole_host:WholeHost"}
_PLANNED = ("lsm", "rootless")


def choose(name: str, host: Host) -> Backend:
    """The backend called `name`, or the first supported one for `auto`; `GuardError` says what each lacks."""
    if name in _PLANNED:
        raise GuardError(
            f"the {name} backend is not available in this version", "use --backend hooks, as root"
        )
    whys = []
    for candidate in _BACKENDS if name == "auto" else (name,):
        backend = _load(candidate, host)
        support = _supported(backend)
        if support.ok:
            return backend
        whys.append((candidate, support))
    what = "; ".join(f"{candidate}: {support.why}" for candidate, support in whys)
    raise GuardError(f"no backend can guard here ({what}); nothing was started", whys[0][1].mend)


def every(host: Host) -> list[Backend]:
    """Each backend of this version, strongest first, whether or not it works here."""
    return [_load(name, host) for name in _BACKENDS]


def whole_host(host: Host) -> HostBackend:
    """The strongest backend that guards what nobody wrapped; `GuardError` says what each lacks."""
    lacks = []
    for name, place in _WHOLE_HOST.items():
        module, _, attribute = place.partition(":")
        backend: HostBackend = getattr(import_module(module), attribute)(host)
        support = _supported(backend)
        if support.ok:
            return backend
        lacks.append((f"{name}: {support.why}", support.mend))
    raise GuardError(f"no backend can guard this host ({'; '.join(why for why, _ in lacks)})", lacks[0][1])


def _supported(backend: Backend) -> Support:
    """A yes is remembered for this boot; a no is asked again, since it may have been mended."""
    found = remembered(
        f"support-{backend.name}", lambda: backend.supported()._asdict(), lambda value: value["ok"]
    )
    return Support(**found)


def _load(name: str, host: Host) -> Backend:
    module, _, attribute = _BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), attribute)(host)
    return backend
