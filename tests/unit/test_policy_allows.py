"""What an allow permits, and the stanza that a refusal prints."""

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.model import UNKNOWN, Identity
from pratique.policy import allows
from pratique.policy.compile import compile_policy
from pratique.policy.model import Allow, Block, Policy
from pratique.policy.sources import Text, shipped_texts
from pratique.words import Act, Quality, Stage

PURL = "pkg:npm/left-pad@1.3.0"
VERIFIED = Identity(Quality.VERIFIED, PURL, digest="sha512-abc=")
CLAIMED = Identity(Quality.CLAIMED, PURL, digest="sha512-abc=")
HOMES = ("/home/user",)


def policy(*held: Allow, blocks: tuple[Block, ...] = ()) -> Policy:
    """A policy with these allows and nothing else."""
    return Policy("", "standard", (), (), held, blocks=blocks)


def permits(allow: Allow, act: Act, **target: Any) -> bool:
    """Whether the allow permits the act for the person `user`."""
    return allows.permits(allow, act, target, HOMES, "/p")


@pytest.mark.parametrize("identity", [CLAIMED, UNKNOWN, Identity(Quality.UNKNOWN, PURL)])
def test_only_a_verified_identity_has_allows(identity: Identity) -> None:
    """A name that the code itself claims opens nothing."""
    held = policy(Allow("pkg:npm/left-pad", "why"))

    assert allows.allows_for(held, identity, Stage.SCRIPT) == []
    assert len(allows.allows_for(held, VERIFIED, Stage.SCRIPT)) == 1


def test_digest_and_stage_bind() -> None:
    """An allow with a digest or a stage holds for that content and that stage alone."""
    held = policy(
        Allow("pkg:npm/left-pad", "other content", digest="sha512-xyz="),
        Allow("pkg:npm/left-pad", "other stage", stages=(Stage.BUILD,)),
        Allow("pkg:npm/left-pad", "fits", digest="sha512-abc=", stages=(Stage.SCRIPT,)),
    )

    assert [allow.reason for allow in allows.allows_for(held, VERIFIED, Stage.SCRIPT)] == ["fits"]


def test_the_most_specific_comes_first() -> None:
    """Digest before version before range before package."""
    held = policy(
        Allow("pkg:npm/left-pad", "package"),
        Allow("pkg:npm/left-pad@>=1", "range"),
        Allow("pkg:npm/left-pad", "digest", digest="sha512-abc="),
        Allow(PURL, "version"),
    )

    found = [allow.reason for allow in allows.allows_for(held, VERIFIED, Stage.SCRIPT)]

    assert found == ["digest", "version", "range", "package"]


def test_an_allow_ends_with_its_last_day() -> None:
    """Today still counts, yesterday does not (UTC)."""
    today = datetime.now(UTC).date()
    held = policy(
        Allow("pkg:npm/left-pad", "today", expires=today.isoformat()),
        Allow("pkg:npm/left-pad", "over", expires=(today - timedelta(days=1)).isoformat()),
    )

    assert [allow.reason for allow in allows.allows_for(held, VERIFIED, Stage.SCRIPT)] == ["today"]


@pytest.mark.parametrize(
    "identity", [VERIFIED, CLAIMED, Identity(Quality.UNKNOWN, candidates=("pkg:npm/a@1", PURL))]
)
def test_a_block_needs_no_proof(identity: Identity) -> None:
    """An emergency block meets claimed names and candidates as well."""
    block = Block("pkg:npm/left-pad@<2", "incident")

    assert allows.blocked(policy(blocks=(block,)), identity) == block
    assert allows.blocked(policy(), identity) is None


def test_paths() -> None:
    """`read` speaks of reading only; a rename needs both of its ends."""
    allow = Allow(PURL, "why", read=("~/.aws/**",), write=("/p/out/*",))

    assert permits(allow, Act.FILE_READ, path="/home/user/.aws/credentials")
    assert not permits(allow, Act.FILE_WRITE, path="/home/user/.aws/credentials")
    assert not permits(allow, Act.FILE_READ, path="/home/user/.aws/../.ssh/id_rsa")
    assert permits(allow, Act.FILE_RENAME, path="/p/out/a", to="/p/out/b")
    assert not permits(allow, Act.FILE_RENAME, path="/p/out/a", to="/home/user/.bashrc")
    assert not permits(allow, Act.FILE_READ)


