"""Addresses of our own pages: every state has one, and no value breaks out of its place in it."""

from urllib.parse import quote, urlencode


def link(path: str, *parts: object, **query: object) -> str:
    """`path` with further parts and a query, whatever is in them."""
    whole = "/".join([path.rstrip("/") if parts else path, *(quote(str(part), safe="") for part in parts)])
    given = {key.rstrip("_"): str(value) for key, value in query.items() if value not in (None, "")}
    return f"{whole}?{urlencode(given, errors='replace')}" if given else whole
