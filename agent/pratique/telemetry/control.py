"""What the collector pushes, kept durably: files that pratique.policy.sources reads at the next run.

A document is checked before it takes the place of the one that is held; a wrong one changes nothing and is told so.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from subprocess import SubprocessError

from pratique.api.v1 import control_pb2
from pratique.errors import ConfigError
from pratique.policy import cache, sources, trust
from pratique.telemetry.place import Place

POLICY, APPROVALS, BLOCKS = (
    control_pb2.DOCUMENT_KIND_POLICY,
    control_pb2.DOCUMENT_KIND_APPROVALS,
    control_pb2.DOCUMENT_KIND_BLOCKS,
)
# Sorted by name is the order of strength: a block list is read last.
_FILES = {POLICY: "50-policy.toml", APPROVALS: "approvals.json", BLOCKS: "90-blocks.toml"}
_MOST = 100_000


class Pushed:
    """The documents this host holds, and their versions."""

    def __init__(self, place: Place) -> None:
        self._folder = place.pushed
        self._versions = self._folder / "versions.json"

    def held(self) -> dict[int, int]:
        """Kind → version; a damaged file only means that the collector sends everything again."""
        try:
            known = json.loads(self._versions.read_bytes())
            return {int(kind): int(version) for kind, version in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def take(self, document: control_pb2.Document) -> str | None:
        """Put a document in force; None, or why it was not. A crash at any point leaves the old or the new."""
        kind = document.kind
        if kind not in _FILES:
            return "this host knows no document of this kind"
        held = self.held()
        if document.version < held.get(kind, 0):
            return f"version {document.version} is older than {held[kind]}, which is held"
        try:
            self._write(self._folder / _FILES[kind], _text(document))
            self._write_whole(self._versions, json.dumps(held | {kind: document.version}).encode())
        except (ConfigError, OSError, SubprocessError, ValueError) as error:
            return str(error)[:500]
        return None

    def _write(self, path: Path, data: bytes) -> None:
        if path.suffix == ".toml" and data:
            check(path, data)
        self._write_whole(path, data)

    def _write_whole(self, path: Path, data: bytes) -> None:
        """The old file or the new one: whoever starts a run at this moment reads one of them, whole."""
        if data or path.exists():
            trust.write(path, data)


def check(path: Path, data: bytes) -> None:
    """`ConfigError` unless the agent of this host can compile it with its own rules."""
    if len(data) > sources.LARGEST:
        raise ConfigError(f"{path.name}:1: is larger than {sources.LARGEST} bytes")
    cache.check([*sources.shipped_texts(), sources.Text(path.name, "collector", True, data)])


def _text(document: control_pb2.Document) -> bytes:
    """The file that a document becomes; empty for one that says nothing."""
    if document.kind == POLICY:
        return document.policy.encode()
    if document.kind == BLOCKS:
        return "".join(map(_block, document.blocks[:_MOST])).encode()
    return _approvals(document)


def _block(block: control_pb2.Block) -> str:
    reason = block.reason or "blocked by the organisation"
    named = {"package": block.purl, "digest": block.digest, "host": block.host_name}
    keys = "".join(f"{key} = {_toml(value)}\n" for key, value in named.items() if value)
    return f"[[block]]\n{keys}reason = {_toml(reason[:2000])}\n"


def _toml(text: str) -> str:
    """A TOML basic string: JSON's, with what TOML alone forbids spelt out."""
    return re.sub(
        r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False)
    )


def _approvals(document: control_pb2.Document) -> bytes:
    """`{"approvals": [{purl, digest, reason, people, expires}]}`; unknown is null."""
    rows = [_approval(each) for each in document.approvals[:_MOST]]
    return json.dumps({"approvals": rows}, indent=1).encode()


def _approval(of: control_pb2.Approval) -> Mapping[str, object]:
    return {
        "purl": of.purl,
        "digest": of.digest or None,
        "reason": of.reason,
        "people": list(of.people),
        "expires": of.expires_s or None,
    }
