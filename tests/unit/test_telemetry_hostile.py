"""Whatever comes over the wire or lies damaged on disk: an error of our own, or read whole."""

import json
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector_double import Authority
from fuzz import examples
from pratique.api.v1 import control_pb2, enrolment_pb2, telemetry_pb2
from pratique.errors import UsageError
from pratique.policy.load import load_toml
from pratique.telemetry import certificates, control, identity, link
from pratique.telemetry.control import Pushed
from pratique.telemetry.identity import IdentityError
from pratique.telemetry.place import Place

TEXT = st.text(max_size=40)
DOCUMENTS = st.builds(
    control_pb2.Document,
    kind=st.integers(-1, 9),
    version=st.integers(0, 2**64 - 1),
    policy=TEXT,
    approvals=st.lists(
        st.builds(
            control_pb2.Approval,
            purl=TEXT,
            digest=TEXT,
            reason=TEXT,
            people=st.lists(TEXT, max_size=2),
            expires_s=st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=3,
    ),
    blocks=st.lists(st.builds(control_pb2.Block, purl=TEXT, reason=TEXT), max_size=3),
)
ANSWERS = [control_pb2.WatchResponse, enrolment_pb2.EnrollResponse, telemetry_pb2.PutBatchResponse]
ALMOST = st.binary(max_size=60).map(lambda data: b'{"uri": "x", "until": 1, "issued": 2}\n' + data)
_SLOW = [HealthCheck.function_scoped_fixture]


def _syntax(path: Path, data: bytes) -> None:
    """What the child checks first, without the child: it takes a second each."""
    load_toml(path.name, data)


@pytest.mark.wire("document from the collector")
@settings(max_examples=examples(300), deadline=None, suppress_health_check=_SLOW)
@given(documents=st.lists(DOCUMENTS, max_size=4))
def test_any_document_is_taken_or_refused(
    documents: list[control_pb2.Document],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that listens outlives every document, versions only grow, and every file can be read."""
    monkeypatch.setattr(control, "check", _syntax)
    place = Place(tmp_path_factory.mktemp("state"))
    pushed = Pushed(place)
    for document in documents:
        before = pushed.held()
        problem = pushed.take(document)
        after = pushed.held()
        assert isinstance(problem, str | None)
        assert all(after.get(kind, 0) >= version for kind, version in before.items())
        assert (problem is None) == (
            after.get(document.kind) == document.version and document.kind in (1, 2, 3)
        ) or (before.get(document.kind) == document.version)
    for path in place.pushed.glob("*"):
        data = path.read_bytes()
        assert (
            tomllib.loads(data.decode()) is not None
            if path.suffix == ".toml"
            else json.loads(data) is not None
        )


@pytest.mark.wire("answer of the collector")
@settings(max_examples=examples(300), deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [control_pb2.WatchResponse, enrolment_pb2.EnrollResponse, telemetry_pb2.PutBatchResponse]
    ),
)
def test_any_answer_is_refused_by_the_parser_or_read(data: bytes, kind: type) -> None:
    """GRPC turns what a parser refuses into an error of the call; nothing else may come of it."""
    from google.protobuf.message import DecodeError

    try:
        kind.FromString(data)  # type: ignore[attr-defined]
    except DecodeError:
        return


def _pem(data: bytes, what: str) -> bytes:
    from base64 import encodebytes

    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (what.encode(), encodebytes(data), what.encode())


KEY, CSR = certificates.fresh()
CHAIN = Authority().pem


@pytest.mark.wire("certificate from the collector")
@settings(max_examples=examples(400), deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda data: _pem(data, "CERTIFICATE")))
)
def test_any_certificate_is_checked_or_refused(data: bytes) -> None:
    """A collector that sends rubbish is told from one that sends a certificate."""
    with pytest.raises(IdentityError):
        certificates.checked(KEY, data, 0.0)
    with pytest.raises(IdentityError):
        certificates.authorities(data)


@pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)  # of what it will refuse
@pytest.mark.wire("certificate from the collector")
@settings(max_examples=examples(200), deadline=None)
@example(43, 43)
@given(st.integers(0, len(CHAIN) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_refused(place: int, byte: int) -> None:
    """Neither a certificate for another key nor a broken one becomes the host's identity."""
    data = bytearray(CHAIN)
    data[place] = byte
    with pytest.raises(IdentityError):
        certificates.checked(KEY, bytes(data), 0.0)
    with suppress(IdentityError):
        certificates.authorities(bytes(data))


@settings(max_examples=300, deadline=None, suppress_health_check=_SLOW)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda d: b'{"uri": "x", "until": 1, "issued": 2}\n' + d),
    )
)
def test_damaged_files_are_said(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A host whose files were damaged says so and asks to be enrolled again."""
    place = Place(tmp_path_factory.mktemp("state"))
    place.make()
    place.identity.write_bytes(data)
    place.enrolment.write_bytes(data)
    with pytest.raises(IdentityError):
        identity.load(place.identity)
    with pytest.raises(UsageError):
        link.Enrolment.load(place)


def test_the_key_is_one_that_the_collector_takes() -> None:
    """The positive control: a fresh key and its own request belong together."""
    from cryptography import x509

    request = x509.load_der_x509_csr(CSR)
    private = serialization.load_pem_private_key(KEY, None)

    assert request.is_signature_valid
    assert request.public_key() == private.public_key()
    assert len(request.subject) == 0
