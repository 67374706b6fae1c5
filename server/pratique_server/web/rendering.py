"""Templates → pages: always escaped, always visible, and with nothing in them that a browser would run."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pratique_server.store.purls import split
from pratique_server.web import marks, sentences, times, visible
from pratique_server.web.links import link
from pratique_server.web.static_files import address_of

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def environment() -> Environment:
    """The templates; `finalize` sees every value before it is escaped, so no template can forget it."""
    made = Environment(
        loader=PackageLoader("pratique_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "ago": times.ago,
        "exact": times.exact,
        "short": visible.shortened,
        "command_line": visible.command_line,
        "number": _number,
        "split_purl": split,
        "mark": marks.of,
        "as_typed": _as_typed,
        "verb": sentences.verb,
        "when": sentences.when,
        "outcome": sentences.outcome,
    }
    made.globals |= {"link": link, "lasted": times.lasted, "file": address_of}
    return made


def _number(value: int | None) -> str:
    """Digits in groups, by a thin space that does not break."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def _as_typed(text: str) -> Markup:
    """For the inside of a text area: line breaks stay, and it is escaped all the same."""
    return escape(text)


class Pages:
    """Renders templates."""

    def __init__(self) -> None:
        self._environment = environment()

    def page(
        self, request: Request, template: str, context: Mapping[str, Any], status: int = 200
    ) -> HTMLResponse:
        """The page; `visit` is there in every template, None for strangers."""
        common = {
            "here": request.url.path,
            "asked": request.url.query,
            "visit": getattr(request.state, "visit", None),
        }
        return HTMLResponse(self.text(template, common | dict(context)), status, HEADERS)

    def text(self, template: str, context: Mapping[str, Any]) -> str:
        """A template as text, for what is no page of its own."""
        return self._environment.get_template(template).render(**context)
