"""A scenario's surroundings: a home to rob, a place to send the loot, an index that serves the replica."""

import os
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from lab.errors import LabError
from lab.homes import Home
from lab.index import Index
from lab.ledger import HOMES, new_folder, sweep
from lab.loopback import Loopback
from lab.network import METADATA, Network
from lab.packages import Package, build_sdist
from lab.sink import Sink
from lab.template import template

SINK_PORTS = (8000, 8080, 8443)
_INDEX_PORT = 8081
_TIER = "PRATIQUE_ROOTLESS_TIER"


class World:
    """Enter it to have everything set up; leave it and nothing of it remains."""

    def __init__(
        self, sources: Sequence[Path], answers: Mapping[str, bytes] | None = None, metadata: bool = False
    ) -> None:
        self._sources = sources
        self._metadata = metadata
        self._stack = ExitStack()
        self.sink = Sink(answers or {})
        self.token = secrets.token_hex(6)

    def __enter__(self) -> "World":
        sweep()
        with ExitStack() as stack:
            self.network = stack.enter_context(Network(self._metadata) if os.geteuid() == 0 else Loopback())
            self.folder, house = new_folder("work"), new_folder("home", HOMES)
            for place in (self.folder, house):
                stack.callback(shutil.rmtree, place, ignore_errors=True)
            self.home = Home(house)
            stack.callback(_remove_traces, self.token)
            self._open_sinks(stack)
            self.packages = self._build()
            self.index = Index(self._listener(self.network.index, _INDEX_PORT), self.packages)
            stack.callback(self.index.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def site(self) -> Path:
        """Where `pip install --target` puts what it built."""
        return self.folder / "site"

    def environment(self) -> dict[str, str]:
        """Return what whoever installs has set: this home, the lab's tools, nothing of the host's set-up."""
        return {
            "HOME": str(self.home.folder),
            "PATH": f"{template() / 'bin'}:{os.defpath}:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._made("tmp")),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **{key: value for key, value in os.environ.items() if key == _TIER},
        }

    def install(self, *names: str, isolated: bool = False) -> list[str]:
        """Write a `pip install` command line; `isolated` lets pip make its own build environment."""
        source = ["--index-url", self.index.url, "--trusted-host", self.index.host]
        isolation = [] if isolated else ["--no-build-isolation"]
        return ["pip", "install", *source, *isolation, "--target", str(self.site), *names]

    def leaks(self) -> list[str]:
        """Name the decoys whose secret reached any sink."""
        return self.home.canaries_in(self.sink.received())

    def words(self) -> dict[str, str]:
        """Map what replicas may name (`@SINK@`, `@TOKEN@` and so on) to what it is here."""
        return {
            "SINK": self.network.sink,
            "SINK6": self.network.sink6,
            "METADATA": METADATA,
            "TOKEN": self.token,
            "MARKS": str(self._made("marks")),
        }

    def _build(self) -> list[Package]:
        files = self._made("sdists")
        return [build_sdist(source, self.words(), files) for source in self._sources]

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _open_sinks(self, stack: ExitStack) -> None:
        tcp = [(host, port) for port in SINK_PORTS for host in (self.network.sink, self.network.sink6)]
        if self._metadata:
            tcp.append((METADATA, 80))
        opened = [self.network.listen(host, port) for host, port in tcp]
        opened.append(self.network.listen(self.network.sink, 53, socket.SOCK_DGRAM))
        for listener in filter(None, opened):
            self.sink.serve(listener)
        stack.callback(self.sink.close)

    def _listener(self, host: str, port: int) -> socket.socket:
        listener = self.network.listen(host, port)
        if listener is None:
            raise LabError(f"nobody may listen at {host}:{port} here")
        return listener


def _remove_traces(token: str) -> None:
    """Replicas drop things in the shared temporary folder as real ones do; each name holds the world's token."""
    for trace in Path("/tmp").glob(f"*{token}*"):
        shutil.rmtree(trace) if trace.is_dir() else trace.unlink()
