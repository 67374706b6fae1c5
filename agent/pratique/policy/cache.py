"""The compiled policy, kept by the digest of all it came from, so that a start need not parse anything."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pratique
from pratique.policy import allows, codec, sources, trust
from pratique.policy.model import Policy
from pratique.policy.sources import Request, Text

_KEPT = 16


def load(request: Request) -> Policy:
    """The policy in force for the request: from the cache, else compiled by a child and kept.

    `ConfigError` starts with the file and line at fault.
    """
    texts = sources.gather(request)
    path = sources.state_dir(request) / "cache" / f"policy-{_key(texts, request)}.json"
    policy = _cached(path)
    if policy is None:
        from pratique.policy import compile_child  # noqa: PLC0415 (the first time only)

        answer = compile_child.ask(texts, request.profile, request.mode)
        policy = codec.decode(answer)
        _keep(path, answer)
    return _noted(policy)


def check(texts: Sequence[Text]) -> None:
    """`ConfigError` unless these texts make a policy; a child tries, and nothing is kept."""
    from pratique.policy import compile_child  # noqa: PLC0415 (not at a start)

    compile_child.ask(texts, None, "enforce")


def _key(texts: Sequence[Text], request: Request) -> str:
    digest = hashlib.sha256(f"{pratique.__version__}\0{request.profile}\0{request.mode}\0".encode())
    for text in texts:
        digest.update(
            f"{text.path}\0{text.kind}\0{text.trusted}\0{text.digest}\0".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def _cached(path: Path) -> Policy | None:
    try:
        with path.open("rb") as file:
            # The state directory is its owner's alone; a cache that another could write decides nothing.
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            return codec.decode(file.read().decode())
    except (OSError, ValueError):
        return None


def _keep(path: Path, answer: str) -> None:
    with suppress(OSError):  # a read-only home costs time, not the guard
        trust.write(path, answer.encode())
        _forget_old(path.parent)


def _forget_old(folder: Path) -> None:
    held = sorted(folder.glob("policy-*.json"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in held[_KEPT:]:
        old.unlink(missing_ok=True)


def _noted(policy: Policy) -> Policy:
    over = [allow for allow in policy.allows if allows.is_expired(allow)]
    notes = [
        f"{allow.source}: this [[allow]] for {allow.package} expired on {allow.expires}" for allow in over
    ]
    return policy._replace(notes=(*policy.notes, *notes)) if notes else policy
