"""A new certificate for a new key, asked over the connection that the old one opened."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pratique
from pratique.api.v1 import enrolment_pb2
from pratique.api.wire import PROTOCOL
from pratique.policy import trust
from pratique.telemetry import identity as identities
from pratique.telemetry.identity import Identity, IdentityError
from pratique.telemetry.link import Link
from pratique.telemetry.place import Place

_SECONDS = 30


def renewed(place: Place, link: Link, now: float, deadline: float) -> Identity:
    """Ask, check, and keep it; what was held stays until the new one is on disk. `now` is the collector's."""
    made = _child("fresh", {})
    request = enrolment_pb2.RenewRequest(protocol=PROTOCOL, csr=b64decode(made["request"]))
    answer = link.renew(request, deadline)
    texts = {"chain": answer.chain, "authorities": answer.authorities}
    asked = {"key": made["key"], "issued": now, **{name: _text(data) for name, data in texts.items()}}
    found = _child("check", asked)
    if "problem" in found:
        raise IdentityError(f"the collector sent no certificate: {found['problem']}")
    held = Identity(b64decode(made["key"]), answer.chain, found["uri"], now, found["until"])
    # Authorities first: with old authorities and a new identity a collector could no longer be believed.
    trust.write(place.authorities, answer.authorities)
    identities.store(place.identity, held)
    return held


def _child(verb: str, asked: dict[str, Any]) -> dict[str, Any]:
    environment = {"PYTHONPATH": str(Path(pratique.__file__).parent.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pratique.telemetry.certificates", verb],
        input=json.dumps(asked).encode(),
        capture_output=True,
        env=environment,
        cwd="/",
        timeout=_SECONDS,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise IdentityError(f"no key could be made: {last[0] if last else 'no reason given'}") from error
    return answer


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
