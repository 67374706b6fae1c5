"""Sign-in by a provider of identities: whoever it vouches for comes in, and no lie of anybody does."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from joserfc import jwk

from fleet import sites, story
from fleet.provider import CLIENT, SECRET, Provider, provided
from pratique_server.config import Address
from pratique_server.errors import UsageError
from pratique_server.metrics import Metrics
from pratique_server.store.store import Store
from pratique_server.web.app import make_app
from pratique_server.web.provider import Provider as Relying
from pratique_server.web.provider import Settings
from pratique_server.web.review import with_pages
from pratique_server.web.serving import Serving

ROLES = {"admin": "leads", "analyst": "analysts"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Somebody else who knows people."""
    with provided() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with people of its own."""
    opened = sites.opened(tmp_path)
    story.people(opened)
    yield opened
    opened.close()


@pytest.fixture
def address(store: Store, provider: Provider, tmp_path: Path) -> Iterator[str]:
    """The pages, set up with the provider."""
    settings = Settings(provider.address, CLIENT, SECRET, ROLES)
    with sites.serving(store, tmp_path, Relying(settings)) as made:
        yield made


def _signed_in(address: str) -> httpx.Response:
    """What a browser gets that goes there and back; its cookies of the way are those of the answer's client."""
    with httpx.Client(base_url=address, follow_redirects=True, headers={"Accept": "text/html"}) as client:
        return client.get("/login/provider", params={"next": "/hosts"})


def test_whom_the_provider_vouches_for_comes_in(address: str, store: Store, provider: Provider) -> None:
    """With the role that the provider's group gives, anew at each sign-in, and where they wanted to go."""
    for groups, role in (
        (["analysts"], "analyst"),
        (["analysts", "leads"], "admin"),
        (["analysts"], "analyst"),
    ):
        provider.person["groups"] = groups
        answer = _signed_in(address)

        assert (answer.status_code, answer.url.path) == (200, "/hosts")
        assert {row["name"]: row["role"] for row in store.people.all()}["oidc:mara"] == role
    assert "Sign in with your organisation" in httpx.get(f"{address}/login").text


LIES = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "for somebody else": {"aud": "another client"},
    "expired": {"exp": 1},
    "of another sign-in": {"nonce": "x"},
    "no group of ours": {"groups": ["guests"]},
    "groups that are no list": {"groups": "leads"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_says_something_else_is_refused(address: str, provider: Provider, lie: str) -> None:
    """Each claim counts by itself."""
    provider.claims = LIES[lie]
    answer = _signed_in(address)

    assert (answer.status_code, answer.url.path) == (403, "/login/provider/back")


def test_a_token_that_the_provider_did_not_sign_is_refused(address: str, provider: Provider) -> None:
    """Neither a stranger's key of the same number, nor one that everybody knows."""
    provider.signs_with = jwk.RSAKey.generate_key(2048, {"kid": "k"}, private=True)
    assert _signed_in(address).status_code == 403
    provider.signs_with, provider.algorithm = jwk.OctKey.import_key(SECRET.encode() * 3), "HS256"
    assert _signed_in(address).status_code == 403


def test_a_way_back_that_another_browser_began_is_refused(address: str) -> None:
    """Nobody is signed in as somebody else by a link: the cookie of the beginning must be there, and match."""
    with httpx.Client(base_url=address) as attacker, httpx.Client(base_url=address) as victim:
        there = httpx.get(attacker.get("/login/provider").headers["location"]).headers["location"]
        assert victim.get(there).status_code == 403
        victim.get("/login/provider")
        assert victim.get(there).status_code == 403
        assert "pratique" not in victim.cookies
        assert attacker.get(there).status_code == 303
        assert attacker.get(there).status_code == 403, "a code works once"


def test_a_local_account_is_not_taken_over(address: str, store: Store, provider: Provider) -> None:
    """Whatever name the provider gives, it is marked; and who was disabled stays out."""
    provider.person["preferred_username"] = "ada"
    assert _signed_in(address).status_code == 200
    assert {row["name"]: row["role"] for row in store.people.all()}["oidc:ada"] == "analyst"
    store.people.disable("oidc:ada")
    assert _signed_in(address).status_code == 403


def test_without_a_provider_there_is_no_such_way(store: Store, tmp_path: Path) -> None:
    """The address answers that there is none."""
    with sites.serving(store, tmp_path) as bare:
        assert httpx.get(f"{bare}/login/provider").status_code == 404


def test_a_provider_that_is_away_is_said(store: Store, tmp_path: Path) -> None:
    """Not a defect of ours, and the password form is still there."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    settings = Settings(f"http://127.0.0.1:{port}", CLIENT, SECRET, ROLES)
    with sites.serving(store, tmp_path, Relying(settings)) as made:
        assert httpx.get(f"{made}/login/provider").status_code == 503


def test_settings_that_cannot_be_meant_are_refused() -> None:
    """No plain HTTP beyond this machine, no role that there is not, none without a group."""
    for issuer, roles in (
        ("http://sso.example", ROLES),
        ("https://sso.example", {}),
        ("https://sso.example", {"root": "x"}),
    ):
        with pytest.raises(UsageError):
            Relying(Settings(issuer, CLIENT, SECRET, roles))


@pytest.mark.parametrize(("trusted", "cookie"), [("127.0.0.1", "__Host-pratique"), ("", "pratique")])
def test_behind_a_proxy_that_ends_tls(store: Store, tmp_path: Path, trusted: str, cookie: str) -> None:
    """A trusted proxy says that the browser spoke TLS: the cookie is bound to it; a stranger's word is nothing."""

    async def sign_in() -> httpx.Response:
        serving = Serving(with_pages(make_app(store, Metrics(), tmp_path)), Address("127.0.0.1", 0), trusted)
        await serving.start()
        headers = {"X-Forwarded-Proto": "https", "Host": "review.example", "Origin": "https://review.example"}
        given = {"name": "ada", "password": story.PASSWORD}
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"http://{serving.address}/login", data=given, headers=headers)
        await serving.stop()
        return answer

    with ThreadPoolExecutor(1) as aside:  # where browsers are driven, a loop runs in this thread
        answer = aside.submit(lambda: asyncio.run(sign_in())).result(30)
    assert answer.status_code == 303
    (line,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{cookie}=")]
    assert ("Secure" in line) is bool(trusted)
    assert "HttpOnly" in line
    assert "Path=/" in line
    assert "Domain" not in line
