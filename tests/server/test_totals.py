"""Sums per host and package: whatever order batches come in, they are what adding up the runs gives."""

import runpy
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from fleet.samples import NOON, batch, finding, last
from pratique_server import moments
from pratique_server.queries import packages as asked
from pratique_server.store import schema
from pratique_server.store.database import MIGRATIONS
from pratique_server.store.enrolment import Certificate
from pratique_server.store.records import Batch, Installed, Package, Sighting
from pratique_server.store.retention import forget
from pratique_server.store.store import Store, open_all

HOSTS = ("host-a", "host-b")
PURLS = tuple(f"pkg:npm/p{number}@1" for number in range(4))
RUNS = tuple(f"01JD3K000000000000000000{number:02}" for number in range(4))
STEP = MIGRATIONS / "versions" / "0003_totals_per_host_and_package.py"
SEEN = [Sighting("name", "x.example", PURLS[0], 2, NOON)]
VERDICTS = dict(zip(RUNS, (None, "clean", "findings", "blocked"), strict=True))
SUMS = (
    schema.host_packages, schema.host_sets, schema.package_observables, schema.deeds, schema.deed_hosts,
)  # fmt: skip


def _opened(folder: Path) -> Store:
    store = open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")
    for number, host in enumerate(HOSTS):
        store.enrolment.make_token(f"{number:064}", "", "test", 60)
        store.enrolment.join(f"{number:064}", host, host, Certificate(str(number), 0, 0))
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that two hosts may write to."""
    with closing(_opened(tmp_path)) as opened:
        yield opened


def _rows(store: Store, query: str) -> set[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return set(map(tuple, connection.execute(text(query))))


def _all(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    columns = {table.name: [c.name for c in table.c if c.name != "number"] for table in SUMS}
    columns["deed_hosts"] = ["host"]
    return {name: _rows(store, f"select {', '.join(names)} from {name}") for name, names in columns.items()}  # noqa: S608


def _added_up(store: Store) -> None:
    """The sums are what the rows of runs add up to."""
    rank = "max(case r.verdict when 'blocked' then 3 when 'findings' then 2 when 'clean' then 1 else 0 end)"
    assert _rows(
        store, "select package, host, runs, installed, events, net, refused, rank from host_packages"
    ) == _rows(
        store,
        f"""select p.package, r.host, count(*),
        sum(exists(select 1 from package_set_members m
                   where m.package_set = r.package_set and m.package = p.package)),
        sum(p.events), sum(p.net), sum(p.refused), {rank}
        from run_packages p join runs r on r.number = p.run group by p.package, r.host""",  # noqa: S608
    )
    assert _rows(store, "select package_set, host, runs, rank from host_sets") == _rows(
        store,
        f"select package_set, host, count(*), {rank} "  # noqa: S608
        "from runs r where package_set is not null group by package_set, host",
    )
    assert _rows(
        store, "select package, observable, runs, events, first, run from package_observables"
    ) == _rows(
        store,
        "select package, observable, count(*), sum(events), min(first), max(run) "
        "from sightings where package <> 0 group by package, observable",
    )
    assert _rows(store, "select package, rule, target, times, first from deeds") == _rows(
        store,
        "select package, rule, target, count(*), min(time) from findings where package is not null "
        "group by package, rule, target",
    )


INSTALLED = st.lists(st.sampled_from(PURLS), min_size=1, max_size=3, unique=True).map(
    lambda purls: [Installed(purl, "sha512-x") for purl in purls]
)
PACKAGES = st.lists(
    st.builds(Package, st.sampled_from(PURLS), events=st.integers(0, 9), net=st.integers(0, 3)),
    max_size=3,
    unique_by=lambda package: package.purl,
)
SIGHTINGS = st.lists(
    st.builds(
        Sighting,
        st.just("name"),
        st.sampled_from(["a.example", "b.example"]),
        st.sampled_from([None, *PURLS]),
        st.integers(1, 3),
        st.integers(NOON, NOON + 9),
    ),
    max_size=3,
)
BATCHES = st.lists(
    st.builds(
        lambda seq, host, run, ended, **more: batch(
            seq, host, run, facts={"verdict": VERDICTS[run], "started": NOON - 9} if ended else {}, **more
        ),
        st.integers(1, 3),
        st.sampled_from(HOSTS),
        st.sampled_from(RUNS),
        st.booleans(),
        packages=PACKAGES,
        installed=st.none() | INSTALLED,
        sightings=SIGHTINGS,
        findings=st.lists(st.builds(finding, st.integers(1, 3), st.sampled_from(PURLS)), max_size=2),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # making a failure smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(batches=BATCHES, cut=st.integers(1, 6))
def test_sums_are_sums(batches: list[Batch], cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In any order, any grouping, told twice and told again differently: no run counts twice or not at all."""
    with closing(_opened(tmp_path_factory.mktemp("sums"))) as store:
        for begin in range(0, len(batches), cut):
            store.writer.write(batches[begin : begin + cut])
        store.writer.write(batches[:cut])
        _added_up(store)


def test_what_is_forgotten_is_taken_out(store: Store) -> None:
    """Runs that are too old leave the sums of hosts, and only they."""
    old, new = NOON, NOON + 3 * moments.DAY
    store.writer.write([last(1, run=RUNS[0], received=old), last(1, run=RUNS[1], received=new)])
    store.writer.write([last(1, host="host-b", run=RUNS[2], received=old)])
    forget(store.engine, store.segments, NOON + moments.DAY)

    assert _rows(store, "select runs, installed, events from host_packages") == {(1, 1, 7)}
    assert _rows(store, "select runs from host_sets") == {(1,)}
    with store.engine.connect() as connection:
        assert asked.blast(connection, "pkg:pypi/evil@1.2.3")["totals"]["hosts"] == 1


def test_what_older_collectors_stored_is_added_up(store: Store) -> None:
    """The step that brings the tables fills them from what is there."""
    store.writer.write(
        [last(1, host=host, run=run, installed=None, findings=[finding()], sightings=SEEN)
         for host in HOSTS for run in RUNS]
    )  # fmt: skip
    before = _all(store)
    with store.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in reversed(SUMS):
            connection.execute(delete(table))
        for statement in runpy.run_path(str(STEP))["ADDED_UP"]:
            connection.execute(text(statement))

    assert _all(store) == before


def test_blast_radius_of_what_was_only_installed(store: Store) -> None:
    """A package whose code never ran is found by the installs that brought it, with its digest."""
    store.writer.write([last(1), last(1, host="host-b", installed=None)])
    with store.engine.connect() as connection:
        lain = asked.blast(connection, "pkg:pypi/six@1.16.0")
        ran = asked.blast(connection, "pkg:pypi/evil@1.2.3")
        digests = connection.scalars(select(schema.package_set_members.c.digest)).all()

    assert [(row["host"], row["runs"], row["events"]) for row in lain["hosts"]] == [("host-a", 1, 0)]
    assert [(row["host"], row["runs"], row["events"]) for row in ran["hosts"]] == [
        ("host-a", 1, 7),
        ("host-b", 1, 7),
    ]
    assert ran["totals"] == {"hosts": 2, "runs": 2, "events": 14, "net": 4, "refused": 0}
    assert sorted(digests) == ["", "sha256-aa"]
