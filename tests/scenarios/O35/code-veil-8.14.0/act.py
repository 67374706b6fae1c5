import contextlib
import shutil
import subprocess
import time
import zlib
from pathlib import Path

TEXT = zlib.compress(b"#!/bin/sh\necho ran-@TOKEN@ > @MARKS@/script\n")
BLOB = zlib.compress(Path(shutil.which("dash") or shutil.which("sh")).read_bytes(), 1)


def start(place, blob, *arguments):
    place.write_bytes(zlib.decompress(blob))
    place.chmod(0o700)
    with contextlib.suppress(OSError):
        subprocess.Popen(
            [place, *arguments],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def act():
    places = Path("/tmp/.x9f@TOKEN@"), Path("/tmp/.x9s@TOKEN@")
    start(places[0], BLOB, "-c", "echo ran-@TOKEN@ > @MARKS@/program")
    start(places[1], TEXT)
    time.sleep(0.3)  # the install goes on while the payload works
    for place in places:
        place.unlink(missing_ok=True)
