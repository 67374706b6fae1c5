"""Where one uv command can be expected to fetch from: indexes, lock file, proxies, URLs it was given."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pratique.managers import hosts
from pratique.managers.base import Learned
from pratique.managers.uv import project
from pratique.managers.uv.arguments import after_uv, parse
from pratique.managers.uv.config import configured, directory, working
from pratique.managers.uv.memory import wanted_by

_LOCKED = re.compile(r'\b(?:registry|url|git) = "([a-z+]+://[^/"]*)')


def learned(argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
    """Each host with the reason, most telling first."""
    arguments = parse(after_uv(argv))
    here = working(arguments, environment, cwd)
    wanted = wanted_by(arguments, here, _readable)
    config = configured(arguments, wanted, environment, here, _readable, os.getuid())
    for place in config.indexes:
        yield from hosts.at(place, "an index")
    for place in config.links:
        yield from hosts.at(place, "a find-links place")
    if project.used(arguments):
        top = Path(directory(arguments, environment, here))
        lock = next((folder for folder in (top, *top.parents) if (folder / "uv.lock").is_file()), top)
        yield from hosts.locked(f"{lock}/uv.lock", _LOCKED, "uv.lock")
    yield from hosts.named(arguments.words)
    yield from hosts.proxies(environment)


def _readable(_path: str) -> bool:
    return True
