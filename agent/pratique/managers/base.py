"""What a package manager is to the agent: patterns that recognise it, and a judgement of what it starts."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from pratique.model import Settlement

DECIDING = ("BUN_OPTIONS", "HOME", "NODE_OPTIONS", "PIP_KEYRING_PROVIDER", "PYTHONNOUSERSITE", "PYTHONPATH")
"""Variables that decide what code a manager loads into itself."""


class Pattern(NamedTuple):
    """How an install shows at exec; positional, matched in the kernel, so only exact words (data, not code).

    Basenames are cut at the first digit or dot: `pip3.11` → `pip`, `python3.11` → `python`.
    """

    manager: str
    interpreters: tuple[str, ...]
    """argv[0] of the running image; empty: the manager is a native program and `targets` is argv[0]."""
    targets: tuple[str, ...]
    """First word that is no option: the script (`pip`)."""
    modules: tuple[str, ...]
    """Or the word after `-m` (also `-Im`, `-Sm` …)."""
    verbs: tuple[str, ...]
    """First word after the target that is no option; the empty word stands for there being none."""
    interpreter_values: tuple[str, ...] = ()
    """Interpreter options that take the next word (`-W`, `-X`)."""
    values: tuple[str, ...] = ()
    """The manager's own options before the verb that take the next word (`--proxy`, `--log`)."""


class Stopped(NamedTuple):
    """A process stopped before its first instruction, read by the agent while it cannot change."""

    pid: int
    argv: tuple[str, ...]
    cwd: str
    exe: str
    """The image really mapped (`/proc/PID/exe`), not what the caller named."""
    environment: Mapping[str, str]


class Context(NamedTuple):
    """The manager process that started it, and what a manager's module may remember for the run."""

    manager: Stopped
    parent: Stopped
    """The direct parent: the manager itself or one of its nested resolvers or helpers."""
    written_by_package: Callable[[str], bool]
    """Whether package code of this run wrote the file (by inode, from the kernel): it proves nothing then."""
    memory: dict[str, object]


class Learned(NamedTuple):
    """A host that a manager can be expected to talk to. It is never a right, least of all package code's."""

    host: str
    reason: str


class Manager(Protocol):
    """One manager family. Everything that can be data is data."""

    name: str

    def patterns(self) -> tuple[Pattern, ...]:
        """How its installs are recognised."""

    def classify(self, child: Stopped, context: Context) -> Settlement:
        """What a process started by the manager is: manager (nested), helper, project or package."""

    def describe(self, argv: tuple[str, ...]) -> str:
        """The command in the user's words (`pip install rich`), for the report."""

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        """Canonical names the user asked for; to say of a package that it was pulled in."""

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        """Files with code of others that the manager loads into its own process, with its own rights."""

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        """Where the command can be expected to fetch from, and why; for the report."""
