"""The compiled policy, kept by the digest of all it came from, so that a start need not parse anything."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pratique
from pratique.errors import ConfigError
from pratique.policy import allows, codec, sources, trust
from pratique.policy.model import Policy
from pratique.policy.sources import Request, Text

_SECONDS_TO_COMPILE = 60
_KEPT = 16


def load(request: Request) -> Policy:
    """The policy in force for the request: from the cache, else compiled by a child and kept.

    `ConfigError` starts with the file and line at fault.
    """
    texts = sources.gather(request)
    path = sources.state_dir(request) / "cache" / f"policy-{_key(texts, request)}.json"
    policy = _cached(path)
    if policy is None:
        answer = _compile(texts, request)
        policy = codec.decode(answer)
        _keep(path, answer)
    return _noted(policy)


def check(texts: Sequence[Text]) -> None:
    """`ConfigError` unless these texts make a policy; a child tries, and nothing is kept."""
    _compile(texts, Request(home="/nonexistent"))


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


def _compile(texts: Sequence[Text], request: Request) -> str:
    # -P and a path of our own: a module in the project's directory must not be imported by the guard.
    environment = {"PYTHONPATH": str(Path(pratique.__file__).parent.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pratique.policy.compile"],
        input=_question(texts, request).encode(),
        capture_output=True,
        env=environment,
        cwd="/",
        timeout=_SECONDS_TO_COMPILE,
        check=False,
    )
    if done.returncode != 0:
        raise _error(done.stdout, done.stderr)
    return done.stdout.decode()


def _question(texts: Sequence[Text], request: Request) -> str:
    files = [[text.path, text.kind, text.trusted, base64.b64encode(text.data).decode()] for text in texts]
    return json.dumps({"profile": request.profile, "mode": request.mode, "files": files})


def _error(stdout: bytes, stderr: bytes) -> ConfigError:
    try:
        answer = json.loads(stdout)
        return ConfigError(str(answer["what"]), str(answer["mend"]))
    except (ValueError, KeyError, TypeError):
        last = stderr.decode(errors="replace").strip().splitlines()[-1:]
        return ConfigError(f"the policy could not be compiled: {last[0] if last else 'no reason given'}")


def _noted(policy: Policy) -> Policy:
    over = [allow for allow in policy.allows if allows.is_expired(allow)]
    notes = [
        f"{allow.source}: this [[allow]] for {allow.package} expired on {allow.expires}" for allow in over
    ]
    return replace(policy, notes=(*policy.notes, *notes)) if notes else policy
