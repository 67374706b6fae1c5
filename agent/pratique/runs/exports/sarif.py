"""SARIF 2.1.0: one run, one result per finding, for code hosts and editors."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

Json = Mapping[str, Any]

_LEVELS = {"low": "note", "medium": "warning", "high": "error", "critical": "error"}
# What code hosts sort by: a number as text, in the bands of CVSS.
_SEVERITIES = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
_SCHEMA = (
    "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"
)


def text(report: Json) -> str:
    """The log as JSON."""
    return json.dumps(_log(report), ensure_ascii=False, indent=1) + "\n"


def _log(report: Json) -> Json:
    run, rules = report["run"], _rules(report)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(run, rules)},
                "automationDetails": {"id": f"pratique/{run['id']}"},
                "invocations": [_invocation(run)],
                "originalUriBaseIds": {"PROJECT": {"uri": _folder(run["cwd"])}},
                "results": [_result(finding, list(rules)) for finding in report["findings"]],
                "properties": {
                    "verdict": run["verdict"],
                    "incomplete": run["incomplete"],
                    "mode": run["mode"],
                },
            }
        ],
    }


def _rules(report: Json) -> dict[str, Json]:
    return {finding["rule"]: _rule(finding) for finding in report["findings"]}


def _rule(finding: Json) -> Json:
    explain = finding["explain"] or finding["title"]
    return {
        "id": finding["rule"],
        "shortDescription": {"text": finding["title"]},
        "fullDescription": {"text": explain},
        "help": {"text": explain},
        "defaultConfiguration": {"level": _LEVELS[finding["severity"]]},
        "properties": {
            "tags": ["security", "supply-chain", *finding["techniques"]],
            "security-severity": _SEVERITIES[finding["severity"]],
        },
    }


def _driver(run: Json, rules: Mapping[str, Json]) -> Json:
    return {"name": "pratique", "version": run["versions"]["pratique"], "rules": list(rules.values())}


def _invocation(run: Json) -> Json:
    known = {"exitCode": run["exit_status"], "exitSignalNumber": run["signal"], "account": run["user"]}
    notes = [*run["notes"], *([f"guard lost: {run['guard_lost']}"] if run["guard_lost"] else [])]
    return {
        # Of the guard, not of the command: what it could not see it must not be taken to have cleared.
        "executionSuccessful": not run["incomplete"],
        "commandLine": " ".join(run["command"]),
        "arguments": run["command"],
        "workingDirectory": {"uri": _folder(run["cwd"])},
        "startTimeUtc": run["started"],
        "endTimeUtc": run["ended"],
        "toolExecutionNotifications": [{"level": "note", "message": {"text": note}} for note in notes],
        **{key: value for key, value in known.items() if value is not None},
    }


def _result(finding: Json, rules: list[str]) -> Json:
    return {
        "ruleId": finding["rule"],
        "ruleIndex": rules.index(finding["rule"]),
        "level": _LEVELS[finding["severity"]],
        "message": {"text": _message(finding)},
        "locations": [_location(finding)],
        "occurrenceCount": max(finding["count"], 1),
        # What makes it the same finding in another run: not the pid, not the time.
        "partialFingerprints": {"pratique/v1": _fingerprint(finding)},
        "properties": {
            "id": finding["id"],
            "action": finding["action"],
            "stage": finding["stage"],
            "actor": finding["actor"],
            "act": finding["act"],
            "identity": finding["identity"],
            "target": dict(finding["target"]),
            "time": finding["time"],
        },
    }


def _message(finding: Json) -> str:
    who = finding["package"] or f"{finding['actor']} code"
    what = f"{finding['act']} {_object(finding)} was {finding['action']}"
    return f"{who} ({finding['stage']}): {finding['title']}; {what}"


def _object(finding: Json) -> str:
    target = finding["target"]
    named = (target.get(key) for key in ("path", "name", "address", "exe", "request"))
    return next((str(value) for value in named if value), "")


def _location(finding: Json) -> Json:
    """The line that did it where that is known; always the package whose code it was."""
    package = finding["package"] or "unknown"
    logical = {"logicalLocations": [{"fullyQualifiedName": package, "kind": "package"}]}
    source = finding["source"]
    if not source or not source.get("file"):
        return logical
    region = {"region": {"startLine": source["line"]}} if source.get("line") else {}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(source["file"])}, **region}, **logical}


def _fingerprint(finding: Json) -> str:
    what = [finding[key] for key in ("rule", "package", "stage", "act")] + [_object(finding)]
    return sha256(json.dumps(what).encode()).hexdigest()


def _folder(path: str) -> str:
    return f"file://{quote(path.rstrip('/') or '')}/"
