"""The review pages of a real application, and a browser to look at them with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fleet import browser as browsers
from fleet.browser import Desk
from fleet.sites import Site, site_in
from lab.demands import demand


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site most tests share: they add to it, and take nothing away."""
    with site_in(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    """A site for one test alone."""
    with site_in(tmp_path) as made:
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A site that nothing has happened to."""
    with site_in(tmp_path, empty=True) as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium."""
    demand(None if browsers.program() else "Chromium is not installed")
    with browsers.started() as started:
        yield started


@pytest.fixture
def desk(browser: Browser, site: Site) -> Iterator[Desk]:
    """An analyst at a browser."""
    context = browsers.context(browser, site.address)
    made = Desk(context, "anton")
    yield made
    context.close()
    assert made.complaints == []
