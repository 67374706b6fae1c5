"""The thread that answers permission events: everyone who opens a marked file waits for it."""

import errno
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pratique.backends.hooks import fanotify
from pratique.backends.hooks.objects import Claims, Index, Key
from pratique.words import Act

Judge = Callable[[int, Act, str, tuple[str, ...]], bool]
"""pid, act, path (from the kernel), groups → whether it may go on. Called on the answering thread."""
Labelled = Callable[[int], bool]
"""Whether the pid belongs to a run. Called on the answering thread."""

Hold = Callable[[int, str, Callable[[], None]], bool]
"""pid, path, the act of refusing → whether it will do that. Called on the answering thread."""

_RETRY_MILLISECONDS = 2
_DELETED = " (deleted)"


class Creation(NamedTuple):
    """An answer given for a place that was missing: an O_CREAT behind it has already made the file."""

    pid: int
    path: str
    key: Key
    allowed: bool


class Gate:
    """Answers every event of a permission group by asking `judge`.

    The thread opens nothing, imports nothing and takes no lock: whoever holds one may be waiting for it.
    It shares the interpreter lock, so no other thread may keep that while it waits for a marked file.
    Opening files, `os.fork` and `subprocess` are fine. `os.posix_spawn` of a guarded program deadlocks
    (tried), and so might `dlopen` of a guarded file; the guardian's missed heartbeat ends such a lock.
    """

    def __init__(self, judge: Judge, labelled: Labelled) -> None:
        self.fd = fanotify.open_gate()
        self.index = Index()
        self.errors: deque[Exception] = deque(maxlen=64)
        """What judging raised; the oldest are dropped, `failures` counts all."""
        self.creations: deque[Creation] = deque(maxlen=4096)
        self.lost = 0
        """Events nobody judged: an overflow, or an object that could not be opened (the kernel refused)."""
        self.failures = 0
        self.hold: Hold | None = None
        """Takes over the answer to a refusal, or does not: somebody wants to look at the opener first."""
        self.postpone: Callable[[int, int], bool] | None = None
        """Whether this opener is to wait a little: it is asked again until the answer is no. By pid and a descriptor
        of the object; to look at that costs system calls, and most are known not to wait by their pid alone."""
        self._parked: list[fanotify.Event] = []
        self.answered = 0
        self.refused = 0
        self._judge = judge
        self._labelled = labelled
        self._own_pid = os.getpid()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(target=self._serve, name="pratique-gate", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove every mark, answer who still waits, end the thread, close the group; safe to call twice."""
        if self.fd < 0:
            return
        fanotify.flush(self.fd)
        if self._thread:
            os.eventfd_write(self._wake, 1)
            self._thread.join(timeout=5)
        self.fd, fd = -1, self.fd
        os.close(fd)
        os.close(self._wake)

    def _serve(self) -> None:
        group, poll = self.fd, select.poll()
        poll.register(group, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        stopping = False
        while not stopping:
            ready = dict(poll.poll(_RETRY_MILLISECONDS if self._parked else None))
            stopping = self._wake in ready or bool(ready.get(group, 0) & select.POLLNVAL)
            while self._answer_some(group):
                pass
            parked, self._parked = self._parked, []
            for event in parked:
                self._take(group, event)

    def _answer_some(self, group: int) -> bool:
        """Answer what one read yields; False when nothing waits."""
        try:
            events = fanotify.read_gate(group)
        except BlockingIOError:
            return False
        except OSError as error:
            self.lost += 1  # no descriptor could be made for this one: the kernel has answered DENY
            return error.errno != errno.EBADF
        try:
            for event in events:
                self._take(group, event)
        except ValueError:
            self.lost += 1  # a record nobody understands: its opener waits for the guardian's answer
        return True

    def _take(self, group: int, event: fanotify.Event) -> None:
        if event.fd < 0:
            self.lost += 1
        elif self._is_to_wait(event):
            self._parked.append(event)
        else:
            self._answer(group, event)

    def _is_to_wait(self, event: fanotify.Event) -> bool:
        if self.postpone is None or event.pid == self._own_pid:
            return False
        if len(self._parked) >= fanotify.EVENTS_PER_READ:  # their descriptors' numbers must stay low
            return False
        try:
            return self.postpone(event.pid, event.fd)
        except Exception as error:  # noqa: BLE001 (then it is answered now)
            self.errors.append(error)
            return False

    def _answer(self, group: int, event: fanotify.Event) -> None:
        allowed = False
        try:
            allowed = event.pid == self._own_pid or self._decide(event)
        except Exception as error:  # noqa: BLE001 (whatever judging raises, the opener must get an answer)
            self.failures += 1
            self.errors.append(error)
            allowed = not self._may_be_labelled(event.pid)
        finally:
            self.answered += 1
            self.refused += not allowed
            if allowed or not self._held(group, event):
                fanotify.answer(group, event.fd, allowed)
                os.close(event.fd)

    def _held(self, group: int, event: fanotify.Event) -> bool:
        def refuse() -> None:
            fanotify.answer(group, event.fd, allow=False)
            os.close(event.fd)

        if self.hold is None:
            return False
        try:
            return self.hold(event.pid, path_of(event.fd, os.fstat(event.fd)), refuse)
        except Exception as error:  # noqa: BLE001 (then it is refused now)
            self.errors.append(error)
            return False

    def _decide(self, event: fanotify.Event) -> bool:
        status = os.fstat(event.fd)
        path = path_of(event.fd, status)
        claims = self._claims(event, (status.st_dev, status.st_ino), path)
        for act in dict.fromkeys(claim.act for claim in claims):
            groups = tuple(claim.group for claim in claims if claim.act is act)
            allowed = self._judge(event.pid, act, path, groups)
            if act is Act.FILE_CREATE:
                self.creations.append(Creation(event.pid, path, (status.st_dev, status.st_ino), allowed))
            if not allowed:
                return False
        return True

    def _claims(self, event: fanotify.Event, key: Key, path: str) -> Claims:
        claims = self.index.find(key, path, event.fd)
        if event.mask & fanotify.OPEN_EXEC_PERM:
            programs = tuple(claim for claim in claims if claim.act is Act.EXEC)
            return programs + self.index.hidden(path)
        claims = tuple(claim for claim in claims if claim.act is not Act.EXEC)
        if claims or not self._labelled(event.pid):
            return claims
        return self.index.search(key, path)

    def _may_be_labelled(self, pid: int) -> bool:
        try:
            return self._labelled(pid)
        except Exception as error:  # noqa: BLE001 (unknown counts as labelled: refuse)
            self.errors.append(error)
            return True


def path_of(fd: int, status: os.stat_result) -> str:
    """Where the kernel found the object of an event; that of a deleted file is as it was."""
    path = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 (no Path per event)
    if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
        return path.removesuffix(_DELETED)
    return path
