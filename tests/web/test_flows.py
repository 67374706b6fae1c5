"""What a security team does with the pages, in a real browser."""

import re
import threading
import time

import pytest
from playwright.sync_api import expect

from fleet import addresses, story
from fleet import browser as browsers
from fleet.browser import Desk
from pratique_server import moments

pytestmark = pytest.mark.browser
SOUGHT = [
    ("203.0.113.9", "203.0.113.9"), ("~/.aws/credentials", "~/.aws"), ("T1552", "file.read"),
    ("left-pad", "left-padder"), ("build-1", "build-1"), ("secrets.install", "file.read"),
    ("pkg:pypi/torch-helpers@0.4.1", "torch-helpers"), ("cdn-check", "cdn-check.example"),
]  # fmt: skip
HINTS = {
    "/": "pratique enroll", "/findings": "pratique run", "/runs": "pratique run", "/hosts": "pratique enroll",
    "/packages": "guarded install", "/policy": "second person", "/blocks": "Nothing is blocked",
    "/blast": "Name a package",
}  # fmt: skip
COPIED = """() => {
  const row = document.querySelector('main .row'), data = new DataTransfer();
  getSelection().selectAllChildren(row);
  row.dispatchEvent(new ClipboardEvent('copy', {clipboardData: data, bubbles: true}));
  return data.getData('text/plain');
}"""


def _padder(site, number: int) -> str:
    """A thief tries again, now."""
    run, when = story.run_id((1 << 41) + number), moments.now()
    site.fleet.put(("build-2", story.padder(run, when, None).request(), when))
    return run


def test_a_finding_is_there_within_two_seconds(desk, site):
    """From the batch being stored to the line on the screen, without loading the page again."""
    page = desk.open("/")
    before = page.locator("#live > .row").count()
    page.wait_for_timeout(700)  # the stream is open
    began = time.monotonic()
    run = _padder(site, 1)
    page.locator("#live > .row.fresh").first.wait_for(timeout=5_000)
    seconds = time.monotonic() - began

    assert seconds <= 2
    assert page.locator("#live > .row").count() > before
    page.locator("#live > .row.fresh a.open").first.click()
    expect(page.locator(".crumbs")).to_contain_text(run)


def test_the_stream_goes_on_where_it_broke(site):
    """Whoever comes back with the last id they saw gets what they missed."""
    with site.client("vera") as client:
        _padder(site, 2)
        with client.stream(
            "GET", "/live", headers={"Last-Event-ID": "1", "Accept": "text/event-stream"}
        ) as answer:
            assert answer.headers["content-security-policy"]
            lines = answer.iter_lines()
            ids = [next(line for line in lines if line.startswith("id:")) for _ in range(2)]
    assert ids == ["id: 2", "id: 3"]


def test_a_finding_is_marked_and_remembered(desk, site):
    """Who said what a finding is, and why, stands on its page for the next person."""
    page = desk.open(f"/findings/{_padder(site, 3)}-0002")
    page.get_by_label("State").select_option("acknowledged")
    page.get_by_label("Note").fill("looked at with grace")
    page.get_by_role("button", name="Mark").click()

    expect(page.locator(".outcome")).to_contain_text("acknowledged")
    expect(page.get_by_text("looked at with grace")).to_be_visible()


def test_an_allow_takes_two_people(browser, own):
    """A stanza becomes a proposal; its author cannot put it into force, somebody else can, and it is on record."""
    one, two = browsers.context(browser, own.address), browsers.context(browser, own.address)
    ben, ada = Desk(one, "ben"), Desk(two, "ada")
    page = ben.open("/findings?rule=egress.install")
    page.locator(".row a.open").first.click()
    page.get_by_label("Reason").fill("our own cdn")
    page.get_by_role("button", name="Propose to allow").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    expect(page.locator(".diff")).to_contain_text('reason = "our own cdn"')
    assert page.get_by_role("button", name="Put into force").count() == 0

    other = ada.open(page.url)
    other.get_by_role("button", name="Put into force").click()
    expect(other.locator(".outcome")).to_contain_text("in force")
    expect(other.locator(".outcome")).to_contain_text("accepted by ada")
    expect(other.get_by_text("of 6 hosts")).to_be_visible()
    ada.open("/record")
    expect(other.get_by_text("policy accepted").first).to_be_visible()
    assert "left-padder" in own.store.decisions.document("policy").policy
    one.close()
    two.close()
    assert ben.complaints + ada.complaints == []


