"""Segments as files in a folder per day: for a shared file system, or anything that is mounted like one."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pratique_server import moments
from pratique_server.errors import StoreError
from pratique_server.store.records import Segment
from pratique_server.store.segments import Arrived, by_day, checked


class Folder:
    """A file per segment, named by its digest; it appears whole, by rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, arrived: Sequence[Arrived]) -> list[str]:
        """Store durably: files first, then their folders."""
        try:
            for day, segments in by_day(arrived).items():
                places = {self._write(day, segment).parent for segment in segments}
                for place in {*places, self._folder / day, self._folder}:
                    _sync(place)
        except OSError as error:
            raise StoreError("a segment could not be written", str(error)) from error
        return [moments.day(moment) for _, moment in arrived]

    def get(self, location: str, digest: bytes) -> bytes:
        """The bytes of one segment."""
        try:
            data = self._path(location, digest).read_bytes()
        except FileNotFoundError:
            data = None
        except OSError as error:
            raise StoreError(f"a segment of {location} cannot be read", str(error)) from error
        return checked(data, location, digest)

    def days(self) -> list[str]:
        """The days there are."""
        return sorted(path.name for path in self._folder.glob("????-??-??"))

    def drop(self, location: str) -> None:
        """Remove the folder of a day."""
        shutil.rmtree(self._folder / location, ignore_errors=True)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, day: str, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / day / name[:2] / name

    def _write(self, day: str, segment: Segment) -> Path:
        path = self._path(day, segment.digest)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
            with fresh.open("xb") as file:
                file.write(segment.data)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        return path


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
