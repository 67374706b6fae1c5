"""The ring, and how programs come and go."""

import subprocess
import sys
import time

from lab.probed import PIP, PLAN, RUN, connect, labelled
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.probes import Probes
from pratique.words import Actor, Stage


def test_lost_and_held_make_all() -> None:
    """A full ring counts exactly what it drops."""
    small = Probes(PLAN, RUN, (), ring_bytes=4096)
    small.load()
    small.attach()
    try:
        labelled(small, lambda: [connect(("127.0.0.1", 9)) for _ in range(200)] and 0)
        held = len(small.read(0.1))
        lost, counts = small.losses().ring, small.counts()
    finally:
        small.close()

    assert lost > 0
    assert held + lost == counts["connect"] + counts["exit"]


def test_close_detaches_everything(server: tuple[str, int]) -> None:
    """A label's process is free once the programs are gone, and closing twice is fine."""
    made = Probes(PLAN, RUN, ())
    made.load()
    made.attach()
    code = f"import socket; input(); exit(socket.socket().connect_ex({server!r}))"
    # Another program, not a mere fork: that would keep the links open itself.
    with subprocess.Popen([sys.executable, "-Ic", code], stdin=subprocess.PIPE) as process:
        made.set_label(process.pid, Actor.PACKAGE, Stage.BUILD, 1)
        made.close()
        made.close()
        process.communicate(b"go\n")

    assert process.returncode == 0


def test_capability_is_proved_by_a_refusal() -> None:
    """A host that can says so only after a connect was refused."""
    support = capability()

    assert support.ok, support.why


def test_start_is_quick() -> None:
    """Load and attach stay a small part of the start of a run."""
    made = Probes(PLAN, RUN, (PIP,))
    began = time.monotonic()
    made.load()
    made.attach()
    took = time.monotonic() - began
    made.close()

    assert took < 0.6
