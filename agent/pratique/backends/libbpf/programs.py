"""What the kernel tells of a loaded program."""

import ctypes
import os
from ctypes import byref, c_uint32, c_uint64

from pratique.backends.libbpf import last_errno, library

_INFO_BYTES = 232
_MISSED_AT, _VERIFIED_AT = 208, 216


def verified(program: int) -> int:
    """How many instructions the kernel followed to accept a program."""
    return c_uint32.from_buffer(_info(program), _VERIFIED_AT).value


def missed(program: int) -> int:
    """How often a program was passed over because it was running already on that processor."""
    return c_uint64.from_buffer(_info(program), _MISSED_AT).value


def _info(program: int) -> "ctypes.Array[ctypes.c_char]":
    info, size = ctypes.create_string_buffer(_INFO_BYTES), c_uint32(_INFO_BYTES)
    if library().bpf_obj_get_info_by_fd(program, info, byref(size)):
        raise OSError(last_errno(), f"a program is not told of: {os.strerror(last_errno())}")
    return info
