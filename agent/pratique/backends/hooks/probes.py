"""The kernel programs of the `hooks` backend: loaded, attached, filled, and read."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from ctypes import byref, c_uint32
from pathlib import Path

from pratique import host
from pratique.backends import libbpf, numbers
from pratique.backends.base import Losses
from pratique.backends.hooks import early, mirrors, records
from pratique.backends.hooks.cgroup import open_root
from pratique.backends.hooks.keys import Keys
from pratique.backends.hooks.mirrors import (
    CAddressKey,
    CAllow4Key,
    CAllow6Key,
    CAllowedKey,
    CBeginnings,
    CGuarded,
    CHostKey,
    CInodeKey,
    CLabel,
    COriginKey,
    CPathKey,
)
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.records import InodeKey, Label, LostLabelRecord, Record
from pratique.backends.hooks.syscalls import watches
from pratique.backends.hooks.tables import Tables, address_key, allow_key, host_key, path_key
from pratique.backends.hooks.tokens import tokens
from pratique.backends.pins import Kept, Pins
from pratique.errors import GuardError
from pratique.managers.base import Pattern
from pratique.policy.places import Place
from pratique.words import Actor, Stage

_TRACING = ("on_exit", "on_fork", "on_exec")
_BEGIN = "on_begin"
_CALLS = "on_return"
_FRESH = (Actor.PACKAGE, Actor.PROJECT)
"""Whose system calls are judged when they return."""
_KEPT = (_CALLS, _BEGIN)
"""Attached at the start where they are to outlive the agent: a whole host has fresh code as good as always."""
_KEYS = "name_keys"
_GIVEN = 1 << 31
_CGROUP = (
    "on_connect4",
    "on_connect6",
    "on_sendmsg4",
    "on_sendmsg6",
    "on_sock_create",
    "on_bind4",
    "on_bind6",
    "on_egress",
    "on_ingress",
)
_MAPS = (
    *("labels", "origins", "ring", "stats", "cells", "nets4", "nets6", "ports", "written", "guarded"),
    *("allowed", "allowed_paths", "allows4", "allows6", "exec_dirs", "ipc_keys", "begun", "scoped_users"),
    *("hosts", "resolvers", "answers", "tokens", "watches", ".bss"),
)
"""Every map that userspace reads or fills."""
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
_LOCKDOWN = Path("/sys/kernel/security/lockdown")


class Probes:
    """Labels, decisions and records of one run. `load`, then `attach`, then label the command."""

    tracing: Sequence[str] = _TRACING
    watches_calls = True
    """Programs that are attached where their sections say."""

    def __init__(
        self,
        plan: Plan,
        run: int,
        patterns: Sequence[Pattern],
        *,
        label_slots: int = early.LABEL_SLOTS,
        ring_bytes: int = early.RING_BYTES,
        pins: Pins | None = None,
    ) -> None:
        """With `pins`: taken up from there if an earlier agent kept them, and kept there."""
        self._plan, self._run, self._patterns = plan, run, patterns
        self._label_slots, self._ring_bytes = label_slots, ring_bytes
        self._links: dict[str, libbpf.Link] = {}
        self._ipc: dict[InodeKey, str] = {}
        self._guarded: dict[bytes, bytes] = {}
        self._malformed = 0
        self._blocked: set[bytes] = set()
        self._pins = pins
        self._object: libbpf.Object | Kept | None = None
        self._ring: libbpf.Ring | None = None
        self.also_held: Callable[[int], None] = lambda fd: None
        """Told the descriptor of a program that is attached in mid-run, for whoever must outlive the agent."""
        self._boot_offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def load(self) -> None:
        """Give the programs to the kernel and fill their maps; nothing acts yet."""
        check_host()
        try:
            self._object = self._load()
            self._fill()
        except BaseException:
            self.close()
            raise

    def attach(self) -> None:
        """Put the programs in force; on failure `GuardError`, and none stays attached.

        That of system calls waits for fresh code, unless everything is kept.
        """
        try:
            # The order matters: what begins a run must not be met again by `on_exec` as an exec within it.
            for name in (*self.tracing, *(_KEPT if self._pins else ())):
                self._links[name] = self._loaded.attach(name)
            self._attach_cgroup()
            self._pin()
        except OSError as error:
            self.close()
            raise GuardError(f"the kernel refused to attach a program ({error.strerror})") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Detach and free everything; safe to call twice and after any failure."""
        links, self._links = self._links, {}
        for link in links.values():
            link.close()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._object is not None:
            self._object.close()
            self._object = None

    def replace(self, plan: Plan) -> None:
        """Put another plan in force, at one stroke for every decision by address, code group or memory."""
        self._tables.put(plan)
        self._plan = plan
        for key, group in self._ipc.items():
            self._put_ipc(key, group)

    def set_label(
        self,
        pid: int,
        actor: Actor,
        stage: Stage,
        origin: int,
        flags: int = 0,
        *,
        must_exist: bool = False,
        run: int | None = None,
    ) -> bool:
        """Label a process; False when `must_exist` and it has no label (it is gone).

        The first label of fresh code puts the program of system calls in force: the whole host pays for it.
        """
        if self.watches_calls and actor in _FRESH and _CALLS not in self._links:
            self._watch_calls()
        label = CLabel(self._run if run is None else run, origin, stage, actor, flags)
        return self._labels.update(_u32(pid), bytes(label), libbpf.EXIST if must_exist else libbpf.ANY)

    def label_of(self, pid: int) -> Label | None:
        """The label of process `pid`. Cheap and safe from any thread: fanotify answers wait for it."""
        raw = CLabel()
        if self._lookup(self._labels.fd, byref(c_uint32(pid)), byref(raw)):
            return None
        return records.label(raw)

    def labelled(self, run: int | None = None) -> list[int]:
        """Processes that carry a label of `run` (default: this run)."""
        wanted = self._run if run is None else run
        found = ((int.from_bytes(key, "little"), self._labels.lookup(key)) for key in self._labels)
        runs = ((pid, CLabel.from_buffer_copy(raw).run) for pid, raw in found if raw)
        return [pid for pid, number in runs if numbers.belongs(number, wanted)]

    def live(self) -> dict[int, Label]:
        """Every labelled process."""
        found = {int.from_bytes(key, "little"): self._labels.lookup(key) for key in self._labels}
        return {pid: records.label(CLabel.from_buffer_copy(raw)) for pid, raw in found.items() if raw}

    def taint(self, origin: int, run: int | None = None) -> None:
        """From now on the whole tree of `origin` counts as having read a secret."""
        key = COriginKey(self._run if run is None else run, origin)
        self._loaded.map("origins").update(bytes(key), _u32(mirrors.TAINTED))

    def adopt_family(self, family: int) -> int:
        """The family of the runs that an earlier agent left in force; else `family`, from now on."""
        self._run = self._beginnings().family or family
        return self._run

    def begin_runs(self, users: Sequence[int] | None) -> None:
        """From now on managers that nobody wrapped begin runs of our family; `users`: only theirs.

        The keeper's number tells an earlier agent's guardian of the take-over.
        """
        held = self._beginnings()
        scoped = self._loaded.map("scoped_users")
        for user in list(scoped):
            scoped.delete(user)
        scoped.update_all({_u32(user): b"\1" for user in users or ()})
        made = CBeginnings(self._run, max(held.begun, 1), users is not None, held.keeper + 1)
        self._loaded.map("begun").update(_u32(0), bytes(made))

    def _beginnings(self) -> CBeginnings:
        raw = self._loaded.map("begun").lookup(_u32(0))
        return CBeginnings.from_buffer_copy(raw or bytes(ctypes.sizeof(CBeginnings)))

    def new_run(self) -> int:
        """A number of the family that the kernel does not use: it counts up from 1."""
        return self._run | _GIVEN | (int.from_bytes(os.urandom(4)) >> 1)

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
        """Let nobody ask for these names, or for all below `*.`, and forget those of before; which it cannot hold."""
        keys = {pattern: host_key(mirrors.ORIGIN_ANY, pattern) for pattern in patterns}
        wanted = {key for key in keys.values() if key is not None}
        held = self._loaded.map("hosts")
        for key in self._blocked - wanted:
            held.delete(key)
        self._blocked = {key for key in wanted if held.update(key, bytes(mirrors.CHostAllow()))}
        return [pattern for pattern, key in keys.items() if key not in self._blocked]

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
        return directories.update(bytes(key), _u32(held | _EXEC_DIRS[group]))

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

    def read(self, timeout: float) -> list[Record]:
        """What happened since, after waiting at most `timeout` seconds for something.

        A child that was born while the label map was full is killed here, if the kernel could not.
        """
        if self._ring is None:
            return []
        found = [records.decode(raw) for raw in self._ring.read(timeout)]
        self._malformed += found.count(None)
        known = [record for record in found if record is not None]
        for record in known:
            if isinstance(record, LostLabelRecord) and not record.killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(record.child, signal.SIGKILL)
        return known

    def moment(self, boot_nanoseconds: int) -> float:
        """Seconds since the epoch of a record's time; steady through changes of the clock."""
        return boot_nanoseconds / 1e9 + self._boot_offset

    @property
    def epoll_fd(self) -> int:
        """Readable when records wait that should not."""
        if self._ring is None:
            raise RuntimeError("load() comes first")
        return self._ring.epoll_fd

    def losses(self) -> Losses:
        """What this run lost so far."""
        counted = self.counts()
        return Losses(counted["ring"], counted["labels"], counted["reads"] + self._malformed)

    def counts(self) -> dict[str, int]:
        """Every counter of this run by name, also of what is not shipped."""
        raw = self._loaded.map("stats").lookup(_u32(0))
        values = mirrors.CCounters.from_buffer_copy(raw).value if raw else [0] * len(mirrors.COUNTERS)
        return dict(zip(mirrors.COUNTERS, values, strict=True))

    def fds(self) -> dict[str, int]:
        """Descriptors the guardian must hold: `labels`, `begun`, and every link by its program."""
        links = {name: link.fd for name, link in self._links.items()}
        return {"labels": self._labels.fd, "begun": self._loaded.map("begun").fd, **links}

    @property
    def _loaded(self) -> libbpf.Object | Kept:
        if self._object is None:
            raise RuntimeError("load() comes first")
        return self._object

    def _watch_calls(self) -> None:
        try:
            link = self._links[_CALLS] = self._loaded.attach(_CALLS)
        except OSError as error:
            raise GuardError(f"the kernel refused to attach a program ({error.strerror})") from error
        self.also_held(link.fd)

    def _pin(self) -> None:
        if self._pins is not None and not isinstance(self._object, Kept):
            maps = {name: self._loaded.map(name) for name in _MAPS}
            links = {name: link for name, link in self._links.items() if name != _KEYS}
            self._pins.keep(maps, links, {_KEYS: self._loaded.program_fd(_KEYS)})

    def _load(self) -> libbpf.Object | Kept:
        if self._pins is not None and self._pins.held():
            return self._pins.open()
        taken = early.take(self._label_slots, self._ring_bytes)
        if taken is not None:
            return taken
        loaded = self._open()
        try:
            loaded.load()
        except OSError as error:
            loaded.close()
            raise _refused(error, libbpf.explain(lambda: self._open().load())) from error
        return loaded

    def _open(self) -> libbpf.Object:
        return early.open_object(self._label_slots, self._ring_bytes)

    def _fill(self) -> None:
        loaded = self._loaded
        self._labels = loaded.map("labels")
        self._lookup = libbpf.library().bpf_map_lookup_elem
        words = tokens(self._patterns)
        loaded.map("tokens").update_all({key: mask.to_bytes(8, "little") for key, mask in words.items()})
        calls = {_u32(number): watch for number, watch in watches().items()}
        loaded.map("watches").update_all(calls)
        self._tables = Tables(loaded)
        self._guarded = dict.fromkeys(loaded.map("guarded"), b"")
        self._tables.put(self._plan)
        self._ring = libbpf.Ring(loaded.map("ring"))
        self._links[_KEYS] = loaded.attach_task_iterator(_KEYS, os.getpid())
        self.keys = Keys(self._links[_KEYS])

    def _attach_cgroup(self) -> None:
        root = open_root()
        try:
            for name in _CGROUP:
                self._links[name] = self._loaded.attach_cgroup(name, root)
        except PermissionError as error:
            what = "a cgroup program attached exclusively at the root refuses every other"
            raise GuardError(what, "find it with `bpftool cgroup show` and attach it with multi") from error
        finally:
            os.close(root)

    def _put_ipc(self, key: InodeKey, group: str) -> None:
        self._loaded.map("ipc_keys").update(bytes(key), _u32(self._number(group)))

    def _number(self, group: str) -> int:
        groups = self._plan.groups
        return groups.index(group) + 1 if group in groups else 0


def check_host() -> None:
    """`GuardError` where no kernel program of ours could work."""
    if os.geteuid() != 0:
        raise GuardError("the hooks backend needs root", "run pratique as root, or with sudo")
    if not host.in_first_pid_namespace():
        raise GuardError(
            "this is a pid namespace of its own: the kernel's process numbers mean other processes here",
            "run pratique on the host, outside the container",
        )
    if not Path("/sys/kernel/btf/vmlinux").exists():
        raise GuardError(
            "this kernel does not describe its types", "use a kernel with CONFIG_DEBUG_INFO_BTF=y"
        )


def _refused(error: OSError, log: str) -> GuardError:
    mend = "see the lines above; pratique doctor tells what this kernel can do"
    with contextlib.suppress(OSError):
        if "[confidentiality]" in _LOCKDOWN.read_text(encoding="ascii"):
            mend = "kernel lockdown is in confidentiality mode, which forbids tracing: boot without it"
    return GuardError(f"the kernel refused the programs ({error.strerror})\n{log}".rstrip(), mend)


def _u32(number: int) -> bytes:
    return bytes(ctypes.c_uint32(number))
