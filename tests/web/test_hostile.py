"""Every field full of what would run, hide or break out somewhere else: through the real browser."""

import csv
import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import addresses, hostile, story
from fleet import browser as browsers
from fleet.browser import Desk
from pratique_server import moments
from pratique_server.web.rendering import environment
from pratique_server.web.visible import cell, shortened, visible

_LOOK = """() => ({
  ran: window.pwned ?? null,
  scripts: [...document.scripts].map((s) => s.getAttribute('src') ?? 'inline')
    .filter((s) => !s.startsWith('/static/')),
  handlers: [...document.querySelectorAll('*:not(.chart *)')]
    .filter((e) => [...e.attributes].some((a) => /^(on|hx-on|srcdoc|style)/.test(a.name)))
    .map((e) => e.outerHTML.slice(0, 80)),
  links: [...document.links].map((a) => a.href).filter((a) => !a.startsWith(location.origin)),
  strange: document.querySelectorAll('iframe, object, embed, base, img, main script, textarea script').length,
  raw: /[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]/
    .test(document.documentElement.outerHTML),
})"""


@pytest.fixture(scope="module")
def runs(site):
    """A run of each payload in the site."""
    return hostile.fill(site.fleet, moments.now())


@pytest.mark.browser
@pytest.mark.parametrize("number", range(len(hostile.PAYLOADS)))
def test_nothing_that_malware_wrote_runs_or_hides(browser, site, runs, number):
    """On every page that shows it: no script, no handler, no foreign link, no character that cannot be seen."""
    payload, run = hostile.PAYLOADS[number], runs[number]
    host = [id_ for name, id_ in site.fleet.hosts.items() if name.startswith(payload)][-1]
    context = browsers.context(browser, site.address)
    desk = Desk(context, "ada")
    purl = f"pkg:npm/{payload}@1.0.2".replace("\0", "\N{REPLACEMENT CHARACTER}")  # as ingest stores it
    for name, address in addresses.pages(run, host, purl).items():
        if name == "missing":
            continue
        desk.open(address)
        seen = desk.page.evaluate(_LOOK)
        clean = {"ran": None, "scripts": [], "handlers": [], "links": [], "strange": 0, "raw": False}
        assert seen == clean, (name, payload)
    context.close()

    assert desk.complaints == []


@pytest.mark.browser
def test_what_people_write_does_not_run_either(browser, own):
    """Notes, reasons, names of hunts, policies and blocks come from people: they are shown, and nothing more."""
    payload = hostile.PAYLOADS[1]
    own.store.decisions.propose(f"# {payload}\n", payload, payload)
    own.store.decisions.block("pkg:npm/x@1", payload, payload)
    own.store.people.note(payload, payload, "finding 1", payload)
    with own.client("anton") as client:
        form = {"csrf": own.csrf(client), "name": payload, "q": payload}
        client.post("/hunts", data=form, headers={"Origin": own.address})
    context = browsers.context(browser, own.address)
    desk = Desk(context, "ada")
    for address in (
        "/policy",
        "/policy/3",
        "/policy/new?like=3",
        "/blocks",
        "/blocks/1",
        "/findings/1",
        "/search",
        "/record",
    ):
        desk.open(address)
        seen = desk.page.evaluate(_LOOK)
        assert (seen["ran"], seen["strange"], seen["handlers"]) == (None, 0, []), address
    context.close()

    assert desk.complaints == []


def test_the_corpus_would_run_without_the_escaping():
    """Positive control: the same template with escaping off contains the script as a script."""
    template = "{{ text }}"
    kept = environment().from_string(template).render(text=hostile.PAYLOADS[0])
    loose = environment().overlay(autoescape=False).from_string(template).render(text=hostile.PAYLOADS[0])
    assert "<script>" not in kept
    assert "<script>" in loose


def test_no_template_opens_a_way_around():
    """No template marks anything as safe, and none holds a script, a style or a handler of its own."""
    engine = environment()
    for name in engine.list_templates():
        source = engine.loader.get_source(engine, name)[0]
        assert "|safe" not in source.replace(" ", ""), name
        assert "autoescape" not in source, name
        assert not any(
            word in source for word in (" style=", " onclick=", "hx-on", "<style", "javascript:")
        ), name


def test_every_character_that_cannot_be_seen_is_written_out():
    """Controls, formats, separators, surrogates and private characters, of all of Unicode."""
    hidden = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}
    left = [
        hex(number)
        for number in range(sys.maxunicode + 1)
        if unicodedata.category(chr(number)) in hidden and visible(chr(number)) == chr(number)
    ]
    assert left == []


@given(st.text(max_size=300), st.integers(min_value=2, max_value=200))
def test_shortened_text_keeps_both_ends(text, longest):
    """What is left out is counted, and it is never longer than it may be by more than that count."""
    short = shortened(text, longest)
    assert short == text or (short.startswith(text[: longest // 2]) and " more " in short)
    assert len(short) <= max(longest, 0) + 30


@given(st.text(max_size=60))
def test_no_cell_is_a_formula(text):
    """No cell of a CSV file begins with what a spreadsheet takes for a formula, blanks before it or not."""
    made = cell(text)
    assert not made.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


def test_exported_lists_hold_no_formula(site, runs):
    """The file itself, read back: every cell is guarded, and there are as many columns as heads."""
    payload = hostile.PAYLOADS[10]
    with site.client("vera") as client:
        lines = list(csv.reader(io.StringIO(client.get("/search.csv", params={"q": payload}).text)))
        hit = client.get("/blast.csv", params={"purl": f"pkg:npm/{payload}@1.0.2"}).text
    assert len(lines) > 1
    assert len(list(csv.reader(io.StringIO(hit)))) > 1
    cells = [each for line in [*lines, *csv.reader(io.StringIO(hit))] for each in line]
    assert not [each for each in cells if each.startswith(("=", "+", "-", "@"))]


@pytest.mark.browser
def test_a_huge_run_can_be_looked_at(browser, own):
    """50 000 processes and an argument of a megabyte: the page is there at once, its tree opens step by step."""
    run, when = story.run_id(1 << 42), moments.now()
    sent = hostile.long(run, when, 50_000, 1 << 20)
    own.fleet.put(*(("build-1", request, when) for request in sent))
    context = browsers.context(browser, own.address)
    desk = Desk(context, "anton")
    page = desk.open(f"/runs/{run}")
    page.get_by_text("50 002", exact=False).first.wait_for(timeout=20_000)
    assert page.locator(".tree .leaf, .tree details").count() < 1_000
    assert len(page.content()) < 2_000_000
    context.close()

    assert desk.complaints == []
