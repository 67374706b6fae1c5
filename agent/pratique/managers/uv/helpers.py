"""Which programs uv itself starts, and where they may work: the rows of `data.toml` and of every manager."""

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from pratique.managers import helpers
from pratique.managers.base import Context, Stopped
from pratique.managers.helpers import Row
from pratique.managers.uv.facts import facts
from pratique.managers.uv.memory import Memory, Request
from pratique.managers.uv.places import intended, is_cache, place_of


def helper(child: Stopped, context: Context, memory: Memory, request: Request) -> Row | None:
    """The row `child` fits, given who started it and where it works; None if it is no helper."""
    by_uv = context.parent.pid == context.manager.pid
    row = helpers.helper(child, context, facts().rows, "uv" if by_uv else None)
    if row is None or helpers.lifecycle(child, context) or intended(child, context.manager):
        return None
    harmless = not by_uv or child.cwd == context.manager.cwd or _in_checkout(row, child, request)
    return row if harmless and _clean(child.cwd, context, memory, request) else None


def trusted_interpreter(child: Stopped, context: Context, user: int) -> bool:
    """Whether its image lies where interpreters do, or is a copy in an environment, and is its owner's alone."""
    own = Path(child.argv[0]).parent
    copies = (str(own),) if (own.parent / "pyvenv.cfg").is_file() else ()
    places = (*facts().homes, *_own_homes(user), *copies)
    row = Row("interpreter", by=("uv",), words=("**",), exe=(Path(child.exe).name,), places=places)
    return helpers.helper(child, context, (row,), "uv") is not None


def _own_homes(user: int) -> Iterator[str]:
    """The same places in the home the system knows: HOME may be another one for a build."""
    try:
        home = os.path.realpath(pwd.getpwuid(user).pw_dir)
    except KeyError:
        return
    yield from (place.replace("~", home, 1) for place in facts().homes if place.startswith("~"))


def _in_checkout(row: Row, child: Stopped, request: Request) -> bool:
    """A database or checkout of git's in uv's cache."""
    found = re.match(rf"(/.*)/{facts().git}/(?:db|checkouts)/", child.cwd)
    return row.checkout and found is not None and is_cache(found[1], request.config)


def _clean(cwd: str, context: Context, memory: Memory, request: Request) -> bool:
    """Its cwd holds no package's files, which git and others would take settings from."""
    place = place_of(cwd, request.config)
    if memory.ran_in(cwd) or (place and place.kind != "git") or "/site-packages/" in f"{cwd}/":
        return False
    return not any(map(context.written_by_package, (cwd, f"{cwd}/.git", f"{cwd}/.git/config")))
