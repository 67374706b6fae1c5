"""Errors Pratique raises on purpose; only the command line turns them into text and an exit status."""


class PratiqueError(Exception):
    """Base of all expected failures: `what` failed, and the `mend` that would fix it."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}" if self.mend else self.what


class ConfigError(PratiqueError):
    """A rule, group, profile or policy file is wrong: the message starts with `file:line:`."""


class UsageError(PratiqueError):
    """The command line asks for something that cannot be."""


class GuardError(PratiqueError):
    """The guard could not be set up, or was lost: exit status 125, nothing runs unguarded."""
