"""Where pip is configured to take packages from: command line, environment, files."""

import os
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pratique.managers.files import text
from pratique.managers.pip.arguments import Arguments, Wanted, local_path

_MAX_BYTES = 1 << 20
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Sources:
    """The places of one pip command. An empty `indexes` with `default` true means pip's built-in index."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    proxies: tuple[str, ...]
    trusted: tuple[str, ...]
    default: bool

    def users(self) -> tuple[str, ...]:
        """Credentials in the URLs of indexes: only to recognise them, never kept or shown."""
        found = (urlsplit(place).netloc.rpartition("@")[0] for place in self.indexes)
        return tuple(user for user in found if user)

    def refuses(self, url: str) -> str | None:
        """Why a URL pip recorded for a named project cannot be laid to a configured index; None if it can."""
        scheme, server = urlsplit(url).scheme.lower(), host(url)
        if not self.indexes and not self.default:
            return "no index is configured"
        if scheme == "file":
            return None if _below(url, self.indexes) and not _below(url, self.links) else "a local archive"
        if server in hosts_of(self.indexes):
            return None
        if server in hosts_of(self.links):
            return "from a find-links place"
        if scheme == "https" or (scheme == "http" and server in self.trusted):
            return None
        return f"{scheme or 'no'} transport to a host that is no index"


def configured(
    arguments: Arguments, wanted: Wanted, argv0: str, environment: Mapping[str, str], cwd: str
) -> Sources:
    """Everything that is in force, weakest first: files, environment, command line, requirements files."""
    layers = [
        dict(_file_options(argv0, environment, arguments.verb)),
        {
            key[len("PIP_") :].lower().replace("_", "-"): value
            for key, value in environment.items()
            if key.startswith("PIP_")
        },
    ]
    given = (*arguments.options, *wanted.options)
    index = [layer["index-url"] for layer in layers if layer.get("index-url")]
    index += [value for name, value in given if name == "--index-url"]
    off = any(layer.get("no-index", "0").lower() in ("1", "true", "yes", "on") for layer in layers)
    off = off or any(name == "--no-index" for name, _ in given)
    indexes = () if off else (*index[-1:], *_many("extra-index-url", layers, given))
    proxies = (
        *_many("proxy", layers, given),
        *(environment[key] for key in _environment_proxies(environment)),
    )
    return Sources(
        indexes=tuple(_absolute(place, cwd) for place in indexes),
        links=tuple(_absolute(place, cwd) for place in _many("find-links", layers, given)),
        proxies=proxies,
        trusted=tuple(name.partition(":")[0] for name in _many("trusted-host", layers, given)),
        default=not off and not index,
    )


def option(name: str, arguments: Arguments, argv0: str, environment: Mapping[str, str]) -> str | None:
    """The value in force of an option that takes one value."""
    files = dict(_file_options(argv0, environment, arguments.verb))
    held = (
        files.get(name),
        environment.get("PIP_" + name.upper().replace("-", "_")),
        *arguments.all(f"--{name}"),
    )
    return next((value for value in reversed(held) if value), None)


def host(place: str) -> str | None:
    """Host of a URL or of a bare `host:port`, in lower case; None for a path."""
    try:
        return urlsplit(place if "://" in place else f"//{place}").hostname if ":" in place else None
    except ValueError:
        return None


def _many(name: str, layers: list[dict[str, str]], given: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    words = [word for layer in layers for word in layer.get(name, "").split()]
    return (*words, *(value for option_name, value in given if option_name == f"--{name}" and value))


def hosts_of(places: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts of places that have one, each once."""
    return tuple(dict.fromkeys(name for name in map(host, places) if name))


def _absolute(place: str, cwd: str) -> str:
    return place if ":" in place.partition("/")[0] else str(Path(cwd, place))


def _below(url: str, places: tuple[str, ...]) -> bool:
    """A local archive inside an index's own directory, or beside it when that is called `simple`."""
    archive = os.path.realpath(local_path(url) or "")
    return any(archive.startswith(f"{root}/") for root in _roots(places))


def _roots(places: tuple[str, ...]) -> Iterator[str]:
    for place in places:
        path = local_path(place) or (place if place.startswith("/") else None)
        if path and (root := os.path.realpath(path)) != "/":
            beside = Path(root).name == "simple" and len(Path(root).parts) > len(("/", "dir", "simple"))
            yield str(Path(root).parent) if beside else root


def _environment_proxies(environment: Mapping[str, str]) -> list[str]:
    return [key for name in _PROXIES for key in (name, name.lower()) if environment.get(key)]


def _file_options(argv0: str, environment: Mapping[str, str], verb: str) -> Iterator[tuple[str, str]]:
    for path in _files(argv0, environment):
        parser = RawConfigParser()
        try:
            parser.read_string(text(path, _MAX_BYTES, follow=True))
        except Error:
            continue
        for section in ("global", verb):
            if parser.has_section(section):
                yield from ((key.replace("_", "-"), value) for key, value in parser.items(section))


def _files(argv0: str, environment: Mapping[str, str]) -> list[str]:
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = environment.get("HOME", "")
    shared = [f"{place}/pip/pip.conf" for place in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")]
    own = f"{environment.get('XDG_CONFIG_HOME') or f'{home}/.config'}/pip/pip.conf"
    prefix = str(Path(argv0).parent.parent) if argv0.startswith("/") else environment.get("VIRTUAL_ENV", "")
    site = [f"{prefix}/pip.conf"] if prefix else []
    return [*shared, "/etc/pip.conf", f"{home}/.pip/pip.conf", own, *site, *([named] if named else [])]
