"""Sums over what happened, kept up with every batch (`totals`), so that no page counts events."""

from sqlalchemy import Column, Integer, Table, UniqueConstraint

from pratique_server.store.schema.columns import Number, count, metadata, numbered, refers, text, time

# Sums over runs, kept up with every batch (`totals`): what packages and blast radius are answered from, so that a
# package that is in every run costs as much as it has hosts, and no more.
host_packages = Table(
    "host_packages",
    metadata,
    refers("package", "packages", primary_key=True),
    refers("host", "hosts", primary_key=True),
    count("runs"),
    count("installed"),  # of these runs: how many also installed it
    count("events"),
    count("net"),
    count("refused"),
    time("first"),
    time("last"),
    Column("rank", Integer, nullable=False),  # of the worst verdict, see `totals.VERDICTS`
)

host_sets = Table(
    "host_sets",
    metadata,
    refers("package_set", "package_sets", primary_key=True),
    refers("host", "hosts", primary_key=True),
    count("runs"),
    time("first"),
    time("last"),
    Column("rank", Integer, nullable=False),
)

package_observables = Table(
    "package_observables",
    metadata,
    refers("package", "packages", primary_key=True),
    refers("observable", "observables", primary_key=True),
    count("runs"),
    count("events"),
    time("first"),
    Column("run", Number, nullable=False),  # the newest; it may have been forgotten since
)

# What a package did that a rule minds, each kind of deed once.
deeds = Table(
    "deeds",
    metadata,
    numbered(),
    refers("package", "packages"),
    text("rule"),
    text("title"),
    text("severity"),
    text("action"),
    text("act"),
    text("target"),
    count("times"),
    time("first"),
    UniqueConstraint("package", "rule", "action", "act", "target"),
)

deed_hosts = Table(
    "deed_hosts",
    metadata,
    refers("deed", "deeds", primary_key=True),
    refers("host", "hosts", primary_key=True),
)

# Sums per day, so that a trend over weeks reads a few rows. Each collector adds to rows of its own shard:
# with one row for all of them, two collectors on one database would commit in turns.
tallies = Table(
    "tallies",
    metadata,
    text("day", key=True),
    text("name", key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    count("total"),
)
