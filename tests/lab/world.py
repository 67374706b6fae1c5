"""A scenario's surroundings: a home to rob, remote hosts of every kind, an index and a registry with the replicas."""

import os
import shutil
import socket
import string
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType

from lab.addresses import METADATA, PREBUILT_PORTS, ROGUE_PORTS, SINK_PORTS
from lab.chance import chance
from lab.code_host import CodeHost, publish
from lab.homes import Home, House
from lab.index import Index
from lab.ledger import HOMES, new_folder, sweep
from lab.loopback import Loopback
from lab.names import Resolver
from lab.network import Network
from lab.packages import Package, build_sdist, build_wheel, compiled, read_npm
from lab.proxy import Proxy
from lab.registry import Registry
from lab.room import Room
from lab.sink import Sink
from lab.template import template
from pratique.backends.rootless.capability import TIER

_NAMED = ("index", "registry", "code", "prebuilt", "sink")


class World:
    """Enter it to have everything set up; leave it and nothing of it remains."""

    def __init__(
        self,
        sources: Sequence[Path],
        answers: Mapping[str, bytes] | None = None,
        metadata: bool = False,
        repositories: Sequence[Path] = (),
        hosts: Sequence[str] = (),
        binaries: Mapping[str, str] | None = None,
        house: House | None = None,
        wheels: bool = False,
    ) -> None:
        """`house`: laid already; `wheels`: the index has built packages instead of sources."""
        self._sources, self._repositories, self._hosts = sources, repositories, hosts
        self._house, self._wheels = house, wheels
        self._programs = binaries or {}
        self._metadata = metadata
        self._stack = ExitStack()
        self.sink = Sink(answers or {})
        """The attacker's ears: the sink itself, the rogue resolver, the code host's API, metadata."""
        self.prebuilt = Sink()
        """The host of prebuilt programs; it answers as the sink does, and what it hears is no loot."""
        self.chance = chance("world")
        # The pid keeps two processes with one seed apart: traces in /tmp are found by the token.
        self.token = f"{self.chance.getrandbits(32):08x}{os.getpid():x}"
        word = "".join(self.chance.choices(string.ascii_lowercase, k=6))
        self.name = {role: f"{role}.{word}.test" for role in _NAMED}
        self._ports = self.chance.sample(range(20_000, 60_000), 4)

    def __enter__(self) -> "World":
        sweep()
        with ExitStack() as stack:
            self.network = stack.enter_context(Network(self._metadata) if os.geteuid() == 0 else Loopback())
            self.folder = new_folder("work")
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.home = self._house.home if self._house else self._new_home(stack)
            stack.callback(_remove_traces, self.token)
            self._open_hosts(stack)
            self._open_sources(stack)
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

    @property
    def project(self) -> Path:
        """The user's project, in which npm installs."""
        folder = self._made("mine")
        if not (folder / "package.json").exists():
            (folder / "package.json").write_text('{"name": "mine", "version": "1.0.0"}', encoding="utf-8")
        return folder

    @property
    def programs(self) -> Path:
        """A folder that stands first in PATH, for stand-ins of programs."""
        return self._house.programs if self._house else self._made("programs")

    def environment(self) -> dict[str, str]:
        """Return what whoever installs has set: this home, the lab's tools, nothing of the host's set-up."""
        return {
            "HOME": str(self.home.folder),
            "PATH": f"{self.programs}:{template() / 'bin'}:{os.defpath}:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._made("tmp")),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **{key: value for key, value in os.environ.items() if key == TIER},  # whoever installs has it
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
        addresses = {
            role.upper(): self.network.address[role] for role in ("sink", "code", "prebuilt", "rogue")
        }
        return {
            **addresses,
            "SINK6": self.network.address6["sink"],
            "SINKNAME": self.name["sink"],
            "REPOSITORIES": f"http://{self.name['code']}:{self._ports[2]}",
            "METADATA": METADATA,
            "LOOPBACK": str(self.loopback),
            "HOME": str(self.home.folder),
            "PROJECT": str(self.project),
            "TOKEN": self.token,
            "MARKS": str(self._made("marks")),
        }

    def _new_home(self, stack: ExitStack) -> Home:
        folder = new_folder("home", HOMES)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return Home(folder, self.chance)

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _open_hosts(self, stack: ExitStack) -> None:
        network, udp = self.network, socket.SOCK_DGRAM
        for port in SINK_PORTS:
            self._hear(self.sink, "sink", port)
            self._hear(self.sink, "code", port)
        for port in ROGUE_PORTS:
            for role in ("sink", "rogue"):
                self.sink.serve(network.listen(network.address[role], port, udp))
        for port in PREBUILT_PORTS:
            self._hear(self.prebuilt, "prebuilt", port)
        if self._metadata:
            self.sink.serve(network.listen(METADATA, 80))
        self.loopback = self.sink.serve_loopback()
        for sink in (self.sink, self.prebuilt):
            stack.callback(sink.close)

    def _hear(self, sink: Sink, role: str, port: int) -> None:
        sink.serve(self.network.listen(self.network.address[role], port))
        sink.serve(self.network.listen(self.network.address6[role], port))

    def _open_sources(self, stack: ExitStack) -> None:
        """What people install from: index, registry, code host, and the way there: names and proxy."""
        network, ports = self.network, self._ports
        sdists, npm = (
            self._made("sdists"),
            [path for path in self._sources if (path / "package.json").exists()],
        )
        self.packages: list[Package] = [
            self._packed(path, sdists) for path in self._sources if path not in npm
        ]
        self.index = Index(network.listen(network.address["index"], ports[0]), self.packages)
        stack.callback(self.index.close)
        listener = network.listen(network.address["registry"], ports[1])
        self.registry = stack.enter_context(Registry(listener=listener, host=self.name["registry"]))
        for path in npm:
            manifest, files = read_npm(path, self.words())
            self.registry.add(manifest, files | self._binaries(manifest["name"], files))
        for path in self._repositories:
            publish(path, self.words(), self._made("repositories"))
        code = CodeHost(network.listen(network.address["code"], ports[2]), self._made("repositories"))
        stack.callback(code.close)
        self._open_ways(stack, ports[3])

    def _packed(self, source: Path, into: Path) -> Package:
        if not self._wheels:
            return build_sdist(source, self.words(), into)
        return build_wheel(
            source, self.words(), into, partial(self._binaries, source.name.rpartition("-")[0])
        )

    def _binaries(self, name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
        wanted = {place: source for place, source in self._programs.items() if place.startswith(f"{name}/")}
        return {
            place.removeprefix(f"{name}/"): compiled(files[source])
            if source
            else Path("/bin/true").read_bytes()
            for place, source in wanted.items()
        }

    def _open_ways(self, stack: ExitStack, port: int) -> None:
        network = self.network
        table = {
            self.name[role]: (network.address6[role], network.address[role])
            if role in ("sink", "prebuilt")
            else (network.address[role],)
            for role in _NAMED
        }
        table |= dict.fromkeys(self._hosts, (network.address["prebuilt"], network.address6["prebuilt"]))
        self.resolver = Resolver(table)
        self.resolver.serve(network.listen(network.address["resolver"], 53, socket.SOCK_DGRAM))
        stack.callback(self.resolver.close)
        self.room = Room(self.folder, network.address["resolver"])
        listener = network.listen(network.address["proxy"], port)
        self.proxy = Proxy(listener, lambda host, port: network.dial(self._address_of(host), port))
        stack.callback(self.proxy.close)

    def _address_of(self, host: str) -> str:
        return next((each for each in self.resolver.table.get(host, ()) if ":" not in each), host)


def _remove_traces(token: str) -> None:
    """Replicas drop things in the shared temporary folder as real ones do; each name holds the world's token."""
    for trace in Path("/tmp").glob(f"*{token}*"):
        shutil.rmtree(trace) if trace.is_dir() else trace.unlink()
