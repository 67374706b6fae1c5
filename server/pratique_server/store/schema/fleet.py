"""The hosts that are let in, how, and what of theirs never came."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from pratique_server.store.schema.columns import Number, count, metadata, numbered, refers, text, time

hosts = Table(
    "hosts",
    metadata,
    numbered(),
    Column("id", Text, nullable=False, unique=True),
    text("name"),
    Column("state", Text, nullable=False, server_default="active"),
    time("created"),
    time("seen", known=False),
    text("agent", known=False),
    text("kernel", known=False),
    text("backend", known=False),
    text("policy", known=False),
    Column("coverage", LargeBinary),
    count("observed"),
    count("skew"),
    count("spool_bytes"),
    count("spool_batches"),
    time("oldest", known=False),
)

certificates = Table(
    "certificates",
    metadata,
    text("serial", key=True),
    refers("host", "hosts"),
    time("not_before"),
    time("not_after"),
    time("revoked", known=False),
    Index(None, "host"),
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    text("note"),
    text("scope"),
    text("author"),
    time("created"),
    time("expires"),
    time("used", known=False),
    Column("host", Number, ForeignKey("hosts.number")),
)

gaps = Table(
    "gaps",
    metadata,
    numbered(),
    refers("host", "hosts"),
    text("id"),
    text("run"),
    text("reason"),
    count("batches"),
    count("events"),
    count("bytes"),
    time("first"),
    time("last"),
    UniqueConstraint("host", "id"),
)
