"""Python packages an install wrote: each `*.dist-info/RECORD` of the environment that changed since it began."""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from pratique.backends.base import FreshTree
from pratique.daemon.installed import Install, digests, notes
from pratique.managers import start_lines
from pratique.managers.pip.arguments import canonical
from pratique.managers.pip.names import purl

_LINES = 200_000
_LARGEST = 32 << 20
_DIST_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info\Z")
_TARGETS = ("-t", "--target")
_PREFIXES = ("--prefix", "--python", "-p")
_CODE = (".py", ".pth", ".so", ".pyc", ".pyd")


def found(install: Install) -> Iterator[FreshTree]:
    """Every distribution whose RECORD the install wrote."""
    for site in dict.fromkeys(map(os.path.realpath, sites(install))):
        for record in _records(site, install.wrote_from):
            tree = _tree(Path(site), record, install.wrote_from)
            if tree is not None:
                yield tree


def sites(install: Install) -> Iterator[str]:
    """Folders that it may write packages to."""
    yield from _options(install, _TARGETS)
    for prefix in _prefixes(install):
        for pattern in ("lib*/python3*/site-packages", "lib*/python3*/dist-packages", "Lib/site-packages"):
            yield from map(str, Path(prefix).glob(pattern))
        yield from map(str, Path(prefix).glob("local/lib/python3*/dist-packages"))


def _prefixes(install: Install) -> Iterator[str]:
    environment = install.environment
    for each in _options(install, _PREFIXES):
        yield each
        yield str(Path(each).parent.parent)
    if "/" in install.argv[0]:
        yield str(Path(install.cwd, install.argv[0]).parent.parent)
    else:
        yield from (str(Path(folder).parent) for folder in _folders_with(install.argv[0], environment))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"):
        if environment.get(name):
            yield str(Path(install.cwd, environment[name]))
    yield from (str(folder / ".venv") for folder in (Path(install.cwd), *Path(install.cwd).parents))
    home = environment.get("HOME")
    if home:
        yield f"{home}/.local"
        yield from map(str, Path(home, ".local/share/uv/tools").glob("*"))
        yield from map(str, Path(home, ".cache/uv/archive-v0").glob("*"))


def _folders_with(name: str, environment: dict[str, str] | object) -> Iterator[str]:
    path = environment.get("PATH", "") if isinstance(environment, dict) else ""
    yield from (folder for folder in path.split(":") if folder and Path(folder, name).exists())


def _options(install: Install, names: tuple[str, ...]) -> Iterator[str]:
    for word, following in zip(install.argv, (*install.argv[1:], ""), strict=False):
        if word in names and following:
            yield str(Path(install.cwd, following))
        elif word.startswith(tuple(f"{name}=" for name in names if name.startswith("--"))):
            yield str(Path(install.cwd, word.partition("=")[2]))


def _records(site: str, since: float) -> Iterator[Path]:
    try:
        with os.scandir(site) as entries:
            folders = [Path(entry.path) for entry in entries if entry.name.endswith(".dist-info")]
    except OSError:
        return
    for folder in folders:
        if notes.changed(f"{folder}/RECORD", since):
            yield folder / "RECORD"


def _tree(site: Path, record: Path, since: float) -> FreshTree | None:
    named = _DIST_INFO.match(os.fsencode(record.parent.name).decode("utf-8", "replace"))
    if named is None:
        return None
    name = purl(quote(canonical(named["name"]), safe=".-_~"), named["version"])
    directories: dict[str, None] = {}
    files: dict[str, None] = {}
    rows = list(_rows(record))
    for path in _paths(site, rows):
        top = _top(site, path)
        if top == record.parent.name:
            continue
        if top and "/" in path.removeprefix(f"{site}/"):
            directories[f"{site}/{top}"] = None
        elif _is_new_code(path, since) and not _is_known(path, name):
            files[path] = None
    # A manager writes down where it took a package from, unless it was an index.
    verified = not (record.parent / "direct_url.json").exists()
    return FreshTree(name, tuple(directories), tuple(files), verified, digests.of_record(rows), str(record))


def _is_known(path: str, name: str) -> bool:
    """A `.pth` whose code the one package that may bring it is known for: a manager need not be spared that."""
    code = start_lines.code(path) if path.endswith(".pth") else []
    rows = [start_lines.known(line) for line in code]
    return bool(rows) and all(row and row.package and name.startswith(f"{row.package}@") for row in rows)


def _paths(site: Path, rows: Iterable[list[str]]) -> Iterator[str]:
    """The files it names, of those that may be an install's: below the site, or scripts beside it."""
    scripts = f"{site.parents[2]}/bin/" if len(site.parents) > 2 else "/nonexistent/"  # noqa: PLR2004
    for row in rows:
        # No Path per file: an environment has tens of thousands.
        path = os.path.normpath(os.path.join(site, row[0])) if row and "\0" not in row[0] else ""  # noqa: PTH118
        if path.startswith((f"{site}/", scripts)):
            yield path


def _rows(record: Path) -> Iterator[list[str]]:
    """Its lines; none of a record that cannot be read."""
    lines = notes.text(str(record), _LARGEST).splitlines()
    try:
        yield from (row for row, _ in zip(csv.reader(lines), range(_LINES), strict=False) if row)
    except csv.Error:
        return


def _top(site: Path, path: str) -> str:
    inside = path.removeprefix(f"{site}/")
    return "" if inside == path else inside.partition("/")[0]


def _is_new_code(path: str, since: float) -> bool:
    """A single file counts only if the install wrote it: a record may name anything."""
    return (path.endswith(_CODE) or "/bin/" in path) and notes.changed(path, since)
