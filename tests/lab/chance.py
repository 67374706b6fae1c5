"""Where all that is unique in the lab comes from: one seed, printed; `PRATIQUE_SEED=` repeats it."""

import os
import random
import secrets
from collections import Counter
from functools import cache
from typing import TypeVar

T = TypeVar("T")
_drawn: Counter[str] = Counter()


@cache
def seed() -> str:
    """The seed of this process: given, or drawn once."""
    return os.environ.get("PRATIQUE_SEED") or secrets.token_hex(4)


def chance(scope: str) -> random.Random:
    """A source of its own for each scope, another one each time: what one draws shifts nothing for others."""
    _drawn[scope] += 1
    return random.Random(f"{seed()}/{scope}/{_drawn[scope]}")


def shuffled(scope: str, items: list[T]) -> list[T]:
    """The same items in an order of this seed."""
    return chance(scope).sample(items, len(items))
