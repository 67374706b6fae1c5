"""What was proved on this boot by this version: proving again would slow every run for nothing."""

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pratique import __version__, host, resources
from pratique.backends.base import Backend
from pratique.model import Coverage
from pratique.words import Act, Level

_MANAGERS = Path(__file__).parents[1] / "managers"


def remembered(name: str, find: Callable[[], Any], keep: Callable[[Any], bool] = bool) -> Any:
    """The JSON value kept under `name` for this boot, version and probes, or what `find` finds.

    What `keep` says yes to is kept from now on. A state directory that cannot be used only means finding it
    again; rebuilt probes and edited data files count as another version.
    """
    path = _folder() / f"{name}.json"
    key = _key()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return kept["value"]
    value = find()
    with contextlib.suppress(OSError):
        if keep(value):
            _store(path, json.dumps({"key": key, "value": value}))
    return value


def forget() -> None:
    """Drop everything kept, so that it is proved anew."""
    for path in _folder().glob("*.json"):
        path.unlink(missing_ok=True)


def _folder() -> Path:
    # Each installation has its own: two on one host would prove in turns for ever.
    return host.state_dir() / "proved" / f"{zlib.crc32(os.fsencode(resources.probes())):08x}"


def _store(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.rename(path)


def _key() -> list[object]:
    # A container has another answer than its host, and they may share the state directory.
    spaces = [Path("/proc/self/ns", name).stat().st_ino for name in ("pid", "cgroup", "user")]
    files = [*resources.probes().glob("*.bpf.o"), *_MANAGERS.glob("*/data.toml")]
    built = [path.stat().st_mtime_ns for path in sorted(files)]
    return [host.boot_id(), __version__, os.geteuid(), *spaces, built, _powers()]


def _powers() -> list[str]:
    """What this process may do: root in a container may find another answer than root."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.startswith(("CapEff:", "Seccomp:"))]


def coverage(backend: Backend) -> list[Coverage]:
    """The backend's coverage rows, proved once per boot and for each way in which it may work here."""
    variant = getattr(backend, "variant", "")
    rows = remembered(
        f"coverage-{backend.name}{variant}", lambda: [_as_json(row) for row in backend.coverage()]
    )
    return [Coverage(Act(act), when, Level(level), reason, proof) for act, when, level, reason, proof in rows]


def coverage_of_found() -> list[Coverage]:
    """The rows of runs that nobody wrapped, proved once per boot by a child."""
    rows = remembered("coverage-found", _ask_child)
    return [Coverage(Act(act), when, Level(level), reason, proof) for act, when, level, reason, proof in rows]


def _ask_child() -> list[Any]:
    import subprocess  # noqa: PLC0415 (a run does without it)

    command = [sys.executable, "-m", "pratique.backends.found"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    found: list[Any] = json.loads(done.stdout) if done.returncode == 0 else []
    return found


def as_rows(found: Iterable[Coverage]) -> list[Any]:
    """Rows as they are kept."""
    return [_as_json(row) for row in found]


def _as_json(row: Coverage) -> list[Any]:
    return [int(row.act), row.when, int(row.level), row.reason, row.scenario]
