"""Join tokens and names of hosts: read back as written, and nothing else is one."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import examples
from pratique.api import names
from pratique.api.tokens import JoinToken
from pratique.api.wire import WireError


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_tokens_are_read_back(secret: bytes, authority: bytes) -> None:
    """What the collector prints, the host reads."""
    token = JoinToken(secret, authority)

    assert JoinToken.parse(f" {token}\n") == token
    assert token.secret_digest == hashlib.sha256(secret).hexdigest()


@pytest.mark.wire("join token")
@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=220))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """A mistyped token gives one error, and never another one's meaning."""
    try:
        assert str(JoinToken.parse(text)) == text.strip()
    except WireError:
        return


def test_a_token_does_not_show_itself() -> None:
    """A token that lands in a log or traceback stays secret; made twice, it is never the same."""
    one, other = JoinToken.make(b"authority"), JoinToken.make(b"authority")

    assert repr(one) == "JoinToken(***)"
    assert one.secret != other.secret
    assert one.authority == other.authority == hashlib.sha256(b"authority").digest()


@settings(deadline=None)
@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True))
def test_names_are_read_back(host: str) -> None:
    """The id that the collector puts into a certificate is the one it reads there."""
    assert names.host_of(names.host_uri("fleet.example", host), "fleet.example") == host


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://other.example/host/a",
        "spiffe://fleet.example/host/",
        "spiffe://fleet.example/host/a/b",
        "spiffe://fleet.example/host/a\n",
        "spiffe://fleet.example/host/A",
        "spiffe://fleet.example/user/a",
        "spiffe://fleet.example@evil/host/a",
        "https://fleet.example/host/a",
        "",
    ],
)
def test_other_names_are_refused(uri: str) -> None:
    """A name that is almost one, or of another domain, is nobody's."""
    with pytest.raises(WireError):
        names.host_of(uri, "fleet.example")


@pytest.mark.wire("name of a host")
@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=80))
def test_any_text_names_a_host_or_none(uri: str) -> None:
    """Names come from certificates that others made."""
    try:
        assert names.host_uri("fleet.example", names.host_of(uri, "fleet.example")) == uri
    except WireError:
        return
