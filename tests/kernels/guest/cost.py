"""Runs in the guest: how many instructions this kernel follows to accept each program, as JSON."""

import json

from pratique.backends.lsm import capability
from pratique.backends.lsm.probes import Probes


def main() -> None:
    """Load everything as a run does, and count."""
    attachment = capability.capability().why
    probes = Probes(attachment, capability._PLAN, 1, ())
    try:
        probes.load()
        print(json.dumps(probes.verified()))
    finally:
        probes.close()


main()
