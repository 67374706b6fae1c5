"""Totals per host and package, what was installed with its digests, and watched hunts.

What older collectors stored is added up here once. They never stored what was installed: that table is made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ACTED = """
    insert into host_packages (package, host, runs, installed, events, net, refused, first, last, rank)
    select p.package, r.host, count(*), 0, sum(p.events), sum(p.net), sum(p.refused),
           min(coalesce(r.started, r.received)), max(coalesce(r.started, r.received)),
           max(case r.verdict when 'blocked' then 3 when 'findings' then 2 when 'clean' then 1 else 0 end)
    from run_packages p join runs r on r.number = p.run group by p.package, r.host
"""
_SEEN = """
    insert into package_observables (package, observable, runs, events, first, run)
    select package, observable, count(*), sum(events), min(first), max(run)
    from sightings where package <> 0 group by package, observable
"""
_DEEDS = """
    insert into deeds (package, rule, title, severity, action, act, target, times, first)
    select package, rule, min(title), min(severity), action, act, target, count(*), min(time)
    from findings where package is not null group by package, rule, action, act, target
"""
_DEED_HOSTS = """
    insert into deed_hosts (deed, host)
    select distinct d.number, f.host from findings f
    join deeds d on d.package = f.package and d.rule = f.rule and d.action = f.action and d.act = f.act
                and d.target = f.target
"""
ADDED_UP = (_ACTED, _SEEN, _DEEDS, _DEED_HOSTS)


def upgrade() -> None:
    """Do it."""
    _of_hosts()
    _of_packages()
    _installed()
    op.add_column("hunts", sa.Column("alert", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("hunts", sa.Column("reached", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "alerts",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("hunt", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        _refers("run"),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name=op.f("fk_alerts_run")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alerts")),
        sa.UniqueConstraint("hunt", "what", "run", name=op.f("uq_alerts_hunt_what_run")),
    )
    op.create_index(op.f("ix_alerts_run"), "alerts", ["run"], unique=False)
    for name in ("action", "act"):
        op.create_index(op.f(f"ix_findings_{name}_number"), "findings", [name, "number"], unique=False)
    op.create_index(op.f("ix_runs_manager_number"), "runs", ["manager", "number"], unique=False)
    for statement in ADDED_UP:
        op.execute(statement)


def _refers(name: str) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _of_hosts() -> None:
    for table, key in (("host_packages", "package"), ("host_sets", "package_set")):
        more = ["installed", "events", "net", "refused"] if key == "package" else []
        op.create_table(
            table,
            _refers(key),
            _refers("host"),
            *(_count(name) for name in ("runs", *more)),
            sa.Column("first", sa.BigInteger(), nullable=False),
            sa.Column("last", sa.BigInteger(), nullable=False),
            sa.Column("rank", sa.Integer(), nullable=False),
            sa.ForeignKeyConstraint([key], [f"{key}s.number"], name=op.f(f"fk_{table}_{key}")),
            sa.ForeignKeyConstraint(["host"], ["hosts.number"], name=op.f(f"fk_{table}_host")),
            sa.PrimaryKeyConstraint(key, "host", name=op.f(f"pk_{table}")),
        )


def _of_packages() -> None:
    op.create_table(
        "package_observables",
        _refers("package"),
        _refers("observable"),
        *(_count(name) for name in ("runs", "events")),
        sa.Column("first", sa.BigInteger(), nullable=False),
        _refers("run"),
        sa.ForeignKeyConstraint(
            ["package"], ["packages.number"], name=op.f("fk_package_observables_package")
        ),
        sa.ForeignKeyConstraint(
            ["observable"], ["observables.number"], name=op.f("fk_package_observables_observable")
        ),
        sa.PrimaryKeyConstraint("package", "observable", name=op.f("pk_package_observables")),
    )
    op.create_table(
        "deeds",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        _refers("package"),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("rule", "title", "severity", "action", "act", "target")
        ),
        _count("times"),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["package"], ["packages.number"], name=op.f("fk_deeds_package")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deeds")),
        sa.UniqueConstraint(
            "package", "rule", "action", "act", "target", name=op.f("uq_deeds_package_rule_action_act_target")
        ),
    )
    op.create_table(
        "deed_hosts",
        _refers("deed"),
        _refers("host"),
        sa.ForeignKeyConstraint(["deed"], ["deeds.number"], name=op.f("fk_deed_hosts_deed")),
        sa.ForeignKeyConstraint(["host"], ["hosts.number"], name=op.f("fk_deed_hosts_host")),
        sa.PrimaryKeyConstraint("deed", "host", name=op.f("pk_deed_hosts")),
    )


def _installed() -> None:
    op.drop_table("package_set_members")
    op.create_table(
        "package_set_members",
        _refers("package_set"),
        _refers("package"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_set"], ["package_sets.number"], name=op.f("fk_package_set_members_package_set")
        ),
        sa.ForeignKeyConstraint(
            ["package"], ["packages.number"], name=op.f("fk_package_set_members_package")
        ),
        sa.PrimaryKeyConstraint("package_set", "package", "digest", name=op.f("pk_package_set_members")),
    )
    for name in ("package", "digest"):
        op.create_index(op.f(f"ix_package_set_members_{name}"), "package_set_members", [name], unique=False)
