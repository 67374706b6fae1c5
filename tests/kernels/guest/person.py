"""Runs in the guest, as root: makes a person without privilege, and what of the lab nobody else can make."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, "/opt/tests")

from lab.guest import Guest
from lab.ledger import HOMES

# What is nobody's without privilege has no control: whoever may load programs can be refused to.
_UNPRIVILEGED_BPF = Path("/proc/sys/kernel/unprivileged_bpf_disabled")
_FIRST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def main(name: str) -> None:
    """Whatever comes after this is done by that person alone."""
    subprocess.run(["useradd", "--create-home", name], check=True)
    with Guest(metadata=True):  # its addresses stay
        pass
    HOMES.chmod(0o1777)
    for setting in (_FIRST_PORT, _UNPRIVILEGED_BPF):
        setting.write_text("0")


main(*sys.argv[1:])
