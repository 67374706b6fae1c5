"""A PostgreSQL really started: in a temporary directory, on a unix socket only, by a user that owns nothing else."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

_USER = "nobody"  # PostgreSQL refuses to run as root
_SECONDS = 30
_DATABASES = count(1)


def programs() -> Path | None:
    """Where PostgreSQL's programs are; None when it is not installed."""
    known = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return Path(known).parent if known else next(iter(reversed(places)), None)


class Postgres:
    """One server; `kill` and `start` may be called again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._as = {"user": _USER, "group": pwd.getpwnam(_USER).pw_gid} if os.geteuid() == 0 else {}
        self._name = _USER if self._as else pwd.getpwuid(os.geteuid()).pw_name

    def create(self) -> None:
        """Make the data directory."""
        if self._as:
            shutil.chown(self._folder, _USER)
        options = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        self._run("initdb", "-D", self._folder / "data", *options)

    def start(self) -> None:
        """Start it and wait until it answers: after a kill it first recovers.

        Processes of one that was killed may hold its memory for a moment: then it ends at once, and is tried again.
        """
        self._launch()
        for _ in range(_SECONDS * 20):
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
                if self._process is None or self._process.poll() is not None:
                    self._launch()
            else:
                return
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def _launch(self) -> None:
        options = ["-k", self._folder, "-c", "listen_addresses=", "-c", "max_connections=60"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command("postgres", "-D", self._folder / "data"), *map(str, options)],
                stdout=log, stderr=log, cwd="/", start_new_session=True, **self._as,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill -9 the server; the processes it started see that and end, too."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(_SECONDS)

    def database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"store_{next(_DATABASES)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{self._name}@/{database}?host={self._folder}"

    def _command(self, program: str, *words: object) -> list[str]:
        assert self._programs is not None
        return [str(self._programs / program), *map(str, words)]

    def _run(self, program: str, *words: object) -> None:
        command = self._command(program, *words)
        subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=120, **self._as)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for a while; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:  # a socket's path must be short
        server = Postgres(Path(name))
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.kill()
