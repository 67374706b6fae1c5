"""What a store promises, the same for SQLite and PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table, func, select

from fleet.samples import HOST, NOON, RUN, batch, finding, gap, last, segment, sighting
from pratique_server import moments
from pratique_server.errors import RefusedError, StoreError, UsageError
from pratique_server.store import schema
from pratique_server.store.database import migrate
from pratique_server.store.enrolment import Certificate
from pratique_server.store.records import Outcome
from pratique_server.store.store import Store
from pratique_server.store.writing import Writer

TOKEN = "ab" * 32


def _enrol(store: Store, *names: str) -> None:
    for number, name in enumerate(names):
        digest = f"{number:064x}"
        store.enrolment.make_token(digest, "", "test", 60)
        store.enrolment.join(digest, name, name, Certificate(f"{name}-1", NOON, NOON + moments.DAY))


def _count(store: Store, table: Table) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _row(store: Store, table: Table, *criteria: Any) -> dict[str, Any]:
    with store.engine.connect() as connection:
        return dict(connection.execute(select(table).where(*criteria)).mappings().one())


def test_the_tables_are_those_of_the_schema(store: Store) -> None:
    """The migrations build what the code believes in, and running them again changes nothing."""
    migrate(store.engine)

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = compare_metadata(context, schema.metadata)

    assert [change for change in found if "segment_bytes" not in str(change)] == []


def test_a_batch_is_stored_once(store: Store) -> None:
    """A batch that is sent again is acknowledged again, and counts once in every number there is."""
    _enrol(store, HOST)
    sent = [batch(1, findings=[finding()], sightings=[sighting()], gaps=[gap()]), last(2)]

    outcomes = [
        store.writer.write(sent),
        store.writer.write(sent),
        Writer(store.engine, store.segments).write(sent),
    ]

    assert outcomes == [[Outcome.NEW] * 2, [Outcome.DUPLICATE] * 2, [Outcome.DUPLICATE] * 2]
    run = _row(store, schema.runs)
    assert (run["events"], run["findings"], run["verdict"], run["batches"]) == (20, 1, "blocked", 2)
    assert _row(store, schema.sightings)["events"] == 3
    assert _row(store, schema.run_packages)["refused"] == 1
    counts = {table.name: _count(store, table) for table in (schema.segments, schema.findings, schema.gaps)}
    assert counts == {"segments": 2, "findings": 1, "gaps": 1}
    with store.engine.connect() as connection:
        tallies = dict(map(tuple, connection.execute(select(schema.tallies.c.name, schema.tallies.c.total))))
    assert tallies == {"events": 20, "findings": 1, "runs.blocked": 1}


def test_the_same_twice_in_one_group(store: Store) -> None:
    """Group commit may gather a batch and its resend: one is new."""
    _enrol(store, HOST)

    outcomes = store.writer.write([batch(1), batch(1), batch(2)])

    assert outcomes == [Outcome.NEW, Outcome.DUPLICATE, Outcome.NEW]
    assert _row(store, schema.runs)["events"] == 20


def test_a_number_taken_by_other_content(store: Store) -> None:
    """A batch with a known number and other content is refused, and what is stored stays."""
    _enrol(store, HOST)
    store.writer.write([batch(1)])

    outcomes = store.writer.write([batch(1, segment=segment(b"something else", 99))])

    assert outcomes == [Outcome.CONFLICT]
    assert _row(store, schema.runs)["events"] == 10


def test_runs_belong_to_the_host_that_sent_them(store: Store) -> None:
    """Two hosts that use one run id have two runs: none can add to the other's."""
    _enrol(store, HOST, "host-b")

    store.writer.write([batch(1), batch(1, "host-b")])

    assert _count(store, schema.runs) == 2
    assert _count(store, schema.segments) == 2


def test_the_end_may_come_before_the_beginning(store: Store) -> None:
    """Batches come in any order; what one does not say stays as another said it."""
    _enrol(store, HOST)

    store.writer.write([last(2)])
    store.writer.write([batch(1)])

    run = _row(store, schema.runs)
    assert (run["verdict"], run["events"], run["started"]) == ("blocked", 20, NOON)


