"""Changes of the tree by name: made, linked, moved, removed, re-marked.

As with opens: what Landlock leaves to everybody goes on, the rest is done here, in the directories looked at.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pratique.backends import syscalls
from pratique.backends.rootless.answers import GO_ON, Answer, Fail, Value
from pratique.backends.rootless.guarded import Guarded
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call
from pratique.backends.rootless.locate import Entry, absolute, directory_number, entry, located
from pratique.backends.rootless.tasks import Task, umask_of
from pratique.backends.rootless.zones import Zones
from pratique.words import TRUSTED, Act, Actor

_CWD = syscalls.AT_FDCWD
_REMOVE_DIRECTORY = 0x200
_FOLLOW = 0x400
_NOFOLLOW = 0x100


class Changes:
    """Answers every call that changes names, sizes or modes by path."""

    def __init__(self, judge: Judge, zones: Zones, guarded: Guarded, written: set[str]) -> None:
        self._judge, self._zones, self._guarded = judge, zones, guarded
        self._written = written

    def mkdir(self, task: Task, call: Call) -> Answer:
        """`mkdir(path, mode)`."""
        return self._mkdir(task, call, _CWD, *call.arguments[:2])

    def mkdirat(self, task: Task, call: Call) -> Answer:
        """`mkdirat(directory, path, mode)`."""
        return self._mkdir(task, call, *call.arguments[:3])

    def unlink(self, task: Task, call: Call) -> Answer:
        """`unlink(path)`."""
        return self._remove(task, call, _CWD, call.arguments[0], 0)

    def rmdir(self, task: Task, call: Call) -> Answer:
        """`rmdir(path)`."""
        return self._remove(task, call, _CWD, call.arguments[0], _REMOVE_DIRECTORY)

    def unlinkat(self, task: Task, call: Call) -> Answer:
        """`unlinkat(directory, path, flags)`."""
        return self._remove(task, call, *call.arguments[:3])

    def symlink(self, task: Task, call: Call) -> Answer:
        """`symlink(target, path)`."""
        return self._symlink(task, call, call.arguments[0], _CWD, call.arguments[1])

    def symlinkat(self, task: Task, call: Call) -> Answer:
        """`symlinkat(target, directory, path)`."""
        return self._symlink(task, call, *call.arguments[:3])

    def rename(self, task: Task, call: Call) -> Answer:
        """`rename(old, new)`."""
        old, new = call.arguments[:2]
        return self._rename(task, call, (_CWD, old), (_CWD, new), 0)

    def renameat(self, task: Task, call: Call) -> Answer:
        """`renameat(directory, old, directory, new)`."""
        return self._rename(task, call, call.arguments[0:2], call.arguments[2:4], 0)

    def renameat2(self, task: Task, call: Call) -> Answer:
        """`renameat2(directory, old, directory, new, flags)`."""
        return self._rename(task, call, call.arguments[0:2], call.arguments[2:4], call.arguments[4])

    def link(self, task: Task, call: Call) -> Answer:
        """`link(old, new)`."""
        old, new = call.arguments[:2]
        return self._link(task, call, (_CWD, old), (_CWD, new), 0)

    def linkat(self, task: Task, call: Call) -> Answer:
        """`linkat(directory, old, directory, new, flags)`."""
        return self._link(task, call, call.arguments[0:2], call.arguments[2:4], call.arguments[4])

    def truncate(self, task: Task, call: Call) -> Answer:
        """`truncate(path, length)`."""
        return self._on_object(
            task,
            call,
            _CWD,
            call.arguments[0],
            Act.FILE_TRUNCATE,
            lambda name: os.truncate(name, call.arguments[1]),
        )

    def chmod(self, task: Task, call: Call) -> Answer:
        """`chmod(path, mode)`."""
        return self._chmod(task, call, _CWD, *call.arguments[:2])

    def fchmodat(self, task: Task, call: Call) -> Answer:
        """`fchmodat(directory, path, mode)`."""
        return self._chmod(task, call, *call.arguments[:3])

    def fchmodat2(self, task: Task, call: Call) -> Answer:
        """`fchmodat2(directory, path, mode, flags)`; by descriptor it concerns what is open already."""
        if call.arguments[3] & _NOFOLLOW:
            return Fail(errno.EOPNOTSUPP)
        return self._chmod(task, call, *call.arguments[:3])

    def _mkdir(self, task: Task, call: Call, directory: int, address: int, mode: int) -> Answer:
        def make(place: Entry) -> None:
            os.mkdir(place.name, mode & 0o7777 & ~umask_of(task.pid), dir_fd=place.parent)

        return self._on_name(task, call, (directory, address), Act.FILE_CREATE, make)

    def _remove(self, task: Task, call: Call, directory: int, address: int, flags: int) -> Answer:
        def remove(place: Entry) -> None:
            (os.rmdir if flags & _REMOVE_DIRECTORY else os.unlink)(place.name, dir_fd=place.parent)

        return self._on_name(task, call, (directory, address), Act.FILE_REMOVE, remove)

    def _symlink(self, task: Task, call: Call, target: int, directory: int, address: int) -> Answer:
        text = task.text(target)
        if text is None:
            return Fail(errno.EFAULT)

        def link(place: Entry) -> None:
            os.symlink(text, place.name, dir_fd=place.parent)

        return self._on_name(task, call, (directory, address), Act.FILE_LINK, link)

    def _rename(
        self, task: Task, call: Call, old: tuple[int, ...], new: tuple[int, ...], flags: int
    ) -> Answer:
        def rename(source: Entry, target: Entry) -> None:
            names = os.fsencode(source.name), os.fsencode(target.name)
            syscalls.call("renameat2", source.parent, names[0], target.parent, names[1], flags)

        return self._on_names(task, call, (old, new), Act.FILE_RENAME, rename)

    def _link(self, task: Task, call: Call, old: tuple[int, ...], new: tuple[int, ...], flags: int) -> Answer:
        def link(source: Entry, target: Entry) -> None:
            follow = bool(flags & _FOLLOW)
            if follow:  # the name would be looked up once more, behind what was judged
                raise OSError(errno.EOPNOTSUPP, "links are not followed")
            os.link(
                source.name,
                target.name,
                src_dir_fd=source.parent,
                dst_dir_fd=target.parent,
                follow_symlinks=False,
            )

        return self._on_names(task, call, (old, new), Act.FILE_LINK, link)

    def _chmod(self, task: Task, call: Call, directory: int, address: int, mode: int) -> Answer:
        if task.label.actor in TRUSTED:
            return GO_ON
        return self._on_object(
            task,
            call,
            directory,
            address,
            Act.FILE_SETATTR,
            lambda name: os.chmod(name, mode & 0o7777),  # noqa: PTH101
            always=True,
        )

    def _on_object(
        self,
        task: Task,
        call: Call,
        directory: int,
        address: int,
        act: Act,
        do: Callable[[str], None],
        *,
        always: bool = False,
    ) -> Answer:
        """Judge and do something to an object; `always`: Landlock does not bound it, so nothing goes on."""
        path = task.text(address)
        if not path:
            return Fail(_nameless(path))
        try:
            with located(task, call.thread, directory_number(directory), path) as found:
                groups = self._guarded.groups("write", found.path, found.key)
                if not groups and act is Act.FILE_TRUNCATE and task.label.actor not in TRUSTED:
                    self._judge.note(task, act, found.path)
                if groups and self._judge.refuses(task, act, groups, {"path": found.path}):
                    return Fail(errno.EACCES)
                if not always and self._zones.is_free(found.path, read=False, write=True):
                    return GO_ON
                if found.path.startswith("/proc/"):
                    return Fail(errno.EACCES)
                do(found.again())
        except OSError as error:
            return Fail(error.errno or errno.EACCES)
        return Value(0)

    def _on_name(
        self, task: Task, call: Call, where: tuple[int, ...], act: Act, do: Callable[[Entry], None]
    ) -> Answer:
        path = task.text(where[1])
        if not path:
            return Fail(_nameless(path))
        if self._is_plain(task, call, where[0], path):
            return GO_ON
        try:
            with entry(task, call.thread, directory_number(where[0]), path) as place:
                if self._refuses(task, act, place.path, {"path": place.path}):
                    return Fail(errno.EACCES)
                if self._zones.is_free(place.folder, read=False, write=True):
                    return GO_ON
                do(place)
        except OSError as error:
            return Fail(error.errno or errno.EACCES)
        return Value(0)

    def _on_names(
        self,
        task: Task,
        call: Call,
        ends: tuple[tuple[int, ...], tuple[int, ...]],
        act: Act,
        do: Callable[[Entry, Entry], None],
    ) -> Answer:
        try:
            with self._both(task, call, ends) as places:
                if places is None:
                    return GO_ON
                return self._move(task, act, places, do)
        except OSError as error:
            return Fail(error.errno or errno.EACCES)

    @contextmanager
    def _both(
        self, task: Task, call: Call, ends: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> Iterator[tuple[Entry, Entry] | None]:
        paths = [task.text(address) for _, address in ends]
        old, new = paths
        if not old or not new:
            raise OSError(_nameless(old if not old else new), "no name")
        plain = (
            self._is_plain(task, call, where[0], path) for where, path in zip(ends, (old, new), strict=True)
        )
        if all(plain):
            yield None
            return
        numbers = [directory_number(where[0]) for where in ends]
        with (
            entry(task, call.thread, numbers[0], old) as source,
            entry(task, call.thread, numbers[1], new) as target,
        ):
            yield source, target

    def _move(
        self, task: Task, act: Act, places: tuple[Entry, Entry], do: Callable[[Entry, Entry], None]
    ) -> Answer:
        source, target = places
        told = {"path": source.path, "to": target.path}
        if self._takes_a_secret(task, act, source) or any(
            self._refuses(task, act, place.path, told) for place in places
        ):
            return Fail(errno.EACCES)
        if all(self._zones.is_free(place.folder, read=True, write=True) for place in places):
            return GO_ON
        do(source, target)
        return Value(0)

    def _takes_a_secret(self, task: Task, act: Act, source: Entry) -> bool:
        """Whether this would give a guarded object, or what lies in a directory, another name to be read by."""
        key = None
        with suppress(OSError):
            status = os.lstat(source.name, dir_fd=source.parent)
            key = (status.st_dev, status.st_ino)
        groups = self._guarded.groups("read", source.path, key)
        held = self._guarded.holds_places(source.path)
        if not groups and not held:
            return False
        return any(
            self._judge.refuses(task, each, (*groups, *held), {"path": source.path})
            for each in (Act.FILE_READ, act)
        )

    def _refuses(self, task: Task, act: Act, path: str, target: dict[str, str]) -> bool:
        if task.label.actor is Actor.PACKAGE:
            self._written.add(path)
        groups = self._guarded.groups("write", path, None)
        if not groups and act is Act.FILE_REMOVE and task.label.actor not in TRUSTED:
            self._judge.note(task, act, path)
        return bool(groups) and self._judge.refuses(task, act, groups, target)

    def _is_plain(self, task: Task, call: Call, directory: int, path: str) -> bool:
        if task.label.actor not in TRUSTED:
            return False
        whole = absolute(task, call.thread, directory_number(directory), path)
        folder = os.path.dirname(os.path.normpath(whole or "/"))  # noqa: PTH120
        return whole is None or self._zones.is_free(folder, read=False, write=True)


def _nameless(path: str | None) -> int:
    return errno.EFAULT if path is None else errno.ENOENT
