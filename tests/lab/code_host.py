"""The lab's code host: git repositories made from folders of replicas, served read-only over plain HTTP."""

import functools
import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from lab.packages import filled

_GIT = (
    "git",
    "-c",
    "user.name=Ann Decoy",
    "-c",
    "user.email=ann@decoy.example",
    "-c",
    "init.defaultBranch=main",
)
_QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.defpath}


class CodeHost:
    """Serves the bare repositories below `folder`; the old protocol needs nothing but files."""

    def __init__(self, listener: socket.socket, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        host, port = listener.getsockname()[:2]
        self._server = http.server.ThreadingHTTPServer((host, port), handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the lab's output is the test's."""


def publish(source: Path, words: Mapping[str, str], folder: Path) -> Path:
    """Commit the files of `source` and lay the bare repository `NAME.git` below `folder`."""
    name = source.name.rpartition("-")[0]
    work, bare = folder / f"{name}-work", folder / f"{name}.git"
    for path in source.rglob("*"):
        if path.is_file():
            place = work / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(filled(path.read_bytes(), words))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"], ["tag", "v1.0.0"]):
        _git("-C", str(work), *command)
    _git("clone", "-q", "--bare", str(work), str(bare))
    _git("-C", str(bare), "update-server-info")
    return bare


def _git(*words: str) -> None:
    subprocess.run([*_GIT, *words], env=_QUIET, check=True, timeout=20, capture_output=True)
