"""What appears in watched directories.

Marks follow new objects, residues of refused creates go away, and names planted by rename, link or mkdir
are reported with their author.
"""

import os
import stat
import time
from collections import deque
from typing import NamedTuple

from pratique.backends.hooks import fanotify
from pratique.backends.hooks.gate import Creation
from pratique.backends.hooks.marks import Marks
from pratique.backends.hooks.objects import Directory
from pratique.words import Act

GRACE = 0.25
"""Seconds an empty new file may wait for the answer to the open that made it."""


class Appeared(NamedTuple):
    """A missing place was filled without asking: its author is yet to be judged, and killed if it must be."""

    pid: int
    path: str
    group: str


class Appearances:
    """Reads the notice group; used by the main loop only."""

    def __init__(self, creations: deque[Creation]) -> None:
        self.fd = fanotify.open_notices()
        self.lost = 0
        self._creations = creations
        self._planted: list[Appeared] = []
        self._made: dict[tuple[int, str], tuple[float, Directory, str]] = {}
        """Empty files made at missing places, until the gate's answer says what their open came to."""

    def sweep(self, marks: Marks) -> None:
        """Take in what appeared, and undo what refused creates left behind."""
        # Answers first: the notice of a create is queued before its open asks, so it is surely there by now.
        answers = [self._creations.popleft() for _ in range(len(self._creations))]
        self._take_notices(marks)
        for answer in answers:
            self._settle(answer, marks)
        self._expire()

    def appeared(self) -> list[Appeared]:
        """Hand out what was planted since the last call."""
        planted, self._planted = self._planted, []
        return planted

    def stop(self) -> None:
        """Close the group and with it its marks; safe to call twice."""
        if self.fd >= 0:
            self.fd, fd = -1, self.fd
            fanotify.flush(fd)
            os.close(fd)

    def _take_notices(self, marks: Marks) -> None:
        while True:
            try:
                events = fanotify.read_notices(self.fd)
            except BlockingIOError:
                return
            for event in events:
                self.lost += bool(event.mask & fanotify.OVERFLOW)
                self._take(event, marks)

    def _take(self, event: fanotify.Event, marks: Marks) -> None:
        for entry in event.entries:
            directory = marks.handles.get(entry.directory)
            if directory is None:
                continue
            if event.pid != os.getpid() and _created_groups(directory, entry.name):
                self._note_creation(event, directory, entry.name)
            marks.follow(directory, entry.name)

    def _note_creation(self, event: fanotify.Event, directory: Directory, name: str) -> None:
        path = f"{directory.path}/{name}"
        if event.mask & (fanotify.MOVED_TO | fanotify.ON_DIR) or not _is_empty_file(path):
            self._plant(event.pid, directory, name)
        else:
            self._made[event.pid, path] = (time.monotonic(), directory, name)

    def _settle(self, answer: Creation, marks: Marks) -> None:
        made = self._made.pop((answer.pid, answer.path), None)
        if answer.allowed:
            return
        parent, name = os.path.split(answer.path)
        directory = marks.index.directories.get(parent)
        if directory is not None and (made or not directory.noticed):
            self._remove(answer, directory, name)

    def _remove(self, answer: Creation, directory: Directory, name: str) -> None:
        """Unlink the empty file a refused create left; anything else there was planted otherwise."""
        try:
            parent = os.open(directory.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if _key(os.fstat(parent)) != directory.key:
                return  # the directory was swapped: its name leads elsewhere now
            status = os.lstat(name, dir_fd=parent)
            if not _is_residue(status):
                self._plant(answer.pid, directory, name)
            elif _key(status) == answer.key:
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        finally:
            os.close(parent)

    def _expire(self) -> None:
        """An empty file whose open never asked was made by mknod or link."""
        limit = time.monotonic() - GRACE
        for key in [key for key, (since, _, _) in self._made.items() if since < limit]:
            _, directory, name = self._made.pop(key)
            if os.path.lexists(key[1]):
                self._plant(key[0], directory, name)

    def _plant(self, pid: int, directory: Directory, name: str) -> None:
        for group in _created_groups(directory, name):
            self._planted.append(Appeared(pid, f"{directory.path}/{name}", group))


def _created_groups(directory: Directory, name: str) -> list[str]:
    return [claim.group for claim in directory.claims(name) if claim.act is Act.FILE_CREATE]


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_residue(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_nlink == 1


def _is_empty_file(path: str) -> bool:
    """Also True when it is gone again: then there is nothing to report."""
    try:
        return _is_residue(os.lstat(path))
    except OSError:
        return True
