"""uv asks interpreters about themselves and lets them compile: with its own scripts, but their `.pth` files run.

Neither `-I` nor `-B` keeps an interpreter from executing the `import` lines of `.pth` files. So such a process is
a helper only while nothing but known lines stands there; else it is the first run of the packages they belong to.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pratique.managers import start_lines
from pratique.managers.base import Context, Stopped
from pratique.managers.files import text
from pratique.managers.matching import basename
from pratique.managers.uv import installed
from pratique.managers.uv.facts import facts
from pratique.managers.uv.helpers import trusted_interpreter
from pratique.managers.uv.memory import Memory, Request
from pratique.managers.uv.places import is_cache
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Quality, Stage

_MAX_PTH = 1 << 16
CUSTOM = ("sitecustomize.py", "usercustomize.py")
_ISOLATED = ("-I", "-B")


def probe(child: Stopped, context: Context, memory: Memory, request: Request) -> Settlement | None:
    """What an interpreter with one of uv's own scripts is; None if it is none."""
    if basename(child.exe) not in facts().interpreters or not _own_script(child, context, request):
        return None
    if not trusted_interpreter(child, context, request.config.user):
        return _first_run(UNKNOWN, "uv asks an interpreter that lies in no usual place")
    places = prefixes(child)
    if not places:
        return _first_run(UNKNOWN, "uv asks an interpreter whose packages were not found")
    fresh = [path for prefix in places for path in news(prefix, context.written_by_package)]
    if not fresh:
        return Settlement(Actor.HELPER, Stage.RESOLVE, reason="uv asking an interpreter about itself")
    return _first_run(*_who(fresh, places, context, memory, request))


def _own_script(child: Stopped, context: Context, request: Request) -> bool:
    """Uv's script by its exact shape, in a directory of uv's that package code has not written into."""
    place = _place(child)
    if place is None or facts().temporary.fullmatch(Path(place).name) is None:
        return False
    cache = str(Path(place).parent)
    if os.path.realpath(place) != place or not (
        is_cache(cache, request.config) or cache == request.config.cache
    ):
        return False
    files = (f"{top}/{name}" for top, _, names in os.walk(place) for name in names)
    return not any(map(context.written_by_package, (place, *files)))


def _place(child: Stopped) -> str | None:
    words = child.argv[1:]
    if len(words) == 1 and Path(words[0]).name == facts().compiler:
        return str(Path(words[0]).parent)
    if words[-2:-1] != ("-c",) or not set(words[:-2]) <= set(_ISOLATED) or "-I" not in words:
        return None
    found = (pattern.fullmatch(words[-1]) for pattern in facts().probes)
    return next((each["place"] for each in found if each), None)


def prefixes(child: Stopped) -> list[str]:
    """The environment, and what it takes its packages from besides."""
    own = Path(child.argv[0]).parent.parent
    base = str(Path(child.exe).parent.parent)
    if not child.argv[0].startswith("/"):
        return []
    if not installed.is_environment(own):
        return [base, "/usr/local"] if base == "/usr" else [base]
    shared = re.search(
        r"^include-system-site-packages\s*=\s*true\s*$",
        text(f"{own}/pyvenv.cfg", _MAX_PTH),
        re.MULTILINE | re.IGNORECASE,
    )
    return [str(own), *([base] if shared else [])]


def news(prefix: str, written: Callable[[str], bool]) -> Iterator[str]:
    """Files that every start runs, and that hold something else than known lines; `written`: by package code."""
    for site in installed.sites(prefix):
        for path in sorted(Path(site).glob("*.pth")):
            if all(_known(line, site, written) for line in start_lines.code(str(path))):
                continue
            if installed.is_environment(prefix) or not _of_the_system(str(path), site, written):
                yield str(path)
        if installed.is_environment(prefix):
            yield from (f"{site}/{name}" for name in CUSTOM if Path(site, name).exists())


def _of_the_system(path: str, site: str, written: Callable[[str], bool]) -> bool:
    """Root's own, in an interpreter's own directory, and no package's: distributions bring such files."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    closed = status.st_uid == 0 and not status.st_mode & 0o022
    return closed and not written(path) and not installed.owners(path, [site])


def _known(line: str, site: str, written: Callable[[str], bool]) -> bool:
    row = start_lines.known(line)
    return row is not None and not written(f"{site}/{row.module}")


def _who(
    fresh: list[str], interpreters: list[str], context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    places = [site for prefix in interpreters for site in installed.sites(prefix)]
    owned = {(owner.info, path): owner for path in fresh for owner in installed.owners(path, places)}
    why = f"{Path(fresh[0]).name} runs code at every start of this interpreter"
    if len({info for info, _ in owned}) == 1 and len(owned) == len(fresh):
        (_, path), owner = next(iter(owned.items()))
        return installed.identity(owner, path, context, memory, request)[0], why
    candidates = tuple(dict.fromkeys(owner.purl for owner in owned.values()))
    return Identity(Quality.CLAIMED if candidates else Quality.UNKNOWN, candidates=candidates), why


def _first_run(identity: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, Stage.FIRST_RUN, identity, new_origin=True, reason=reason)
