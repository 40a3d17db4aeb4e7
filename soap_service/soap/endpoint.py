"""The WSGI endpoint: HTTP in, HTTP out, and a well-formed SOAP answer whatever happens.

Owns what Spyne's transport gets wrong on hostile input and drives Spyne's stages itself. Source: contract,
section 1, "HTTP", and section 2, the order of checks: TLS, size, XML, then the rest.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from html import escape as escape_html
from typing import Any
from urllib.parse import parse_qs

import structlog

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.operations.house import House, unavailable
from soap_service.settings import FilterOutput
from soap_service.soap.compat import MethodContext, ServerBase
from soap_service.soap.envelope import ENVELOPE_11, Call, Envelope, SoapFault
from soap_service.soap.origin import Origin
from soap_service.soap.reader import bad_request
from soap_service.soap.service import VoucherApplication
from soap_service.soap.wsdl import wsdl

PATH = "/createvouchers"
Environ = dict[str, Any]
StartResponse = Callable[..., Any]

log = structlog.get_logger("createvouchers.soap")

_OK, _FAULT = "200 OK", "500 Internal Server Error"
_TEXT = "text/plain; charset=utf-8"
_READ_AHEAD = 64 * 1024
# How much of an over-large request is read and thrown away, so that its sender is there for the answer.
_DRAIN_BYTES = 16 * 1024 * 1024


class Endpoint(ServerBase):
    """The SOAP door as a WSGI application."""

    transport = "http://schemas.xmlsoap.org/soap/http"

    def __init__(
        self,
        house: House,
        *,
        origin: Origin,
        require_tls: bool = True,
        max_body_bytes: int = 262_144,
        filter_output: FilterOutput = FilterOutput.TEXT,
        fault_detail: bool = True,
    ) -> None:
        super().__init__(VoucherApplication(house, filter_output, fault_detail=fault_detail))
        self._origin = origin
        self._require_tls = require_tls
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, headers, body = self._answer(environ)
        except Exception:
            log.exception("call failed")
            status, headers, body = _soap(_FAULT, ENVELOPE_11, ENVELOPE_11.fault(unavailable()))
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        if self._require_tls and not self._origin.is_secure(environ):
            fault = VoucherFault(FaultCode.TLS_REQUIRED)
            log.info("call", fault=fault.code.value, client=self._origin.client(environ))
            return _soap(_FAULT, ENVELOPE_11, ENVELOPE_11.fault(fault))
        path = environ.get("PATH_INFO", "").rstrip("/")
        method = environ["REQUEST_METHOD"]
        if path == PATH and method == "POST":
            return self._call(environ)
        if method in ("GET", "HEAD"):
            return self._look(environ, path)
        if path not in (PATH, f"{PATH}.wsdl"):
            if method == "POST":
                return _soap("404 Not Found", ENVELOPE_11, ENVELOPE_11.fault(VoucherFault(FaultCode.BAD_REQUEST)))
            return _plain("404 Not Found", f"Nothing here. The service is at {PATH}.\n")
        allowed = "GET, HEAD, POST" if path == PATH else "GET, HEAD"
        status, headers, body = _plain("405 Method Not Allowed", f"Allowed: {allowed}\n")
        return status, [*headers, ("Allow", allowed)], body

    def _look(self, environ: Environ, path: str) -> tuple[str, list[tuple[str, str]], bytes]:
        address = self._origin.url(environ, PATH)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if path == f"{PATH}.wsdl" or (path == PATH and any(key.lower() == "wsdl" for key in query)):
            return _OK, [("Content-Type", "text/xml; charset=utf-8")], wsdl(address)
        if path == PATH:
            return _OK, [("Content-Type", "text/html; charset=utf-8")], _page(address)
        return _plain("404 Not Found", f"Nothing here. The service is at {PATH}.\n")

    def _call(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        began = time.perf_counter()
        call = Call(b"", idempotency_key=environ.get("HTTP_IDEMPOTENCY_KEY"))
        ctx = MethodContext(self, MethodContext.SERVER)
        ctx.udc = call
        error: SoapFault | None = None
        try:
            call.body = self._read_body(environ)
            (ctx,) = self.generate_contexts(ctx)
            if ctx.in_error is None:
                self.get_in_object(ctx)
            if ctx.in_error is None:
                self.get_out_object(ctx)
            error = ctx.in_error or ctx.out_error
        except SoapFault as fault:
            error = fault
        ctx.out_error = error
        self.get_out_string(ctx)
        body = ctx.out_string[0]
        ctx.close()
        self._log(environ, ctx, error, call, began)
        return _soap(_OK if error is None else _FAULT, call.envelope, body)

    def _log(self, environ: Environ, ctx: Any, error: SoapFault | None, call: Call, began: float) -> None:
        if error is not None and error.__cause__ is not None:
            log.error("call failed", exc_info=error.__cause__)
        log.info(
            "call",
            operation=ctx.method_name if ctx.descriptor else None,
            shop=call.shop[:64] if call.shop else None,
            fault=error.fault.code.value if error else None,
            field=error.fault.field if error else None,
            client=self._origin.client(environ),
            ms=round((time.perf_counter() - began) * 1000, 1),
        )

    def _read_body(self, environ: Environ) -> bytes:
        content_type = environ.get("CONTENT_TYPE", "").lower()
        if content_type.startswith("multipart/") or not _says_utf8(content_type):
            raise bad_request()
        body = _read_at_most(environ["wsgi.input"], self._max_body_bytes)
        coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        if coding in ("gzip", "x-gzip"):
            return _gunzip(body, self._max_body_bytes)
        if coding not in ("", "identity"):
            raise bad_request()
        return body


def _says_utf8(content_type: str) -> bool:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip("\"'") in ("utf-8", "utf8", "")
    return True


def _read_at_most(stream: Any, limit: int) -> bytes:
    """The request's body; ES015 when it is longer, or broken in its framing."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := stream.read(_READ_AHEAD):
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > _DRAIN_BYTES:
                break
    except Exception as error:  # gunicorn's own kinds for bad chunks, and OSError for a caller who went away
        log.info("request body unreadable", reason=type(error).__name__)
        raise bad_request() from None
    if size > limit:
        raise bad_request()
    return b"".join(parts)


def _gunzip(body: bytes, limit: int) -> bytes:
    """One gzip member, whole, of at most `limit` bytes; everything else is ES015."""
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise bad_request() from None
    if len(text) > limit or not inflater.eof or inflater.unused_data:
        raise bad_request()
    return text


def _soap(status: str, envelope: Envelope, body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", envelope.content_type)], body


def _plain(status: str, text: str) -> tuple[str, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", _TEXT)], text.encode()


def _page(address: str) -> bytes:
    url = escape_html(address, quote=True)
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>createvouchers</title>'
        "<h1>createvouchers</h1><p>A SOAP service that makes and lists vouchers. "
        "<span lang=de>Ein SOAP-Dienst, der Gutscheine erzeugt und auflistet.</span></p>"
        f"<p>Endpoint: <code>POST {url}</code></p>"
        f'<p>WSDL: <a href="{url}?wsdl">{url}?wsdl</a></p></html>\n'
    ).encode()
