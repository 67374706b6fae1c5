"""in-toto: an unsigned Statement v1 with a Runtime Trace predicate, to be signed by whoever vouches for the run.

Its subjects are the report itself, by digest, and each package that ran or was installed and whose digest is known.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from pratique.runs.exports.digests import hexadecimal

Json = Mapping[str, Any]

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://in-toto.io/attestation/runtime-trace/v0.2"
_MONITOR = "urn:pratique:monitor:{backend}"


def text(report: Json) -> str:
    """The statement as JSON."""
    return json.dumps(statement(report), ensure_ascii=False, indent=1) + "\n"


def statement(report: Json) -> Json:
    """The statement."""
    return {
        "_type": _STATEMENT,
        "subject": list(_subjects(report)),
        "predicateType": _PREDICATE,
        "predicate": _predicate(report),
    }


def digest_of(report: Json) -> str:
    """SHA-256 of the report, as JSON without blanks and with sorted keys."""
    plain = json.dumps(report, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(plain.encode()).hexdigest()


def _subjects(report: Json) -> Iterator[Json]:
    yield {"name": f"pratique-report-{report['run']['id']}", "digest": {"sha256": digest_of(report)}}
    for package in report["packages"]:
        digests = dict(hexadecimal(digest) for digest in package["digests"])
        digests.pop("", None)
        # Only verified names: a statement about a package must not rest on what the package says of itself.
        if package["purl"] and digests and package["identity"] == "verified":
            yield {"name": package["purl"], "uri": package["purl"], "digest": digests}
    ran = {package["purl"] for package in report["packages"] if package["digests"]}
    for each in report.get("installed", ()):
        name, content = hexadecimal(each["digest"] or "")
        if content and each["identity"] == "verified" and each["purl"] not in ran:
            yield {"name": each["purl"], "uri": each["purl"], "digest": {name: content}}


def _predicate(report: Json) -> Json:
    run, policy = report["run"], report["policy"]
    return {
        "monitor": {
            "type": _MONITOR.format(backend=run["backend"]),
            "configSource": _configuration(policy),
            "tracePolicy": {
                "profile": policy["profile"],
                "mode": run["mode"],
                "version": run["versions"]["pratique"],
                "coverage": [dict(row) for row in report["coverage"]],
            },
        },
        "monitoredProcess": {
            "hostID": f"urn:pratique:host:{quote(run['host'] or 'unknown')}",
            "type": f"urn:pratique:run:{quote(run['manager'] or 'command')}",
            "event": f"urn:pratique:run-id:{run['id']}",
        },
        "monitorLog": {
            "process": [_process(each) for each in report["tree"]],
            "network": [_peer(each) for each in report["egress"]],
            "fileAccess": list(_files(report)),
        },
        "metadata": {"buildStartedOn": run["started"], "buildFinishedOn": run["ended"]},
        "pratique_result": {
            "verdict": run["verdict"],
            "incomplete": run["incomplete"],
            "lostEvents": run["lost_events"],
            "exitStatus": run["exit_status"],
            "findings": [_finding(each) for each in report["findings"]],
        },
    }


def _configuration(policy: Json) -> Json:
    name, digest = hexadecimal(policy["digest"])
    return {
        "name": "pratique-policy",
        **({"digest": {name: digest}} if digest else {"uri": "urn:pratique:policy"}),
    }


def _process(node: Json) -> Json:
    return {
        "eventType": "process",
        "processBinary": node["exe"],
        "arguments": node["argv"],
        "pid": node["pid"],
        "actor": node["actor"],
        "stage": node["stage"],
        "startedOn": node["started"],
        "finishedOn": node["ended"],
    }


def _peer(peer: Json) -> Json:
    known = {"ip": peer["address"], "hostname": peer["name"], "port": peer["port"]}
    invoking = {"actor": peer["actor"], "package": peer["package"]}
    rest = {"action": peer["action"], "count": peer["count"], "invokingProcess": invoking}
    return {**{key: value for key, value in known.items() if value}, **rest}


def _files(report: Json) -> Iterator[Json]:
    """Files of findings: other opens are counted, not listed, and none was digested."""
    for finding in report["findings"]:
        if path := finding["target"].get("path"):
            about = {"act": finding["act"], "action": finding["action"], "package": finding["package"] or ""}
            yield {"name": str(path), "annotations": about}


def _finding(finding: Json) -> Json:
    keys = ("id", "rule", "severity", "action", "stage", "package", "identity", "act", "time", "count")
    return {**{key: finding[key] for key in keys}, "target": dict(finding["target"])}
