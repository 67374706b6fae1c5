"""Attempts to reach addresses, names and local sockets."""

import socket
from pathlib import Path

from pratique.backends.attempts.base import Decoys, attempt, with_privilege

_QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07canary1\x07example\x00\x00\x01\x00\x01"


@attempt("net.connect.tcp4")
def _tcp4(decoys: Decoys, _: Path) -> None:
    with socket.create_connection(decoys.tcp4) as connection:
        connection.sendall(decoys.canary.encode())


@attempt("net.connect.tcp6")
def _tcp6(decoys: Decoys, _: Path) -> None:
    with socket.create_connection(decoys.tcp6) as connection:
        connection.sendall(decoys.canary.encode())


@attempt("net.connect.udp")
def _udp(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(decoys.canary.encode(), decoys.udp)


@attempt("net.connect.raw")
def _raw(_: Decoys, evidence: Path) -> None:
    with_privilege()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as opened:
        evidence.write_text(str(opened.family))


@attempt("net.connect.packet")
def _packet(_: Decoys, evidence: Path) -> None:
    with_privilege()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
        evidence.write_text(str(opened.family))


@attempt("net.dns")
def _dns(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.connect(decoys.dns)
        resolver.send(_QUESTION)


@attempt("net.dns.name")
def _name(decoys: Decoys, _: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.connect(decoys.resolver)
        resolver.send(_QUESTION)


@attempt("net.listen")
def _listen(decoys: Decoys, evidence: Path) -> None:
    with socket.create_server((decoys.tcp4[0], 0)) as server:
        evidence.write_text(str(server.getsockname()[1]))


@attempt("ipc.connect")
def _broker(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/broker.sock"), decoys)


@attempt("ipc.connect.agent")
def _agent(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/agent.sock"), decoys)


@attempt("ipc.connect.late")
def _late_broker(decoys: Decoys, _: Path) -> None:
    _say(str(decoys.home / "run/late.sock"), decoys)


@attempt("ipc.connect.abstract")
def _abstract(decoys: Decoys, _: Path) -> None:
    _say(f"\0{decoys.abstract}", decoys)


def _say(address: str, decoys: Decoys) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(address)
        connection.sendall(decoys.canary.encode())
