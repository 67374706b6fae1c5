"""The index, once, for SQLite and PostgreSQL: integers, text, bytes and nothing that only one of them knows.

Times are microseconds since the epoch. Rows are small, because events are not here: they stay in segments.
A change here is a new step in `migrations/`; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

# SQLite numbers its rows only through a column that is exactly INTEGER PRIMARY KEY.
Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _numbered() -> Column[int]:
    return Column("number", Number, primary_key=True, autoincrement=True)


def _refers(name: str, table: str, *, primary_key: bool = False) -> Column[int]:
    return Column(name, Number, ForeignKey(f"{table}.number"), nullable=False, primary_key=primary_key)


def _time(name: str, *, known: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=not known)


def _text(name: str, *, known: bool = True, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=not known, primary_key=key)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


hosts = Table(
    "hosts",
    metadata,
    _numbered(),
    Column("id", Text, nullable=False, unique=True),
    _text("name"),
    Column("state", Text, nullable=False, server_default="active"),
    _time("created"),
    _time("seen", known=False),
    _text("agent", known=False),
    _text("kernel", known=False),
    _text("backend", known=False),
    _text("policy", known=False),
    Column("coverage", LargeBinary),
    _count("observed"),
    _count("skew"),
    _count("spool_bytes"),
    _count("spool_batches"),
    _time("oldest", known=False),
)

certificates = Table(
    "certificates",
    metadata,
    _text("serial", key=True),
    _refers("host", "hosts"),
    _time("not_before"),
    _time("not_after"),
    _time("revoked", known=False),
    Index(None, "host"),
)

join_tokens = Table(
    "join_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _text("note"),
    _text("scope"),
    _text("author"),
    _time("created"),
    _time("expires"),
    _time("used", known=False),
    Column("host", Number, ForeignKey("hosts.number")),
)

users = Table(
    "users",
    metadata,
    _numbered(),
    Column("name", Text, nullable=False, unique=True),
    _text("role"),
    _text("password", known=False),
    _time("created"),
    _time("disabled", known=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    _numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _refers("owner", "users"),
    _text("note"),
    _time("created"),
    _time("expires", known=False),
    _time("used", known=False),
)

# Who is signed in at the review pages; the browser holds a secret, this holds its digest.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _refers("user", "users"),
    _text("csrf"),
    _time("created"),
    _time("used"),
    Index(None, "user"),
)

audit = Table(
    "audit",
    metadata,
    _numbered(),
    _time("time"),
    _text("who"),
    _text("what"),
    _text("subject"),
    _text("detail"),
    Index(None, "subject", "number"),
)

packages = Table(
    "packages",
    metadata,
    _numbered(),
    Column("purl", Text, nullable=False, unique=True),
    _text("name"),
    _text("version"),
    _time("first"),
    Index(None, "name", "version"),
    Index(None, "first"),
)

package_sets = Table(
    "package_sets",
    metadata,
    _numbered(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _count("members"),
)

package_set_members = Table(
    "package_set_members",
    metadata,
    _refers("package_set", "package_sets", primary_key=True),
    _refers("package", "packages", primary_key=True),
    _text("digest", key=True),  # empty: no record names one
    _text("identity"),
    Index(None, "package"),
    Index(None, "digest"),
)

runs = Table(
    "runs",
    metadata,
    _numbered(),
    _refers("host", "hosts"),
    _text("id"),
    _time("started", known=False),
    _time("ended", known=False),
    _time("received"),
    _text("command", known=False),
    _text("description", known=False),
    _text("cwd", known=False),
    _text("user", known=False),
    _text("manager", known=False),
    _text("profile", known=False),
    _text("mode", known=False),
    _text("backend", known=False),
    _text("policy", known=False),
    _text("verdict", known=False),
    Column("incomplete", Boolean, nullable=False, server_default=false()),
    _count("lost"),
    Column("exit_status", Integer),
    Column("signal", Integer),
    Column("pratique_status", Integer),
    Column("batches", BigInteger),
    Column("document", LargeBinary),
    Column("package_set", Number, ForeignKey("package_sets.number")),
    _count("events"),
    _count("findings"),
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
    _refers("run", "runs", primary_key=True),
    _refers("package", "packages", primary_key=True),
    _count("events"),
    _count("net"),
    _count("refused"),
    _time("first", known=False),
    _text("identity", known=False),
    Column("direct", Boolean),
    _count("stages"),
    Column("document", LargeBinary),
    Index(None, "package", "run"),
)

findings = Table(
    "findings",
    metadata,
    _numbered(),
    _refers("run", "runs"),
    _refers("host", "hosts"),
    _text("id"),
    _text("rule"),
    _text("title"),
    _text("severity"),
    _text("action"),
    _text("stage"),
    _text("actor"),
    _text("act"),
    _text("target"),
    Column("package", Number, ForeignKey("packages.number")),
    _time("time"),
    _count("count"),
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

# Sums over runs, kept up with every batch (`totals`): what packages and blast radius are answered from, so that a
# package that is in every run costs as much as it has hosts, and no more.
host_packages = Table(
    "host_packages",
    metadata,
    _refers("package", "packages", primary_key=True),
    _refers("host", "hosts", primary_key=True),
    _count("runs"),
    _count("installed"),  # of these runs: how many also installed it
    _count("events"),
    _count("net"),
    _count("refused"),
    _time("first"),
    _time("last"),
    Column("rank", Integer, nullable=False),  # of the worst verdict, see `totals.VERDICTS`
)

host_sets = Table(
    "host_sets",
    metadata,
    _refers("package_set", "package_sets", primary_key=True),
    _refers("host", "hosts", primary_key=True),
    _count("runs"),
    _time("first"),
    _time("last"),
    Column("rank", Integer, nullable=False),
)

package_observables = Table(
    "package_observables",
    metadata,
    _refers("package", "packages", primary_key=True),
    _refers("observable", "observables", primary_key=True),
    _count("runs"),
    _count("events"),
    _time("first"),
    Column("run", Number, nullable=False),  # the newest; it may have been forgotten since
)

# What a package did that a rule minds, each kind of deed once.
deeds = Table(
    "deeds",
    metadata,
    _numbered(),
    _refers("package", "packages"),
    _text("rule"),
    _text("title"),
    _text("severity"),
    _text("action"),
    _text("act"),
    _text("target"),
    _count("times"),
    _time("first"),
    UniqueConstraint("package", "rule", "action", "act", "target"),
)

deed_hosts = Table(
    "deed_hosts",
    metadata,
    _refers("deed", "deeds", primary_key=True),
    _refers("host", "hosts", primary_key=True),
)

segments = Table(
    "segments",
    metadata,
    _refers("run", "runs", primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    _time("first"),
    _time("last"),
    _count("events"),
    Column("bytes", Integer, nullable=False),
    Column("codec", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _text("location"),
    Column("damaged", Boolean, nullable=False, server_default=false()),
    Index(None, "location"),
)

gaps = Table(
    "gaps",
    metadata,
    _numbered(),
    _refers("host", "hosts"),
    _text("id"),
    _text("run"),
    _text("reason"),
    _count("batches"),
    _count("events"),
    _count("bytes"),
    _time("first"),
    _time("last"),
    UniqueConstraint("host", "id"),
)

observables = Table(
    "observables",
    metadata,
    _numbered(),
    _text("kind"),
    _text("value"),
    _time("first"),
    UniqueConstraint("value", "kind"),
)

sightings = Table(
    "sightings",
    metadata,
    _refers("observable", "observables", primary_key=True),
    _refers("run", "runs", primary_key=True),
    Column("package", Number, primary_key=True, autoincrement=False),  # 0: nobody could be named
    _count("events"),
    _time("first"),
    Index(None, "package"),
    Index(None, "run"),
)

# A kind of document (policy, approvals, blocks) has a version that grows with every decision: hosts hold whole
# documents, so what a host has applied is one number per kind, and a block is there when that number reached its own.
revisions = Table(
    "revisions",
    metadata,
    _text("kind", key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    _text("cause"),
    _text("author"),
    _time("created"),
)

applications = Table(
    "applications",
    metadata,
    _refers("host", "hosts", primary_key=True),
    _text("kind", key=True),
    _count("version"),
    Column("failed", BigInteger),
    _text("problem"),
    _time("time"),
)

policies = Table(
    "policies",
    metadata,
    _numbered(),
    _text("digest"),
    _text("document"),
    _text("reason"),
    _text("author"),
    _time("created"),
    Column("state", Text, nullable=False, server_default="proposed"),
    _text("decider", known=False),
    _time("decided", known=False),
    Column("version", BigInteger),
)

approvals = Table(
    "approvals",
    metadata,
    _numbered(),
    _text("purl"),
    _text("digest"),
    _text("reason"),
    _text("author"),
    _time("created"),
    _time("expires", known=False),
    _time("withdrawn", known=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "purl"),
)

blocks = Table(
    "blocks",
    metadata,
    _numbered(),
    _text("purl"),  # or the digest of a package, or the name of a host: `blocking.kind_of` tells which
    _text("reason"),
    _text("author"),
    _time("created"),
    _time("lifted", known=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "purl"),
)

hunts = Table(
    "hunts",
    metadata,
    _numbered(),
    Column("name", Text, nullable=False, unique=True),
    _text("query"),
    _text("author"),
    _time("created"),
    Column("alert", Boolean, nullable=False, server_default=false()),
    _count("reached"),  # with `alert`: the number of the newest run when the watch began
)

# What watched hunts found.
alerts = Table(
    "alerts",
    metadata,
    _numbered(),
    _text("hunt"),
    _text("what"),
    _refers("run", "runs"),
    _time("time"),
    UniqueConstraint("hunt", "what", "run"),
    Index(None, "run"),
)

# Sums per day, so that a trend over weeks reads a few rows. Each collector adds to rows of its own shard:
# with one row for all of them, two collectors on one database would commit in turns.
tallies = Table(
    "tallies",
    metadata,
    _text("day", key=True),
    _text("name", key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    _count("total"),
)

# What the collector knows about itself: its domain, and up to where background work has come.
settings = Table("settings", metadata, _text("name", key=True), _text("value"))
