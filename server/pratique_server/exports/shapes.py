"""A finding in the shapes other systems read: OCSF, an OTLP log record, a line of syslog."""

import json
from typing import Any

from pratique_server import __version__, moments

Row = dict[str, Any]

OCSF_VERSION = "1.5.0"
_SEVERITY = {"low": 2, "medium": 3, "high": 4, "critical": 5}
# Action and disposition of OCSF's profile security_control.
_REFUSED = {"action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked"}
_RECORDED = {"action_id": 3, "action": "Observed", "disposition_id": 17, "disposition": "Logged"}
_NUMBER = {"low": 9, "medium": 13, "high": 17, "critical": 21}
_SYSLOG = {"low": 5, "medium": 4, "high": 3, "critical": 2}
_AUTHPRIV = 10
_LONGEST_NAME = 255


def ocsf(row: Row) -> Row:
    """OCSF 1.5 Detection Finding (class 2004), activity Create, of the profiles security_control and host."""
    return {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "activity_id": 1,
        "type_uid": 200401,
        "time": _milliseconds(row["time"]),
        "severity_id": _SEVERITY.get(row["severity"], 0),
        "status_id": 1,
        **(_REFUSED if row["action"] in ("denied", "killed") else _RECORDED),
        "message": f"{row['title']}: {row['target']}",
        "count": max(row["count"], 1),
        "metadata": {
            "version": OCSF_VERSION,
            "profiles": ["security_control", "host"],
            "uid": row["id"],
            "product": {"name": "Pratique", "vendor_name": "Pratique", "version": __version__},
        },
        "finding_info": {
            "uid": row["id"],
            "title": row["title"],
            "analytic": {"uid": row["rule"], "type_id": 1, "type": "Rule"},
        },
        "device": {"uid": row["host"], "hostname": row["host_name"] or "unknown", "type_id": 0},
        "resources": [{"uid": row["package"], "name": row["package"], "type": "package"}]
        if row["package"]
        else [],
        "unmapped": {name: row[name] for name in ("action", "act", "stage", "actor", "target", "run")},
    }


def otlp(rows: list[Row]) -> Row:
    """An OTLP logs request, JSON encoding: one record per finding, one resource per host."""
    hosts: dict[str, list[Row]] = {}
    for row in rows:
        hosts.setdefault(row["host"], []).append(row)
    return {"resourceLogs": [_resource(host, of_host) for host, of_host in hosts.items()]}


def syslog(row: Row) -> bytes:
    """An RFC 5424 message: JSON without line breaks, so that no hostile text begins a line of its own."""
    priority = _AUTHPRIV * 8 + _SYSLOG.get(row["severity"], 5)
    name = "".join(c for c in row["host_name"] if "!" <= c <= "~")[:_LONGEST_NAME] or "-"
    said = json.dumps(row, ensure_ascii=True, sort_keys=True)
    return f"<{priority}>1 {row['time']} {name} pratique-server - finding - {said}".encode("ascii")


def _resource(host: str, rows: list[Row]) -> Row:
    about = {"service.name": "pratique", "host.id": host, "host.name": rows[0]["host_name"]}
    return {
        "resource": {"attributes": _attributes(about)},
        "scopeLogs": [
            {"scope": {"name": "pratique", "version": __version__}, "logRecords": [_record(r) for r in rows]}
        ],
    }


def _record(row: Row) -> Row:
    named = ("id", "rule", "severity", "action", "stage", "actor", "act", "target", "package", "run", "count")
    nanoseconds = str(_milliseconds(row["time"]) * 1_000_000)
    return {
        "timeUnixNano": nanoseconds,
        "severityNumber": _NUMBER.get(row["severity"], 9),
        "severityText": row["severity"],
        "body": {"stringValue": f"{row['title']}: {row['target']}"},
        "attributes": _attributes({f"pratique.{name}": row[name] for name in named if row[name] is not None}),
    }


def _attributes(values: Row) -> list[Row]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> Row:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _milliseconds(time: str) -> int:
    return moments.parse(time) // 1_000
