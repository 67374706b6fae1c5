"""What the supervisor says to a stopped call."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GoOn:
    """The kernel carries it out; Landlock and the caller's rights bound what can come of it."""


@dataclass(frozen=True, slots=True)
class Fail:
    """It fails with this error number."""

    error: int


@dataclass(frozen=True, slots=True)
class Value:
    """It was done in the caller's place, with this result."""

    value: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """It was opened in the caller's place: `fd` is handed over and closed here."""

    fd: int
    inheritable: bool


@dataclass(frozen=True, slots=True)
class Later:
    """The answer comes from somebody else, who holds the call."""


Answer = GoOn | Fail | Value | Descriptor | Later

GO_ON = GoOn()
LATER = Later()
