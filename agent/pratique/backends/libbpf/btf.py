"""What the running kernel tells of its own functions."""

from ctypes import c_uint32
from typing import Any

from pratique.backends.libbpf import library
from pratique.errors import GuardError

_BTF_FUNCTION = 12
_BTF_TYPE_INFO, _BTF_TYPE_REFERS = 1, 2
_BTF_MEMBERS = 0xFFFF


class KernelTypes:
    """The types of the running kernel: which functions it has, and with how many arguments."""

    def __init__(self) -> None:
        self._pointer: int | None = library().btf__load_vmlinux_btf()
        if self._pointer is None:
            raise GuardError(
                "this kernel does not describe its types", "use one with CONFIG_DEBUG_INFO_BTF=y"
            )

    def arguments(self, function: str) -> int | None:
        """How many arguments a function takes; None when there is no such function."""
        found = library().btf__find_by_name_kind(self._pointer, function.encode(), _BTF_FUNCTION)
        if found < 0:
            return None
        prototype = self._words(found)[_BTF_TYPE_REFERS]
        return int(self._words(prototype)[_BTF_TYPE_INFO]) & _BTF_MEMBERS

    def close(self) -> None:
        """Free them; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().btf__free(pointer)

    def _words(self, number: int) -> Any:
        """The three words every type starts with."""
        return (c_uint32 * 3).from_address(library().btf__type_by_id(self._pointer, number))
