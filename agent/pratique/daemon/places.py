"""Where the daemon keeps what it needs, and where its clients find it."""

import os
from pathlib import Path
from typing import NamedTuple

from pratique import host

RUNTIME = "/run/pratique"
CONFIG = "/etc/pratique/daemon/daemon.toml"
_RUNTIME, _STATE = "PRATIQUE_RUNTIME_DIR", "PRATIQUE_STATE_DIR"


class Places(NamedTuple):
    """The directories of one daemon."""

    runtime: Path
    state: Path

    @property
    def socket(self) -> Path:
        """Where it is asked."""
        return self.runtime / "control.sock"

    @property
    def pins(self) -> Path:
        """Where what refuses is pinned."""
        return self.runtime / "bpf"

    @property
    def lock(self) -> Path:
        """Held by the one daemon that runs."""
        return self.runtime / "daemon.lock"

    @property
    def database(self) -> Path:
        """What outlives a restart."""
        return self.state / "daemon.db"


def default() -> Places:
    """The places of this host's daemon; a second one, for trying things out, has others by the environment."""
    runtime, state = os.environ.get(_RUNTIME), os.environ.get(_STATE)
    return Places(Path(runtime or RUNTIME), Path(state) if state else host.state_dir())
