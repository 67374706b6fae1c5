import contextlib
import os
import subprocess
import time
from pathlib import Path

MARKS = Path("@MARKS@")


def act():
    program, size = os.environ["STORM"].split(":")
    (MARKS / "started").touch()
    with rage(program, "open", 10 * int(size)), rage(program, "fork", int(size)):
        time.sleep(0.1)  # in their midst
        with contextlib.suppress(OSError):
            (MARKS / "loot").write_bytes(Path.home().joinpath(".npmrc").read_bytes())
    with rage(program, "open-etc", 10 * int(size)), rage(program, "exec", int(size)):
        pass


@contextlib.contextmanager
def rage(program, kind, times):
    with (MARKS / f"{kind}.json").open("w") as figures:
        storm = subprocess.Popen([program, kind, str(times)], stdout=figures)
        yield
        if storm.wait():
            raise SystemExit(f"{kind} ended with {storm.returncode}")
