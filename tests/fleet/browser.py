"""The distribution's Chromium, driven by Playwright; nothing is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fleet.story import PASSWORD

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_WAIT = 10_000


def program() -> str | None:
    """Where it is; None when it is not installed."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def started() -> Iterator[Browser]:
    """A browser."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def context(
    browser: Browser, address: str, width: int = 1280, height: int = 800, scheme: str = "light"
) -> BrowserContext:
    """A fresh profile."""
    made = browser.new_context(
        base_url=address, viewport={"width": width, "height": height}, color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )  # fmt: skip
    made.set_default_timeout(_WAIT)
    return made


def sign_in(page: Page, name: str) -> None:
    """As somebody of the story."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


class Desk:
    """Somebody at a browser; whatever the browser complains about is kept."""

    def __init__(self, context: BrowserContext, name: str | None = None) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self._keep(said.type, said.text))
        self.page.on("pageerror", lambda error: self._keep("error", str(error)))
        self.page.on("dialog", lambda dialog: (self._keep("dialog", dialog.message), dialog.dismiss()))
        if name is not None:
            sign_in(self.page, name)

    def open(self, address: str) -> Page:
        """Go somewhere, and wait until nothing is loaded any more."""
        answer = self.page.goto(address, wait_until="load")
        assert answer is not None
        assert answer.ok or "none" in address, (address, answer.status)
        return self.page

    def _keep(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "dialog"):
            self.complaints.append(f"{kind}: {text}")
