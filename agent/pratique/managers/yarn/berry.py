"""What yarn 4's own state proves of a package's code.

An archive in yarn's global cache is named by a hash of what was resolved: `npm:VERSION` of a name stands for what the
registry configured for that name serves, and for nothing else. *verified*: all of the folder is what that archive
holds, and the command is one that the package's own manifest gives. The latter because yarn 4 runs scripts in a
shell of its own, inside its process: a script can choose folder and environment of what it starts.
"""

import hashlib
import os
import re
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from glob import escape
from pathlib import Path

from pratique.managers.base import Context, Stopped
from pratique.managers.files import opened
from pratique.managers.matching import basename
from pratique.managers.node.environment import Script
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import GYP, Request
from pratique.managers.node.project import manifest_of
from pratique.managers.node.tampering import unchanged
from pratique.managers.yarn.facts import facts

_MARK = ".ready"
_MOST, _MAX_UNPACKED = 50, 256 << 20
_FILE = r"-npm-(?P<version>\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)-(?P<hash>[0-9a-f]{10})-[0-9a-z]+\.zip"
_ARCHIVED = re.compile(
    r"(?P<folder>/.*/dlx-\d+/\.yarn/cache)/(?P<slug>[^/]+?)(?P<rest>-npm-[^/]+\.zip)"
    r"/node_modules/(?P<name>(?:@[^/]+/)?[^/]+)/"
)
_OPERATORS = re.compile(r"&&|\|\||[;|&]")


def proof(case: Case) -> Proof:
    """The package a place of yarn 4's is, by the archive it was unpacked from."""
    for name, version, archive in _archives(case):
        if unchanged(case.place.folder, 0, partial(_members, archive, name, case.place.folder)):
            return Proof(name, version, why="all its files are those of the archive that yarn resolved")
    return Proof(doubt="its files are those of no archive that yarn resolved from a registry")


def archived(file: str, context: Context, request: Request) -> Proof | None:
    """The package of a file that yarn runs out of an archive, for a project it made itself; None for any other."""
    found = _ARCHIVED.match(file)
    if found is None:
        return None
    version = re.fullmatch(re.escape(found["slug"]) + _FILE, f"{found['slug']}{found['rest']}")
    if version is None or version["hash"] != locator(found["name"], f"npm:{version['version']}"):
        return Proof(found["name"], doubt="yarn resolved it from no registry")
    archive = f"{found['folder']}/{found['slug']}{found['rest']}"
    originals = cache(request.environment).glob(
        f"{escape(found['slug'])}-npm-{escape(version['version'])}-{version['hash']}-*.zip"
    )
    kept = any(same(archive, str(path)) for path in originals if not context.written_by_package(str(path)))
    doubt = None if kept else "yarn's global cache has no such archive"
    return Proof(found["name"], version["version"], doubt=doubt, why="the archive that yarn resolved")


def forged(script: Script, child: Stopped, context: Context) -> str | None:
    """Why the script that chose this folder and environment may be another package's."""
    ours, theirs = child.environment, context.manager.environment
    changed = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    if not changed <= set(facts().own["variables"]):
        return "yarn's shell was told to change its environment"
    if not _as_yarn_sets(ours, theirs, context):
        return "yarn's shell was told to change what is loaded or found"
    given = manifest_of(child.cwd).get("scripts")
    stood = given.get(script.event) if isinstance(given, dict) else None
    if script.event == "install" and stood is None and any(Path(child.cwd).glob("*.gyp")):
        stood = GYP
    if script.event not in facts().own["events"]:
        return "yarn's shell was told to run it"
    if not isinstance(stood, str) or _words(child, ours) not in _commands(stood):
        return "its manifest gives no such command"
    return None


def _as_yarn_sets(ours: Mapping[str, str], theirs: Mapping[str, str], context: Context) -> bool:
    own = ours.get("BERRY_BIN_FOLDER", "")
    path = ours.get("PATH", "")
    options = ours.get("NODE_OPTIONS", "").removeprefix(theirs.get("NODE_OPTIONS", "")).strip()
    pnp = f"{ours.get('PROJECT_CWD', '')}/.pnp"
    known = ("", f"--require {pnp}.cjs", f"--require {pnp}.cjs --experimental-loader file://{pnp}.loader.mjs")
    loaded = not any(map(context.written_by_package, (f"{pnp}.cjs", f"{pnp}.loader.mjs")))
    return bool(own) and path == f"{own}:{theirs.get('PATH', '')}" and options in known and loaded


def _words(child: Stopped, said: Mapping[str, str]) -> list[str]:
    """What the script asked for, behind the launchers that yarn lays in a folder of its own."""
    words = list(child.argv)
    if len(words) > 1 and basename(words[0]) in facts().own["shells"] and words[1].startswith("/"):
        words = words[1:]
    own = f"{said.get('BERRY_BIN_FOLDER')}/"
    return [words[0].removeprefix(own) if words[0].startswith(own) else words[0], *words[1:]] if words else []


def _commands(script: str) -> Iterator[list[str]]:
    for part in _OPERATORS.split(script):
        try:
            yield shlex.split(part)
        except ValueError:
            continue


def _archives(case: Case) -> Iterator[tuple[str, str, str]]:
    """Name, version and file of what yarn resolved from a registry under a name that may be the place's."""
    for name in dict.fromkeys(name for name in (case.place.name, case.script.name) if name):
        slug = name.replace("/", "-")
        for path in sorted(cache(case.request.environment).glob(f"{escape(slug)}-npm-*.zip"))[:_MOST]:
            found = re.fullmatch(re.escape(slug) + _FILE, path.name)
            good = found and found["hash"] == locator(name, f"npm:{found['version']}")
            if found and good and not case.context.written_by_package(str(path)):
                yield name, found["version"], str(path)


def cache(environment: Mapping[str, str]) -> Path:
    """Where yarn 4 keeps what it fetched for all projects."""
    home = environment.get("HOME", "")
    base = environment.get("YARN_GLOBAL_FOLDER") or facts().own["berry"].replace("~", home, 1)
    return Path(os.path.realpath(base), "cache")


def locator(name: str, reference: str) -> str:
    """Yarn's hash of what a name was resolved to: of the hash of its two parts, and of the reference."""
    scope, _, bare = name.removeprefix("@").rpartition("/")
    return _hash(_hash(scope + bare) + reference)[:10]


def _hash(said: str) -> str:
    return hashlib.sha512(said.encode("utf-8", "surrogateescape")).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two archives have one content."""
    try:
        with opened(one) as first, opened(other) as second:
            digests = [hashlib.file_digest(file, "sha512").digest() for file in (first, second)]
    except OSError:
        return False
    return digests[0] == digests[1]


def _members(archive: str, name: str, folder: str) -> Iterator[tuple[str, bytes]]:
    """The files in one of yarn's archives, each below `node_modules/NAME`; and the mark of what is unplugged."""
    if os.path.lexists(f"{folder}/{_MARK}"):
        yield _MARK, b""
    prefix, left = f"node_modules/{name}/", _MAX_UNPACKED
    try:
        with opened(archive) as file, zipfile.ZipFile(file) as held:
            for member in held.infolist():
                left -= member.file_size
                if left < 0:
                    raise ValueError("more than an honest archive holds")
                if member.filename.startswith(prefix) and not member.is_dir():
                    yield member.filename.removeprefix(prefix), held.read(member)
    except Exception as error:  # decoders fail on hostile bytes in more ways than can be listed
        raise ValueError(str(error)) from error
