"""What every start of an interpreter runs, so that of a manager, too: `.pth` lines nobody knows, `sitecustomize`.

For the report: such code has the manager's rights from its first instruction on.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pratique.managers.uv import installed
from pratique.managers.uv.probes import CUSTOM, news


def files(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The files, but for those of editable installs, which bring in what is the user's own."""
    named = [path for prefix in _prefixes(argv, environment) for path in news(prefix, lambda _path: False)]
    own = [path for path in named if not _is_editable(path)]
    return (*own, *(path for name in CUSTOM for path in _in_path(environment, name)))


def importable(argv: Sequence[str], environment: Mapping[str, str], module: str) -> Iterator[str]:
    """Where a module would be found."""
    sites = [site for prefix in _prefixes(argv, environment) for site in installed.sites(prefix)]
    places = (f"{site}/{module}{form}" for site in sites for form in ("/__init__.py", ".py"))
    yield from (place for place in places if Path(place).is_file())


def _prefixes(argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The environment of the interpreter; without one, what the system and the user have installed."""
    if not argv or not argv[0].startswith("/"):
        return []
    own = str(Path(argv[0]).parent.parent)
    if installed.is_environment(own):
        return [own]
    home = environment.get("HOME", "")
    user = home.startswith("/") and not environment.get("PYTHONNOUSERSITE")
    return [own, *(["/usr/local"] if own == "/usr" else []), *([f"{home}/.local"] if user else [])]


def _in_path(environment: Mapping[str, str], name: str) -> Iterator[str]:
    folders = environment.get("PYTHONPATH", "").split(":")
    yield from (f"{folder}/{name}" for folder in folders if folder and Path(folder, name).is_file())


def _is_editable(path: str) -> bool:
    owners = installed.owners(path, [str(Path(path).parent)])
    return bool(owners) and all(map(installed.is_editable, owners))
