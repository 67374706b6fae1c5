"""Where uv is configured to keep and to take packages: command line, environment, files."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pratique.managers.files import text
from pratique.managers.pip.arguments import Arguments, Wanted
from pratique.managers.uv.keys import index_key

_MAX_BYTES = 1 << 20
_TRUE = ("1", "true", "t", "yes", "y", "on")

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force for one uv command."""

    cache: str
    """Root of the cache that is kept, without links."""
    temporary: str | None
    """Where the cache of this command alone is made, when none is kept."""
    indexes: tuple[str, ...]
    links: tuple[str, ...]
    user: int
    """Who runs uv."""

    def refuses(self, key: str | None) -> str | None:
        """Why what lies below `index/KEY` cannot be laid to a configured index; None if it can."""
        if key is None or key in map(index_key, self.indexes):
            return None  # without a key it is uv's built-in index
        links = key in map(index_key, self.links)
        return "from a find-links place" if links else "no configured index has this place in uv's cache"


def configured(
    arguments: Arguments,
    wanted: Wanted,
    environment: Mapping[str, str],
    cwd: str,
    readable: Callable[[str], bool],
    user: int,
) -> Config:
    """Everything that is in force for uv working in `cwd`; `readable` says that a file is only the user's."""
    tables = list(_tables(arguments, environment, cwd, readable))
    indexes = [*_given_indexes(arguments, wanted, cwd), *_environment_indexes(environment, cwd)]
    indexes += [url for table, base in tables for url in _table_indexes(table, base)]
    links = [_url(value, cwd) for value in (*arguments.all("--find-links"), *_of(wanted, "--find-links"))]
    links += [
        _url(value, cwd) for value in re.split(r"[,\s]+", environment.get("UV_FIND_LINKS", "")) if value
    ]
    links += [url for table, base in tables for url in _table_links(table, base)]
    return Config(
        _cache(arguments, environment, cwd, [table for table, _ in tables]),
        _temporary(arguments, environment, [table for table, _ in tables]),
        tuple(dict.fromkeys(indexes)),
        tuple(dict.fromkeys(links)),
        user,
    )


def working(arguments: Arguments, environment: Mapping[str, str], cwd: str) -> str:
    """The directory uv works in; `--directory` changes it before anything else is read."""
    moved = (*arguments.all("--directory"), environment.get("UV_WORKING_DIR", ""))
    return os.path.realpath(Path(cwd, next((word for word in moved if word), "")))


def directory(arguments: Arguments, environment: Mapping[str, str], cwd: str) -> str:
    """Where uv looks for its project, from the directory it works in."""
    named = (*arguments.all("--project"), environment.get("UV_PROJECT", ""))
    return os.path.realpath(Path(cwd, next((word for word in named if word), "")))


def read_table(path: str, readable: Callable[[str], bool]) -> Table:
    """A TOML file, empty when it is missing, broken, or not the user's."""
    if not readable(path):
        return {}
    try:
        return tomllib.loads(text(path, _MAX_BYTES, follow=True))
    except tomllib.TOMLDecodeError:
        return {}


def table_at(table: Mapping[str, Any], *names: str) -> Table:
    """The table below the names, empty when anything on the way is none."""
    found: object = table
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _tables(
    arguments: Arguments, environment: Mapping[str, str], cwd: str, readable: Callable[[str], bool]
) -> Iterator[tuple[Table, str]]:
    named = (*arguments.all("--config-file"), environment.get("UV_CONFIG_FILE", ""))
    if chosen := next((word for word in named if word), ""):
        path = str(Path(cwd, chosen))
        yield read_table(path, readable), str(Path(path).parent)
        return
    if arguments.has("--no-config") or environment.get("UV_NO_CONFIG", "").lower() in _TRUE:
        return
    here = Path(directory(arguments, environment, cwd))
    for folder in (here, *here.parents):
        yield table_at(read_table(f"{folder}/pyproject.toml", readable), "tool", "uv"), str(folder)
        yield read_table(f"{folder}/uv.toml", readable), str(folder)
    for folder in _config_folders(environment):
        yield read_table(f"{folder}/uv/uv.toml", readable), f"{folder}/uv"


def _config_folders(environment: Mapping[str, str]) -> list[Path]:
    own = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config"
    shared = environment.get("XDG_CONFIG_DIRS", "").split(":")
    return [Path(place) for place in (own, *shared, "/etc/xdg", "/etc") if place.startswith("/")]


def _given_indexes(arguments: Arguments, wanted: Wanted, cwd: str) -> list[str]:
    names = ("--index-url", "--extra-index-url", "--index", "--default-index")
    words = [value for name in names for value in (*arguments.all(name), *_of(wanted, name))]
    return [_url(_unnamed(each), cwd) for word in words for each in word.split()]


def _environment_indexes(environment: Mapping[str, str], cwd: str) -> list[str]:
    names = ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX")
    return [_url(_unnamed(word), cwd) for name in names for word in environment.get(name, "").split()]


def _table_indexes(table: Table, base: str) -> Iterator[str]:
    for each in (table, table_at(table, "pip")):
        for row in _rows(each):
            if row.get("format") != "flat":
                yield _url(str(row["url"]), base)
        for word in (each.get("index-url"), *_words(each, "extra-index-url")):
            if isinstance(word, str):
                yield _url(word, base)


def _table_links(table: Table, base: str) -> Iterator[str]:
    for each in (table, table_at(table, "pip")):
        yield from (_url(str(row["url"]), base) for row in _rows(each) if row.get("format") == "flat")
        yield from (_url(word, base) for word in _words(each, "find-links"))


def _rows(table: Table) -> list[Table]:
    rows = table.get("index")
    return [row for row in rows if isinstance(row, dict) and "url" in row] if isinstance(rows, list) else []


def _words(table: Table, key: str) -> list[str]:
    held = table.get(key)
    return [word for word in held if isinstance(word, str)] if isinstance(held, list) else []


def _of(wanted: Wanted, name: str) -> list[str]:
    return [value for option, value in wanted.options if option == name and value]


def _unnamed(word: str) -> str:
    """`name=URL` gives the URL."""
    return re.sub(r"^[\w.-]+=", "", word)


def _url(place: str, base: str) -> str:
    """A URL as it is; a path as uv makes a URL of it."""
    if urlsplit(place).scheme in ("http", "https", "file"):
        return place
    return "file://" + quote(os.path.normpath(Path(base, place)), safe="/~!$&'()*+,;=:@-._")


def _cache(arguments: Arguments, environment: Mapping[str, str], cwd: str, tables: list[Table]) -> str:
    settings = (table.get("cache-dir") for table in tables)
    home = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '')}/.cache"
    held = (*arguments.all("--cache-dir")[-1:], environment.get("UV_CACHE_DIR"), *settings, f"{home}/uv")
    return os.path.realpath(Path(cwd, next(word for word in held if word and isinstance(word, str))))


def _temporary(arguments: Arguments, environment: Mapping[str, str], tables: list[Table]) -> str | None:
    off = arguments.has("--no-cache") or environment.get("UV_NO_CACHE", "").lower() in _TRUE
    off = off or any(table.get("no-cache") is True for table in tables)
    return os.path.realpath(environment.get("TMPDIR") or "/tmp") if off else None  # noqa: S108 -- uv's own default
