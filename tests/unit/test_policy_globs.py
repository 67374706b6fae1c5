"""Path patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.policy import globs

HOMES = ("/home/a", "/home/[b]")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("~/.npmrc", "/home/a/.npmrc"),
        ("~/.npmrc", "/home/[b]/.npmrc"),
        ("./.env", "/p/.env"),
        ("~/.aws/**", "/home/a/.aws"),
        ("~/.aws/**", "/home/a/.aws/sso/cache/x.json"),
        ("/etc/*.conf", "/etc/a.conf"),
        ("/a/**/z", "/a/b/c/z"),
        ("/a/**/z", "/a/z"),
    ],
)
def test_matches(pattern: str, path: str) -> None:
    """A pattern matches what it names, in every home."""
    assert globs.matches(pattern, path, HOMES, "/p")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("~/.npmrc", "/home/c/.npmrc"),
        ("~/.npmrc", "/home/b/.npmrc"),
        ("/etc/*.conf", "/etc/x/a.conf"),
        ("~/.aws/**", "/home/a/.awsome"),
        ("~/.aws/**", "/home/a/.aws/../.ssh/id_rsa"),
        ("~/.aws/**", ".aws/credentials"),
        ("/a/**/z", "/a/b/c"),
    ],
)
def test_does_not_match(pattern: str, path: str) -> None:
    """A star stays in its component, and an unresolved path matches nothing."""
    assert not globs.matches(pattern, path, HOMES, "/p")


@given(
    st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20).filter(
        lambda name: name not in (".", "..")
    )
)
def test_escape_names_one_path(name: str) -> None:
    """An escaped path is a pattern for exactly that path."""
    path = f"/home/a/{name}"

    assert globs.matches(globs.escape(path), path, (), None)
    assert not globs.matches(globs.escape(path), f"{path}x", (), None)


def test_deep_paths_are_judged() -> None:
    """A path of thousands of components costs no recursion."""
    assert globs.matches("/a/**", "/a" + "/b" * 5000, (), None)
    assert not globs.matches("/a/**/z", "/a" + "/b" * 2000, (), None)


@given(st.text(min_size=1).map(lambda name: f"/tmp/{name}"))
def test_literal_undoes_escape(path: str) -> None:
    """A stanza's path comes back as it was; a pattern with wildcards names no one path."""
    assert globs.literal(globs.escape(path)) == path
    assert globs.literal(f"{globs.escape(path)}/*") is None
