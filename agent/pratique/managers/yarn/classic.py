"""What yarn 1's own state proves of a package's code.

yarn 1 keeps every archive it fetched, and beside it where from. It tells its scripts neither, and writes its lock
file after them: so the archive is found by content. *verified*: all of the folder is what one archive of the cache
holds, which has the digest that yarn noted, from the place where the registry configured for a name serves it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from glob import escape, glob
from pathlib import Path
from typing import Any

from pratique.managers.base import Stopped
from pratique.managers.files import text
from pratique.managers.matching import target_end
from pratique.managers.node.arguments import Arguments
from pratique.managers.node.environment import digest_of
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import Request
from pratique.managers.node.tampering import packed, unchanged
from pratique.managers.yarn.facts import facts

_MAX_NOTE, _MOST = 1 << 20, 20
_MAX_PROGRAM = 16 << 20
_DEFAULT = re.compile(r"\bYARN_REGISTRY = exports\.YARN_REGISTRY = '(https://[^'\s]+)'")
_NPM_S = re.compile(r"\bNPM_REGISTRY_RE = exports\.NPM_REGISTRY_RE = /https\?:\\/\\/([\w.\\-]+)/g")
_FOLDER = re.compile(r"^cache-folder\s+\"?([^\"\n]+)", re.MULTILINE)


def proof(case: Case) -> Proof:
    """The package a place of yarn 1's is, by the archive it was unpacked from."""
    for folder in _entries(case):
        note = _note(folder)
        digest = digest_of(str(note.get("cacheIntegrity") or note.get("integrity")))
        archive = partial(packed, f"{folder}/.yarn-tarball.tgz", digest or "")
        if digest and unchanged(case.place.folder, 0, archive):
            return _judged(str(note.get("resolved") or ""), digest, case.request)
    return Proof(doubt="its files are those of no archive in yarn's cache")


def _judged(resolved: str, digest: str, request: Request) -> Proof:
    url = resolved.partition("#")[0]
    found = request.registries.tarball(url)
    if found is None:
        return Proof(url=url, digest=digest, doubt="from no registry that is configured for its name")
    return Proof(
        found.name, found.version, found.url, digest, why="all its files are those of the registry's archive"
    )


def _entries(case: Case) -> Iterator[str]:
    """Folders of the cache that may hold the original, newest first."""
    names = dict.fromkeys(
        name for name in (case.place.name, case.script.name) if name and "/../" not in f"/{name}/"
    )
    patterns = [f"npm-{escape(name.replace('/', '-'))}-*/node_modules/*" for name in names]
    scoped = [f"{pattern}/*" for pattern in patterns]
    request = case.request
    places = tuple(caches(request.arguments, request.environment, request.root))
    found = {path for cache in places for each in (*patterns, *scoped) for path in cache.glob(each)}
    kept = [path for path in found if (path / ".yarn-tarball.tgz").is_file()]
    kept.sort(key=lambda path: path.stat().st_ctime, reverse=True)
    written = case.context.written_by_package
    for path in kept[:_MOST]:
        if not any(map(written, (str(path), f"{path}/.yarn-metadata.json", f"{path}/.yarn-tarball.tgz"))):
            yield str(path)


def caches(arguments: Arguments, said: Mapping[str, str], root: str) -> Iterator[Path]:
    """Where yarn 1 keeps what it fetched."""
    home = said.get("HOME", "")
    files = (f"{root}/.yarnrc", f"{home}/.yarnrc")
    configured = [found for path in files for found in _FOLDER.findall(text(path, _MAX_NOTE, follow=True))]
    named = (*arguments.all("--cache-folder"), said.get("YARN_CACHE_FOLDER"), *configured)
    base = said.get("XDG_CACHE_HOME")
    usual = [place.replace("~", home, 1) for place in facts().own["caches"]]
    for place in (*named, f"{base}/yarn" if base else None, *usual):
        if place:
            yield from Path(os.path.realpath(place)).glob("v*")


def built_in(manager: Stopped) -> tuple[str | None, str | None]:
    """The registry that this yarn was published with, and the one that it takes for the same: its own constants."""
    ends = (target_end(manager.argv, pattern) for pattern in facts().patterns)
    named = next((manager.argv[end - 1] for end in ends if end), "")
    script = Path(os.path.realpath(Path(manager.cwd, named)))
    kept = facts().own["corepack"].replace("~", manager.environment.get("HOME", ""), 1)
    for path in (f"{script.parent.parent}/lib/cli.js", *glob(kept)):  # noqa: PTH207 -- it is absolute
        content = text(path, _MAX_PROGRAM)
        found, same = _DEFAULT.search(content), _NPM_S.search(content)
        if found:
            host = same[1].replace("\\", "") if same else None
            return found[1], f"https://{host}" if host else None
    return None, None


def _note(folder: str) -> dict[str, Any]:
    try:
        note = json.loads(text(f"{folder}/.yarn-metadata.json", _MAX_NOTE))["remote"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}
