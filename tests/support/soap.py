"""SOAP from the outside: requests as text, answers taken apart, and what every answer must look like."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from xml.sax.saxutils import escape

import pytest
import structlog
from lxml import etree

from tests.support.world import PASSWORD, SHOP

TNS = "http://www.websale.de/"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
# The five prefixes in their order, to the letter (contract, section 1).
OPENINGS = {
    SOAP_11: DECLARATION
    + b'<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    + b' xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"'
    + b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    + b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    + b' xmlns:ns="http://www.websale.de/"><SOAP-ENV:Body>',
    SOAP_12: DECLARATION
    + b'<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"'
    + b' xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding"'
    + b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    + b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    + b' xmlns:ns="http://www.websale.de/"><SOAP-ENV:Body>',
}
CLOSING = b"</SOAP-ENV:Body></SOAP-ENV:Envelope>"
CONTENT_TYPES = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def request(operation: str, soap: str = SOAP_11, **fields: str | int | None) -> bytes:
    """A request of `operation` with these fields; ShopID and Password are TestShop's unless given or None."""
    texts: dict[str, str | int | None] = {"ShopID": SHOP, "Password": PASSWORD, **fields}
    inner = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in texts.items() if v is not None)
    return envelope(f'<ns:{operation} xmlns:ns="{TNS}"><request>{inner}</request></ns:{operation}>', soap)


def envelope(content: str, soap: str = SOAP_11) -> bytes:
    """An envelope around the content of its Body."""
    return f'<S:Envelope xmlns:S="{soap}"><S:Body>{content}</S:Body></S:Envelope>'.encode()


@dataclass(frozen=True)
class Fault:
    """A fault, the same for both versions of SOAP; `code` without its prefix."""

    code: str
    text: str
    field: str | None
    expected: str | None


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def root(self) -> etree._Element:
        return etree.fromstring(self.body)

    @cached_property
    def content(self) -> etree._Element:
        """The one child of the Body, after `check_soap`."""
        check_soap(self)
        return self.root[0][0]

    @property
    def fault(self) -> Fault | None:
        content = self.content
        if etree.QName(content).localname != "Fault":
            return None
        soap = {"s": etree.QName(content).namespace, "ns": TNS}
        if soap["s"] == SOAP_11:
            code, text = content.findtext("faultcode"), content.findtext("faultstring")
        else:
            code, text = (
                content.findtext("s:Code/s:Value", None, soap),
                content.findtext("s:Reason/s:Text", None, soap),
            )
        assert code is not None
        assert text is not None
        return Fault(
            code.removeprefix("SOAP-ENV:"),
            text,
            content.findtext(".//ns:Field", None, soap),
            content.findtext(".//ns:Expected", None, soap),
        )

    @property
    def fault_code(self) -> str | None:
        """`ES009`, say; None for an answer that is no fault."""
        return self.fault.text.split()[0] if self.fault else None

    @property
    def response(self) -> etree._Element:
        """The response element; fails with the fault when there is one."""
        assert self.fault is None, self.fault
        (response,) = self.content
        assert response.tag == "response"
        return response

    def texts(self, path: str) -> list[str]:
        """The texts of the elements at a path below the response."""
        return [element.text or "" for element in self.response.findall(path)]

    @property
    def fields(self) -> dict[str, str]:
        """The response's own children without children, by name."""
        return {str(element.tag): element.text or "" for element in self.response if not len(element)}

    @property
    def codes(self) -> list[str]:
        return self.texts("VoucherNumbers/VoucherNumber")


def check_soap(answer: Answer) -> None:
    """What holds for every SOAP answer whatever was asked (contract, section 1, "Wire")."""
    root = etree.fromstring(answer.body)
    soap = etree.QName(root).namespace or ""
    assert answer.body.startswith(OPENINGS[soap]), answer.body[:600]
    assert answer.body.endswith(CLOSING), answer.body[-200:]
    assert answer.body.count(b"\n") == 1, "one newline, behind the declaration"
    assert b"\r" not in answer.body
    assert b"xmlns" not in answer.body[len(OPENINGS[soap]) :], "no prefix but the five"
    assert b":nil" not in answer.body
    assert answer.headers["content-type"] == CONTENT_TYPES[soap]
    assert answer.headers["content-length"] == str(len(answer.body))
    assert [etree.QName(child).localname for child in root] == ["Body"]
    (content,) = root[0]
    name = etree.QName(content)
    if name.localname == "Fault":
        assert name.namespace == soap
        assert answer.status in (500, 400, 404, 408, 414, 417, 431)
    else:
        assert answer.status == 200
        assert name.namespace == TNS
        assert [child.tag for child in content] == ["response"]
        assert all("{" not in str(element.tag) for element in content.iter() if element is not content)


def ask(
    app: WsgiApp,
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/createvouchers",
    query: str = "",
    scheme: str = "https",
    **environ: str,
) -> Answer:
    """Call a WSGI application without a server; `environ` adds to or replaces what a server would say."""
    seen: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        seen.append((status, headers))

    base: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:8443",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "text/xml; charset=utf-8",
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(body),
    }
    parts = app(base | environ, start_response)
    ((status, headers),) = seen
    names = [name.lower() for name, _ in headers]
    assert len(set(names)) == len(names), f"repeated header in {names}"
    return Answer(int(status.split()[0]), {name.lower(): value for name, value in headers}, b"".join(parts))


def capture_door_log(monkeypatch: pytest.MonkeyPatch) -> list[MutableMapping[str, Any]]:
    """What the endpoint logs from now on, however logging is configured in this process."""
    capture = structlog.testing.LogCapture()
    everything = structlog.make_filtering_bound_logger(0)
    logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=everything)
    monkeypatch.setattr("soap_service.soap.endpoint.log", logger)
    return capture.entries
