"""Sign-in by somebody else's provider: OpenID Connect, code flow with PKCE.

Nothing is kept here between the two halves of a sign-in: what must be met again lies in a short-lived cookie of the
browser that began it, so that any collector behind a balancer may see the end.
"""

import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from pratique_server.errors import RefusedError, StoreError, UsageError
from pratique_server.store.people import ROLES

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Signatures by a key of the provider's alone: nothing that is made with a secret which others hold."""
_SCOPE = "openid profile email"
_SECONDS = 10.0
_LARGEST_COOKIE = 2_048
_LONGEST_NAME = 200
ANYBODY = "*"


@dataclass(frozen=True, slots=True)
class Settings:
    """Which provider, and who of its people may do what."""

    issuer: str
    client: str
    secret: str = field(repr=False)
    roles: Mapping[str, str]
    """Role → the group that gives it; `*`: everybody the provider knows."""

    def check(self) -> None:
        """`UsageError` for what cannot be meant."""
        parts = urlsplit(self.issuer)
        local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not local and parts.scheme != "https":
            raise UsageError(f"{self.issuer!r} is no https address", "name the issuer of the provider")
        if not self.client or not self.roles or set(self.roles) - set(ROLES):
            raise UsageError(
                "a provider needs --oidc-client, and --oidc-role ROLE=GROUP at least once",
                f"roles are {', '.join(ROLES)}; * stands for everybody",
            )


class Begun(NamedTuple):
    """A sign-in that is under way; lies in a cookie."""

    state: str
    nonce: str
    verifier: str
    next: str

    def cookie(self) -> str:
        """As text."""
        return urlsafe_b64encode(json.dumps(self).encode()).decode()

    @classmethod
    def of(cls, cookie: str | None) -> "Begun":
        """Out of a cookie; `RefusedError` for what is none."""
        try:
            fields = json.loads(urlsafe_b64decode((cookie or "")[:_LARGEST_COOKIE]))
            begun = cls(*map(str, fields))
        except (ValueError, TypeError):
            raise RefusedError("this sign-in was not begun here, or too long ago") from None
        return begun


class Provider:
    """A provider of identities; its own description and keys are asked for when they are needed."""

    def __init__(self, settings: Settings) -> None:
        settings.check()
        self.settings = settings
        self._known: dict[str, Any] | None = None

    def begin(self, redirect: str, back: str) -> tuple[str, Begun]:
        """Where to send the browser, and what has to be met again."""
        begun = Begun(_random(), _random(), _random(), back)
        address = prepare_grant_uri(
            self._described("authorization_endpoint"),
            self.settings.client,
            "code",
            redirect_uri=redirect,
            scope=_SCOPE,
            state=begun.state,
            nonce=begun.nonce,
            code_challenge=create_s256_code_challenge(begun.verifier),
            code_challenge_method="S256",
        )
        return str(address), begun

    def finish(self, begun: Begun, redirect: str, asked: Mapping[str, str]) -> tuple[str, str]:
        """Name and role of whoever came back; `RefusedError` when that proves nothing."""
        if not hmac.compare_digest(begun.state.encode(), asked.get("state", "").encode()):
            raise RefusedError("this sign-in was not begun by this browser")
        if "code" not in asked:
            raise RefusedError("the provider did not sign you in")
        claims = self._claims(self._token(begun, redirect, asked["code"]), begun.nonce)
        return _name(claims), self._role(claims)

    def _token(self, begun: Begun, redirect: str, code: str) -> str:
        given = self.settings
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=redirect,
            code=code,
            code_verifier=begun.verifier,
            client_id=given.client,
        )
        try:
            answer = httpx.post(
                self._described("token_endpoint"),
                content=body,
                auth=(quote(given.client, safe=""), quote(given.secret, safe="")) if given.secret else None,
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                timeout=_SECONDS,
            )
            answer.raise_for_status()
            return str(answer.json()["id_token"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise RefusedError("the provider did not accept this sign-in") from error

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        given = self.settings
        registry = jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "value": given.issuer},
            aud={"essential": True, "value": given.client},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            keys = jwk.KeySet.import_key_set({"keys": _asked(self._described("jwks_uri"))["keys"]})
            claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
            registry.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise RefusedError("what the provider said of you cannot be believed") from error
        return claims

    def _role(self, claims: Mapping[str, Any]) -> str:
        """The strongest that a group of theirs gives."""
        listed = claims.get("groups")
        groups = {str(each) for each in listed} if isinstance(listed, list) else set()
        for role in reversed(ROLES):
            if self.settings.roles.get(role) in {*groups, ANYBODY}:
                return role
        raise RefusedError("the provider knows you, and no group of yours may come in here")

    def _described(self, what: str) -> str:
        if self._known is None:
            known = _asked(self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if known.get("issuer") != self.settings.issuer:
                raise RefusedError("the provider calls itself by another name than it was set up with")
            self._known = known
        return str(self._known.get(what) or "")


def _asked(address: str) -> dict[str, Any]:
    try:
        answer = httpx.get(address, timeout=_SECONDS)
        answer.raise_for_status()
        known = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise StoreError("the provider does not answer", "try again, or sign in with a password") from error
    return known if isinstance(known, dict) else {}


def _name(claims: Mapping[str, Any]) -> str:
    """Marked as the provider's, so that nobody there can be somebody who has a password here."""
    for claim in ("preferred_username", "email", "sub"):
        if isinstance(claims.get(claim), str) and claims[claim]:
            return f"oidc:{claims[claim][:_LONGEST_NAME]}"
    raise RefusedError("the provider gives you no name")


def _random() -> str:
    return urlsafe_b64encode(os.urandom(36)).decode()
