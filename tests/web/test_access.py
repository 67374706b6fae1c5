"""Who may see and do what: every route is asked by strangers, by people with too small a role, and from elsewhere."""

import re
import time
from pathlib import Path

import httpx
import pytest

from pratique_server.metrics import Metrics
from pratique_server.web.app import make_app
from pratique_server.web.review import with_pages

SAFE = {"GET", "HEAD"}
OPEN = {
    "GET /login",
    "GET /login/provider",
    "GET /login/provider/back",
    "GET /static/review.css",
    "POST /login",
    "GET /api/v1/openapi.json",
    "HEAD /api/v1/openapi.json",
}
"""What strangers may ask: the form, its style, the attempt itself, and what the query API is."""
ROLES = {"/policy/*/accept": "admin", "/hosts/*/revoke": "admin"}
"""Changes that take more than an analyst."""
_EXAMPLES = {"number": "1", "verdict": "accept", "form": "csv", "told": "1", "name": "review.css"}


def _routes(site) -> list[tuple[str, str]]:
    """Every method and address of the application; new routes are asked without anybody listing them here."""
    app = with_pages(make_app(site.store, Metrics(), Path()))
    run, host = list(site.fleet.runs.items())[-1]
    fill = {**_EXAMPLES, "run": run, "host": host}
    found = []
    for route in app.routes:
        # Newer FastAPI keeps included routers whole; older ones copy their routes.
        whole = getattr(route, "effective_route_contexts", None)
        for each in whole() if whole else [route]:
            path = re.sub(r"{(\w+)(?::\w+)?}", lambda m: fill.get(m[1], "1"), each.path)
            found += [(method, path) for method in sorted(each.methods)]
    assert len(found) > 40
    return found


def test_strangers_get_nothing(site):
    """Without a session every route but the sign-in and the static files says no more than that."""
    with site.client() as client:
        answers = {(m, p): client.request(m, p, headers={"Origin": site.address}) for m, p in _routes(site)}

    opened = {f"{m} {p}" for (m, p), answer in answers.items() if answer.status_code not in (401, 303)}
    assert opened == OPEN
    assert all("login" in a.headers["location"] for a in answers.values() if a.status_code == 303)


@pytest.mark.parametrize("name", ["vera", "anton"])
def test_a_role_that_is_too_small_changes_nothing(site, name):
    """A viewer may change nothing, an analyst may neither decide on policy nor revoke hosts, however they ask."""
    with site.client(name) as client:
        token = site.csrf(client)
        for method, path in _routes(site):
            if path.startswith("/api") or method in SAFE or path in ("/login", "/logout"):
                continue
            may = ROLES.get(re.sub(r"/(\d+|h-\w+)(?=/|$)", "/*", path), "analyst")
            if may == "analyst" and name == "anton":
                continue
            answer = client.request(
                method, path, headers={"X-CSRF": token, "Origin": site.address}, data={"x": "1"}
            )
            assert answer.status_code == 403, (method, path)
            assert "needs the role" in answer.text


def test_the_record_is_for_admins(site):
    """Who did what is shown to admins alone; the twin: an admin sees it."""
    with site.client("anton") as analyst, site.client("ada") as admin:
        assert analyst.get("/record").status_code == 403
        assert "policy accepted" in admin.get("/record").text


def test_changes_need_the_token_of_the_session(site):
    """Every change without the token, or with another session's, is refused; the control: with it, it is done."""
    with site.client("anton") as client, site.client("ada") as other:
        mine, theirs = site.csrf(client), site.csrf(other)
        form = {"name": "a hunt", "q": "left-padder"}
        post = lambda **more: client.post("/hunts", headers={"Origin": site.address}, data={**form, **more})  # noqa: E731

        refused = [post().status_code, post(csrf="").status_code, post(csrf=theirs).status_code]
        assert refused == [403] * 3
        assert post(csrf=mine).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {},
     {"Sec-Fetch-Site": "none"}, {"Origin": "null"}],
)  # fmt: skip
def test_changes_come_from_our_own_pages(site, headers):
    """The right token is not enough when the browser says another site made the request."""
    with site.client("anton") as client:
        form = {"name": "another hunt", "q": "left-padder", "csrf": site.csrf(client)}
        assert client.post("/hunts", headers=headers, data=form).status_code == 403
        assert client.post("/login", headers=headers, data={}).status_code == 403


