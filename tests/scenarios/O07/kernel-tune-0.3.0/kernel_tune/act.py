import os
import shutil
import subprocess
from pathlib import Path

SHELL = shutil.which("dash") or shutil.which("sh")
SHM, GONE = Path("/dev/shm/tune-@TOKEN@"), Path("@MARKS@/tune")


def say(way):
    return ["[kworker/0:1]", "-c", f"echo ran-@TOKEN@ > @MARKS@/{way}"]


def from_memory():
    memory = os.memfd_create("hum", 0)
    os.write(memory, Path(SHELL).read_bytes())
    subprocess.run(say("memfd"), executable=f"/proc/self/fd/{memory}", pass_fds=[memory], check=False)


def from_deleted():
    shutil.copy(SHELL, GONE)
    descriptor = os.open(GONE, os.O_RDONLY)
    GONE.unlink()
    subprocess.run(say("deleted"), executable=f"/proc/self/fd/{descriptor}", pass_fds=[descriptor], check=False)


def from_shared_memory():
    shutil.copy(SHELL, SHM)
    subprocess.run(say("shm"), executable=str(SHM), check=False)


def act():
    for way in (from_memory, from_deleted, from_shared_memory):
        try:
            way()
        except OSError:
            pass
    SHM.unlink(missing_ok=True)
