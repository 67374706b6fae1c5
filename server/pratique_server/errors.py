"""Errors the collector raises on purpose; only the command line and the two wires turn them into text."""


class CollectorError(Exception):
    """Base of all expected failures: `what` failed, and the `mend` that would fix it."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}" if self.mend else self.what


class UsageError(CollectorError):
    """The command line, or a caller of the query API, asks for something that cannot be."""


class RefusedError(CollectorError):
    """Who asks may not: an unknown, expired, revoked or replayed credential, or a right that is missing."""


class MalformedError(CollectorError):
    """Bytes from the wire that are not what they must be; the sender must not send them again."""


class FullError(CollectorError):
    """No more can be taken now; the sender keeps what it has and tries again after `seconds`."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what, f"again in {seconds:g} s")
        self.seconds = seconds


class StoreError(CollectorError):
    """The store could not keep or give what was asked for."""


class MissingError(CollectorError):
    """What was asked for is not there."""


class ForbiddenError(CollectorError):
    """Who asks is known, and may not."""
