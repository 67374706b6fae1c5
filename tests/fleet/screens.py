"""Pictures of the review pages for docs/screens: `make screenshots`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from fleet import addresses, browser, story
from fleet.sites import Site, site_in
from pratique_server.queries import findings
from pratique_server.queries.pages import Window

FOLDER = Path(__file__).parents[2] / "docs" / "screens"
_PHONE = ("overview", "finding", "run", "blocks")
_DARK = ("overview", "finding", "package")
_DESKTOP = (
    "overview", "findings", "finding", "run", "package", "host", "found", "blast", "proposal", "blocks",
)  # fmt: skip


def main() -> None:
    """Take them all, from the story, as somebody would see them today."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screens") as folder, site_in(Path(folder)) as site:
        store = site.store.decisions
        number = store.block(story.THIEF, "it steals credentials; see the run on build-1", "anton")
        for host in list(site.fleet.hosts.values())[:4]:
            store.applied(host, "blocks", store.versions()["blocks"], None)
        with browser.started() as started:
            _take(started, site, _DESKTOP, "desktop", 1280, 800, "light")
            _take(started, site, _DARK, "dark", 1280, 800, "dark")
            _take(started, site, _PHONE, "phone", 360, 740, "light")
            _take(started, site, (f"/blocks/{number}",), "desktop", 1280, 800, "light")


def _take(
    started: Browser, site: Site, names: tuple[str, ...], kind: str, width: int, height: int, scheme: str
) -> None:
    context = browser.context(started, site.address, width, height, scheme)
    desk = browser.Desk(context, "ada")
    run = _thief(site)
    known = addresses.pages(run, site.fleet.runs[run])
    for name in names:
        page = desk.open(known.get(name, name))
        page.wait_for_timeout(300)
        page.screenshot(path=FOLDER / f"{name.strip('/').replace('/', '-')}-{kind}.png")
    context.close()


def _thief(site: Site) -> str:
    """The newest run of the story in which something would have been stolen, but for the guard."""
    with site.store.engine.connect() as connection:
        wanted = findings.Filter(rule="persistence.write")
        run: str = findings.listed(connection, wanted, Window(limit=1)).items[0]["run"]
        return run


if __name__ == "__main__":
    main()