def test_a_session_cannot_be_given(site):
    """Fixation: a cookie that was planted before is not the session after; what was in it opens nothing."""
    with httpx.Client(base_url=site.address, cookies={"pratique": "planted"}) as client:
        given = {"name": "anton", "password": "correct horse battery"}
        answer = client.post("/login", data=given, headers={"Origin": site.address})
        fresh = answer.cookies["pratique"]
    assert fresh != "planted"
    for secret, status in (("planted", 401), (fresh, 200)):
        with httpx.Client(base_url=site.address, cookies={"pratique": secret}) as client:
            assert client.get("/findings", headers={"Accept": "*/*"}).status_code == status


def test_the_cookie_is_out_of_reach(site):
    """No script can read it, no other site's form sends it."""
    with site.client() as client:
        given = {"name": "anton", "password": "correct horse battery"}
        told = client.post("/login", data=given, headers={"Origin": site.address}).headers["set-cookie"]
    assert "HttpOnly" in told
    assert "SameSite=lax" in told


def test_signing_out_ends_the_session_here(site):
    """A stolen cookie is worth nothing after its owner signed out."""
    with site.client("anton") as client:
        secret, token = client.cookies["pratique"], site.csrf(client)
        assert (
            client.post("/logout", data={"csrf": token}, headers={"Origin": site.address}).status_code == 303
        )
    with httpx.Client(base_url=site.address, cookies={"pratique": secret}) as thief:
        assert thief.get("/", headers={"Accept": "*/*"}).status_code == 401


def test_a_disabled_user_is_out_at_once(own):
    """Whoever is disabled has no session at the next request."""
    with own.client("anton") as client:
        assert client.get("/").status_code == 200
        own.store.people.disable("anton")
        assert client.get("/").status_code == 303


def test_passwords_cannot_be_tried_for_ever(own):
    """After five wrong tries the name waits, even for the right password; another name does not."""
    with own.client() as client:

        def post(name: str, word: str) -> int:
            given = {"name": name, "password": word}
            return client.post("/login", data=given, headers={"Origin": own.address}).status_code

        assert [post("anton", "wrong") for _ in range(5)] == [403] * 5
        assert post("anton", "correct horse battery") == 403
        assert post("ada", "correct horse battery") == 303


@pytest.mark.parametrize(
    "to", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "javascript:x"]
)
def test_signing_in_leads_nowhere_else(site, to):
    """The address to go back to is one of ours, whatever stands in the link somebody was sent."""
    with site.client() as client:
        given = {"name": "anton", "password": "correct horse battery", "next": to}
        answer = client.post("/login", data=given, headers={"Origin": site.address})
    assert answer.headers["location"] == "/"


def test_every_page_says_what_a_browser_may_do(site):
    """No inline script, no inline style, no frame, nothing from elsewhere; nothing is kept by caches."""
    with site.client("ada") as client:
        pages = [
            p
            for m, p in _routes(site)
            if m == "GET" and not p.startswith(("/api", "/static", "/metrics", "/live"))
        ]
        for path in pages:
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"


def test_a_form_is_bounded(site):
    """A body that no form of ours can have is refused before it fills memory."""
    with site.client("anton") as client:
        began = time.monotonic()
        answer = client.post("/hunts", content=b"x=" + b"a" * (3 << 20), headers={"Origin": site.address})
    assert answer.status_code == 413
    assert time.monotonic() - began < 5
