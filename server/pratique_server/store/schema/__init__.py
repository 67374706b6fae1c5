"""The index, once, for SQLite and PostgreSQL.

Times are microseconds since the epoch. Rows are small, because events are not here: they stay in segments.
A change here is a new step in `migrations/`; a test compares the two.
"""

from sqlalchemy import Table

from pratique_server.store.schema.columns import metadata, text
from pratique_server.store.schema.decisions import (
    alerts,
    applications,
    approvals,
    blocks,
    hunts,
    policies,
    revisions,
)
from pratique_server.store.schema.fleet import certificates, gaps, hosts, join_tokens
from pratique_server.store.schema.happened import (
    findings,
    observables,
    package_set_members,
    package_sets,
    packages,
    run_packages,
    runs,
    segments,
    sightings,
)
from pratique_server.store.schema.people import api_tokens, audit, sessions, users
from pratique_server.store.schema.sums import (
    deed_hosts,
    deeds,
    host_packages,
    host_sets,
    package_observables,
    tallies,
)

# What the collector knows about itself: its domain, and up to where background work has come.
settings = Table("settings", metadata, text("name", key=True), text("value"))

__all__ = [
    "alerts",
    "api_tokens",
    "applications",
    "approvals",
    "audit",
    "blocks",
    "certificates",
    "deed_hosts",
    "deeds",
    "findings",
    "gaps",
    "host_packages",
    "host_sets",
    "hosts",
    "hunts",
    "join_tokens",
    "metadata",
    "observables",
    "package_observables",
    "package_set_members",
    "package_sets",
    "packages",
    "policies",
    "revisions",
    "run_packages",
    "runs",
    "segments",
    "sessions",
    "settings",
    "sightings",
    "tallies",
    "users",
]
