"""What goes wrong in the lab itself, as opposed to in what it tests."""


class LabError(Exception):
    """The laboratory cannot be built here; the message says what is missing."""