def test_network() -> None:
    """Names, suffixes and networks with their port; v4-mapped addresses count as v4."""
    allow = Allow(
        PURL,
        "why",
        connect=("cdn.example.com:443", "*.example.org:443", "10.1.0.0/16:5432", "[2001:db8::1]:1"),
    )

    assert permits(allow, Act.NET_CONNECT, address="10.1.2.3", port=5432)
    assert permits(allow, Act.NET_CONNECT, address="::ffff:10.1.2.3", port=5432)
    assert permits(allow, Act.NET_CONNECT, address="2001:db8::1", port=1)
    assert permits(allow, Act.NET_CONNECT, address="203.0.113.1", name="CDN.example.com.", port=443)
    assert permits(allow, Act.NET_DNS, name="a.b.example.org")
    assert not permits(allow, Act.NET_CONNECT, address="10.1.2.3", port=22)
    assert not permits(allow, Act.NET_CONNECT, address="203.0.113.1", port=443)
    assert not permits(allow, Act.NET_DNS, name="example.org")
    assert not permits(allow, Act.NET_DNS, name="evilexample.org")
    assert allows.endpoints(allow)[3] == ("2001:db8::1", 1)


def test_what_has_no_key_cannot_be_allowed() -> None:
    """Memory, kernel programs and namespaces are never allowed by package."""
    assert not permits(Allow(PURL, "why", read=("/**",)), Act.PROC_MEMORY, path="/proc/1/mem")


CASES = [
    (Act.FILE_READ, {"path": "/home/user/.aws/credentials"}, "read"),
    (Act.FILE_CREATE, {"path": '/p/a "quoted"\n[name]*'}, "write"),
    (Act.NET_CONNECT, {"address": "203.0.113.9", "port": 8443}, "connect"),
    (Act.NET_CONNECT, {"address": "2001:db8::9", "port": 443}, "connect"),
    (Act.NET_DNS, {"name": "x.example.net"}, "dns"),
    (Act.EXEC, {"exe": "/usr/bin/sudo"}, "exec"),
    (Act.IPC_CONNECT, {"path": "/run/docker.sock"}, "ipc"),
]


@pytest.mark.parametrize(("act", "target", "key"), CASES)
def test_a_printed_stanza_permits_exactly_that_act(act: Act, target: dict[str, Any], key: str) -> None:
    """Pasted into a policy file, the stanza is accepted, permits the act, and binds digest and stage."""
    text = allows.stanza(VERIFIED, Stage.SCRIPT, act, target)
    file = Text("/p.toml", "argument", True, text.encode())
    allow = compile_policy([*shipped_texts(), file]).allows[0]

    assert set(tomllib.loads(text)["allow"][0]) == {"package", "digest", "stage", key, "reason"}
    assert allows.permits(allow, act, target, HOMES, "/p")
    assert allow.stages == (Stage.SCRIPT,)
    assert allow.digest == VERIFIED.digest


@pytest.mark.parametrize(
    ("identity", "act", "locked", "why"),
    [
        (CLAIMED, Act.FILE_READ, False, "only claimed"),
        (UNKNOWN, Act.FILE_READ, False, "unknown"),
        (VERIFIED, Act.PROC_MEMORY, False, "cannot be allowed"),
        (VERIFIED, Act.FILE_READ, True, "locked"),
    ],
)
def test_a_stanza_that_could_not_match_is_a_comment(
    identity: Identity, act: Act, locked: bool, why: str
) -> None:
    """Where no allow can match, it is said why instead."""
    text = allows.stanza(identity, Stage.SCRIPT, act, {"path": "/x"}, locked)

    assert text.startswith("# no allow can match")
    assert why in text


@given(
    st.text(max_size=80),
    st.sampled_from(list(Act)),
    st.sampled_from(["path", "name", "address", "exe", "to"]),
)
def test_a_stanza_is_always_toml(hostile: str, act: Act, key: str) -> None:
    """No hostile name breaks out of the stanza: it parses, and holds one allow or none."""
    identity = Identity(Quality.VERIFIED, f"pkg:npm/x@{hostile}")

    found = tomllib.loads(allows.stanza(identity, Stage.SCRIPT, act, {key: hostile, "port": 1}))

    assert set(found) <= {"allow"}


def test_a_wildcard_from_the_network_is_no_pattern() -> None:
    """A name asked for as `*.example.net` must not turn into an allow for all of it."""
    assert allows.stanza(VERIFIED, Stage.SCRIPT, Act.NET_DNS, {"name": "*.example.net"}).startswith("#")


@pytest.mark.parametrize("group", ["code.memfd", "code.deleted"])
def test_nameless_executables_have_no_stanza(group: str) -> None:
    """No path leads to them, so a stanza with one would be a lie."""
    groups = ("code.fresh", group)
    target = {"exe": "/proc/self/fd/3"}

    assert allows.stanza(VERIFIED, Stage.SCRIPT, Act.EXEC, target, groups=groups).startswith("# no allow")
    assert 'exec = ["/proc/self/fd/3"]' in allows.stanza(VERIFIED, Stage.SCRIPT, Act.EXEC, target)
