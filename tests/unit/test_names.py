"""Names of allows, brought to what the kernel looks up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique import host
from pratique.backends.hooks import endpoints
from pratique.backends.hooks.mirrors import CHostKey
from pratique.backends.hooks.tables import address_key, host_key
from pratique.policy.allows import matches_host
from pratique.policy.model import Allow

_LABEL = st.text("abz019-_", min_size=1, max_size=12)
_NAME = st.lists(_LABEL, min_size=1, max_size=6).map(".".join)


def covers(pattern: str, name: str) -> bool:
    """What the kernel's longest-prefix table says: the entry's bits lead the name spelt backwards."""
    entry = host_key(1, pattern)
    assert entry is not None
    held = CHostKey.from_buffer_copy(entry)
    spelt = name.lower()[::-1].encode() + b"\0"
    octets = (held.prefix - 32) // 8
    return spelt.ljust(248, b"\0")[:octets] == bytes(held.name)[:octets]


@given(_NAME, _NAME, st.booleans())
def test_the_table_means_what_the_policy_means(name: str, other: str, wild: bool) -> None:
    """Kernel and policy give one answer, for the name itself, what is below it, and any other."""
    pattern = f"*.{name}" if wild else name
    for asked in (name, f"{other}.{name}", f"{other}{name}", other, f"{name}.{other}"):
        assert covers(pattern, asked) == matches_host(pattern, asked)


@pytest.mark.parametrize(
    "pattern", ["*", "*foo.example.org", "a.*.example.org", "n\u00e4me.example", "a" * 250]
)
def test_what_the_table_cannot_hold_has_no_key(pattern: str) -> None:
    """It is reported as a gap instead of meaning something else."""
    assert host_key(1, pattern) is None


def test_a_narrow_pattern_has_the_ports_of_the_wider() -> None:
    """The kernel takes the longest entry alone."""
    allows = [
        Allow("pkg:npm/x", "why", connect=("*.example.org:443", "a.example.org:8443")),
        Allow("pkg:npm/x", "why", dns=("b.example.org",), connect=("10.0.0.0/8:1", "[2001:db8::1]:2")),
    ]

    assert endpoints.names(allows) == {
        "*.example.org": {443},
        "a.example.org": {443, 8443},
        "b.example.org": {443},
    }
    assert endpoints.networks(allows) == [("10.0.0.0/8", 1), ("2001:db8::1", 2)]


def test_the_hosts_file_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No resolver is asked about what the host says itself."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.7\tdb.example.org db # ours\nnonsense db.example.org\n")
    monkeypatch.setattr(endpoints, "_HOSTS", hosts)

    given = [Allow("pkg:npm/x", "why", connect=("db.example.org:5432", "*.example.net:1"))]

    assert endpoints.networks(given) == [("192.0.2.7", 5432)]


def test_resolvers_are_those_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments, scopes and nonsense left out; a missing file names none."""
    file = tmp_path / "resolv.conf"
    monkeypatch.setattr(host, "_RESOLV_CONF", file)
    assert host.resolvers() == []

    file.write_text(
        "# nameserver 1.1.1.1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\nnameserver x\n"
    )
    assert host.resolvers() == ["192.0.2.53", "fe80::1"]
    assert address_key("192.0.2.53") != address_key("::c000:235")
