"""Puts fanotify marks on what places name, and builds the index that names the objects back.

Nothing that may be a secret is opened: objects are reached by O_PATH descriptors, which raise no event.
"""

import fnmatch
import os
import re
import stat
from collections import deque

from pratique.backends.hooks import fanotify
from pratique.backends.hooks.objects import Claim, Claims, Directory, Index, Key
from pratique.policy.places import Place
from pratique.words import Act

DIRECTORIES = 1024
FILES = 8192
"""Bounds of what is marked below all `/**` places together; what is beyond is reported as a gap."""
QUIET = 2048
"""Unguarded entries per directory that are exempted from its mark."""

_GATE_CHILD = fanotify.OPEN_PERM | fanotify.ON_CHILD
_NOTICE = fanotify.CREATE | fanotify.MOVED_TO | fanotify.ON_DIR
_GLOB = re.compile(r"[*?\[]")
_VARIANT = re.compile(r"[-.\d]|\Z")
_SCRIPT = (".js", ".cjs", ".mjs", ".py", ".sh", ".pl", ".rb")
_MULTI_CALL = ("busybox", "toybox", "coreutils")


class Marks:
    """The marks of one policy in a permission group and a notice group."""

    def __init__(self, gate: int, notices: int) -> None:
        self.index = Index()
        self.gaps: list[str] = []
        self.handles: dict[bytes, Directory] = {}
        self._gate = gate
        self._notices = notices
        self._marked: dict[Key, tuple[str, int]] = {}
        self._born: dict[Key, bytes] = {}
        self._deep: set[str] = set()
        self._directories_left = DIRECTORIES
        self._files_left = FILES

    def __len__(self) -> int:
        return len(self._marked)

    def guard(self, place: Place, act: Act) -> None:
        """Guard the object at the place, whatever will be there, and all below if it is a directory.

        A place that is a symlink guards what it points to as well.
        """
        if place.deep:
            self._deep.add(place.path)
        self._guard_name(place.path, (Claim(act, place.group),))

    def guard_program(self, place: Place) -> None:
        """Guard the exec of the program at the place; a binary that is many programs is reported instead."""
        path = os.path.realpath(place.path)
        if _is_shared(place.path, path):
            self.gaps.append(f"{place.path}: is {path}, which is other programs as well")
            return
        status = self._mark(path, fanotify.OPEN_EXEC_PERM)
        if status:
            self._claim(status, (Claim(Act.EXEC, place.group),))

    def guard_hidden(self, folder: str, group: str) -> None:
        """Guard the start of hidden files directly in a temporary directory, scripts included."""
        if self._mark(folder, fanotify.OPEN_EXEC_PERM | fanotify.ON_CHILD):
            self.index.temporary[folder] = (Claim(Act.EXEC, group),)

    def quieten(self) -> None:
        """Exempt the unguarded files of directories that are marked for a few names only.

        Without it each open of /etc/ld.so.cache, so each exec on the host, would wait for an answer.
        """
        for directory in self.index.directories.values():
            if not directory.below:
                self._quieten_directory(directory)

    def follow(self, directory: Directory, name: str) -> None:
        """Take in an entry that was made or replaced: mark it if it is guarded, else exempt it."""
        path = f"{directory.path}/{name}"
        claims = tuple(claim for claim in directory.claims(name) if claim.act is Act.FILE_READ)
        if claims:
            self._guard_object(path, claims, deep=bool(directory.below) or path in self._deep)
        elif not directory.claims(name):
            self._ignore(path)

    def withdraw(self, others: "Marks") -> None:
        """Remove the marks that `others`, which replaces this, does not have."""
        for key, (path, mask) in self._marked.items():
            if key not in others._marked:  # noqa: SLF001 (the same class)
                self._unmark(key, path, mask)

    def _guard_name(self, path: str, claims: Claims) -> None:
        parent, name = os.path.split(path)
        directory = self._directory(parent)
        if directory is None:
            return
        if _GLOB.search(name) and not os.path.lexists(path):
            glob = re.compile(fnmatch.translate(name))
            for claim in claims:
                self.index.glob(directory, glob, claim)
            return
        self.index.name(directory, name, claims)
        self._guard_object(path, claims, deep=path in self._deep)

    def _guard_object(self, path: str, claims: Claims, deep: bool) -> None:
        status = self._mark(path, fanotify.OPEN_PERM)
        if status is None:
            return
        if stat.S_ISLNK(status.st_mode):
            self._guard_target(path, claims, deep)
        elif stat.S_ISDIR(status.st_mode):
            self._guard_tree(path, claims, deep)
        else:
            self._claim(status, claims)

    def _guard_target(self, path: str, claims: Claims, deep: bool) -> None:
        target = os.path.realpath(path)
        if os.path.islink(target) or target in self.index.directories:  # noqa: PTH114 (no Path per object)
            return
        if deep:
            self._deep.add(target)
        self._guard_name(target, claims)

    def _guard_tree(self, top: str, claims: Claims, deep: bool) -> None:
        queue = deque([top])
        while queue:
            if self._directories_left <= 0 or self._files_left <= 0:
                self.gaps.append(
                    f"{top}: too large, {len(queue)} or more directories below it are not guarded"
                )
                return
            queue.extend(self._guard_directory(queue.popleft(), claims, deep))

    def _guard_directory(self, path: str, claims: Claims, deep: bool) -> list[str]:
        directory = self._directory(path)
        if directory is None:
            return []
        self._directories_left -= 1
        self.index.enclose(directory, claims)
        below: list[str] = []
        for entry in _entries(path):
            if not entry.is_dir(follow_symlinks=False):
                self._files_left -= 1
                self._guard_file(entry.path, claims)
            elif deep:
                below.append(entry.path)
        return below

    def _guard_file(self, path: str, claims: Claims) -> None:
        status = self._mark(path, fanotify.OPEN_PERM)
        if status and stat.S_ISLNK(status.st_mode):
            status = self._mark_private_target(path)
        if status and stat.S_ISREG(status.st_mode):
            self._claim(status, claims)

    def _claim(self, status: os.stat_result, claims: Claims) -> None:
        self.index.claim(_key(status), claims, self._born.get(_key(status), b""))

    def _mark_private_target(self, path: str) -> os.stat_result | None:
        """A key may be a symlink to where it is really kept; what everybody may read is no secret, though."""
        try:
            private = not os.stat(path).st_mode & stat.S_IROTH  # noqa: PTH116
        except OSError:
            return None
        return self._mark(os.path.realpath(path), fanotify.OPEN_PERM) if private else None

    def _directory(self, path: str) -> Directory | None:
        """The directory, marked; None (and a gap) when it cannot be."""
        if path in self.index.directories:
            return self.index.directories[path]
        status = self._mark(path, _GATE_CHILD)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return None
        directory = Directory(path, _key(status))
        directory.noticed = self._notice(directory)
        self.index.directories[path] = directory
        return directory

    def _notice(self, directory: Directory) -> bool:
        try:
            fanotify.mark(self._notices, _NOTICE, directory.path)
            self.handles[fanotify.handle(directory.path)] = directory
        except OSError as error:
            self.gaps.append(f"{directory.path}: what appears there is not told of ({error.strerror})")
            return False
        return True

    def _mark(self, path: str, mask: int) -> os.stat_result | None:
        """Mark exactly the object whose status is returned; None when it is missing or refuses."""
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.gaps.append(f"{path}: cannot be reached ({error.strerror})")
            return None
        try:
            return self._mark_descriptor(fd, path, mask)
        finally:
            os.close(fd)

    def _mark_descriptor(self, fd: int, path: str, mask: int) -> os.stat_result | None:
        status = os.fstat(fd)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return status  # a FIFO, socket or device holds no secret; a symlink is opened as its target
        if stat.S_ISDIR(status.st_mode) and not mask & fanotify.ON_CHILD:
            return status  # the caller goes on to its entries
        try:
            fanotify.mark(self._gate, mask, f"/proc/self/fd/{fd}")
            fanotify.heed(self._gate, fanotify.OPEN_PERM, f"/proc/self/fd/{fd}")  # was exempted, perhaps
        except OSError as error:
            self.gaps.append(f"{path}: cannot be marked ({error.strerror})")
            return None
        self._born[_key(status)] = fanotify.incarnation(fd)
        _, before = self._marked.get(_key(status), (path, 0))
        self._marked[_key(status)] = (path, before | mask)
        return status

    def _unmark(self, key: Key, path: str, mask: int) -> None:
        try:
            if _key(os.lstat(path)) != key:
                return  # replaced since; the old inode's mark goes with the group, and its events are allowed
            fanotify.unmark(self._gate, mask, path)
            if mask & fanotify.ON_CHILD:
                fanotify.unmark(self._notices, _NOTICE, path)
        except OSError:
            return

    def _quieten_directory(self, directory: Directory) -> None:
        names: list[str] = []
        for entry in _entries(directory.path):
            names.append(entry.name)
            known = entry.name in directory.names or (directory.key[0], entry.inode()) in self.index.objects
            if not known and len(names) <= QUIET and entry.is_file(follow_symlinks=False):
                self._ignore(entry.path)
        directory.held = frozenset(names)

    def _ignore(self, path: str) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            status = os.fstat(fd)  # of the very inode that is exempted: the name may be swapped for a secret
            ordinary = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            if ordinary and _key(status) not in self.index.objects:
                fanotify.ignore(self._gate, fanotify.OPEN_PERM, f"/proc/self/fd/{fd}")
        except OSError:
            return  # only a saving is lost
        finally:
            os.close(fd)


def _key(status: os.stat_result) -> Key:
    return status.st_dev, status.st_ino


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []


def _is_shared(named: str, real: str) -> bool:
    """Whether the binary serves other names too (su → busybox), so that guarding it would guard those."""
    own, name = os.path.basename(named), os.path.basename(real)  # noqa: PTH119 (strings all the way)
    if name.startswith(own):
        return not _VARIANT.match(name[len(own) :]) or _is_multi_call_link(real)
    return not name.endswith(_SCRIPT)


def _is_multi_call_link(path: str) -> bool:
    return any(_same(path, os.path.join(os.path.dirname(path), name)) for name in _MULTI_CALL)  # noqa: PTH118, PTH120


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False
