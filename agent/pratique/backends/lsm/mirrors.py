"""Python's mirrors of the map entries that only the `lsm` programs have (probes/include/tables.h)."""

import ctypes
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64
from enum import IntFlag

from pratique.backends.hooks.mirrors import CInodeKey

NAME_KEPT, GLOB_KEPT, GLOBS_MAX = 64, 24, 16


class Below(IntFlag):
    """`enum object_flag`: what a directory means for what is in it."""

    READ = 1
    WRITE = 2
    NAMES = 4
    GLOBS = 8


class CObject(ctypes.Structure):
    """`struct object`."""

    _fields_ = (
        ("read", c_uint16),
        ("write", c_uint16),
        ("exec", c_uint16),
        ("ipc", c_uint16),
        ("above", c_uint16),
        ("flags", c_uint16),
    )


class CNameKey(ctypes.Structure):
    """`struct name_key`."""

    _fields_ = (("directory", CInodeKey), ("name", c_char * NAME_KEPT))


class CGlobKey(ctypes.Structure):
    """`struct glob_key`."""

    _fields_ = (("directory", CInodeKey), ("index", c_uint32), ("reserved", c_uint32))


class CGlob(ctypes.Structure):
    """`struct glob`."""

    _fields_ = (
        ("object", CObject),
        ("prefix_length", c_uint16),
        ("suffix_length", c_uint16),
        ("prefix", c_uint8 * GLOB_KEPT),
        ("prefix_mask", c_uint8 * GLOB_KEPT),
        ("suffix", c_uint8 * GLOB_KEPT),
        ("suffix_mask", c_uint8 * GLOB_KEPT),
    )


class CSettings(ctypes.Structure):
    """`struct settings`."""

    _fields_ = (("agent", c_uint32), ("confine", c_uint32), ("beat", c_uint64))
