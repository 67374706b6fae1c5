"""Where the telemetry of this user (or of root) lives; light enough for the launcher."""

from pathlib import Path
from typing import NamedTuple

from pratique.daemon import places


class Place(NamedTuple):
    """The files under the state directory; the directory is its owner's alone."""

    state: Path

    @classmethod
    def here(cls) -> "Place":
        """That of whoever runs this."""
        return cls(places.default().state)

    @property
    def folder(self) -> Path:
        """Everything that is telemetry's."""
        return self.state / "telemetry"

    @property
    def enrolment(self) -> Path:
        """Which collector this host belongs to; its existence says that the host is enrolled."""
        return self.folder / "enrolment.json"

    @property
    def identity(self) -> Path:
        """The host's key and certificate, in one file, so that both change at once."""
        return self.folder / "identity.pem"

    @property
    def authorities(self) -> Path:
        """Certificates a collector's may come from."""
        return self.folder / "authorities.pem"

    @property
    def spool(self) -> Path:
        """Batches that wait."""
        return self.folder / "spool.db"

    @property
    def socket(self) -> Path:
        """Where a running uplink is poked."""
        return self.folder / "uplink.sock"

    @property
    def lock(self) -> Path:
        """Held by the one uplink."""
        return self.folder / "uplink.lock"

    @property
    def log(self) -> Path:
        """What an uplink that nobody sees has to say."""
        return self.folder / "uplink.log"

    @property
    def pushed(self) -> Path:
        """Policy files that the collector pushed: pratique.policy.sources reads them."""
        return self.state / "collector"

    def enrolled(self) -> bool:
        """Whether anything may leave this host; no, where that cannot be found out."""
        try:
            return self.enrolment.exists()
        except OSError:
            return False

    def make(self) -> None:
        """Create the directory, for its owner alone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
