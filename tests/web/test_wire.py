"""From a host's real connection to the page, and from the button back to the host."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fleet import collectors, hosts, story
from fleet.collectors import Running
from pratique.api import wire
from pratique.api.v1 import control_pb2


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Running]:
    """A whole collector, and somebody of each role."""
    with collectors.running(collectors.config(tmp_path)) as running:
        story.people(running.store)
        yield running


@pytest.fixture
def analyst(collector: Running) -> Iterator[httpx.Client]:
    """An analyst who is signed in at the collector's own address."""
    address = f"http://{collector.collector.web}"
    with httpx.Client(base_url=address, headers={"Origin": address}, timeout=20) as client:
        client.post("/login", data={"name": "anton", "password": story.PASSWORD})
        yield client


def test_what_a_host_sends_is_on_the_page(collector, analyst):
    """Acknowledged over mutual TLS means visible: within two seconds, without anything in between."""
    with hosts.connected(collector.enrol("build-9"), collector.address) as client:
        client.put(hosts.last(1))
        began = time.monotonic()
        page = analyst.get("/findings").text
    assert time.monotonic() - began < 2
    assert "~/.aws/credentials" in page
    assert "build-9" in page


def test_a_block_reaches_a_connected_host_in_seconds(collector, analyst):
    """The button here, the document there within five seconds; the host's answer is on the block's page."""
    with hosts.connected(collector.enrol("build-9"), collector.address) as client:
        told: list[control_pb2.Document] = []
        heard = threading.Event()

        def watch() -> None:
            request = control_pb2.WatchRequest(protocol=wire.PROTOCOL)
            for answer in client.control.Watch(request, timeout=20):
                if answer.document.blocks:
                    told.append(answer.document)
                    heard.set()
                    return

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        token = analyst.get("/blocks").text.partition('"X-CSRF": "')[2].partition('"')[0]
        form = {"csrf": token, "purl": "pkg:npm/left-padder@1.0.2", "reason": "it steals"}
        began = time.monotonic()
        assert analyst.post("/blocks", data=form).status_code == 303
        assert heard.wait(5)
        assert time.monotonic() - began <= 5
        assert "pending" in analyst.get("/blocks/1").text

        done = control_pb2.AcknowledgeRequest(
            protocol=wire.PROTOCOL, kind=told[0].kind, version=told[0].version, applied=True
        )
        client.control.Acknowledge(done, timeout=20)
        watching.join(5)
    assert [block.purl for block in told[0].blocks] == ["pkg:npm/left-padder@1.0.2"]
    assert "1 applied, 0 failed, 0 pending" in analyst.get("/blocks/1").text


def test_a_host_that_is_away_is_shown_as_pending(collector, analyst):
    """A host that is not connected is not forgotten: pending, until it comes back and says otherwise."""
    collector.enrol("laptop")
    token = analyst.get("/blocks").text.partition('"X-CSRF": "')[2].partition('"')[0]
    analyst.post("/blocks", data={"csrf": token, "purl": "pkg:npm/x@1", "reason": "x"})
    page = analyst.get("/blocks/1").text
    assert "0 applied, 0 failed, 1 pending" in page
    assert "laptop" in page
