import os
import shutil
import subprocess
from pathlib import Path

PLACE = Path("/tmp/hide-out-@TOKEN@")


def start(name):
    # Named from inside its directory: what the finding says must be where the kernel found it.
    subprocess.run([f"./{name}", "-c", f"echo ran > @MARKS@/{name[1:]}"], cwd=PLACE, check=False)


def from_memory():
    memory = os.memfd_create("tool")
    os.write(memory, Path("/bin/sh").read_bytes())
    subprocess.run([f"/proc/self/fd/{memory}", "-c", "echo ran > @MARKS@/memory"], pass_fds=[memory], check=False)


def act():
    PLACE.mkdir(exist_ok=True)
    for name in (".wanted", ".other"):
        shutil.copy(shutil.which("sh"), PLACE / name)
        start(name)
    from_memory()
