"""The three machines, each provisioned by its own script, and a line between the collector and each of the others."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernels import images, matrix
from kernels.machine import Done, Machine
from lab.demands import demand
from machines.image import PROVISION, WHEELS, image

_LIMIT = 1500
_SCRIPT_SECONDS = 900
_OPTIONS = "init=/lib/systemd/systemd systemd.show_status=0"
_NEEDED = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "dpkg-deb", "apt-get")
COLLECTOR = "collector.lab"
_NAMES = "127.0.0.1 localhost collector build-server dev-machine\n10.0.{wire}.1 collector.lab\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs an emulator, and minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernels)
            item.add_marker(pytest.mark.timeout(_LIMIT, method="thread"))


@dataclass(frozen=True)
class Lab:
    """Three machines that run."""

    collector: Machine
    build_server: Machine
    dev_machine: Machine

    def say(self, machine: Machine, command: str, **environment: str) -> Done:
        """A command as root would type it."""
        return machine.run("bash", "-c", command, seconds=_SCRIPT_SECONDS, **environment)

    def ask(self, command: str) -> str:
        """`pratique-server` on the collector, as the service's user."""
        told = f"sudo -u pratique-collector pratique-server {command} --data /var/lib/pratique-collector"
        done = self.say(self.collector, told)
        assert done.status == 0, done.output
        return done.output.strip()

    def provision(self, machine: Machine, name: str, token: str = "") -> None:
        """Run the script of that machine, with what it would fetch at hand."""
        done = self.say(
            machine,
            f"{PROVISION}/{name}.sh",
            SOURCE=f"{WHEELS}/{_wheel()}",
            COLLECTOR=COLLECTOR,
            PRATIQUE_TOKEN=token,
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=WHEELS,
            PIP_NO_COMPILE="1",
        )
        assert done.status == 0, done.output

    def token(self) -> str:
        """One that lets a host in."""
        return self.ask("token create").split()[-1]


def _wheel() -> str:
    return next((images.CACHE / "wheel").glob("*.whl")).name


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """All three, the collector provisioned."""
    lacking = [name for name in _NEEDED if shutil.which(name) is None]
    demand("building a root file system needs root" if os.geteuid() else None)
    demand(f"{', '.join(lacking)} not installed (make setup-kernels)" if lacking else None)
    with images.alone():
        kernel = images.kernel(matrix.read().kernels[-1])
        disk = image(kernel)
    wires = [tmp_path_factory.mktemp("wires") / f"{number}" for number in range(2)]
    with ExitStack() as stack:
        first = stack.enter_context(Machine(kernel, disk, _OPTIONS, wires=wires))
        others = [stack.enter_context(Machine(kernel, disk, _OPTIONS, wires=[wire])) for wire in wires]
        made = Lab(first, *others)
        for machine, name in zip((first, *others), ("collector", "build-server", "dev-machine"), strict=True):
            made.say(machine, f"hostname {name}")
        for number, machine in enumerate(others):
            _wire(made, machine, "eth0", f"10.0.{number}.2", number)
            _wire(made, first, f"eth{number}", f"10.0.{number}.1", number)
        made.provision(first, "collector")
        yield made


def _wire(lab: Lab, machine: Machine, card: str, address: str, number: int) -> None:
    names = _NAMES.format(wire=number)
    said = f"ip addr add {address}/24 dev {card} && ip link set {card} up && printf %s '{names}' >/etc/hosts"
    done = lab.say(machine, said)
    assert done.status == 0, done.output
