"""What each tier leaves open on this host, a line each: the report and `doctor` print them."""

import os

from pratique.backends import syscalls
from pratique.backends.rootless.capability import EMULATED, ENCLOSED, TIER, TRACED, unenclosed

_ABI_REFER, _ABI_TRUNCATE = 2, 3

OF_MADE_SOCKETS = (
    "pidfd_getfd is refused here (a container's profile): sockets of package code are made by the supervisor",
    "package code gets no datagram sockets; one that is allowed some host could send datagrams to others",
)
"""What is different where sockets cannot be copied."""
_OF_LANDLOCK = (
    (_ABI_TRUNCATE, "files can be cut short in guarded places that exist (Landlock needs Linux 6.2)"),
    (_ABI_REFER, "renames and links across directories answer EXDEV (Landlock needs Linux 5.19)"),
)
_OF_TRACED = (
    "tier 4 of docs/rootless.md: traced; who opens by a trick what it may not is killed at once",
    "calls that another supervisor takes are not seen",
)
_OF_EMULATED = (
    "tier 3 of docs/rootless.md: no Landlock, so every open and change is done by the supervisor",
    "memory of processes outside is not shut off to the command, the managers and their helpers",
)
_ENCLOSED = "tier 1 of docs/rootless.md: namespaces of its own, and in them all of tier 2"
_BOUNDED = "tier 2 of docs/rootless.md: Landlock refuses, a supervisor does what is allowed"


def of_tier(chosen: int) -> list[str]:
    """The tier, and what it leaves open here; and why it is not the one that was asked for."""
    if chosen == ENCLOSED or os.environ.get(TIER) != str(ENCLOSED):
        return _of(chosen)
    why = unenclosed() or "it holds tier 2, which cannot be had either"
    return [*_of(chosen), f"tier 1 cannot be had here: {why}"]


def _of(chosen: int) -> list[str]:
    if chosen == TRACED:
        return [*_OF_TRACED]
    if chosen == EMULATED:
        return [*_OF_EMULATED]
    abi = syscalls.landlock_abi()
    what = _ENCLOSED if chosen == ENCLOSED else _BOUNDED
    return [what, *(text for least, text in _OF_LANDLOCK if abi < least)]
