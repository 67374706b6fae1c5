"""Landlock without file rules: the tree cannot trace, signal or reach by abstract socket what is outside it.

A domain, however empty, also shuts `/proc/PID/root` and `/proc/PID/mem` of outsiders: through the first a
root process would reach the places that the static layer made read-only.
"""

from pratique.backends import syscalls

_SCOPE_ABSTRACT_SOCKET = 1
_SCOPE_SIGNAL = 2
_ABI_REFER = 2
_ABI_SCOPES = 6

# A domain must handle something. These two are then allowed everywhere: REFER because it is denied
# wherever it is not named, MAKE_BLOCK because nothing here makes block devices.
_MAKE_BLOCK = 1 << 11
_REFER = 1 << 13

_NO_SCOPES = "signals and abstract sockets to processes outside are not scoped (Landlock needs Linux 6.12)"
_NO_DOMAIN = "memory and /proc/PID/root of processes outside are not shut off (no Landlock of ABI 2 or later)"


def domain() -> tuple[int | None, list[str]]:
    """Open a ruleset to restrict a child with, the strongest this kernel has, and what it leaves open."""
    abi = syscalls.landlock_abi()
    if abi >= _ABI_SCOPES:
        return syscalls.landlock_ruleset(scoped=_SCOPE_ABSTRACT_SOCKET | _SCOPE_SIGNAL), []
    if abi >= _ABI_REFER:
        return _empty_domain(), [_NO_SCOPES]
    return None, [_NO_SCOPES, _NO_DOMAIN]


def _empty_domain() -> int:
    ruleset = syscalls.landlock_ruleset(files=_REFER | _MAKE_BLOCK)
    syscalls.landlock_allow(ruleset, "/", _REFER | _MAKE_BLOCK)
    return ruleset
