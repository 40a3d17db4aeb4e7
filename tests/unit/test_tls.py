"""Certificates: the cached context, the self-signed pair, the facts for an operator."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import shutil
import ssl
import stat
import subprocess
import threading
from pathlib import Path

import pytest
import time_machine
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from soap_service.server import tls
from soap_service.server.tls import TlsContext, certificate_facts, ensure_self_signed, make_context


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return ensure_self_signed(tmp_path_factory.mktemp("pair"), "kasse.example")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, hostname: str) -> ssl.SSLObject:
    """A handshake in memory; raises ssl.SSLError as the client would see it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (theirs, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return theirs


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "::1", "kasse.example"])
def test_a_client_trusting_it_accepts_every_name(pair: tuple[Path, Path], hostname: str) -> None:
    client = ssl.create_default_context(cafile=str(pair[0]))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(make_context(*pair), client, hostname).version() == "TLSv1.3"


def test_a_client_trusting_it_refuses_other_names(pair: tuple[Path, Path]) -> None:
    client = ssl.create_default_context(cafile=str(pair[0]))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(make_context(*pair), client, "evil.example")


def test_what_old_clients_need(pair: tuple[Path, Path]) -> None:
    certificate = x509.load_pem_x509_certificate(pair[0].read_bytes())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    extensions = certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.digital_signature
    assert usage.key_encipherment
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == dt.timedelta(days=825)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_accepts_it_strictly(pair: tuple[Path, Path]) -> None:
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", pair[0], pair[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_old_protocols_and_ciphers_are_off(pair: tuple[Path, Path]) -> None:
    context = make_context(*pair)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert "ECDHE-RSA-AES128-GCM-SHA256" in names  # Java 8, OpenSSL 1.0
    assert not any("RC4" in name or "3DES" in name or name.startswith("AES") for name in names)


def test_the_key_is_private_and_nothing_else_stays_behind(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        certfile, keyfile = ensure_self_signed(tmp_path / "a" / "b", "localhost")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(keyfile.stat().st_mode) == 0o600
    assert stat.S_IMODE(certfile.stat().st_mode) == 0o644
    visible = {path.name for path in certfile.parent.iterdir() if not path.name.startswith(".")}
    assert visible == {certfile.name, keyfile.name}


def test_reused_while_it_serves(tmp_path: Path) -> None:
    certfile, keyfile = ensure_self_signed(tmp_path, "localhost")
    before = (certfile.read_bytes(), keyfile.read_bytes())
    keyfile.chmod(0o644)
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=823), tick=False):
        ensure_self_signed(tmp_path, "localhost")
    assert (certfile.read_bytes(), keyfile.read_bytes()) == before
    assert stat.S_IMODE(keyfile.stat().st_mode) == 0o600


@pytest.mark.parametrize("case", ["expired", "other host", "no key", "other key", "broken", "empty"])
def test_replaced_when_it_does_not(tmp_path: Path, pair: tuple[Path, Path], case: str) -> None:
    certfile, keyfile = ensure_self_signed(tmp_path, "localhost")
    before = certfile.read_bytes()
    hostname, days = "localhost", 0
    match case:
        case "expired":
            days = 825
        case "other host":
            hostname = "192.0.2.7"
        case "no key":
            keyfile.unlink()
        case "other key":
            keyfile.write_bytes(pair[1].read_bytes())
        case "broken":
            certfile.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        case "empty":
            keyfile.write_bytes(b"")
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=days), tick=False):
        ensure_self_signed(tmp_path, hostname)
        facts = certificate_facts(certfile)
    assert certfile.read_bytes() != before
    make_context(certfile, keyfile)
    assert facts.days_left >= 824
    assert hostname in facts.names


def test_two_servers_starting_at_once_share_one_pair(tmp_path: Path) -> None:
    threads = [threading.Thread(target=ensure_self_signed, args=(tmp_path, "localhost")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    make_context(tmp_path / tls.CERT_NAME, tmp_path / tls.KEY_NAME)


def test_a_failing_write_leaves_the_old_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certfile, keyfile = ensure_self_signed(tmp_path, "localhost")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        ensure_self_signed(tmp_path, "other.example")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    make_context(certfile, keyfile)


def test_facts(pair: tuple[Path, Path]) -> None:
    facts = certificate_facts(pair[0], now=dt.datetime.now(dt.UTC) + dt.timedelta(days=800))
    assert facts.subject == facts.issuer == "CN=localhost"
    assert facts.self_signed
    assert facts.names == ("localhost", "kasse.example", "127.0.0.1", "::1")
    assert facts.days_left == 24
    assert certificate_facts(pair[0], now=facts.not_after + dt.timedelta(minutes=1)).days_left == -1
    assert len(facts.fingerprint) == 64


def test_facts_of_a_chain_are_those_of_its_first_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("shop.example")
    path = tmp_path / "chain.pem"
    path.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems) + authority.cert_pem.bytes())
    facts = certificate_facts(path)
    assert facts.names == ("shop.example",)
    assert not facts.self_signed


@pytest.mark.parametrize(("content", "error"), [(b"no PEM", ValueError), (None, OSError)])
def test_facts_of_no_certificate(tmp_path: Path, content: bytes | None, error: type[Exception]) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error):
        certificate_facts(path)


def test_context_is_kept_until_the_files_change(tmp_path: Path) -> None:
    certfile, keyfile = ensure_self_signed(tmp_path, "localhost")
    source = TlsContext(certfile, keyfile)
    first = source.current()
    assert source.hook(None, lambda: pytest.fail("gunicorn's own context made")) is first
    os.utime(certfile, ns=(1, 1))
    second = source.current()
    assert second is not first
    assert source.current() is second


def test_renewal_in_two_steps(tmp_path: Path, pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    certfile, keyfile = ensure_self_signed(tmp_path, "localhost")
    source = TlsContext(certfile, keyfile)
    first = source.current()
    with caplog.at_level(logging.INFO, logger=tls.__name__):
        certfile.unlink()
        assert source.current() is source.current() is first
        shutil.copy(pair[0], certfile)
        assert source.current() is source.current() is first
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        shutil.copy(pair[1], keyfile)
        renewed = source.current()
        assert renewed is not first
        assert source.current() is renewed
        assert [record.levelname for record in caplog.records][2:] == ["INFO"]
    client = ssl.create_default_context(cafile=str(pair[0]))
    assert handshake(renewed, client, "kasse.example").version()


def test_key_in_the_certificate_file(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pair[1].read_bytes() + pair[0].read_bytes())
    client = ssl.create_default_context(cafile=str(pair[0]))
    assert handshake(TlsContext(both).current(), client, "localhost").version()


def test_unusable_at_start_is_an_error_and_never_a_question(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    with pytest.raises(OSError, match="missing"):
        TlsContext(tmp_path / "missing.crt", pair[1])
    key = serialization.load_pem_private_key(pair[1].read_bytes(), password=None)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"geheim"),
        )
    )
    with pytest.raises(ssl.SSLError):
        TlsContext(pair[0], encrypted)
