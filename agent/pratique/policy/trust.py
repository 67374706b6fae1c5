"""Which project files the user has trusted, by digest, in the user's state; a changed file is untrusted."""

import json
import os
from pathlib import Path

_FILE = "trusted.json"


def is_trusted(state: Path, path: str, digest: str) -> bool:
    """Whether exactly this content was trusted at this place."""
    return _load(state).get(os.path.realpath(path)) == digest


def trust(state: Path, path: str, digest: str) -> None:
    """Remember that this content at this place may widen the policy."""
    write(state / _FILE, json.dumps(_load(state) | {os.path.realpath(path): digest}, indent=1).encode())


def write(path: Path, data: bytes) -> None:
    """Put a file into the state directory, whole or not at all, and durable; the directory is its owner's alone."""
    import tempfile  # noqa: PLC0415 (a start reads; it has nothing to write as a rule)

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
        _sync(path.parent)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """A rename is durable once its directory is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(state: Path) -> dict[str, str]:
    try:
        found = json.loads((state / _FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # nothing is trusted by a file that cannot be read
    return found if isinstance(found, dict) else {}
