"""The lab's system resolver: answers for the lab's own names, and for names that a scenario lends it."""

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSRecord  # type: ignore[import-untyped]


@dataclass(slots=True)
class Resolver:
    """Serves A and AAAA records over UDP from a thread; `asked` keeps every name in order."""

    table: Mapping[str, Sequence[str]]
    asked: list[str] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def serve(self, sock: socket.socket) -> None:
        """Answer on a bound UDP socket until `close`."""
        self._sockets.append(sock)
        threading.Thread(target=self._receive, args=(sock,), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _receive(self, sock: socket.socket) -> None:
        while True:
            try:
                data, peer = sock.recvfrom(4096)
            except OSError:
                return
            if not data and sock.fileno() < 0:
                return
            with suppress(Exception):  # whatever a replica sends, the resolver goes on
                sock.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        question = DNSRecord.parse(data)
        name = str(question.q.qname).rstrip(".").lower()
        self.asked.append(name)
        reply = question.reply()
        for address in self.table.get(name, ()):
            kind, record = ("AAAA", AAAA) if ":" in address else ("A", A)
            if QTYPE[question.q.qtype] == kind:
                reply.add_answer(RR(question.q.qname, question.q.qtype, rdata=record(address), ttl=5))
        if name not in self.table:
            reply.header.rcode = RCODE.NXDOMAIN
        return bytes(reply.pack())
