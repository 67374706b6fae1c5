"""OCSF 1.5.0: one Detection Finding a line, for SIEMs; a run without findings has none."""

import json
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

Json = Mapping[str, Any]

VERSION = "1.5.0"
_CLASS, _CATEGORY, _CREATE = 2004, 2, 1
_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
# action and disposition of the security_control profile
_ACTIONS = {"audited": (3, "Observed", 17, "Logged"), "denied": (2, "Denied", 2, "Blocked")}
_ACTIONS["killed"] = _ACTIONS["denied"]
_NEW, _UNKNOWN_DEVICE, _REGULAR_FILE = 1, 0, 1


def text(report: Json) -> str:
    """One JSON object a line, in ASCII: Unicode has more line breaks than readers of lines agree on."""
    return "".join(json.dumps(each) + "\n" for each in events(report))


def events(report: Json) -> list[Json]:
    """The findings as OCSF events."""
    return [_event(report, finding) for finding in report["findings"]]


def _event(report: Json, finding: Json) -> Json:
    action_id, action, disposition_id, disposition = _ACTIONS[finding["action"]]
    severity_id, severity = _SEVERITIES[finding["severity"]]
    run = report["run"]
    return {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "type_uid": _CLASS * 100 + _CREATE,
        "type_name": "Detection Finding: Create",
        "time": _milliseconds(finding["time"]),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": _NEW,
        "status": "New",
        "action_id": action_id,
        "action": action,
        "disposition_id": disposition_id,
        "disposition": disposition,
        "is_alert": True,
        "count": max(finding["count"], 1),
        "message": finding["explain"] or finding["title"],
        "metadata": _metadata(run, finding),
        "finding_info": _info(finding),
        "evidences": [_evidence(finding)],
        "resources": [_resource(name) for name in _packages(finding)],
        "device": {"type_id": _UNKNOWN_DEVICE, "hostname": run["host"] or "unknown"},
        "unmapped": {
            "run": run["id"],
            "stage": finding["stage"],
            "actor": finding["actor"],
            "act": finding["act"],
        },
    }


def _metadata(run: Json, finding: Json) -> Json:
    product = {"name": "Pratique", "vendor_name": "Pratique", "version": run["versions"]["pratique"]}
    return {
        "version": VERSION,
        "product": product,
        "profiles": ["security_control", "host"],
        "uid": finding["id"],
        "correlation_uid": run["id"],
    }


def _info(finding: Json) -> Json:
    attacks = [_attack(technique) for technique in finding["techniques"]]
    return {
        "uid": finding["id"],
        "title": finding["title"],
        "desc": finding["explain"],
        "types": ["supply-chain"],
        "analytic": {"uid": finding["rule"], "name": finding["title"], "type_id": 1, "type": "Rule"},
        "created_time": _milliseconds(finding["time"]),
        **({"attacks": attacks} if attacks else {}),
    }


def _attack(technique: str) -> Json:
    """A sub-technique goes with the technique it belongs to."""
    parent, dot, _ = technique.partition(".") if technique.startswith("T") else (technique, "", "")
    return {"technique": {"uid": parent}, **({"sub_technique": {"uid": technique}} if dot else {})}


def _packages(finding: Json) -> list[str]:
    return [finding["package"]] if finding["package"] else list(finding["candidates"])


def _resource(purl: str) -> Json:
    return {"uid": purl, "name": purl, "type": "package"}


def _evidence(finding: Json) -> Json:
    target, process = finding["target"], _process(finding["process"])
    found: dict[str, Any] = {"process": process, "actor": {"process": process}, "data": dict(target)}
    if target.get("path"):
        path = str(target["path"])
        found["file"] = {"path": path, "name": path.rsplit("/", 1)[-1] or "/", "type_id": _REGULAR_FILE}
    if target.get("address"):
        found["dst_endpoint"] = _endpoint(target)
    elif target.get("name"):
        found["query"] = {"hostname": str(target["name"])}
    return found


def _process(process: Json) -> Json:
    exe = process["exe"] or ""
    parent = {"parent_process": {"pid": process["parent"]}} if process.get("parent") is not None else {}
    return {
        "pid": process["pid"],
        "name": exe.rsplit("/", 1)[-1],
        "path": exe,
        "cmd_line": " ".join(process["argv"] or ()),
        **parent,
    }


def _endpoint(target: Json) -> Json:
    port = {"port": target["port"]} if isinstance(target.get("port"), int) else {}
    name = {"hostname": str(target["name"])} if target.get("name") else {}
    address = str(target["address"])
    try:
        return {"ip": str(ip_address(address)), **port, **name}
    except ValueError:  # a unix socket, or nonsense
        return {"name": address, **port, **name}


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
