"""Kernel records in the words of the rest of the agent."""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pratique import host, proc
from pratique.backends.hooks import records, syscalls
from pratique.backends.hooks.plan import Plan
from pratique.model import Event, Exec, Kind
from pratique.words import Act

_AT_FDCWD = -100
_PROTOCOLS: dict[int, str] = {
    socket.IPPROTO_TCP: "tcp",
    socket.IPPROTO_UDP: "udp",
    socket.IPPROTO_ICMP: "icmp",
    socket.IPPROTO_ICMPV6: "icmp6",
    socket.IPPROTO_SCTP: "sctp",
}
_TYPES: dict[int, str] = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp", socket.SOCK_RAW: "raw"}


def event(record: records.Record, plan: Plan) -> Event | None:
    """The event a record stands for; None for a record about the guard itself, or about what is refused anyway."""
    build = _BUILDERS.get(type(record))
    if build is None or (isinstance(record, records.MemoryRecord) and _refused_anyway(record)):
        return None
    return Event(**_common(record.head, plan), **build(record, plan))


def unlabelled_children(record: records.Record) -> Iterator[int]:
    """Pids that slipped out of a full label map and must be ended by hand."""
    if isinstance(record, records.LostLabelRecord) and not record.killed:
        yield record.child


def _common(head: records.Head, plan: Plan) -> dict[str, Any]:
    return {
        "time": host.BOOTED + head.time / 1e9,
        "run": head.run,
        "origin": head.origin,
        "stage": head.stage,
        "actor": head.actor,
        "action": head.action,
        "would": head.would,
        "rule": plan.rules[head.rule - 1] if 0 < head.rule <= len(plan.rules) else None,
        "tainted": head.tainted,
        "level": head.level,
        "comm": head.comm,
    }


def _fork(record: records.ForkRecord, _plan: Plan) -> dict[str, Any]:
    return {"kind": Kind.FORK, "pid": record.child, "ppid": record.head.pid}


def _exit(record: records.ExitRecord, _plan: Plan) -> dict[str, Any]:
    return {**_who(record.head), "kind": Kind.EXIT, "target": {"status": record.status}}


def _exec(record: records.ExecRecord, plan: Plan) -> dict[str, Any]:
    seen = Exec(
        exe=record.filename,
        interp=record.interp,
        argv=record.argv,
        cwd=proc.link_of(record.head.pid, "cwd") or "",
        truncated=record.truncated or record.unread,
        pending=record.pending,
    )
    groups = tuple(_group(number, plan) for number in record.code)
    target = {"exe": record.path} if record.path else {}
    return {
        **_who(record.head),
        "kind": Kind.EXEC,
        "act": Act.EXEC,
        "groups": groups,
        "exec": seen,
        "target": target,
    }


def _net(record: records.NetRecord, plan: Plan) -> dict[str, Any]:
    target: dict[str, Any] = {
        "address": record.address or None,
        "port": record.port or None,
        "protocol": _PROTOCOLS.get(record.protocol) or _TYPES.get(record.type, "raw"),
    }
    if record.name:
        target["name"] = record.name
    if record.malformed:
        target["request"] = "no plain question"
    if record.allowed:
        target["allowed"] = True
    return {**_act(record.head, plan), "target": target, "times": record.times}


def _file(record: records.FileRecord, plan: Plan) -> dict[str, Any]:
    pid = record.head.pid
    target: dict[str, Any] = {"path": _absolute(pid, record.dirfd, record.path)}
    if record.to:
        target["to"] = _absolute(pid, record.dirfd_to, record.to)
    if record.error:
        target["errno"] = record.error
    return {**_act(record.head, plan), "target": target}


def _ipc(record: records.IpcRecord, plan: Plan) -> dict[str, Any]:
    target: dict[str, Any] = {"path": record.name}
    if record.error:
        target["errno"] = record.error
    return {**_act(record.head, plan), "target": target}


def _memory(record: records.MemoryRecord, plan: Plan) -> dict[str, Any]:
    target = {"pid": record.victim, "request": record.how}
    return {**_act(record.head, plan), "target": target}


def _refused_anyway(record: records.MemoryRecord) -> bool:
    """Whether permissions shut the victim's file to who asked, on every host: `ps e` does that, and means no harm."""
    if not record.user:
        return False
    try:
        # The files of a process that is not dumpable are root's, as these here.
        return os.stat(f"/proc/{record.victim}").st_uid != record.user  # noqa: PTH116 (no Path per event)
    except OSError:  # it is gone
        return True


def _call(record: records.CallRecord, plan: Plan) -> dict[str, Any]:
    target: dict[str, Any] = {"request": syscalls.request(record.number, record.argument)}
    if record.error:
        target["errno"] = record.error
    return {**_act(record.head, plan), "target": target}


def _act(head: records.Head, plan: Plan) -> dict[str, Any]:
    groups = (_group(head.group, plan),) if head.group else ()
    return {**_who(head), "kind": Kind.ACT, "act": head.act, "groups": groups}


def _who(head: records.Head) -> dict[str, Any]:
    return {"pid": head.pid, "ppid": head.ppid}


def _group(number: int, plan: Plan) -> str:
    return plan.groups[number - 1] if 0 < number <= len(plan.groups) else f"group-{number}"


def _absolute(pid: int, dirfd: int, path: str) -> str:
    """Make a relative path readable as long as its author lives: evidence, so a wrong guess refuses nothing."""
    if path.startswith("/"):
        return path
    base = proc.link_of(pid, "cwd" if dirfd == _AT_FDCWD else f"fd/{dirfd}")
    return path if base is None else os.path.normpath(f"{base}/{path}")


_BUILDERS: dict[type, Callable[[Any, Plan], dict[str, Any]]] = {
    records.ForkRecord: _fork,
    records.ExitRecord: _exit,
    records.ExecRecord: _exec,
    records.NetRecord: _net,
    records.FileRecord: _file,
    records.IpcRecord: _ipc,
    records.MemoryRecord: _memory,
    records.CallRecord: _call,
}