def test_equal_installs_share_a_set(store: Store) -> None:
    """What 3 runs installed alike is stored once."""
    _enrol(store, HOST)
    runs = [f"01JD3K000000000000000000{number:02}" for number in range(3)]

    store.writer.write([last(1, run=run) for run in runs])

    assert _count(store, schema.runs) == 3
    assert (_count(store, schema.package_sets), _count(store, schema.package_set_members)) == (1, 2)


def test_all_or_none(store: Store) -> None:
    """A group with a stranger's batch is refused as a whole: nothing of it is there."""
    _enrol(store, HOST)

    with pytest.raises(RefusedError):
        store.writer.write([batch(1), batch(1, "stranger")])

    assert _count(store, schema.runs) == 0
    assert store.writer.write([batch(1)]) == [Outcome.NEW]


def test_segments_come_back_as_they_were(store: Store) -> None:
    """The bytes are those of the host, and what is not there is said to be gone."""
    sent = [(segment(b"one"), NOON), (segment(b"two"), NOON + moments.DAY)]

    places = store.segments.put(sent)

    assert places == ["2025-11-22", "2025-11-23"]
    assert store.segments.days() == places
    assert [store.segments.get(place, s.digest) for place, (s, _) in zip(places, sent, strict=True)] == [
        b"one",
        b"two",
    ]
    store.segments.drop(places[0])
    assert store.segments.days() == places[1:]
    with pytest.raises(StoreError, match="gone"):
        store.segments.get(places[0], sent[0][0].digest)
    assert store.segments.put(sent[:1]) == places[:1]


