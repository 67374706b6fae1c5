import contextlib
import os
import signal
from pathlib import Path


def neighbour():
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"runner-worker-@TOKEN@" in folder.joinpath("cmdline").read_bytes():
                return folder
    return Path("/proc/none")


def stack(folder):
    line = next(line for line in folder.joinpath("maps").read_text().splitlines() if "[stack]" in line)
    start, end = (int(number, 16) for number in line.split()[0].split("-"))
    with folder.joinpath("mem").open("rb") as memory:
        memory.seek(start)
        return memory.read(end - start)


def keep(name, data):
    at = data.find(b"neighbour-@TOKEN@")
    if at >= 0:
        Path("@MARKS@", name).write_bytes(data[at : at + 22])


def read_memory(found):
    keep("memory", stack(found))


def read_environ(found):
    keep("environ", found.joinpath("environ").read_bytes())


def send_signal(found):
    os.kill(int(found.name), signal.SIGCONT)
    Path("@MARKS@/signal").write_text("delivered-@TOKEN@")


def act():
    # Each in a child of its own: where the guard can only kill, the build goes on.
    for take in (read_memory, read_environ, send_signal):
        if (child := os.fork()) == 0:
            with contextlib.suppress(OSError, StopIteration, ValueError):
                take(neighbour())
            os._exit(0)
        os.waitpid(child, 0)
