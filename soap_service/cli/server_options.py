"""From settings to the server: certificate, addresses, what to warn of, and the first call to try."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from soap_service.cli.errors import UsageError
from soap_service.operations import demo_data
from soap_service.settings import Settings

if TYPE_CHECKING:
    from soap_service.server.application import ServerOptions

# gunicorn and cryptography are imported where they are used: most commands need neither, and start faster.

PATH = "/createvouchers"
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - to recognise them

_FIRST_CALL = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns="http://www.websale.de/">
<SOAP-ENV:Body><ns:CreateVouchers><request>
<ShopID>{demo_data.SHOP}</ShopID><Password>{demo_data.PASSWORD}</Password>
<VoucherCount>2</VoucherCount><ChargeId>TestCharge</ChargeId>
</request></ns:CreateVouchers></SOAP-ENV:Body></SOAP-ENV:Envelope>"""


@dataclass(frozen=True)
class Certificate:
    """The files the server speaks TLS with. `generated`: made by ourselves for want of others."""

    certfile: Path
    keyfile: Path | None
    generated: bool


def certificate(settings: Settings) -> Certificate | None:
    """The configured certificate, or the self-signed one, made when it is not there; None without TLS.

    Raises UsageError for a key without a certificate, OSError when the self-signed one cannot be written.
    """
    if not settings.tls:
        return None
    if settings.tls_cert is not None:
        return Certificate(settings.tls_cert.absolute(), _absolute(settings.tls_key), generated=False)
    if settings.tls_key is not None:
        raise UsageError("CREATEVOUCHERS_TLS_KEY is set: expected CREATEVOUCHERS_TLS_CERT too")
    from soap_service.server.tls import ensure_self_signed

    certfile, keyfile = ensure_self_signed(settings.data_dir.absolute(), hostname(settings))
    return Certificate(certfile, keyfile, generated=True)


def expected_certificate(settings: Settings) -> Certificate | None:
    """As `certificate`, but makes nothing."""
    if not settings.tls:
        return None
    if settings.tls_cert is not None:
        return Certificate(settings.tls_cert.absolute(), _absolute(settings.tls_key), generated=False)
    from soap_service.server.tls import CERT_NAME, KEY_NAME

    directory = settings.data_dir.absolute()
    return Certificate(directory / CERT_NAME, directory / KEY_NAME, generated=True)


def hostname(settings: Settings) -> str:
    """The name clients on this machine call the server by."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return public or _local_name(settings.host)


def server_options(settings: Settings, pair: Certificate | None) -> ServerOptions:
    """The settings in the server's words."""
    from soap_service.server.application import ServerOptions

    return ServerOptions(
        host=settings.host,
        port=settings.port,
        plain_port=settings.plain_port,
        certfile=pair.certfile if pair else None,
        keyfile=pair.keyfile if pair else None,
        workers=settings.workers,
        threads=settings.threads,
        keepalive=settings.keepalive,
        request_timeout=float(settings.request_timeout),
        log_level=settings.log_level,
    )


def local_url(settings: Settings) -> str:
    """The service's URL for a client on this machine."""
    name = _local_name(settings.host)
    name = f"[{name}]" if ":" in name else name
    return f"{'https' if settings.tls else 'http'}://{name}:{settings.port}{PATH}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on that address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def first_call(settings: Settings, pair: Certificate | None) -> str | None:
    """A shell command that makes two vouchers of the demo shop; None where a plain call would be refused."""
    if pair is None and settings.require_tls:
        return None
    from soap_service.server.tls import certificate_facts

    words = ["curl"]
    if pair is not None and certificate_facts(pair.certfile).self_signed:
        words += ["--cacert", shlex.quote(str(pair.certfile))]
    words += ["--header", "'Content-Type: text/xml; charset=utf-8'", "--data-binary", f"'{_FIRST_CALL}'"]
    return " ".join([*words, local_url(settings)])


def warnings(settings: Settings, pair: Certificate | None, *, public_demo: bool) -> Iterator[str]:
    """What an operator should know before the server is used for real. `public_demo`: the demo shop is open."""
    if not settings.require_tls:
        yield "CREATEVOUCHERS_REQUIRE_TLS=false: passwords and codes are sent in the clear. For development only!"
    if settings.tls is False and settings.require_tls and not settings.trusted_proxies:
        yield (
            "CREATEVOUCHERS_TLS=false without CREATEVOUCHERS_TRUSTED_PROXIES: no proxy is believed that a call "
            "came over TLS, so every call is refused (ES007)"
        )
    if pair is not None and pair.generated:
        yield (
            f"self-signed certificate {pair.certfile}: clients must be told to trust it; "
            "for real use set CREATEVOUCHERS_TLS_CERT and CREATEVOUCHERS_TLS_KEY"
        )
    if public_demo and not is_loopback(settings.host):
        yield (
            f"shop {demo_data.SHOP} has the demo's password, which everybody knows, and {settings.host} can be "
            f"reached from outside: `createvouchers shop password {demo_data.SHOP}` or `shop disable`"
        )


def _local_name(host: str) -> str:
    return "localhost" if host in _EVERY_ADDRESS or is_loopback(host) else host


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path is not None else None
