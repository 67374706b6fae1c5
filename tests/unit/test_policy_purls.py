"""Package URLs in allows and blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.policy import purls


@pytest.mark.parametrize(
    ("pattern", "purl"),
    [
        ("pkg:npm/esbuild", "pkg:npm/esbuild@0.25.0"),
        ("pkg:npm/esbuild@0.25.0", "pkg:npm/esbuild@0.25.0"),
        ("pkg:npm/esbuild@>=0.25", "pkg:npm/esbuild@0.25.0"),
        ("pkg:npm/esbuild@>=0.25,<1", "pkg:npm/esbuild@0.99.9"),
        ("pkg:npm/@scope/x@>=1", "pkg:npm/%40scope/x@1.0.0"),
        ("pkg:npm/%40scope/*", "pkg:npm/%40scope/x@1.0.0"),
        ("pkg:pypi/Foo_Bar", "pkg:pypi/foo-bar@1"),
        ("pkg:pypi/foo@>=1.10", "pkg:pypi/foo@1.10.post1"),
        ("pkg:npm/x@1.0.0-rc.1", "pkg:npm/x@1.0.0-rc.1"),
    ],
)
def test_covers(pattern: str, purl: str) -> None:
    """A package, an exact version, a range and a scope cover what they name."""
    assert purls.covers(pattern, purl)


@pytest.mark.parametrize(
    ("pattern", "purl"),
    [
        ("pkg:npm/esbuild@>=0.25", "pkg:npm/esbuild@0.24.9"),
        ("pkg:npm/esbuild@>=0.25,<1", "pkg:npm/esbuild@1.0.0"),
        ("pkg:npm/esbuild@>=0.25", "pkg:npm/esbuild@1.0.0-beta.1"),
        ("pkg:pypi/foo@>=1", "pkg:pypi/foo@2.0rc1"),
        ("pkg:npm/esbuild@>=0.25", "pkg:npm/esbuild"),
        ("pkg:npm/esbuild", "pkg:pypi/esbuild@1"),
        ("pkg:npm/esbuild", "pkg:npm/%40evil/esbuild@1.0.0"),
        ("pkg:npm/%40scope/*", "pkg:npm/%40scope-evil/x@1.0.0"),
        ("pkg:npm/%40scope/*", "pkg:npm/scope@1.0.0"),
        ("pkg:npm/x@>=1", "pkg:npm/x@zzz"),
        ("pkg:npm/x", "no purl"),
    ],
)
def test_does_not_cover(pattern: str, purl: str) -> None:
    """Neighbours, pre-releases of a range, other types and scopes are not covered."""
    assert not purls.covers(pattern, purl)


@pytest.mark.parametrize(
    "text",
    [
        "npm/x",
        "pkg:npm/",
        "pkg:npm/*",
        "pkg:pypi/foo*",
        "pkg:npm/x@>=",
        "pkg:npm/x@>=1,junk",
        "pkg:pypi/x@>=a b",
    ],
)
def test_parse_refuses(text: str) -> None:
    """What names no package, or a range without meaning, is refused when it is read."""
    with pytest.raises(ValueError, match=r"."):
        purls.parse(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_judged(pattern: str, purl: str) -> None:
    """No text makes the comparison fail: it covers or it does not."""
    assert purls.covers(pattern, purl) in (True, False)
    assert purls.covers(f"pkg:npm/x@{pattern}", f"pkg:npm/x@{purl}") in (True, False)
    assert purls.covers(f"pkg:pypi/x@>={pattern}", f"pkg:pypi/x@{purl}") in (True, False)
