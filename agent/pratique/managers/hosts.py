"""Hosts that a manager can be expected to talk to, each with the reason: for the report, no decision uses them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pratique.managers.base import Learned
from pratique.managers.files import text

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_MAX_BYTES = 16 << 20
_MOST = 100
"""Hosts in a report: a lock file may have been written to make it long."""


def first_reasons(found: Iterable[Learned]) -> tuple[Learned, ...]:
    """Each host once, with the reason that was given first."""
    hosts: dict[str, Learned] = {}
    for each in found:
        if len(hosts) == _MOST:
            break
        hosts.setdefault(each.host, each)
    return tuple(hosts.values())


def at(place: str, reason: str) -> Iterator[Learned]:
    """The host of a URL, git's kinds included; none for a path."""
    try:
        host = urlsplit(place.removeprefix("git+")).hostname if "://" in place else None
    except ValueError:
        return
    if host:
        yield Learned(host, reason)


def proxies(environment: Mapping[str, str]) -> Iterator[Learned]:
    """The proxies that every client here honours."""
    for name, value in environment.items():
        if name.lower() in _PROXIES:
            yield from at(value if "://" in value else f"http://{value}", f"proxy in {name}")


def named(words: Iterable[str]) -> Iterator[Learned]:
    """URLs among the words of a command line."""
    for word in words:
        yield from at(
            word[word.find("@") + 1 :] if re.match(r"[\w@/.-]+ ?@", word) else word,
            "named on the command line",
        )


def locked(path: str, pattern: re.Pattern[str], reason: str) -> Iterator[Learned]:
    """The hosts of a lock file's URLs, which the pattern's one group holds."""
    for place in dict.fromkeys(pattern.findall(text(path, _MAX_BYTES, follow=True))):
        yield from at(place, reason)
