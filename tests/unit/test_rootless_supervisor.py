"""The loop of `rootless` when nobody is left who could ask."""

import os

from pratique.backends.rootless.supervisor import Supervisor
from pratique.backends.rootless.tasks import Tasks


class _Left:
    """A listener behind which nobody is left: on kernels before 6.11, to receive means to wait for ever."""

    def __init__(self) -> None:
        self.fd, writing = os.pipe()
        os.close(writing)
        self.asked = 0

    def receive(self) -> None:
        self.asked += 1

    def close(self) -> None:
        os.close(self.fd)


def test_nobody_is_waited_for_who_cannot_come() -> None:
    """A listener that only says that its last process has ended is not asked for a call."""
    left, tasks = _Left(), Tasks(os.getpid(), ())
    supervisor = Supervisor(left, None, tasks, None, {}, lambda: None, lambda *_: True)  # type: ignore[arg-type]

    assert [supervisor.serve(0.01), supervisor.serve(0.01)] == [None, None]
    assert left.asked == 0
    supervisor.close()
    tasks.close()
