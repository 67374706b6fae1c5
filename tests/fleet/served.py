"""A collector as a process of its own, its hosts made beforehand."""

import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from fleet import hosts
from pratique.api.names import DOMAIN, host_uri
from pratique.api.tokens import JoinToken
from pratique_server.config import Config
from pratique_server.pki.authority import open_authority
from pratique_server.store.store import open_all

_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


def enrolled(folder: Path, number: int, database: str = "") -> list[hosts.Credentials]:
    """So many hosts, put straight into the store."""
    configured = Config(folder, database=database)
    authority = open_authority(folder / "pki", DOMAIN)
    key = ec.generate_private_key(ec.SECP256R1())
    made = []
    with closing(open_all(configured.index_url, configured.segments_url)) as store:
        for each in range(number):
            token, host = JoinToken.make(authority.certificate), f"h-{each:05}"
            issued = authority.for_host(hosts.request_of(key), host_uri(DOMAIN, host))
            store.enrolment.make_token(token.secret_digest, "", "bench", _SECONDS)
            store.enrolment.join(token.secret_digest, host, host, issued.certificate)
            made.append(hosts.Credentials(host, hosts.private(key), issued.chain, authority.authorities))
        if not store.people.all():
            store.people.add("bench", "admin")
    return made


class Served:
    """`pratique-server serve` on a folder; `before` is put in front of the command."""

    def __init__(self, folder: Path, *options: str, before: tuple[str, ...] = ()) -> None:
        command = [
            *before, sys.executable, "-m", "pratique_server", "serve", "--data", folder, "--grpc", "127.0.0.1:0",
            "--enrol", "127.0.0.1:0", "--ui", "127.0.0.1:0", *options,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.folder = folder
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.said = dict[str, str]()
        for line in self.process.stdout:
            words = line.split()
            said |= {words[0]: words[-1]} if words else {}
            if line == "serving\n":
                break
        self.address, self.enrolment, self.web = said["hosts"], said["enrolment"], said["people"]

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Resident megabytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it."""
        self.process.send_signal(number)
        status = self.process.wait(_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def free_port() -> int:
    """A port that nobody listens on: a collector that comes back must be found where it was."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def size(folder: Path) -> int:
    """Bytes of index and segments on disk, with what waits in their logs."""
    return sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and "pki" not in path.parts
    )
