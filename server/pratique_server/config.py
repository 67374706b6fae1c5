"""What one collector is told at its start; everything has a default that works on one machine."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pratique.api.names import DOMAIN
from pratique_server.errors import UsageError
from pratique_server.web.provider import Settings

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """How to serve."""

    data: Path
    grpc: Address = Address("0.0.0.0", 7443)  # noqa: S104 -- hosts are elsewhere, and show certificates
    enrol: Address = Address("0.0.0.0", 7444)  # noqa: S104 -- as above, and hold a token
    web: Address = Address("127.0.0.1", 7480)
    database: str = ""
    segments: str = ""
    names: tuple[str, ...] = field(default=("localhost", "127.0.0.1", "::1"))
    """By which hosts reach this collector: what its certificate says."""
    domain: str = DOMAIN
    keep_days: int = 0
    """Whole days of segments and runs kept; 0: for ever."""
    sinks: tuple[str, ...] = ()
    """Where new findings are sent, as `exports.sinks` reads it."""
    behind_proxy: str = ""
    """Addresses of proxies whose word on the browser's address and on TLS counts; empty: nobody's."""
    provider: Settings | None = None
    """Who else may vouch for people."""
    host_rate: float = 8 * MIB
    host_burst: float = 256 * MIB
    waiting: int = 64 * MIB

    @property
    def parquet(self) -> Path:
        """Where closed days lie for hunts."""
        return self.data / "parquet"

    @property
    def index_url(self) -> str:
        """Where the index is."""
        return self.database or f"sqlite:///{self.data / 'index.db'}"

    @property
    def segments_url(self) -> str:
        """Where segments are: beside an SQLite index, or in the same PostgreSQL."""
        if self.segments:
            return self.segments
        return self.database if self.database.startswith("postgres") else f"days:{self.data / 'segments'}"


def address(text: str) -> Address:
    """Read `HOST:PORT`; `UsageError` for anything else."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != text:
        raise UsageError(f"{text!r} is no address", "for instance 0.0.0.0:7443 or [::]:7443")
    return Address(host, port)
