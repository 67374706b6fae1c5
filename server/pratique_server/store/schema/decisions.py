"""What people decided, and how far each host has come."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, UniqueConstraint, false

from pratique_server.store.schema.columns import count, metadata, numbered, refers, text, time

# A kind of document (policy, approvals, blocks) has a version that grows with every decision: hosts hold whole
# documents, so what a host has applied is one number per kind, and a block is there when that number reached its own.
revisions = Table(
    "revisions",
    metadata,
    text("kind", key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    text("cause"),
    text("author"),
    time("created"),
)

applications = Table(
    "applications",
    metadata,
    refers("host", "hosts", primary_key=True),
    text("kind", key=True),
    count("version"),
    Column("failed", BigInteger),
    text("problem"),
    time("time"),
)

policies = Table(
    "policies",
    metadata,
    numbered(),
    text("digest"),
    text("document"),
    text("reason"),
    text("author"),
    time("created"),
    Column("state", Text, nullable=False, server_default="proposed"),
    text("decider", known=False),
    time("decided", known=False),
    Column("version", BigInteger),
)

approvals = Table(
    "approvals",
    metadata,
    numbered(),
    text("purl"),
    text("digest"),
    text("reason"),
    text("author"),
    time("created"),
    time("expires", known=False),
    time("withdrawn", known=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "purl"),
)

blocks = Table(
    "blocks",
    metadata,
    numbered(),
    text("purl"),  # or the digest of a package, or the name of a host: `blocking.kind_of` tells which
    text("reason"),
    text("author"),
    time("created"),
    time("lifted", known=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "purl"),
)

hunts = Table(
    "hunts",
    metadata,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    text("query"),
    text("author"),
    time("created"),
    Column("alert", Boolean, nullable=False, server_default=false()),
    count("reached"),  # with `alert`: the number of the newest run when the watch began
)

# What watched hunts found.
alerts = Table(
    "alerts",
    metadata,
    numbered(),
    text("hunt"),
    text("what"),
    refers("run", "runs"),
    time("time"),
    UniqueConstraint("hunt", "what", "run"),
    Index(None, "run"),
)
