"""Reports in the formats of others, each checked against its schema: what a tool reads there is true and whole."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from jsonschema import Draft202012Validator
from jsonschema.validators import Draft4Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from packageurl import PackageURL

from pratique.model import Event, Kind
from pratique.runs import exports
from pratique.runs.exports import digests, intoto, ocsf
from pratique.words import Act, Action, Quality
from unit import runs_sample as sample

SCHEMAS = Path(__file__).parents[1] / "schemas"
SHA512 = "sha512-" + "A" * 86 + "=="
SHA256 = f"sha256-{'ab' * 32}"


def _clean() -> dict[str, Any]:
    run = sample.started(sample.run())
    run.ended(0, None, 0, {})
    return sample.built(run)


def _odd() -> dict[str, Any]:
    """Nobody can name the package, a signal ended the command, the guard was lost, and names are hostile."""
    begins = sample.origin(Quality.UNKNOWN, purl=None, direct=None)
    run = sample.started(sample.run(), begins)
    hostile = {"path": "/tmp/\udcff\n::error::x", "to": None, "odd": ["a", 1]}
    run.add(
        sample.acted(4121, Act.FILE_WRITE, Action.KILL, hostile, rule="read-secrets", groups=("secrets.aws",))
    )
    run.add(sample.acted(4121, Act.NET_DNS, Action.AUDIT, {"name": "x.evil.example"}, rule="fresh-exec"))
    run.add(sample.event(Kind.EXIT, 4121, 4120, origin=1))
    run.ended(None, 9, 12, {})
    return sample.built(run, guard_lost="the ring is gone")


def _digested() -> dict[str, Any]:
    report = sample.built()
    report["packages"][0]["digests"] = [SHA256, SHA512, "sha512-abc"]
    return report


REPORTS = {"refused": sample.built, "clean": _clean, "odd": _odd, "digested": _digested}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Reports of every kind."""
    made: dict[str, Any] = REPORTS[request.param]()
    return made


@cache
def _sarif() -> Draft4Validator:
    return Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_bytes()))


@cache
def _ocsf() -> Draft202012Validator:
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.VERSION))
    return Draft202012Validator(
        schemas.get_class_schema("detection_finding", profiles=["security_control", "host"])
    )


def _check_sarif(text: str) -> None:
    assert [error.message for error in _sarif().iter_errors(json.loads(text))] == []


def _check_ocsf(text: str) -> None:
    for line in text.splitlines():
        assert [f"{error.json_path} {error.message}" for error in _ocsf().iter_errors(json.loads(line))] == []


def _check_cyclonedx(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def _check_in_toto(text: str) -> None:
    held = json.loads(text)
    statement = ParseDict(held, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    predicate = held["predicate"]
    assert held["predicateType"] == "https://in-toto.io/attestation/runtime-trace/v0.2"
    assert predicate["monitor"]["type"]
    assert {"hostID", "type", "event"} <= predicate["monitoredProcess"].keys()
    assert predicate["monitorLog"].keys() == {"process", "network", "fileAccess"}


CHECKS = {
    "sarif": _check_sarif,
    "ocsf": _check_ocsf,
    "cyclonedx": _check_cyclonedx,
    "in-toto": _check_in_toto,
}


@pytest.mark.parametrize("how", exports.FORMATS)
def test_every_report_is_valid_in_every_format(how: str, report: dict[str, Any]) -> None:
    """Whatever a run came to, the tools of others can read it."""
    text = exports.exported(report, how)

    CHECKS[how](text)
    assert text == "" or text.endswith("\n")


@pytest.mark.parametrize("how", exports.FORMATS)
def test_the_checks_can_fail(how: str) -> None:
    """A schema that takes everything checks nothing."""
    text = exports.exported(sample.built(), how)
    wrong = {
        "sarif": ('"level": "error"', '"level": "grave"'),
        "ocsf": ('"severity_id": 4', '"severity_id": 4000'),
        "cyclonedx": ('"type": "library"', '"type": "left-pad"'),
        "in-toto": ('"_type": "https://in-toto.io/Statement/v1"', '"_type": "x"'),
    }
    broken = text.replace(*wrong[how])

    assert broken != text
    with pytest.raises((AssertionError, ValueError)):
        CHECKS[how](broken)


def test_sarif_says_what_was_found() -> None:
    """One result per finding, with a rule that explains it and a fingerprint that outlives the run."""
    report, again = (
        sample.built(),
        sample.built(sample.refused(sample.started(sample.run(run_id="01JD3KZ0000000000000000001")))),
    )
    log = json.loads(exports.exported(report, "sarif"))["runs"][0]
    later = json.loads(exports.exported(again, "sarif"))["runs"][0]

    assert [result["ruleId"] for result in log["results"]] == [each["rule"] for each in report["findings"]]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == {
        each["rule"] for each in report["findings"]
    }
    first = log["results"][0]
    assert "pkg:npm/left-padder@1.0.2 (script)" in first["message"]["text"]
    assert first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "pkg:npm/left-padder@1.0.2"
    assert [r["partialFingerprints"] for r in log["results"]] == [
        r["partialFingerprints"] for r in later["results"]
    ]
    assert len({r["partialFingerprints"]["pratique/v1"] for r in log["results"]}) == len(log["results"])


def test_sarif_names_the_line_where_it_is_known() -> None:
    """An editor can jump there."""
    report = sample.built()
    report["findings"][0]["source"] = {
        "file": "evil pkg/__init__.py",
        "line": 12,
        "function": "f",
        "quality": "exact",
    }
    text = exports.exported(report, "sarif")

    _check_sarif(text)
    place = json.loads(text)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "evil%20pkg/__init__.py"}, "region": {"startLine": 12}}


