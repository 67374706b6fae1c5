"""A provider of identities on loopback: signs in whom it is told to, and lies when it is told to."""

import hashlib
import secrets
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwk, jwt

CLIENT, SECRET = "pratique", "the client's secret"


_BASIC = b64encode(f"{CLIENT}:{quote(SECRET, safe='')}".encode()).decode()


class Provider:
    """Speaks OpenID Connect: discovery, authorization with PKCE, tokens once per code, keys."""

    def __init__(self) -> None:
        self.address = ""
        self.person: dict[str, Any] = {"sub": "1", "preferred_username": "mara", "groups": ["analysts"]}
        self.claims: dict[str, Any] = {}
        """What it says instead of the truth."""
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "k"}, private=True)
        self.signs_with: Any = self.key
        self.algorithm = "RS256"
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> FastAPI:
        """Its endpoints."""
        app = FastAPI(openapi_url=None)
        app.get("/.well-known/openid-configuration")(self._describe)
        app.get("/authorize")(self._authorize)
        app.post("/token")(self._token)
        app.get("/keys")(self._keys)
        return app

    def _describe(self) -> dict[str, str]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.address, **{name: f"{self.address}/{path}" for name, path in ends.items()}}

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", 303)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self._codes.pop(str(form.get("code")), None)
        proof = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        assert request.headers["authorization"] == f"Basic {_BASIC}"
        if asked is None or urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        known = {"iss": self.address, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
        claims = {**known, **self.person, **self.claims}
        header = {"alg": self.algorithm, "kid": "k"}
        token = jwt.encode(header, claims, self.signs_with, algorithms=[self.algorithm])
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def _keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}


@contextmanager
def provided() -> Iterator[Provider]:
    """A provider that serves."""
    made = Provider()
    server = uvicorn.Server(uvicorn.Config(made.app(), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    made.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.should_exit = server.force_exit = True
        thread.join(30)
