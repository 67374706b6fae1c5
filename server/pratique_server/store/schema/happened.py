"""What hosts told: runs, packages, findings, where their events lie, and what was seen in them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from pratique_server.store.schema.columns import Number, count, metadata, numbered, refers, text, time

packages = Table(
    "packages",
    metadata,
    numbered(),
    Column("purl", Text, nullable=False, unique=True),
    text("name"),
    text("version"),
    time("first"),
    Index(None, "name", "version"),
    Index(None, "first"),
)

package_sets = Table(
    "package_sets",
    metadata,
    numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    count("members"),
)

package_set_members = Table(
    "package_set_members",
    metadata,
    refers("package_set", "package_sets", primary_key=True),
    refers("package", "packages", primary_key=True),
    text("digest", key=True),  # empty: no record names one
    text("identity"),
    Index(None, "package"),
    Index(None, "digest"),
)

runs = Table(
    "runs",
    metadata,
    numbered(),
    refers("host", "hosts"),
    text("id"),
    time("started", known=False),
    time("ended", known=False),
    time("received"),
    text("command", known=False),
    text("description", known=False),
    text("cwd", known=False),
    text("user", known=False),
    text("manager", known=False),
    text("profile", known=False),
    text("mode", known=False),
    text("backend", known=False),
    text("policy", known=False),
    text("verdict", known=False),
    Column("incomplete", Boolean, nullable=False, server_default=false()),
    count("lost"),
    Column("exit_status", Integer),
    Column("signal", Integer),
    Column("pratique_status", Integer),
    Column("batches", BigInteger),
    Column("document", LargeBinary),
    Column("package_set", Number, ForeignKey("package_sets.number")),
    count("events"),
    count("findings"),
    UniqueConstraint("host", "id"),
    Index(None, "received", "number"),
    Index(None, "verdict", "number"),
    Index(None, "host", "number"),
    Index(None, "package_set"),
    Index(None, "id"),
    Index(None, "manager", "number"),
)

run_packages = Table(
    "run_packages",
    metadata,
    refers("run", "runs", primary_key=True),
    refers("package", "packages", primary_key=True),
    count("events"),
    count("net"),
    count("refused"),
    time("first", known=False),
    text("identity", known=False),
    Column("direct", Boolean),
    count("stages"),
    Column("document", LargeBinary),
    Index(None, "package", "run"),
)

findings = Table(
    "findings",
    metadata,
    numbered(),
    refers("run", "runs"),
    refers("host", "hosts"),
    text("id"),
    text("rule"),
    text("title"),
    text("severity"),
    text("action"),
    text("stage"),
    text("actor"),
    text("act"),
    text("target"),
    Column("package", Number, ForeignKey("packages.number")),
    time("time"),
    count("count"),
    Column("state", Text, nullable=False, server_default="open"),
    Column("document", LargeBinary, nullable=False),
    UniqueConstraint("run", "id"),
    Index(None, "severity", "number"),
    Index(None, "state", "number"),
    Index(None, "rule", "number"),
    Index(None, "package", "number"),
    Index(None, "host", "number"),
    Index(None, "time", "number"),
    Index(None, "action", "number"),
    Index(None, "act", "number"),
)

segments = Table(
    "segments",
    metadata,
    refers("run", "runs", primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    time("first"),
    time("last"),
    count("events"),
    Column("bytes", Integer, nullable=False),
    Column("codec", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    text("location"),
    Column("damaged", Boolean, nullable=False, server_default=false()),
    Index(None, "location"),
)

observables = Table(
    "observables",
    metadata,
    numbered(),
    text("kind"),
    text("value"),
    time("first"),
    UniqueConstraint("value", "kind"),
)

sightings = Table(
    "sightings",
    metadata,
    refers("observable", "observables", primary_key=True),
    refers("run", "runs", primary_key=True),
    Column("package", Number, primary_key=True, autoincrement=False),  # 0: nobody could be named
    count("events"),
    time("first"),
    Index(None, "package"),
    Index(None, "run"),
)
