"""The query API: what is answered, to whom, and from what hosts really sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from fleet import collectors, hosts
from fleet.collectors import Running
from pratique_server import moments
from pratique_server.store.people import ROLES

BENIGN = "pkg:pypi/six@1.16.0"
SENT = {"build-1": [hosts.EVIL, BENIGN, hosts.EVIL], "dev-2": ["pkg:pypi/evil@1.2.4", BENIGN]}
MISTAKES = [
    "/runs?cursor=x", "/runs?limit=0", "/runs/none", "/runs?since=x", "/findings/99999", "/hosts/none", "/search?q=",
]  # fmt: skip


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector that two hosts sent five runs to, and one person of each role."""
    with collectors.running(collectors.config(tmp_path_factory.mktemp("api"))) as running:
        for role in ROLES:
            running.store.people.add(role, role)
        for name, purls in (
            ("build-1", [hosts.EVIL, BENIGN, hosts.EVIL]),
            ("dev-2", ["pkg:pypi/evil@1.2.4", BENIGN]),
        ):
            with hosts.connected(running.enrol(name), running.address) as client:
                for number, purl in enumerate(purls):
                    run = hosts.run_id(number + 100 * len(purls))
                    client.put(hosts.batch(1, run))
                    client.put(hosts.last(2, run, purl))
        yield running