def test_two_collectors_on_one_store(opened: Callable[[], Store]) -> None:
    """Two writers get the same batches at once, in other orders: each is new for one of them, and counts once."""
    store, other = opened(), opened()
    _enrol(store, HOST, "host-b")
    sent = [batch(n, host, findings=[finding(n)]) for n in range(1, 41) for host in (HOST, "host-b")]
    outcomes: list[Outcome] = []

    def write(writer: Writer, batches: list[Any]) -> None:
        for begin in range(0, len(batches), 10):
            outcomes.extend(writer.write(batches[begin : begin + 10]))

    orders = ((store.writer, sent), (other.writer, sent[::-1]))
    threads = [threading.Thread(target=write, args=order) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert Counter(outcomes) == {Outcome.NEW: 80, Outcome.DUPLICATE: 80}
    with store.engine.connect() as connection:
        totals = connection.execute(
            select(func.sum(schema.runs.c.events), func.sum(schema.runs.c.findings))
        ).one()
    assert tuple(totals) == (800, 80)


def test_a_join_token_is_used_once(store: Store) -> None:
    """The second host with a token is refused and leaves nothing; so is one that comes too late."""
    certificate = Certificate("1", NOON, NOON)
    store.enrolment.make_token(TOKEN, "for the lab", "admin", 60)
    store.enrolment.make_token("cd" * 32, "too short", "admin", 0)
    store.enrolment.join(TOKEN, "one", "one", certificate)

    for digest in (TOKEN, "cd" * 32, "ef" * 32):
        with pytest.raises(RefusedError, match="unknown, used up or expired"):
            store.enrolment.join(digest, f"other-{digest[:2]}", "other", Certificate("2", NOON, NOON))

    assert _count(store, schema.hosts) == 1
    assert _count(store, schema.certificates) == 1
    assert [row["host_id"] for row in store.enrolment.tokens()] == ["one", None]


def test_a_revoked_host_is_denied(store: Store) -> None:
    """Revocation shows in the deny list, and nothing is renewed for the host."""
    _enrol(store, HOST, "host-b")
    far = moments.now() + moments.DAY
    store.enrolment.renew("host-b", Certificate("b-2", NOON, far))

    store.enrolment.revoke(HOST)
    store.enrolment.revoke_certificate("b-2")

    denied = store.enrolment.denied()
    assert (denied.hosts, denied.serials) == ({HOST}, {"b-2"})
    with pytest.raises(RefusedError):
        store.enrolment.renew(HOST, Certificate("3", NOON, NOON))
    with pytest.raises(UsageError):
        store.enrolment.revoke("nobody")


def test_a_host_tells_its_state(store: Store) -> None:
    """The newest state wins; a gap told twice counts once."""
    _enrol(store, HOST)

    store.enrolment.tell(HOST, {"observed": 5, "backend": "hooks"}, [gap()])
    store.enrolment.tell(HOST, {"observed": 4, "backend": "rootless"}, [gap(), gap(2)])

    assert _row(store, schema.hosts)["backend"] == "hooks"
    assert _count(store, schema.gaps) == 2


def test_people_prove_who_they_are(store: Store) -> None:
    """Passwords and tokens open for their owner, until the owner is disabled or the token ends."""
    people = store.people
    people.add("ann", "admin", "correct horse")
    people.add("vic", "viewer")
    secret, short = people.make_token("vic", "script"), people.make_token("ann", "", 0)

    assert people.by_password("ann", "correct horse").may("analyst")
    assert not people.by_token(secret).may("analyst")
    wrong = [("ann", "wrong horse"), ("nobody", "correct horse"), ("vic", "")]
    for name, password in wrong:
        with pytest.raises(RefusedError):
            people.by_password(name, password)
    people.disable("vic")
    for token in (secret, short, "pa1_made_up"):
        with pytest.raises(RefusedError):
            people.by_token(token)
    with pytest.raises(UsageError):
        people.add("ann", "viewer")


def test_a_policy_takes_two_people(store: Store) -> None:
    """Who proposes a policy cannot put it into force; the next one retires it."""
    decisions = store.decisions
    first = decisions.propose('profile = "strict"\n', "why", "ann")
    with pytest.raises(RefusedError):
        decisions.decide(first, "ann", accept=True)
    assert decisions.document("policy").version == 0

    decisions.decide(first, "bob", accept=True)
    decisions.decide(decisions.propose("# none\n", "again", "bob"), "ann", accept=True)

    document = decisions.document("policy")
    assert (document.version, document.policy) == (2, "# none\n")
    with pytest.raises(UsageError):
        decisions.decide(first, "bob", accept=False)


def test_blocks_reach_hosts_by_version(store: Store) -> None:
    """Each decision makes a new version; who has applied it is known host by host."""
    _enrol(store, HOST, "host-b", "host-c")
    decisions = store.decisions
    number = decisions.block("pkg:pypi/evil", "worm", "ann")
    decisions.lift(decisions.block("pkg:npm/evil", "worm", "ann"), "ann")
    decisions.approve("pkg:pypi/six@1.16.0", "read", "ann")
    decisions.approve("pkg:pypi/old@1", "over", "ann", expires=moments.now() - 1)

    decisions.applied(HOST, "blocks", 3, None)
    decisions.applied("host-b", "blocks", 1, None)
    decisions.applied("host-b", "blocks", 3, "disk full")

    assert decisions.versions() == {"policy": 0, "approvals": 2, "blocks": 3}
    assert [entry["purl"] for entry in decisions.document("approvals").entries] == ["pkg:pypi/six@1.16.0"]
    assert [entry["purl"] for entry in decisions.document("blocks").entries] == ["pkg:pypi/evil"]
    states = [(row["id"], row["state"]) for row in decisions.progress("blocks", 3)]
    assert states == [(HOST, "applied"), ("host-b", "failed"), ("host-c", "pending")]
    assert [row["state"] for row in decisions.progress("blocks", 1)] == ["applied", "applied", "pending"]
    decisions.lift(number, "ann")
    assert decisions.document("blocks").version == 4
    assert decisions.document("blocks").entries == ()
    with pytest.raises(UsageError):
        decisions.lift(number, "ann")


def test_run_ids_of_samples_are_ulids() -> None:
    """The samples are what the wire lets through."""
    assert len(RUN) == 26
