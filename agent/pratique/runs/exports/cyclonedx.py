"""CycloneDX 1.6: what was installed, and the packages whose code ran, with what was seen of them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pratique.runs.exports.digests import hexadecimal
from pratique.runs.exports.uuids import uuid

Json = Mapping[str, Any]

_ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def text(report: Json) -> str:
    """The bill as JSON."""
    return json.dumps(_bill(report), ensure_ascii=False, indent=1) + "\n"


def _bill(report: Json) -> Json:
    run = report["run"]
    tool = {"type": "application", "name": "pratique", "version": run["versions"]["pratique"]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid(run['id'])}",
        "version": 1,
        "metadata": {
            "timestamp": run["ended"],
            "tools": {"components": [tool]},
            "properties": list(_properties(_of_run(run))),
        },
        "components": list(_components(report)),
    }


def _of_run(run: Json) -> Json:
    return {
        "run": run["id"],
        "verdict": run["verdict"],
        "incomplete": run["incomplete"],
        "profile": run["profile"],
        "mode": run["mode"],
        "scope": "packages that this run installed, and packages whose code ran in it",
    }


def _components(report: Json) -> Iterator[Json]:
    for number, package in enumerate(report["packages"], start=1):
        yield _component(package, number, report["findings"])
    ran = {package["purl"] for package in report["packages"]}
    rest = [each for each in report.get("installed", ()) if each["purl"] not in ran]
    for number, each in enumerate(rest, start=len(report["packages"]) + 1):
        yield _installed(each, number)


def _installed(each: Json, number: int) -> Json:
    """A package of which nothing more was seen: its code did not run, or not on its own."""
    purl, digest = each["purl"], each["digest"]
    name, version = _name_and_version(purl)
    hashes = list(_hashes([digest] if digest else []))
    about = {"identity": each["identity"], "ran": False, "content": None if hashes else digest}
    return {
        "type": "library",
        "bom-ref": f"{purl}#{number}",
        "name": name,
        **({"version": version} if version else {}),
        "purl": purl,
        **({"hashes": hashes} if hashes else {}),
        "properties": list(_properties(about)),
    }


def _component(package: Json, number: int, findings: list[Json]) -> Json:
    purl = package["purl"]
    name, version = _name_and_version(purl) if purl else (f"unknown package {number}", "")
    found = [finding for finding in findings if purl and finding["package"] == purl]
    return {
        "type": "library",
        "bom-ref": f"{purl or 'unknown'}#{number}",
        "name": name,
        **({"version": version} if version else {}),
        **({"purl": purl} if purl else {}),
        **({"hashes": hashes} if (hashes := list(_hashes(package["digests"]))) else {}),
        "properties": list(_properties(_of_package(package, found))),
    }


def _of_package(package: Json, findings: list[Json]) -> Json:
    return {
        "identity": package["identity"],
        "stage": package["stages"],
        "direct": package["direct"],
        "candidate": package["candidates"],
        "events": package["events"],
        "findings": package["findings"],
        "finding": [f"{finding['rule']} {finding['action']}" for finding in findings],
    }


def _properties(of: Json) -> Iterator[Json]:
    """One property per value; null is left out."""
    for key, value in of.items():
        values = value if isinstance(value, list) else [value]
        yield from ({"name": f"pratique:{key}", "value": _word(each)} for each in values if each is not None)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name_and_version(purl: str) -> tuple[str, str]:
    from packageurl import PackageURL  # noqa: PLC0415 -- only this export takes purls apart

    try:
        found = PackageURL.from_string(purl)
    except ValueError:
        return purl, ""
    return "/".join(part for part in (found.namespace, found.name) if part), found.version or ""


def _hashes(digests: list[str]) -> Iterator[Json]:
    for digest in digests:
        name, content = hexadecimal(digest)
        if name in _ALGORITHMS and content:
            yield {"alg": _ALGORITHMS[name], "content": content}
