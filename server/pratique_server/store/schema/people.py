"""Who may ask and decide, and what they did."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from pratique_server.store.schema.columns import metadata, numbered, refers, text, time

users = Table(
    "users",
    metadata,
    numbered(),
    Column("name", Text, nullable=False, unique=True),
    text("role"),
    text("password", known=False),
    time("created"),
    time("disabled", known=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    refers("owner", "users"),
    text("note"),
    time("created"),
    time("expires", known=False),
    time("used", known=False),
)

# Who is signed in at the review pages; the browser holds a secret, this holds its digest.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    refers("user", "users"),
    text("csrf"),
    time("created"),
    time("used"),
    Index(None, "user"),
)

audit = Table(
    "audit",
    metadata,
    numbered(),
    time("time"),
    text("who"),
    text("what"),
    text("subject"),
    text("detail"),
    Index(None, "subject", "number"),
)
