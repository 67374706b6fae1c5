"""The lab's parts that need no root: seeds repeat, names are answered, the proxy carries, repositories are served."""

import http.client
import os
import random
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

from dnslib import DNSRecord  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from lab.code_host import CodeHost, publish
from lab.homes import Home
from lab.names import Resolver
from lab.packages import build_wheel
from lab.proxy import Proxy
from lab.sink import Sink

_DRAWN = """
from lab.chance import chance, seed, shuffled
print(seed(), chance("a").random(), chance("a").random(), shuffled("b", [*range(9)]))
"""


def _drawn(seed: str) -> str:
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PRATIQUE_SEED": seed, "PATH": os.defpath}
    return subprocess.run(
        [sys.executable, "-c", _DRAWN],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout


def test_a_wheel_is_what_pip_unpacks(tmp_path: Path) -> None:
    """Words are filled in, programs are executable, and every file is in the record."""
    source = tmp_path / "quiet-sea-1.0.0"
    (source / "quiet_sea").mkdir(parents=True)
    (source / "quiet_sea" / "__init__.py").write_text("SINK = '@SINK@'\n")
    (source / "entry_points.txt").write_text("[console_scripts]\nquiet-sea = quiet_sea:main\n")
    package = build_wheel(
        source, {"SINK": "203.0.113.2"}, tmp_path, lambda _: {"quiet_sea/tool": b"#!/bin/sh\n"}
    )

    with zipfile.ZipFile(package.file) as wheel:
        names = set(wheel.namelist())
        record = wheel.read("quiet_sea-1.0.0.dist-info/RECORD").decode()
        assert wheel.read("quiet_sea/__init__.py") == b"SINK = '203.0.113.2'\n"
        assert wheel.getinfo("quiet_sea/tool").external_attr >> 16 & 0o111
    assert {line.partition(",")[0] for line in record.splitlines()} == names
    assert "quiet_sea-1.0.0.dist-info/entry_points.txt" in names
    assert package.purl == "pkg:pypi/quiet-sea@1.0.0"


def test_a_seed_repeats_everything() -> None:
    """One seed draws the same values in the same order; another draws others."""
    assert _drawn("1a2b") == _drawn("1a2b")
    assert _drawn("1a2b").split()[1:] != _drawn("3c4d").split()[1:]


def test_decoys_come_from_the_seed_and_are_unique(tmp_path: Path) -> None:
    """Equal sources give equal homes; no two decoys of a home share a secret."""
    one, two = (Home(tmp_path / name, random.Random("x")) for name in ("one", "two"))

    assert one.canaries == two.canaries
    assert len(set(one.canaries.values())) == len(one.canaries)


def test_the_resolver_answers_both_families() -> None:
    """A known name has its addresses by family, an unknown one does not exist."""
    resolver = Resolver({"index.test": ("203.0.113.3", "2001:db8::3")})
    questions = [
        DNSRecord.question(*words) for words in (("index.test", "A"), ("INDEX.test", "AAAA"), ("x.test",))
    ]
    answers = [DNSRecord.parse(resolver._answer(bytes(question.pack()))) for question in questions]

    assert [str(answer.short()) for answer in answers] == ["203.0.113.3", "2001:db8::3", ""]
    assert answers[2].header.rcode == 3
    assert resolver.asked == ["index.test", "index.test", "x.test"]


@given(st.binary(max_size=600))
def test_the_resolver_survives_any_packet(data: bytes) -> None:
    """Whatever a replica sends, the next question is answered."""
    question = DNSRecord.question("index.test")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        resolver = Resolver({"index.test": ("203.0.113.3",)})
        resolver.serve(server)
        client.settimeout(5)
        client.connect(server.getsockname())
        client.send(data)
        client.send(bytes(question.pack()))
        answer = client.recv(4096)
        while answer[:2] != bytes(question.pack())[:2]:
            answer = client.recv(4096)
        resolver.close()

    assert str(DNSRecord.parse(answer).short()) == "203.0.113.3"


def test_the_proxy_carries_requests_and_tunnels() -> None:
    """A whole URL and a CONNECT both come to the sink, and the proxy remembers what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as far, socket.create_server(("127.0.0.1", 0)) as near:
        sink = Sink({"/page": b"body"})
        sink.serve(far)
        port = far.getsockname()[1]
        proxy = Proxy(near, lambda host, port: socket.create_connection((host, port), timeout=3))
        whole = http.client.HTTPConnection(*near.getsockname()[:2], timeout=5)
        whole.request("GET", f"http://127.0.0.1:{port}/page")
        bodies = [whole.getresponse().read()]  # before the next is asked for: each has a thread of its own
        tunnel = http.client.HTTPConnection(*near.getsockname()[:2], timeout=5)
        tunnel.set_tunnel("127.0.0.1", port)
        tunnel.request("POST", "/page", b"loot")
        bodies.append(tunnel.getresponse().read())
        whole.close()
        tunnel.close()
        proxy.close()
        sink.close()

    assert bodies == [b"body", b"body"]
    assert b"loot" in sink.received(port)
    assert proxy.asked == [f"http://127.0.0.1:{port}/page", f"127.0.0.1:{port}"]


def test_repositories_can_be_cloned(tmp_path: Path) -> None:
    """A folder of a replica becomes a repository that real git clones over HTTP, its words replaced."""
    source = tmp_path / "plain-route-1.0.0"
    source.mkdir()
    (source / "file").write_text("@TOKEN@")
    publish(source, {"TOKEN": "word"}, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = CodeHost(listener, tmp_path)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/plain-route.git"
        environment = {"PATH": os.defpath, "HOME": str(tmp_path), "NO_PROXY": "*"}
        subprocess.run(
            ["git", "clone", "-q", url, str(tmp_path / "clone")], env=environment, check=True, timeout=30
        )
        host.close()

    assert (tmp_path / "clone" / "file").read_text() == "word"
