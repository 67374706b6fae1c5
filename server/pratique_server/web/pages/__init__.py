"""The pages, one module each: ask, render, and for changes decide and go on record."""

from pratique_server.web import static_files
from pratique_server.web.pages import (
    blast,
    blocks,
    findings,
    hosts,
    overview,
    packages,
    policy,
    record,
    runs,
    search,
    signing_in,
)

ROUTERS = (
    static_files.router, signing_in.router, overview.router, findings.router, runs.router, packages.router,
    hosts.router, search.router, blast.router, policy.router, blocks.router, record.router,
)  # fmt: skip
