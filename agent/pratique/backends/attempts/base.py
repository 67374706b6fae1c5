"""What attempts share: the decoys they are made on, how they are listed by name, and how they end."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pratique.backends import syscalls


@dataclass(frozen=True, slots=True)
class Decoys:
    """What there is to attack, and where to say what was got."""

    home: Path
    canary: str
    tcp4: tuple[str, int]
    tcp6: tuple[str, int]
    udp: tuple[str, int]
    dns: tuple[str, int]
    resolver: tuple[str, int]
    """What the host is set up with; `dns` is another."""
    abstract: str
    memory: int
    """Pid of a process outside with the canary in its environment."""
    target: int
    """Pid of a process outside that dies of SIGTERM."""
    hidden: str
    """Path for a hidden program in the system's temporary directory."""

    def evidence(self, attempt: str) -> Path:
        """Where an attempt leaves what it got."""
        return self.home / "out" / attempt

    def save(self) -> None:
        """Write the description that `load` reads."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        (self.home / "decoys.json").write_text(json.dumps(fields | {"home": str(self.home)}))

    @classmethod
    def load(cls, home: Path) -> "Decoys":
        """Read the description of the decoys in `home`."""
        fields = json.loads((home / "decoys.json").read_text())
        for name in ("tcp4", "tcp6", "udp", "dns", "resolver"):
            fields[name] = tuple(fields[name])
        return cls(**fields | {"home": home})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended for its author."""

    pid: int
    error: int | None = None
    """The errno it met, None if it met none; 0 when it broke for a reason of its own."""
    signal: int | None = None


Attempted = Callable[[Decoys, Path], None]
"""Given the decoys and where to leave evidence; `OSError` when refused."""

ATTEMPTS: dict[str, Attempted] = {}


def attempt(name: str) -> Callable[[Attempted], Attempted]:
    """List what follows under a name."""

    def register(function: Attempted) -> Attempted:
        ATTEMPTS[name] = function
        return function

    return register


def with_privilege() -> None:
    """Get the privilege that an act needs as anybody may: over namespaces of one's own."""
    if os.geteuid() != 0:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET)
