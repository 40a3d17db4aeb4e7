"""Certificates: the server's TLS context, and a self-signed certificate for a first start."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import ipaddress
import logging
import os
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

log = logging.getLogger(__name__)

CERT_NAME = "self-signed.crt"
KEY_NAME = "self-signed.key"
#: The longest validity that current operating systems accept from a locally trusted certificate.
VALID_DAYS = 825

_Stamp = tuple[tuple[int, int, int], ...]


class TlsContext:
    """The TLS context for one certificate and key, kept until the files change.

    One context for all connections is what makes session resumption work, and made before the fork it holds
    the same ticket keys in every worker. A renewed pair is taken over by the next handshake; as long as the
    new files cannot be used together, the old pair is kept and the reason logged once per change.

    Raises OSError (ssl.SSLError included) when the first pair cannot be used.
    """

    def __init__(self, certfile: Path, keyfile: Path | None = None) -> None:
        self.certfile = certfile
        self.keyfile = keyfile
        self._lock = threading.Lock()
        self._stamp = self._read_stamp()
        self._context = make_context(certfile, keyfile)

    def hook(self, conf: Any, default_context_factory: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """gunicorn's ``ssl_context`` hook, called for every TLS connection."""
        return self.current()

    def current(self) -> ssl.SSLContext:
        """The context of the pair as it is on disk now, or of the last one that could be used."""
        try:
            stamp = self._read_stamp()
        except OSError:
            stamp = ()  # missing for a moment, or gone: an impossible stamp, so that the change is seen
        # Who finds the lock taken serves the old pair once more.
        if stamp != self._stamp and self._lock.acquire(blocking=False):
            try:
                self._context = make_context(self.certfile, self.keyfile)
                log.info("TLS certificate %s loaded anew", self.certfile)
            except OSError as exc:
                log.error(
                    "TLS certificate %s changed and cannot be used, kept the old one: %s", self.certfile, exc
                )
            finally:
                self._stamp = stamp
                self._lock.release()
        return self._context

    def _read_stamp(self) -> _Stamp:
        stats = [path.stat() for path in (self.certfile, self.keyfile) if path is not None]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def make_context(certfile: Path, keyfile: Path | None = None) -> ssl.SSLContext:
    """A server context: TLS 1.2 and newer, forward secrecy, no renegotiation, no client certificates.

    Raises OSError when a file cannot be read, and its subclass ssl.SSLError when certificate and key do not
    fit or the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # A password is given so that OpenSSL never asks for one on the terminal.
    context.load_cert_chain(certfile, keyfile, password="")
    return context


@dataclass(frozen=True)
class CertificateFacts:
    """What an operator wants to know of a certificate; times are UTC, fingerprint is SHA-256 in hex."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime
    days_left: int
    self_signed: bool
    fingerprint: str


def certificate_facts(certfile: Path, now: dt.datetime | None = None) -> CertificateFacts:
    """Facts of the first certificate in a PEM file; days_left is negative once it has expired.

    Raises OSError when the file cannot be read, ValueError when it holds no certificate.
    """
    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    left = certificate.not_valid_after_utc - (now or dt.datetime.now(dt.UTC))
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        days_left=left.days,
        self_signed=certificate.subject == certificate.issuer,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def ensure_self_signed(directory: Path, hostname: str = "localhost") -> tuple[Path, Path]:
    """A certificate and key in directory for a server that nobody has given one; made when needed.

    It is valid for 825 days for ``localhost``, 127.0.0.1, ::1 and hostname (a name or an address), and its own
    CA, so that ``curl --cacert`` and a truststore accept it. RSA-2048 with SHA-256, for clients too old for
    elliptic curves. A pair that fits, covers hostname and has not expired is used again.

    Returns the paths of certificate and key (mode 0600). Raises OSError when they cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    certfile, keyfile = directory / CERT_NAME, directory / KEY_NAME
    with _locked(directory / f".{CERT_NAME}.lock"):
        if not _usable(certfile, keyfile, hostname):
            key, certificate = _self_sign(hostname)
            _write(keyfile, key, 0o600)
            _write(certfile, certificate, 0o644)
        keyfile.chmod(0o600)
    return certfile, keyfile


def _usable(certfile: Path, keyfile: Path, hostname: str) -> bool:
    try:
        make_context(certfile, keyfile)
        facts = certificate_facts(certfile)
    except (OSError, ValueError):
        return False
    return facts.days_left >= 1 and {*_DEFAULT_NAMES, hostname} <= set(facts.names)


_DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1")


def _self_sign(hostname: str) -> tuple[bytes, bytes]:
    """Key and certificate, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [_general_name(text) for text in dict.fromkeys((*_DEFAULT_NAMES, hostname))]
    # Begun an hour ago, for clients whose clock is slow.
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=1)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=True,
                key_cert_sign=True,
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *(str(address) for address in found.get_values_for_type(x509.IPAddress)),
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock: two servers starting in one directory must not mix their pairs."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that nobody ever sees half of it, or a key that others may read."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
