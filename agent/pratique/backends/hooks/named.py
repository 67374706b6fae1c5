"""What the decisions of the kernel programs are about: objects, addresses and names, and who is allowed them."""

from collections.abc import Iterable, Sequence

from pratique.backends.hooks import mirrors
from pratique.backends.hooks.loaded import Loaded
from pratique.backends.hooks.mirrors import (
    CAddressKey,
    CAllow4Key,
    CAllow6Key,
    CAllowedKey,
    CGuarded,
    CHostKey,
    CInodeKey,
    COriginKey,
    CPathKey,
)
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.records import InodeKey
from pratique.backends.hooks.tables import address_key, allow_key, host_key, path_key, u32
from pratique.policy.places import Place

_NAMED_BY_ORIGIN = {
    "allows4": CAllow4Key,
    "allows6": CAllow6Key,
    "allowed": CAllowedKey,
    "allowed_paths": CPathKey,
    "origins": COriginKey,
    "hosts": CHostKey,
    "answers": CAddressKey,
}
_EXEC_DIRS = {"code.shm": mirrors.SHM, "code.hidden-temp": mirrors.HIDDEN_TEMP}


class Named(Loaded):
    """Fills the tables by which acts are decided."""

    def replace(self, plan: Plan) -> None:
        """Put another plan in force, at one stroke for every decision by address, code group or memory."""
        self._tables.put(plan)
        self._plan = plan
        for key, group in self._ipc.items():
            self._put_ipc(key, group)

    def forget(self, origins: frozenset[int]) -> None:
        """Drop what these origins were allowed and have touched: their run has ended."""
        for name, mirror in _NAMED_BY_ORIGIN.items():
            held = self._loaded.map(name)
            for key in list(held):
                if mirror.from_buffer_copy(key).origin in origins:
                    held.delete(key)

    def allow_net(self, origin: int, cidr: str, port: int = 0) -> None:
        """Let the tree of `origin` reach `cidr` at `port` (0: any), unless the deciding rule is locked."""
        name, key = allow_key(origin, cidr, port)
        self._loaded.map(name).update(key, b"\1")

    def allow_name(self, origin: int, pattern: str, ports: Sequence[int]) -> bool:
        """Let the tree of `origin` ask for the name, or for all below `*.`, and reach it at the ports.

        Replaces what was said of the pattern before. False when the kernel's table cannot hold it.
        """
        key = host_key(origin, pattern)
        if key is None or len(ports) > mirrors.HOST_PORTS:
            return False
        held = mirrors.CHostAllow(tuple(sorted(ports)))
        return self._loaded.map("hosts").update(key, bytes(held))

    def block_names(self, patterns: Iterable[str]) -> list[str]:
        """Let nobody ask for these names, or for all below `*.`, instead of those of before; which it cannot hold."""
        keys = {pattern: host_key(mirrors.ORIGIN_ANY, pattern) for pattern in patterns}
        held = self._loaded.map("hosts")
        before = {key for key in held if CHostKey.from_buffer_copy(key).origin == mirrors.ORIGIN_ANY}
        for key in before.difference(keys.values()):
            held.delete(key)
        blocked = {key for key in keys.values() if key and held.update(key, bytes(mirrors.CHostAllow()))}
        return [pattern for pattern, key in keys.items() if key not in blocked]

    def add_resolver(self, address: str) -> None:
        """Judge questions to this address by the name in them; those to others by their address."""
        self._loaded.map("resolvers").update(address_key(address), b"\1")

    def add_exec_dir(self, path: str, group: str) -> bool:
        """Directory for `code.shm` or `code.hidden-temp`; False when it is not there."""
        key = self.keys.of([path])[0]
        if key is None:
            return False
        directories = self._loaded.map("exec_dirs")
        held = int.from_bytes(directories.lookup(bytes(key)) or b"", "little")
        return directories.update(bytes(key), u32(held | _EXEC_DIRS[group]))

    def add_ipc_key(self, path: str, group: str) -> bool:
        """Socket file that belongs to `group`; False when it is not there."""
        key = self.keys.of([path])[0]
        if key is None:
            return False
        self._ipc[key] = group
        self._put_ipc(key, group)
        return True

    def guard_writes(self, places: Iterable[Place]) -> None:
        """Judge writing opens of these existing places, and of all below deep ones; replaces earlier ones.

        The first group that names an object counts.
        """
        kept = [place for place in places if place.exists and (place.deep or not place.is_dir)]
        found: dict[bytes, bytes] = {}
        for place, key in zip(kept, self.keys.of([place.path for place in kept]), strict=True):
            number = self._number(place.group)
            if key is not None and number:
                found.setdefault(bytes(key), bytes(CGuarded(number, place.deep)))
        guarded = self._loaded.map("guarded")
        guarded.update_all(found)
        for gone in self._guarded.keys() - found.keys():
            guarded.delete(gone)
        self._guarded = found

    def allow_file(self, origin: int, path: str, use: int) -> bool:
        """Let the tree of `origin` use an existing object, of a directory all below it; False when it is not there.

        `use`: `mirrors.ALLOWED_WRITE` or `ALLOWED_IPC`. Locked rules stand.
        """
        key = self.keys.of([path])[0]
        if key is None:
            return False
        named = CAllowedKey(CInodeKey(key.inode, key.device, key.generation), origin, use)
        return self._loaded.map("allowed").update(bytes(named), b"\1")

    def allow_path(self, origin: int, path: str, use: int, *, children: bool = False) -> bool:
        """Let the tree of `origin` write or execute what is found at `path`, or directly in it if `children`.

        The path is absolute and resolved; it need not exist. False when it is too long for the kernel's table.
        `use`: `mirrors.ALLOWED_WRITE` or `ALLOWED_EXEC`.
        """
        key = path_key(origin, path, use, children=children)
        return key is not None and self._loaded.map("allowed_paths").update(key, b"\1")

    def was_written(self, path: str) -> bool:
        """Whether package or project code of a live run opened the file for writing."""
        key = self.keys.of([path])[0]
        return key is not None and self._loaded.map("written").lookup(bytes(key)) is not None

    def _put_ipc(self, key: InodeKey, group: str) -> None:
        self._loaded.map("ipc_keys").update(bytes(key), u32(self._number(group)))

    def _number(self, group: str) -> int:
        groups = self._plan.groups
        return groups.index(group) + 1 if group in groups else 0
