"""Hostile text in every place a name is shown: terminal, HTML and JSON."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.runs import escape, html, people, store, text
from pratique.runs.paper import Paper
from pratique.words import Act, Action
from unit import runs_sample as sample

NASTY = [
    "\x1b[2J",
    "\r\n::set-output name=x::y",
    "##[error]x",
    "::add-mask::x",
    "\u202egpj.exe",
    "\udcff",
    "<script>",
    "\u200b",
    "'\"&>",
    "::1",
]
hostile = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=60),
    st.lists(st.sampled_from([*NASTY, "a" * 90, " "]), max_size=6).map("".join),
)
WIDTHS = st.sampled_from([20, 40, 80, 120])


def hostile_report(word: str) -> dict[str, Any]:
    """The sample with `word` wherever hostile code may put one."""
    begins = sample.origin(purl=f"pkg:npm/{word}@1")
    run = sample.started(sample.run(command=["npm", word], environment={f"{word}TOKEN": "x"}), begins)
    run.add(sample.execed(4122, 4121, [word, word], origin=1, cwd=f"/{word}", comm=word))
    for key in ("path", "name", "address", "to", "request"):
        target = {key: word, "path": word} if key == "to" else {key: word}
        event = sample.acted(4122, Act.FILE_READ, Action.DENY, target, rule="read-secrets", groups=(word,))
        run.add(event)
    return sample.built(sample.refused(run), notes=(word,), guard_lost=word)


def lines_are_harmless(shown: str) -> None:
    """No line commands a terminal or a CI system, and there is none that hostile text made."""
    for line in shown.split("\n"):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert escape.one_line(plain)
        assert not line.startswith("\x1b")
        assert not plain.lstrip().startswith("::")
        assert "##[" not in plain
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f]", plain)


@given(word=hostile, width=WIDTHS, colour=st.booleans(), unicode=st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_terminal_line_obeys_a_name(word: str, width: int, colour: bool, unicode: bool) -> None:
    """Whatever a package calls things, every printed line is one line of visible text."""
    report = hostile_report(word)

    shown = text.render(report, Paper(width=width, colour=colour, unicode=unicode))

    lines_are_harmless(shown)
    lines_are_harmless(text.allows(report))
    lines_are_harmless(text.listed(report))


@given(word=hostile | st.text("npm ci:#[-", max_size=200), width=WIDTHS, unicode=st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_clean_line_is_that_of_the_block(word: str, width: int, unicode: bool) -> None:
    """Laid out by hand or by the library: where the first is there at all, not a letter differs."""
    run = sample.started(sample.run(command=["npm", word]))
    run.ended(0, None, 0, {"exec": 9, "connect": 1})
    report, paper = sample.built(run), Paper(width=width, unicode=unicode)

    assert people.clean(report, paper) in (None, text.render(report, paper))


@given(word=hostile)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_html_holds_no_markup_of_others(word: str) -> None:
    """The page has only elements and attributes of ours, and is valid UTF-8."""
    page = html.page(hostile_report(word))

    page.encode("utf-8")
    seen = _Elements()
    seen.feed(page)
    assert seen.names <= _OURS
    assert seen.attributes <= {
        "class",
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "datetime",
        "data-head",
    }
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", page)


@given(word=hostile)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_json_is_valid_unicode(word: str) -> None:
    """The report is UTF-8 that any parser takes, with undecodable bytes spelt out."""
    data = store.as_json(hostile_report(word))

    assert json.loads(data.decode("utf-8"))["schema"] == "pratique.report/v1"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain ✓ é 漢字", "plain ✓ é 漢字"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\u202e", "\\u202e"),
        ("\udcff", "\\xff"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164", "\\u3164"),
        ("##[error]", "#\\x23[error]"),
    ],
)
def test_what_does_not_print_is_spelt_out(given: str, shown: str) -> None:
    """People see what is there, in ASCII where it could deceive."""
    assert escape.visible(given) == shown


_OURS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "section",
    "article",
    "h1",
    "h2",
    "h3",
    "p",
    "div",
    "span",
    "code",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
    "pre",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ol",
    "li",
    "time",
}


class _Elements(HTMLParser):
    """Collects what elements and attributes a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