def test_an_incomplete_run_is_no_success_in_sarif() -> None:
    """No results of a run that lost events must not read as a clean bill."""
    log = json.loads(exports.exported(_odd(), "sarif"))["runs"][0]

    assert log["invocations"][0]["executionSuccessful"] is False
    assert any(
        "guard lost" in each["message"]["text"]
        for each in log["invocations"][0]["toolExecutionNotifications"]
    )


def test_ocsf_says_what_was_refused() -> None:
    """Who, what, on which object, and that it was blocked."""
    first = ocsf.events(sample.built())[0]

    assert (first["class_uid"], first["type_uid"], first["action"], first["disposition"]) == (
        2004,
        200401,
        "Denied",
        "Blocked",
    )
    assert first["resources"][0]["uid"] == "pkg:npm/left-padder@1.0.2"
    assert first["evidences"][0]["file"]["path"] == "/home/dev/.aws/credentials"
    assert first["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1552"}, "sub_technique": {"uid": "T1552.001"}}
    ]
    assert [each["action"] for each in ocsf.events(sample.built())][-1] == "Observed"


def test_cyclonedx_lists_what_ran_with_its_digests() -> None:
    """The bill names packages whose code ran, with hashes that others can compare."""
    bill = json.loads(exports.exported(_digested(), "cyclonedx"))

    assert [each["purl"] for each in bill["components"]] == ["pkg:npm/left-padder@1.0.2"]
    assert [each["alg"] for each in bill["components"][0]["hashes"]] == ["SHA-256", "SHA-512"]
    found = {(each["name"], each["value"]) for each in bill["components"][0]["properties"]}
    assert ("pratique:finding", "read-secrets denied") in found
    assert bill["serialNumber"] == json.loads(exports.exported(_digested(), "cyclonedx"))["serialNumber"]
    assert PackageURL.from_string(bill["components"][0]["purl"])


def test_in_toto_vouches_for_verified_packages_only() -> None:
    """A package that merely says its name is no subject of a statement; the report is, by its digest."""
    verified, claimed = _digested(), _digested()
    claimed["packages"][0]["identity"] = "claimed"

    assert [each["name"] for each in intoto.statement(verified)["subject"]][1:] == [
        "pkg:npm/left-padder@1.0.2"
    ]
    assert len(intoto.statement(claimed)["subject"]) == 1
    assert intoto.statement(verified)["subject"][0]["digest"]["sha256"] == intoto.digest_of(verified)
    assert intoto.digest_of(verified) != intoto.digest_of(claimed)


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (SHA256, ("sha256", "ab" * 32)),
        (SHA512, ("sha512", "00" * 64)),
        ("sha512-abc", ("", "")),
        ("md5-00", ("", "")),
        ("", ("", "")),
        ("sha256-\udcff", ("", "")),
    ],
)
def test_digests_are_read_or_left_out(digest: str, expected: tuple[str, str]) -> None:
    """A digest of a strange shape must not make an export invalid, nor be shown as another one."""
    assert digests.hexadecimal(digest) == expected


HOSTILE = st.one_of(
    st.text(max_size=30), st.binary(max_size=20).map(lambda b: b.decode("utf-8", "surrogateescape"))
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Act),
            st.dictionaries(
                st.sampled_from(["path", "name", "address", "port", "exe", "pid", "request"]),
                HOSTILE | st.integers(0, 65535) | st.none(),
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(sorted(exports.FORMATS)),
)
def test_whatever_code_names_itself_the_export_is_valid(
    acts: list[tuple[Act, dict[str, Any]]], how: str
) -> None:
    """Hostile names break no format."""
    run = sample.started(sample.run())
    for act, target in acts:
        event: Event = sample.acted(4121, act, Action.DENY, target, rule="read-secrets")
        run.add(event)
    run.ended(0, None, 0, {})

    CHECKS[how](exports.exported(sample.built(run), how))
