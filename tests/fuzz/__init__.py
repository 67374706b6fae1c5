"""How long a parser of hostile bytes is tried: a moment in `make check`, minutes in `make fuzz`."""

import os


def examples(few: int) -> int:
    """How many examples one property gets: a few, or what `make fuzz` asked for."""
    return int(os.environ.get("PRATIQUE_FUZZ", few))
