"""The page: one file, no script, nothing from elsewhere, everything a reader needs."""

import base64
import hashlib
import re

from pratique.runs import html
from unit import runs_sample as sample


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """No script, no address to load from, and a policy that would forbid both."""
    page = html.page(sample.built())

    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"<(script|link|img|iframe|object|form|base)\b", page)
    assert not re.search(r"\b(src|href|style|on\w+)=", page)
    assert "url(" not in page
    assert "@import" not in page


def test_the_style_is_the_one_the_policy_names() -> None:
    """The content security policy holds the digest of the only style sheet."""
    page = html.page(sample.built())
    style = page[page.index("<style>") + len("<style>") : page.index("</style>")]

    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in page


def test_every_section_is_there() -> None:
    """Verdict, findings with their stanza, packages, processes, network, coverage and policy."""
    page = html.page(sample.built())

    for part in (
        "✗ Blocked",
        "npm install web-kit",
        "left-padder@1.0.2",
        "/home/dev/.aws/credentials",
        "[[allow]]",
        "Packages that ran code",
        "Processes",
        "203.0.113.9:8443",
        "Coverage on this host",
        "sha256-11",
        "rules/standard.yaml",
    ):
        assert part in page


def test_an_empty_run_says_so() -> None:
    """Empty sections speak; a run without a manager is not called clean."""
    page = html.page(sample.built(sample.run()))

    assert "No rule fired in this run." in page
    assert "Nothing judged" in page
    assert "✓ Clean" not in page


def test_it_adapts() -> None:
    """Dark, narrow and printed pages have their own rules."""
    page = html.page(sample.built())

    for rule in ("prefers-color-scheme: dark", "max-width: 640px", "@media print", 'name="viewport"'):
        assert rule in page
