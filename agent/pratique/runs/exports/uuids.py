"""A run id (a ULID) as a UUID: the same 128 bits, for formats that know no other names."""

from uuid import UUID

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def uuid(run: str) -> str:
    """The UUID of a run; the same for every export of it."""
    number = 0
    for letter in run:
        number = number << 5 | _LETTERS.index(letter)
    return str(UUID(int=number & (1 << 128) - 1))
