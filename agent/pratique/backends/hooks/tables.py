"""A plan in kernel maps: written beside the one before, put in force by one store."""

import ctypes
import os
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from socket import AF_INET, AF_INET6
from typing import Any

from pratique.backends.hooks.mirrors import (
    HOST_KEPT,
    PATH_KEPT,
    CAddressKey,
    CAllow4Key,
    CAllow6Key,
    CCell,
    CCellKey,
    CHostKey,
    CNet4Key,
    CNet6Key,
    CPathKey,
    CPortKey,
)
from pratique.backends.hooks.plan import Cell, Plan
from pratique.backends.libbpf.objects import Object
from pratique.backends.pins import Kept
from pratique.words import Action

_IPV4 = 4
_ALLOW_FIXED_BITS = 64
_NET_FIXED_BITS = 32

Entries = dict[bytes, bytes]

_KEYS: dict[str, Any] = {"cells": CCellKey, "nets4": CNet4Key, "nets6": CNet6Key, "ports": CPortKey}


class Tables:
    """The plan's maps of a loaded object, in two generations."""

    def __init__(self, loaded: Object | Kept) -> None:
        self._maps = {name: loaded.map(name) for name in ("cells", "nets4", "nets6", "ports")}
        self._in_force = loaded.map(".bss")
        self._generation = int.from_bytes(self._in_force.lookup(u32(0)) or b"", "little")
        self._stale: dict[str, Entries] = {}
        self._held = self._found()

    def put(self, plan: Plan) -> None:
        """Put `plan` in force; programs that run meanwhile finish with the plan before."""
        self._clear()
        self._generation ^= 1
        entries = _entries(plan, self._generation)
        for name, wanted in entries.items():
            self._maps[name].update_all(wanted)
        self._in_force.update(u32(0), u32(self._generation))
        self._stale, self._held = self._held, entries

    def _found(self) -> dict[str, Entries]:
        """The plan that an earlier agent left in force; leftovers of the one before it go."""
        left = {name: dict.fromkeys(held, b"") for name, held in self._maps.items()}
        for name, entries in left.items():
            for key in [key for key in entries if _generation_of(name, key) != self._generation]:
                self._maps[name].delete(key)
                del entries[key]
        return left

    def _clear(self) -> None:
        """Drop the plan before the last: nothing has read it for as long as the last was in force."""
        for name, entries in self._stale.items():
            for key in entries:
                self._maps[name].delete(key)


def cells(rows: Iterable[Cell], generation: int, *, audit: bool) -> Entries:
    """Map entries of the decision table; the stronger of two cells for the same key stays."""
    strongest: dict[bytes, Cell] = {}
    for row in rows:
        key = bytes(CCellKey(row.stage, row.actor, row.act, row.tainted, row.group, generation))
        held = strongest.get(key)
        if held is None or row.action > held.action:
            strongest[key] = row
    return {key: _cell(row, audit=audit) for key, row in strongest.items()}


def allow_key(origin: int, cidr: str, port: int) -> tuple[str, bytes]:
    """Map name and key of an origin's allow; port 0 is any."""
    network = ip_network(cidr, strict=False)
    prefix = _ALLOW_FIXED_BITS + network.prefixlen
    packed = tuple(network.network_address.packed)
    if network.version == _IPV4:
        return "allows4", bytes(CAllow4Key(prefix, origin, port, 0, packed))
    return "allows6", bytes(CAllow6Key(prefix, origin, port, 0, packed))


def host_key(origin: int, pattern: str) -> bytes | None:
    """Key of a name, or of `*.` and what it ends in, spelt backwards; None when it is too long or no ASCII."""
    whole = not pattern.startswith("*.")
    name = pattern.removeprefix("*" * (not whole)).lower().rstrip(".")
    spelt = name[::-1].encode("ascii", "replace") + b"\0" * whole
    if len(spelt) > HOST_KEPT or not name.isascii() or "*" in name:
        return None
    room = (ctypes.c_uint8 * HOST_KEPT).from_buffer_copy(spelt.ljust(HOST_KEPT, b"\0"))
    return bytes(CHostKey(_NET_FIXED_BITS + 8 * len(spelt), origin, room))


def address_key(address: str) -> bytes:
    """Key of an address that belongs to no origin; ValueError for what is none."""
    found = ip_address(address)
    packed = (ctypes.c_uint8 * 16).from_buffer_copy(found.packed.ljust(16, b"\0"))
    return bytes(CAddressKey(packed, AF_INET if found.version == _IPV4 else AF_INET6, 0))


def path_key(origin: int, path: str, use: int, *, children: bool) -> bytes | None:
    """Key of an origin's allow by name, spelt as the kernel climbs: leaf first. None when it is too long."""
    spelt = b"".join(name + b"/" for name in reversed(os.fsencode(path).split(b"/")) if name)
    if len(spelt) > PATH_KEPT:
        return None
    room = (ctypes.c_uint8 * PATH_KEPT).from_buffer_copy(spelt.ljust(PATH_KEPT, b"\0"))
    return bytes(CPathKey(origin, use, children, room))


def _entries(plan: Plan, generation: int) -> dict[str, Entries]:
    ports = {bytes(CPortKey(entry.port, generation)): u32(entry.group) for entry in plan.ports}
    made: dict[str, Entries] = {
        "cells": cells(plan.cells, generation, audit=plan.audit),
        "nets4": {},
        "nets6": {},
        "ports": ports,
    }
    for entry in plan.networks:
        network = ip_network(entry.cidr, strict=False)
        name, mirror = ("nets4", CNet4Key) if network.version == _IPV4 else ("nets6", CNet6Key)
        prefix = _NET_FIXED_BITS + network.prefixlen
        key = mirror(prefix, generation, tuple(network.network_address.packed))
        made[name][bytes(key)] = u32(entry.group)
    return made


def _cell(row: Cell, *, audit: bool) -> bytes:
    if audit and row.action > Action.AUDIT:
        return bytes(CCell(Action.AUDIT, row.action, row.locked, 0, row.rule))
    return bytes(CCell(row.action, 0, row.locked, 0, row.rule))


def _generation_of(name: str, key: bytes) -> int:
    return int(_KEYS[name].from_buffer_copy(key).generation)


def u32(value: int) -> bytes:
    """A number as the maps hold it."""
    return bytes(ctypes.c_uint32(value))
