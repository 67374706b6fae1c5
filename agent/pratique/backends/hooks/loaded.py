"""The life of the kernel programs: loaded or taken up again, attached, kept, and freed."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pratique import host
from pratique.backends.hooks import early
from pratique.backends.hooks.cgroup import open_root
from pratique.backends.hooks.keys import Keys
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.records import InodeKey
from pratique.backends.hooks.syscalls import watches
from pratique.backends.hooks.tables import Tables, u32
from pratique.backends.hooks.tokens import tokens
from pratique.backends.libbpf import library
from pratique.backends.libbpf.maps import Ring
from pratique.backends.libbpf.objects import Link, Object
from pratique.backends.pins import Kept, Pins
from pratique.errors import GuardError
from pratique.managers.base import Pattern

BEGIN, CALLS = early.BEGIN, early.CALLS
KEYS = "name_keys"
_CGROUP = (
    *("on_connect4", "on_connect6", "on_sendmsg4", "on_sendmsg6"),
    *("on_sock_create", "on_bind4", "on_bind6", "on_egress", "on_ingress"),
)
_LOCKDOWN = Path("/sys/kernel/security/lockdown")


class Loaded:
    """The programs of one guard and their maps. `load`, then `attach`."""

    tracing: Sequence[str] = ("on_exit", "on_fork", "on_exec")
    """Programs that are attached where their sections say."""
    lasting: Sequence[str] = (CALLS, BEGIN)
    """Attached with them where they outlive the agent: a whole host has fresh code as good as always."""
    maps: Sequence[str] = (
        *("labels", "origins", "ring", "stats", "cells", "nets4", "nets6", "ports", "written", "guarded"),
        *("allowed", "allowed_paths", "allows4", "allows6", "exec_dirs", "ipc_keys", "begun", "scoped_users"),
        *("hosts", "resolvers", "answers", "tokens", "watches", ".bss"),
    )
    """Every map that userspace reads or fills."""
    kept_programs: Sequence[str] = (KEYS,)
    """Programs that are needed themselves, beside their links, by who takes up."""

    def __init__(
        self,
        plan: Plan,
        patterns: Sequence[Pattern],
        *,
        label_slots: int = early.LABEL_SLOTS,
        ring_bytes: int = early.RING_BYTES,
        pins: Pins | None = None,
    ) -> None:
        """With `pins`: taken up from there if an earlier agent kept them, and kept there."""
        self._plan, self._patterns = plan, patterns
        self._label_slots, self._ring_bytes = label_slots, ring_bytes
        self._links: dict[str, Link] = {}
        self._ipc: dict[InodeKey, str] = {}
        self._guarded: dict[bytes, bytes] = {}
        self._pins = pins
        self._object: Object | Kept | None = None
        self._ring: Ring | None = None
        self.also_held: Callable[[int], None] = lambda fd: None
        """Told the descriptor of a program that is attached in mid-run, for whoever must outlive the agent."""

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

        That of system calls waits for fresh code, unless everything is kept: it is not even loaded before.
        """
        try:
            # The order matters: what begins a run must not be met again by `on_exec` as an exec within it.
            for name in (*self.tracing, *(self.lasting if self._pins else ())):
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

    def fds(self) -> dict[str, int]:
        """Descriptors the guardian must hold: `labels`, `begun`, and every link by its program."""
        links = {name: link.fd for name, link in self._links.items()}
        return {"labels": self._labels.fd, "begun": self._loaded.map("begun").fd, **links}

    @property
    def epoll_fd(self) -> int:
        """Readable when records wait that should not."""
        if self._ring is None:
            raise RuntimeError("load() comes first")
        return self._ring.epoll_fd

    @property
    def _loaded(self) -> Object | Kept:
        if self._object is None:
            raise RuntimeError("load() comes first")
        return self._object

    def _program(self, name: str) -> int:
        """The descriptor of a program; it stays open as long as what was loaded."""
        return self._loaded.program_fd(name)

    def _pin(self) -> None:
        if self._pins is not None and not isinstance(self._object, Kept):
            maps = {name: self._loaded.map(name) for name in self.maps}
            links = {name: link for name, link in self._links.items() if name != KEYS}
            self._pins.keep(maps, links, {name: self._program(name) for name in self.kept_programs})

    def _load(self) -> Object | Kept:
        if self._pins is not None and self._pins.held():
            return self._pins.open()
        taken = None if self._pins else early.take(self._label_slots, self._ring_bytes)
        if taken is not None:
            return taken
        loaded = self._open()
        try:
            loaded.load()
        except OSError as error:
            loaded.close()
            from pratique.backends.libbpf.explaining import explain  # noqa: PLC0415 (only after a refusal)

            raise _refused(error, explain(lambda: self._open().load())) from error
        return loaded

    def _open(self) -> Object:
        return early.open_object(self._label_slots, self._ring_bytes, lasting=self._pins is not None)

    def _attach_later(self, name: str) -> Link:
        """Load and attach a program that was left out, on the maps there are."""
        if isinstance(self._loaded, Kept):
            return self._loaded.attach(name)
        beside = self._loaded.beside(name)
        try:
            beside.load()
            return beside.attach(name)
        finally:
            beside.close()

    def _fill(self) -> None:
        loaded = self._loaded
        self._labels = loaded.map("labels")
        self._lookup = library().bpf_map_lookup_elem
        words = tokens(self._patterns)
        loaded.map("tokens").update_all({key: mask.to_bytes(8, "little") for key, mask in words.items()})
        calls = {u32(number): watch for number, watch in watches().items()}
        loaded.map("watches").update_all(calls)
        self._tables = Tables(loaded)
        self._guarded = dict.fromkeys(loaded.map("guarded"), b"")
        self._tables.put(self._plan)
        self._ring = Ring(loaded.map("ring"))
        self._links[KEYS] = loaded.attach_task_iterator(KEYS, os.getpid())
        self.keys = Keys(self._links[KEYS])

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
