"""Every page there is, as an address with something to show."""

from urllib.parse import quote

from fleet import story


def pages(run: str, host: str, purl: str = story.THIEF) -> dict[str, str]:
    """By name; what a page shows besides is up to the store."""
    package, finding = quote(purl, safe=""), f"/findings/{run}-0001"
    return {
        "overview": "/",
        "findings": "/findings",
        "finding": finding,
        "runs": "/runs",
        "run": f"/runs/{run}?host={host}",
        "packages": "/packages",
        "package": f"/package?purl={package}",
        "hosts": "/hosts",
        "host": f"/hosts/{host}",
        "search": "/search",
        "found": "/search?q=203.0.113.9",
        "blast": f"/blast?purl={package}",
        "policy": "/policy",
        "proposal": "/policy/2",
        "propose": "/policy/new",
        "blocks": f"/blocks?purl={package}",
        "record": "/record",
        "missing": "/runs/none",
    }
