"""The files a policy is made of, in the search order of docs/policy.md section 3, each read once."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pratique import host, resources
from pratique.errors import ConfigError
from pratique.policy import trust

LARGEST = 1 << 20
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Request(NamedTuple):
    """For whom and where a policy is wanted."""

    home: str
    project: str | None = None
    """The git root above the current directory, where `pratique.toml` is looked for."""
    profile: str | None = None
    """What the user typed; None: what the files say, else `standard`."""
    mode: str = "enforce"
    files: tuple[str, ...] = ()
    """`--policy FILE`: trusted because the user typed them."""
    state: str | None = None
    """State directory; None: this user's."""
    system: str = "/etc/pratique"
    rules: str | None = None
    """Directory of rules; None: the shipped ones."""


class Text(NamedTuple):
    """A file that takes part, as it was when it was read."""

    path: str
    kind: str
    """`shipped`, `system`, `collector`, `user`, `project` or `argument`."""
    trusted: bool
    data: bytes

    @property
    def digest(self) -> str:
        """`sha256-<hex>` of the content."""
        return f"sha256-{hashlib.sha256(self.data).hexdigest()}"


def gather(request: Request) -> list[Text]:
    """Every file that takes part, weakest first; `ConfigError` names one that cannot be read safely."""
    return [*_shipped(request.rules), *_machine(request), *_personal(request), *_typed(request)]


def state_dir(request: Request) -> Path:
    """Where this request's cache and trust are kept."""
    return Path(request.state) if request.state is not None else host.state_dir()


def read_once(path: str) -> tuple[bytes, os.stat_result]:
    """Content and facts of a regular file of at most 1 MiB, its last name no symlink.

    `FileNotFoundError` when there is none; `ConfigError` for everything else.
    """
    try:
        # Non-blocking: a FIFO put in the file's place must not hang the command.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        why = "it is a symbolic link" if Path(path).is_symlink() else getattr(error, "strerror", str(error))
        raise ConfigError(f"{path}:1: cannot be read: {why}") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise ConfigError(f"{path}:1: is no regular file")
        data = _read_all(descriptor)
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise ConfigError(f"{path}:1: is larger than {LARGEST} bytes")
    return data, facts


def _read_all(descriptor: int) -> bytes:
    parts = []
    wanted = LARGEST + 1
    while wanted and (part := os.read(descriptor, wanted)):
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def shipped_texts(rules: str | None = None) -> list[Text]:
    """The files of the shipped rules, or of another directory laid out like them."""
    return list(_shipped(rules))


def _shipped(rules: str | None) -> Iterator[Text]:
    folder = Path(rules) if rules is not None else resources.rules()
    if not folder.is_dir():
        raise ConfigError(f"{folder}:1: there is no such directory", "name one that holds rules")
    for path in sorted(folder.rglob("*.yaml")):
        # Named from `rules/` on, so that equal rules give equal policies wherever they are installed.
        yield Text(f"rules/{path.relative_to(folder)}", "shipped", True, read_once(str(path))[0])


def _machine(request: Request) -> Iterator[Text]:
    for kind, folder in (("system", Path(request.system)), ("collector", state_dir(request) / "collector")):
        for path in sorted(folder.glob("*.toml")):
            data, facts = read_once(str(path))
            _check_owner(str(path), facts)
            yield Text(str(path), kind, True, data)


def _personal(request: Request) -> Iterator[Text]:
    user = str(Path(request.home) / ".config" / "pratique" / "config.toml")
    yield from _optional(user, "user", trusted=True)
    if request.project is None:
        return
    for text in _optional(str(Path(request.project) / "pratique.toml"), "project", trusted=False):
        trusted = trust.is_trusted(state_dir(request), text.path, text.digest)
        yield Text(text.path, text.kind, trusted, text.data)


def _typed(request: Request) -> Iterator[Text]:
    for path in request.files:
        try:
            yield Text(str(Path(path).absolute()), "argument", True, read_once(path)[0])
        except FileNotFoundError:
            raise ConfigError(f"{path}:1: there is no such file", "name an existing policy file") from None


def _optional(path: str, kind: str, trusted: bool) -> Iterator[Text]:
    try:
        yield Text(path, kind, trusted, read_once(path)[0])
    except FileNotFoundError:
        return


def _check_owner(path: str, facts: os.stat_result) -> None:
    if facts.st_uid not in (0, os.geteuid()) or facts.st_mode & _OTHERS_MAY_WRITE:
        raise ConfigError(
            f"{path}:1: others than root may write this file", f"chown root {path}; chmod go-w {path}"
        )