def test_of_two_who_decide_at_once_one_does(own):
    """Both press the button in the same moment: the policy has one decider, and the other is told so."""
    number = own.store.decisions.propose("profile = 'standard'\n", "x", "anton")
    with own.client("ada") as ada, own.client("ben") as ben:
        forms = [(client, {"csrf": own.csrf(client)}) for client in (ada, ben)]
        answers: list[int] = []
        barrier = threading.Barrier(2)

        def press(client, form) -> None:
            barrier.wait()
            answer = client.post(f"/policy/{number}/accept", data=form, headers={"Origin": own.address})
            answers.append(answer.status_code)

        threads = [threading.Thread(target=press, args=each) for each in forms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(answers) == [303, 422]


def test_a_block_is_followed_host_by_host(browser, own):
    """From a finding by one key; a host is pending until it says it applied it, and the page follows by itself."""
    context = browsers.context(browser, own.address)
    desk = Desk(context, "anton")
    page = desk.open("/findings?action=denied")
    page.keyboard.press("j")
    page.keyboard.press("b")
    page.wait_for_url("**/blocks?purl=*")
    page.get_by_label("Reason").fill("it steals credentials")
    page.get_by_role("button", name="Block on every host").click()
    page.wait_for_url("**/blocks/1")
    expect(page.locator("#spread")).to_contain_text("of 6 hosts")
    assert page.locator("#spread .row.audited").count() == 6

    version = own.store.decisions.versions()["blocks"]
    hosts = list(own.fleet.hosts.values())
    for host in hosts[:4]:
        own.store.decisions.applied(host, "blocks", version, None)
    own.store.decisions.applied(hosts[4], "blocks", version, "the disk is full")
    expect(page.locator("#spread .row.clean")).to_have_count(4, timeout=4_000)
    expect(page.locator("#spread .row.blocked")).to_contain_text("the disk is full")
    page.get_by_role("button", name="Lift the block").click()
    expect(page.locator("h1")).to_contain_text("was blocked")
    context.close()
    assert desk.complaints == []


@pytest.mark.parametrize("purl", ["left-padder", "pkg:npm/", "pkg:npm/x y", "pkg:npm/a b@1"])
def test_only_package_urls_are_blocked(site, purl):
    """What no host could match is refused with an example of what can be."""
    with site.client("anton") as client:
        form = {"csrf": site.csrf(client), "purl": purl, "reason": "x"}
        answer = client.post("/blocks", data=form, headers={"Origin": site.address})
    assert answer.status_code == 422
    assert "pkg:npm/left-padder@1.0.2" in answer.text


def test_a_run_tells_what_happened(desk, site):
    """Verdict, lanes, the way to each refusal opened, egress, and what is new since the last clean run."""
    page = desk.open(f"/runs/{_padder(site, 4)}")
    expect(page.locator("h1")).to_have_text("npm install web-kit")
    assert page.locator(".lane.blocked .act.blocked").count() > 0
    expect(page.locator(".tree details[open]").first).to_be_visible()
    expect(page.locator(".tree")).to_contain_text("node setup.js")
    expect(page.get_by_role("region", name="Whom it asked for")).to_contain_text("cdn-check.example")
    page.get_by_role("link", name="Export").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename.endswith(".json")


def test_a_run_is_compared_with_a_clean_one(desk, site):
    """The comparison names the package and the address that were not there before."""
    run = _clean_then_not(site)
    page = desk.open(f"/runs/{run}")
    page.get_by_role("link", name="Compare with the last clean run").click()
    expect(page.get_by_role("region", name="Code that did not run then")).to_contain_text("left-padder@1.0.2")
    expect(page.get_by_role("region", name="Names, addresses")).to_contain_text("203.0.113.9")


def _clean_then_not(site) -> str:
    now = moments.now()
    chance = type("Chance", (), {"randrange": lambda _, top: 0})()
    before = story.padder_before(story.run_id((1 << 41) + 100), now, chance).request()
    after = story.run_id((1 << 41) + 101)
    site.fleet.put(("dev-ada", before, now), ("dev-ada", story.padder(after, now, None).request(), now))
    return after


def test_the_tree_opens_where_one_looks(desk, site):
    """A branch without refusals is closed; opening it fetches what is below, and only that."""
    run, now = story.run_id((1 << 41) + 200), moments.now()
    chance = type("Chance", (), {"randint": lambda *_: 30, "randrange": lambda *_: 1})()
    site.fleet.put(("dev-ada", story.numpy(run, now, chance).request(), now))
    page = desk.open(f"/runs/{run}")
    branch = page.locator(".tree details").filter(has_text="ninja").last
    assert branch.locator(".children > .leaf").count() == 0
    branch.locator("summary").click()
    expect(branch.locator(".children > .leaf")).to_have_count(30)


def test_a_package_says_what_its_new_version_does(desk):
    """Versions by date, and in the newest exactly what no earlier one did."""
    page = desk.open("/package?purl=pkg:npm/left-padder@1.0.2")
    expect(page.get_by_role("group", name="Versions")).to_contain_text("1.0.0")
    new = page.get_by_role("group", name="New acts")
    for thing in ("~/.aws/credentials", "~/.bashrc", "node setup.js"):
        expect(new).to_contain_text(thing)
    expect(page.get_by_role("group", name="New names")).to_contain_text("cdn-check.example")
    expect(new).not_to_contain_text("banner.js")


def test_an_approval_is_given_and_taken_back(browser, own):
    """A version is vouched for from its own page; the policy page lists it and can end it."""
    context = browsers.context(browser, own.address)
    desk = Desk(context, "anton")
    page = desk.open("/package?purl=pkg:npm/esbuild@0.25.4")
    page.get_by_label("Reason").fill("read its script")
    page.get_by_role("button", name="Approve").click()
    desk.open("/policy")
    expect(page.get_by_text("read its script")).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn")).to_be_visible()
    context.close()
    assert desk.complaints == []


def test_blast_radius_names_hosts_secrets_and_what_to_mend(desk):
    """Who has it, when, what it asked for, and what has to be built again after what."""
    page = desk.open("/blast?purl=pkg:npm/left-padder@1.0.2")
    expect(page.locator("h1")).to_contain_text("reached")
    assert page.locator(".lane").count() >= 3
    expect(page.get_by_role("region", name="Secrets it asked for")).to_contain_text("~/.aws/credentials")
    expect(page.get_by_role("region", name="What to build again")).to_contain_text("web-kit")


@pytest.mark.parametrize(("asked", "found"), SOUGHT)
def test_one_box_understands_it(desk, asked, found):
    """Address, path, technique, part of a name, host, rule, package URL: what was pasted is found."""
    page = desk.open("/")
    page.keyboard.press("/")
    page.keyboard.type(asked)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?*")
    expect(page.locator("main")).to_contain_text(found)
    assert page.locator("main .empty").count() == 0


def test_a_hunt_is_kept_and_forgotten(desk):
    """A question kept under a name is one click for the next person."""
    page = desk.open("/search?q=169.254.169.254")
    page.get_by_label("Keep as").fill("metadata")
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("link", name="metadata", exact=True).click()
    expect(page.locator("h1")).to_contain_text("169.254.169.254")
    page.get_by_role("listitem").filter(has_text="metadata").get_by_role("button", name="Forget").click()
    expect(page.get_by_role("link", name="metadata", exact=True)).to_have_count(0)


def test_a_host_shows_its_gaps_and_is_revoked(browser, own):
    """What it can and cannot refuse, what it was told; an admin revokes it, an analyst is not offered to."""
    host = own.fleet.hosts["lab-old"]
    context = browsers.context(browser, own.address)
    desk = Desk(context, "ada")
    page = desk.open(f"/hosts/{host}")
    expect(page.locator(".outcome")).to_contain_text("silent")
    expect(page.get_by_role("region", name="What it can refuse")).to_contain_text("blind")
    page.get_by_role("button", name="Revoke this host").click()
    expect(page.locator(".outcome")).to_contain_text("revoked")
    assert host in own.store.enrolment.denied().hosts
    context.close()
    assert desk.complaints == []


def test_keys_work(desk):
    """J and k move, o opens, ? explains, and typing in a field is typing."""
    page = desk.open("/findings")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".row").first.evaluate("e => e.classList.contains('chosen')")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("jok?")
    expect(page.locator("#q")).to_have_value("jok?")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/findings/*")


def test_times_are_relative_and_copied_exactly(desk):
    """The exact time is on hover, and in what is copied."""
    page = desk.open("/findings")
    first = page.locator("main time").first
    exact = first.get_attribute("datetime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", exact)
    assert first.get_attribute("title") == exact
    assert exact in page.evaluate(COPIED)


def test_the_theme_is_a_choice_that_stays(desk):
    """As the system, light, dark: the next page has it, too."""
    page = desk.open("/")
    paper = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light = paper()
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    dark = paper()
    desk.open("/runs")
    assert light != dark == paper()


def test_every_page_fits_a_phone(browser, site):
    """At 360 pixels nothing has to be scrolled sideways but tables, in their own frame."""
    context = browsers.context(browser, site.address, 360, 740)
    desk = Desk(context, "ada")
    wide = {}
    for name, address in addresses.pages(_padder(site, 5), site.fleet.hosts["build-2"]).items():
        page = desk.open(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        wide |= {name: width} if width > 360 else {}
    context.close()
    assert wide == {}


def test_the_first_load_is_small(browser, site):
    """Sign-in and the first page, with an empty cache: at most 200 kB."""
    context = browsers.context(browser, site.address)
    sizes: dict[str, int] = {}
    page = context.new_page()
    page.on(
        "requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]})
    )
    browsers.sign_in(page, "vera")
    page.wait_for_load_state("load")
    context.close()
    assert len(sizes) > 8
    assert sum(sizes.values()) <= 200_000, sizes


def test_nothing_yet_is_explained(browser, empty):
    """Pages without data say what to do to have some."""
    context = browsers.context(browser, empty.address)
    desk = Desk(context, "ada")
    for address, hint in HINTS.items():
        page = desk.open(address)
        expect(page.locator(".empty").first).to_contain_text(hint)
    context.close()
    assert desk.complaints == []
