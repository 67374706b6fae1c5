"""What the supervisor says to a stopped call."""


class GoOn:
    """The kernel carries it out; Landlock and the caller's rights bound what can come of it."""


class Fail:
    """It fails with this error number."""

    def __init__(self, error: int) -> None:
        self.error = error


class Value:
    """It was done in the caller's place, with this result."""

    def __init__(self, value: int) -> None:
        self.value = value


class Descriptor:
    """It was opened in the caller's place: `fd` is handed over and closed here."""

    def __init__(self, fd: int, inheritable: bool) -> None:
        self.fd, self.inheritable = fd, inheritable


class Checked:
    """It goes on, and what it opened is looked at before its author runs again; `key`: what it should be."""

    def __init__(self, key: tuple[int, int] | None) -> None:
        self.key = key


class Later:
    """The answer comes from somebody else, who holds the call."""


Answer = GoOn | Fail | Value | Descriptor | Checked | Later

GO_ON = GoOn()
LATER = Later()
