"""What a root test needs of the host: asked once, skipped with the reason, or failed where CI demands it."""

import os
import subprocess
from functools import cache

import pytest

from lab.errors import LabError
from lab.guard import PRATIQUE, guarded
from lab.network import Network


def demand(reason: str | None) -> None:
    """Go on when nothing is missing; otherwise skip, or fail under `PRATIQUE_MUST_RUN=1`."""
    if reason and os.environ.get("PRATIQUE_MUST_RUN") == "1":
        pytest.fail(f"PRATIQUE_MUST_RUN=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@cache
def lab_missing() -> str | None:
    """Why the laboratory cannot be built here, or None."""
    if os.geteuid() != 0:
        return "the lab needs root: network namespaces and veth pairs"
    try:
        with Network():
            return None
    except (LabError, OSError) as error:
        return f"the lab cannot be built: {error}"


@cache
def guard_missing() -> str | None:
    """Why `pratique run` cannot guard a command here, or None."""
    if not PRATIQUE.exists():
        return f"{PRATIQUE.name} is not installed beside this interpreter (pip install -e .)"
    try:
        done = subprocess.run(guarded(["true"]), capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return "`pratique run -- true` did not end within 30 s"
    return (
        None
        if done.returncode == 0
        else f"`pratique run -- true` gave {done.returncode}: {done.stderr.strip()}"
    )