class Asking:
    """Somebody who asks."""

    def __init__(self, collector: Running, role: str) -> None:
        secret = collector.store.people.make_token(role, "test", 600)
        self._client = httpx.Client(
            base_url=f"http://{collector.collector.web}",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=20,
        )

    def get(self, path: str, **query: Any) -> Any:
        """The answer, which must be a good one."""
        answer = self._client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, method: str, path: str, body: Any = None) -> int:
        """Only the status."""
        return self._client.request(method, f"/api/v1{path}", json=body).status_code

    def post(self, path: str, body: Any) -> Any:
        """The answer to a decision."""
        answer = self._client.post(f"/api/v1{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def close(self) -> None:
        """Hang up."""
        self._client.close()


@pytest.fixture
def people(collector: Running) -> Iterator[dict[str, Asking]]:
    """One of each role."""
    asking = {role: Asking(collector, role) for role in ROLES}
    yield asking
    for each in asking.values():
        each.close()


@pytest.fixture
def viewer(people: dict[str, Asking]) -> Asking:
    """Somebody who may only look."""
    return people["viewer"]


def test_runs_are_listed_page_by_page(viewer: Asking) -> None:
    """Pages follow each other without a gap or a repetition, and filters hold on each of them."""
    whole = viewer.get("/runs")["items"]
    seen: list[str] = []
    cursor = None
    for _ in range(9):
        page = viewer.get("/runs", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["number"] for row in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert len(whole) == 5
    assert seen == [row["number"] for row in whole]
    assert len(viewer.get("/runs", package=hosts.EVIL)["items"]) == 2
    assert len(viewer.get("/runs", host=whole[0]["host"])["items"]) == 2
    assert viewer.get("/runs", verdict="clean")["items"] == []
    assert viewer.get("/runs", since=moments.text(moments.now() + moments.DAY))["items"] == []


def test_a_run_is_whole(viewer: Asking) -> None:
    """A run shows verdict, packages, peers and whether all of its batches are here."""
    listed = viewer.get("/runs")["items"][0]

    run = viewer.get(f"/runs/{listed['id']}", host=listed["host"])

    assert (run["verdict"], run["manager"], run["user"], run["events"]) == ("blocked", "pip", "dev", 100)
    assert (run["complete"], run["batches_here"]) == (True, 2)
    assert run["packages"][0]["stages"] == ["build"]
    assert run["document"]["egress"][0]["name"] == "sink.example"
    assert run["started"] == "2025-11-22T12:00:00.000Z"


def test_events_are_read_batch_by_batch(viewer: Asking) -> None:
    """All events of a run come back, each as its host saw it."""
    run = viewer.get("/runs")["items"][0]["id"]
    first = viewer.get(f"/runs/{run}/events")
    second = viewer.get(f"/runs/{run}/events", after=first["batch"])
    third = viewer.get(f"/runs/{run}/events", after=second["batch"])

    assert [page["batch"] for page in (first, second, third)] == [1, 2, None]
    assert [len(page["events"]) for page in (first, second, third)] == [50, 50, 0]
    sent = hosts.rows(50, 1)[0]
    assert first["events"][0]["time"] == moments.text(sent.time_us)
    assert {event["kind"] for event in first["events"]} <= {"exec", "act"}


def test_findings_carry_their_evidence(people: dict[str, Asking]) -> None:
    """A finding is found by rule, package and host, and an analyst can mark it."""
    viewer, analyst = people["viewer"], people["analyst"]
    found = viewer.get("/findings", rule="secrets.read", package=hosts.EVIL)["items"]

    whole = viewer.get(f"/findings/{found[0]['number']}")

    assert len(found) == 2
    assert (whole["techniques"], whole["groups"], whole["identity"]) == (
        ["T1552.001"],
        ["secrets.aws"],
        "verified",
    )
    analyst.post(f"/findings/{found[0]['number']}/state", {"state": "acknowledged"})
    assert viewer.get("/findings", state="acknowledged")["items"][0]["number"] == found[0]["number"]


def test_blast_radius(viewer: Asking) -> None:
    """Who installed a version, when, and what did it do; without a version, any version."""
    one, every = (
        viewer.get("/blast-radius", purl=hosts.EVIL),
        viewer.get("/blast-radius", purl="pkg:pypi/evil"),
    )

    assert one["totals"] == {"hosts": 1, "runs": 2, "events": 100, "net": 4, "refused": 2}
    assert (one["hosts"][0]["host_name"], one["hosts"][0]["verdict"]) == ("build-1", "blocked")
    assert [(f["rule"], f["target"], f["times"]) for f in one["findings"]] == [
        ("secrets.read", "~/.aws/credentials", 2)
    ]
    assert {"203.0.113.9", "sink.example"} <= {row["value"] for row in one["sightings"]}
    assert every["totals"]["hosts"] == 2
    assert viewer.status("GET", "/blast-radius?purl=pkg:pypi/unheard-of") == 404


def test_packages_and_their_versions(viewer: Asking) -> None:
    """A package shows its other versions."""
    package = viewer.get("/package", purl=hosts.EVIL)

    assert [version["version"] for version in package["versions"]] == ["1.2.4", "1.2.3"]
    assert {row["purl"] for row in viewer.get("/packages")["items"]} >= {hosts.EVIL, BENIGN}


def test_one_box_finds_anything(viewer: Asking) -> None:
    """Addresses, names, paths, digests, packages, rules and hosts, whole or by their beginning."""
    for sought in ("203.0.113.9", "sink.example", "~/.aws/*", "sha256-*"):
        assert viewer.get("/search", q=sought)["observables"], sought
    assert len(viewer.get("/search", q="pkg:pypi/evil")["packages"]) == 2
    assert viewer.get("/search", q="build-*")["hosts"][0]["name"] == "build-1"
    assert viewer.get("/search", q="secrets.*")["rules"] == [{"rule": "secrets.read", "findings": 5}]
    assert viewer.get("/search", q="100%_nothing*")["observables"] == []


def test_hosts_and_overview(viewer: Asking) -> None:
    """The first look: what came in today, what is open, who is silent."""
    view = viewer.get("/overview")
    host = viewer.get("/hosts")["items"][0]

    assert view["days"][-1]["blocked"] == 5
    assert view["days"][-1]["events"] == 500
    assert view["hosts"] == {"active": 2}
    assert viewer.get(f"/hosts/{host['id']}")["certificates"]


WRITES = [
    ("analyst", "POST", "/policies", {"document": "", "reason": "why"}),
    ("admin", "POST", "/policies/1/verdict", {"accept": False}),
    ("analyst", "POST", "/approvals", {"purl": BENIGN, "reason": "read"}),
    ("analyst", "DELETE", "/approvals/1", None),
    ("analyst", "POST", "/blocks", {"purl": hosts.EVIL, "reason": "worm"}),
    ("analyst", "DELETE", "/blocks/1", None),
    ("analyst", "POST", "/findings/1/state", {"state": "open"}),
    ("admin", "DELETE", "/hosts/none", None),
    ("admin", "GET", "/audit", None),
]


@pytest.mark.parametrize(("role", "method", "path", "body"), WRITES)
def test_roles_hold(role: str, method: str, path: str, body: Any, people: dict[str, Asking]) -> None:
    """Each decision takes its role: everybody below is refused, and nobody above is."""
    for other in ROLES:
        refused = people[other].status(method, path, body) == 403
        assert refused == (ROLES.index(other) < ROLES.index(role)), (other, path)


def test_every_path_takes_a_token(collector: Running) -> None:
    """Nothing but the description of the API is answered to strangers."""
    base = f"http://{collector.collector.web}"
    described = httpx.get(f"{base}/api/v1/openapi.json", timeout=20).json()
    paths = [(path, verb) for path, verbs in described["paths"].items() for verb in verbs]

    assert len(paths) > 20
    for path, verb in [*paths, ("/metrics", "get")]:
        answer = httpx.request(verb, base + path.replace("{", "").replace("}", ""), timeout=20)
        assert answer.status_code == 401, path
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_description_says_what_can_be_asked(collector: Running) -> None:
    """Filters and pages stand in the OpenAPI description as the plain parameters that they are."""
    described = httpx.get(f"http://{collector.collector.web}/api/v1/openapi.json", timeout=20).json()

    named = {each["name"] for each in described["paths"]["/api/v1/runs"]["get"]["parameters"]}

    assert named == {"host", "verdict", "manager", "package", "since", "until", "cursor", "limit"}


def test_decisions_go_on_record(people: dict[str, Asking]) -> None:
    """Who blocked what is kept; how far hosts are with it is told."""
    block = people["analyst"].post("/blocks", {"purl": hosts.EVIL, "reason": "a worm"})

    progress = people["viewer"].get("/progress/blocks", version=block["blocks"])

    assert {row["state"] for row in progress["hosts"]} == {"pending"}
    noted = people["admin"].get("/audit")["items"][0]
    assert (noted["who"], noted["what"], noted["subject"]) == ("analyst", "package blocked", hosts.EVIL)
    assert people["viewer"].get("/decisions/blocks")["items"][0]["reason"] == "a worm"


@pytest.mark.parametrize(
    "path",
    [
        "/runs?cursor=x",
        "/runs?limit=0",
        "/runs/none",
        "/findings/99999",
        "/hosts/none",
        "/search?q=",
        "/runs?since=x",
    ],
)
def test_mistakes_are_named(path: str, viewer: Asking) -> None:
    """What cannot be asked gives 404 or 422, never a defect."""
    assert viewer.status("GET", path) in (404, 422)


def test_metrics_are_told(collector: Running, viewer: Asking) -> None:
    """The collector's own figures add up with what was sent."""
    answer = viewer._client.get("/metrics").text

    assert "pratique_events_total 500.0" in answer
    assert 'pratique_batches_total{outcome="new"} 10.0' in answer
    assert "build-1" not in answer


def test_a_damaged_segment_is_set_aside(collector: Running, viewer: Asking, tmp_path: Path) -> None:
    """A segment that rotted is said to be damaged; the others of the run are still read."""
    run = viewer.get("/runs")["items"][-1]["id"]
    day = collector.store.segments.days()[0]
    collector.store.segments.close()
    import sqlite3

    with sqlite3.connect(collector.collector.config.data / "segments" / f"{day}.db") as connection:
        changed = connection.execute("UPDATE segments SET data = zeroblob(9) WHERE rowid = 1").rowcount
    connection.close()

    first = viewer.get(f"/runs/{run}/events")

    assert changed == 1
    assert "damaged" in first["damaged"]
    assert len(viewer.get(f"/runs/{run}/events", after=first["batch"])["events"]) == 50
    with collector.store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM segments WHERE damaged")).scalar() == 1
