"""Whose an opened file is, and who runs what it opens: what the gate of fresh code asks at each open."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable

from pratique import proc
from pratique.backends.hooks.objects import Claim, Claims, Key
from pratique.words import Act

SITE = ""
"""Stands for no package: something in a folder that an install writes to."""
COMPILED = "__pycache__"
_INTERPRETERS = (
    *("python", "pypy", "node", "nodejs", "deno", "bun", "ruby", "perl", "php", "lua"),
    *("sh", "bash", "dash", "zsh", "ksh", "fish", "busybox"),
)
_EMBEDDED = (b"libpython", b"libnode", b"libruby", b"libperl")
_NATIVE = (".so", ".node")
_LONGEST = 1 << 20
_REMEMBERED = 1024


class Index:
    """Which packages an opened object belongs to; the part of `objects.Index` that a gate asks for."""

    def __init__(self, listed: Callable[[str], None] = lambda _folder: None) -> None:
        """`listed(folder)`: somebody lists a folder of packages, as an interpreter does before it imports."""
        self.sites: frozenset[str] = frozenset()
        self.directories: dict[str, frozenset[str]] = {}
        self.modules: dict[str, frozenset[str]] = {}
        """Single files: path without `.py` → packages. What they are compiled to lies beside those of others."""
        self.folders: dict[str, int] = {}
        """Where those are, and how many in each."""
        self.files: dict[Key, dict[str, frozenset[str]]] = {}
        """Single files by inode: packages by each of the paths they were marked at."""
        self._keys: dict[str, Key] = {}
        """Which inode was marked at such a path last: each install makes a new one there."""
        self._tails: dict[str, frozenset[str]] = {}
        self._listed = listed

    def find(self, key: Key, path: str, _fd: int) -> Claims:
        """A claim per package, for reading and for exec alike."""
        folder = path.rpartition("/")[0]
        if path in self.directories or path in self.folders:
            self._listed(path)
            found: frozenset[str] = frozenset()
        else:
            found = self._owners(key, path)
        if path in self.sites or folder in self.sites:
            found |= {SITE}
        return tuple(Claim(act, purl) for purl in sorted(found) for act in (Act.FILE_READ, Act.EXEC))

    def hidden(self, _path: str) -> Claims:
        """Nothing is guarded by name here."""
        return ()

    def search(self, _key: Key, _path: str) -> Claims:
        """Nothing more is known."""
        return ()

    def put(self, folder: str, purls: frozenset[str]) -> None:
        """A directory belongs to these packages; to none: it is not watched any more."""
        if purls:
            self.directories[folder] = purls
            self._tails[_tail(folder)] = self._tails.get(_tail(folder), frozenset()) | purls
        else:
            del self.directories[folder]
            self._tails.pop(_tail(folder), None)

    def put_module(self, path: str, purls: frozenset[str]) -> None:
        """A single file (without `.py`) belongs to these packages; to none: it is not watched any more."""
        known, folder = path in self.modules, path.rpartition("/")[0]
        if purls:
            self.modules[path] = purls
        else:
            del self.modules[path]
        left = self.folders.get(folder, 0) + bool(purls) - known
        if left:
            self.folders[folder] = left
        else:
            self.folders.pop(folder, None)

    def put_file(self, key: Key, path: str, purl: str) -> None:
        """A single file belongs to this package, too.

        The number of a file that is gone is given to the next one: what is known by it counts only where it still is.
        """
        last = self._keys.get(path, key)
        if last != key:
            self._keep(
                last, {each: purls for each, purls in self.files.get(last, {}).items() if each != path}
            )
        held = self.files.get(key, {})
        held = {each: purls for each, purls in held.items() if each == path or _leads_to(each, key)}
        self._keep(key, {**held, path: held.get(path, frozenset()) | {purl}})
        self._keys[path] = key

    def drop_files(self, purl: str, which: Callable[[str], bool]) -> None:
        """The package's single files at these paths are not watched any more."""
        for key, held in list(self.files.items()):
            left = {path: purls - {purl} if which(path) else purls for path, purls in held.items()}
            self._keep(key, {path: purls for path, purls in left.items() if purls})

    def _keep(self, key: Key, held: dict[str, frozenset[str]]) -> None:
        for path in self.files.get(key, {}).keys() - held.keys():
            if self._keys.get(path) == key:
                del self._keys[path]
        if held:
            self.files[key] = held
        else:
            self.files.pop(key, None)

    def _owners(self, key: Key, path: str) -> frozenset[str]:
        folder, _, name = path.rpartition("/")
        held = self.files.get(key, {})
        return (
            held.get(path)
            or self.directories.get(folder)
            or self._compiled(folder, name)
            or frozenset().union(*held.values())  # under another name than it was marked at
            or self._elsewhere(folder)
        )

    def _compiled(self, folder: str, name: str) -> frozenset[str]:
        """`six` in `site-packages/__pycache__/six.cpython-311.pyc`."""
        above, _, last = folder.rpartition("/")
        found = self.modules.get(f"{above}/{name.partition('.')[0]}") if last == COMPILED else None
        return found or frozenset()

    def _elsewhere(self, folder: str) -> frozenset[str]:
        """In another mount namespace the same directory has another path; its last two names still tell."""
        return self._tails.get(_tail(folder), frozenset())


class Earlier:
    """Packages that processes have opened before they opened something fresh; of the latest processes."""

    def __init__(self) -> None:
        self._of: OrderedDict[int, tuple[str, set[str]]] = OrderedDict()

    def note(self, pid: int, purls: Iterable[str]) -> None:
        """The process opened these, too."""
        began = proc.began(pid)
        kept = self._of.get(pid)
        if kept is None or kept[0] != began:  # a pid may be given again
            kept = self._of[pid] = (began, set())
            self._of.move_to_end(pid)
        kept[1].update(purls)
        if len(self._of) > _REMEMBERED:
            self._of.popitem(last=False)

    def take(self, pid: int) -> set[str]:
        """What is known of the process, which is forgotten."""
        began, purls = self._of.pop(pid, ("", set()))
        return purls if purls and began == proc.began(pid) else set()


def runs_code(pid: int, path: str) -> bool:
    """Whether the opener runs what it opens. A backup, an editor or a search only reads."""
    if path.endswith(_NATIVE) or ".so." in path:
        return True
    try:
        exe = os.readlink(f"/proc/{pid}/exe").rpartition("/")[2]  # noqa: PTH115 (no Path per event)
        if exe.rstrip("0123456789.-") in _INTERPRETERS:
            return True
        with open(f"/proc/{pid}/maps", "rb") as maps:  # noqa: PTH123 (as above)
            mapped = maps.read(_LONGEST)
    except OSError:
        return True  # who cannot be read is not trusted
    return any(library in mapped for library in _EMBEDDED)


def _leads_to(path: str, key: Key) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == key


def _tail(folder: str) -> str:
    return "/".join(folder.rsplit("/", 2)[-2:])
