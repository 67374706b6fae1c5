"""Where reports are kept, and the file a user asked for with `--report`."""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique import host
from pratique.errors import UsageError
from pratique.runs import ulid

if TYPE_CHECKING:
    from datetime import datetime

KEPT = 200
_PRIVATE = 0o700
_FILE = 0o600
_LARGEST = 256 << 20

Json = dict[str, Any]


class ReportFile:
    """A file to be written after the command, opened before it: a wrong place is known in time.

    The directory is held by descriptor and no symbolic link is followed in the last step, so the guarded
    command cannot turn the path elsewhere meanwhile. The file appears whole, by rename, and belongs to the
    person who typed the command.
    """

    def __init__(self, path: str | Path, owner: tuple[int, int] | None = None) -> None:
        self._path = Path(path)
        self._owner = owner or host.invoking_ids()
        self._folder = self._open_folder()
        try:
            self._refuse_odd_target()
            os.unlink(self._fresh(), dir_fd=self._folder)  # proves that the folder can be written
        except OSError as error:
            self.close()
            raise self._cannot(error.strerror or str(error)) from error
        except UsageError:
            self.close()
            raise

    def write(self, report: Json) -> None:
        """Write the report as JSON and put it in place."""
        self.write_bytes(as_json(report))

    def write_bytes(self, data: bytes) -> None:
        """Write `data` beside the path and rename it over the path."""
        name = self._fresh(data)
        try:
            os.rename(name, self._path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            os.unlink(name, dir_fd=self._folder)
            raise

    def close(self) -> None:
        """Let go of the directory; safe to call twice."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _open_folder(self) -> int:
        if not self._path.name:
            raise self._cannot("it names no file")
        try:
            return os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._cannot(error.strerror or str(error)) from error

    def _refuse_odd_target(self) -> None:
        with suppress(FileNotFoundError):
            mode = os.stat(self._path.name, dir_fd=self._folder, follow_symlinks=False).st_mode
            if not stat.S_ISREG(mode):
                raise self._cannot("it exists and is no ordinary file")

    def _fresh(self, data: bytes = b"") -> str:
        name = f".{self._path.name[:200]}.{os.urandom(6).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, _FILE, dir_fd=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:
                os.fchown(descriptor, *self._owner)
            file.write(data)
            file.flush()
            if data:
                os.fsync(descriptor)
        return name

    def _cannot(self, why: str) -> UsageError:
        return UsageError(f"cannot write {self._path}: {why}", "name a file in a directory you may write")


class Store:
    """The last reports of this user (or of root), by run id; the oldest go when there are too many."""

    def __init__(self, folder: Path | None = None, kept: int = KEPT) -> None:
        self.folder = folder or host.state_dir() / "runs"
        self._kept = kept

    def save(self, report: Json) -> Path:
        """Keep a report; where it is."""
        self.folder.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        self.folder.mkdir(mode=_PRIVATE, exist_ok=True)
        self.folder.chmod(_PRIVATE)
        place = self.folder / f"{report['run']['id']}.json"
        file = ReportFile(place, owner=(os.geteuid(), os.getegid()))
        try:
            # For us alone, and on one line: laid out for people it takes ten times as long.
            file.write_bytes(json.dumps(report, ensure_ascii=False).encode("utf-8") + b"\n")
        finally:
            file.close()
        self._forget_oldest()
        return place

    def ids(self) -> list[str]:
        """Every run kept, oldest first (ULIDs sort by time)."""
        try:
            names = [entry.stem for entry in self.folder.iterdir() if entry.suffix == ".json"]
        except (FileNotFoundError, PermissionError):
            return []
        return sorted(name for name in names if ulid.valid(name))

    def load(self, run: str) -> Json:
        """The report whose id is or begins with `run`; `UsageError` if that is none or several."""
        wanted = run.upper()
        found = (
            [known for known in self.ids() if known.startswith(wanted)] if re.fullmatch(r"\w+", run) else []
        )
        if len(found) != 1:
            what = (
                f"{len(found)} runs begin with {run!r}"
                if found
                else f"no run {run!r} is kept in {self.folder}"
            )
            raise UsageError(
                what, "pratique report --since 7d lists them; runs as root are kept for root (sudo)"
            )
        return self._read(found[0])

    def last(self) -> Json:
        """The newest report."""
        known = self.ids()
        if not known:
            raise UsageError(
                f"no run is kept in {self.folder}",
                "guard one with: pratique run -- COMMAND; runs as root are kept for root (sudo)",
            )
        return self._read(known[-1])

    def since(self, time: "datetime") -> Iterator[Json]:
        """Reports of runs that started at `time` or later, oldest first."""
        from datetime import datetime  # noqa: PLC0415 (opened before a command, asked long after)

        for known in self.ids():
            report = self._read(known)
            if datetime.fromisoformat(report["run"]["started"]) >= time:
                yield report

    def _read(self, run: str) -> Json:
        place = self.folder / f"{run}.json"
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            try:
                report: Json = json.loads(file.read(_LARGEST))
            except ValueError as error:
                raise UsageError(f"{place} is damaged ({error})", "remove it") from error
        return report

    def _forget_oldest(self) -> None:
        for old in self.ids()[: -self._kept]:
            (self.folder / f"{old}.json").unlink(missing_ok=True)


def as_json(report: Any) -> bytes:
    """UTF-8 JSON for people and programs, ending in a line break."""
    return json.dumps(report, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"
