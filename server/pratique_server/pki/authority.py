"""An authority in a folder: made at the first start, and enough for one organisation's hosts."""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pratique_server.errors import MalformedError, UsageError
from pratique_server.pki.issuer import Issued, Keyed
from pratique_server.store.enrolment import Certificate

HOST_LIFE = timedelta(hours=24)
_SERVER_LIFE = timedelta(days=30)
_AUTHORITY_LIFE = timedelta(days=3650)
# Hosts whose clocks are behind must find what we sign valid already.
_BACKDATED = timedelta(days=1)
_LARGEST_REQUEST = 16 << 10
_CURVES = ("secp256r1", "secp384r1")
_MICROSECONDS = 1_000_000


class Authority:
    """Signs with a P-256 key that lies in a folder only its owner may read."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key, self._certificate = key, certificate

    @property
    def authorities(self) -> bytes:
        """The authority's own certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, DER."""
        return self._certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate."""
        return self._certificate.fingerprint(hashes.SHA256())

    def for_host(self, request: bytes, uri: str) -> Issued:
        """A certificate of a day for the key of `request`; its names are ignored, ours is put in."""
        public = _key_of(request)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        made = self._sign(public, HOST_LIFE, names, ExtendedKeyUsageOID.CLIENT_AUTH)
        begin, end = made.not_valid_before_utc, made.not_valid_after_utc
        known = Certificate(f"{made.serial_number:x}", _moment(begin), _moment(end))
        return Issued(made.public_bytes(serialization.Encoding.PEM), known)

    def for_server(self, names: tuple[str, ...]) -> Keyed:
        """A certificate of a month, with a fresh key that is never written down."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        made = self._sign(key.public_key(), _SERVER_LIFE, alternatives, ExtendedKeyUsageOID.SERVER_AUTH)
        renew_at = _moment(datetime.now(UTC) + _SERVER_LIFE * 2 / 3)
        # The authority comes along: a host that enrols knows its digest and nothing else.
        return Keyed(
            _private(key), made.public_bytes(serialization.Encoding.PEM) + self.authorities, renew_at
        )

    def _sign(
        self,
        public: ec.EllipticCurvePublicKey,
        life: timedelta,
        names: x509.SubjectAlternativeName,
        purpose: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + life)
            .add_extension(names, critical=True)  # RFC 5280: critical when the subject is empty
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        return builder.sign(self._key, hashes.SHA256())


def open_authority(folder: Path, domain: str) -> Authority:
    """The authority that lies in `folder`; made when there is none."""
    key_file, certificate_file = folder / "authority.key", folder / "authority.pem"
    if not key_file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        # The key comes last: without it there is no authority, and a crash between the two leaves none.
        certificate = _self_signed(key, domain)
        _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        _write(key_file, _private(key), 0o600)
    key_read = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key_read, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{key_file} holds no elliptic key", "restore it from a backup")
    return Authority(key_read, x509.load_pem_x509_certificate(certificate_file.read_bytes()))


def _self_signed(key: ec.EllipticCurvePrivateKey, domain: str) -> x509.Certificate:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Pratique authority of {domain}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_of(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a PKCS#10 request whose sender shows that they hold it."""
    if len(request) > _LARGEST_REQUEST:
        raise MalformedError("the certificate request is too large")
    try:
        read = x509.load_der_x509_csr(request)
        good, public = read.is_signature_valid, read.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion) as error:
        raise MalformedError("this is no certificate request") from error
    if not good:
        raise MalformedError("the certificate request is not signed with its own key")
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name not in _CURVES:
        raise MalformedError("the certificate request has a key of another kind than P-256 or P-384")
    return public


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _moment(date: datetime) -> int:
    return int(date.timestamp()) * _MICROSECONDS


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    fresh.rename(path)
