"""The laboratory itself: parallel worlds do not meet, and a crash leaves nothing of one."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from pyroute2 import IPRoute  # type: ignore[import-untyped]

from lab.ledger import sweep
from lab.world import World

_DOOMED = """
import json, signal
from pathlib import Path
from lab.ledger import system_place
from lab.world import World
with World([]) as world, system_place(Path("/run/pratique-lab/decoy/below/it")) as place:
    place.touch()
    print(json.dumps([str(world.folder), str(world.home.folder), str(place), world.network.sink]), flush=True)
    signal.pause()
"""

_ASKING = """
import socket, sys
for name in sys.argv[1:]:
    try:
        print(socket.gethostbyname(name))
    except OSError:
        print("-")
"""


def test_worlds_do_not_meet(lab: None) -> None:
    """Two worlds at once have their own addresses, homes and secrets."""
    with World([]) as one, World([]) as two:
        assert one.network.sink != two.network.sink
        assert one.home.folder != two.home.folder
        assert not set(one.home.canaries.values()) & set(two.home.canaries.values())


def test_crash_leaves_nothing(lab: None) -> None:
    """A world killed by SIGKILL loses its network at once, and its files at the next sweep."""
    command = [sys.executable, "-c", _DOOMED]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        *places, address = json.loads(process.stdout.readline())
        assert _links(process.pid)
        assert all(Path(place).exists() for place in places)
        process.send_signal(signal.SIGKILL)
    _settle(process.pid)
    sweep()

    assert _links(process.pid) == []
    assert not any(Path(place).exists() for place in places)
    assert not Path("/run/pratique-lab/decoy").exists()
    assert address.startswith("203.0.113.")


def _links(pid: int) -> list[str]:
    with IPRoute() as route:
        names = [link.get("ifname") for link in route.get_links()]
    return [name for name in names if name.startswith(f"prlab{pid:x}v")]


def _settle(pid: int) -> None:
    # The kernel takes a dead namespace apart in a worker of its own, some milliseconds later.
    for _ in range(40):
        if not _links(pid):
            return
        subprocess.run(["sleep", "0.05"], check=True)


def test_a_room_answers_the_lab_s_names(lab: None) -> None:
    """Inside, names lead to the lab and nowhere else; the host's own resolver is untouched."""
    before = Path("/etc/resolv.conf").read_bytes()
    with World([], hosts=["binaries.vendor.example"]) as world:
        wanted = [world.name["index"], "binaries.vendor.example", "not-in-the-lab.example"]
        command = world.room.inside([sys.executable, "-c", _ASKING, *wanted])
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        addresses = [world.network.address["index"], world.network.address["prebuilt"], "-"]

    assert done.stdout.split() == addresses
    assert Path("/etc/resolv.conf").read_bytes() == before


def test_a_guest_replays_without_a_veth(lab: None) -> None:
    """In a network namespace of its own, as in a booted kernel, loopback stands for the remote hosts."""
    command = ["unshare", "--net", sys.executable, "-m", "scenarios.replaying", "O01", "O31", "PULL"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout.split()) == (0, ["ok", "O01", "ok", "O31", "ok", "PULL"])
