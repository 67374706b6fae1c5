"""What the module of a manager keeps for one run."""

from typing import TypeVar

from pratique.managers.base import Context

M = TypeVar("M")


def memory_of(context: Context, name: str, kind: type[M]) -> M:
    """The memory of this run, made at its first use."""
    memory = context.memory.setdefault(name, kind())
    if not isinstance(memory, kind):
        raise TypeError(f"another module took {name}'s place in the memory of the run")
    return memory
