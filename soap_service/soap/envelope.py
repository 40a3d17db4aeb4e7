"""The two SOAP envelopes: their namespaces, the fixed opening and closing, and their faults.

Answers carry the five prefixes of the interface documentation in its order (contract, section 1). A SOAP 1.2
request is answered in SOAP 1.2 with the same body.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from soap_service.domain.faults import Side, VoucherFault
from soap_service.soap.compat import Fault
from soap_service.soap.messages import NAMESPACE
from soap_service.soap.text import escape

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"

_CODES_12 = {Side.CLIENT: "Sender", Side.SERVER: "Receiver"}


class SoapFault(Fault):
    """A fault on its way through Spyne. `must_understand` is SOAP's own kind, for a header nobody here knows."""

    def __init__(self, fault: VoucherFault, *, must_understand: bool = False) -> None:
        super().__init__(fault.side.value, fault.text)
        self.fault = fault
        self.must_understand = must_understand


@dataclass(frozen=True)
class Envelope:
    """One SOAP version, ready to be written."""

    namespace: str
    encoding: str
    content_type: str

    @cached_property
    def header_tag(self) -> str:
        return f"{{{self.namespace}}}Header"

    @cached_property
    def body_tag(self) -> str:
        return f"{{{self.namespace}}}Body"

    @cached_property
    def opening(self) -> str:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{self.namespace}" xmlns:SOAP-ENC="{self.encoding}"'
            f' xmlns:xsi="{XSI}" xmlns:xsd="{XSD}" xmlns:ns="{NAMESPACE}"><SOAP-ENV:Body>'
        )

    def wrap(self, body: str) -> bytes:
        """The whole document around the content of its Body."""
        return f"{self.opening}{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>".encode()

    def fault(self, fault: VoucherFault, *, must_understand: bool = False, with_detail: bool = True) -> bytes:
        """The document that tells `fault`; with detail, field faults name the field and what was expected."""
        detail = ""
        if fault.has_detail and with_detail:
            expected = f"<ns:Expected>{escape(fault.expected)}</ns:Expected>" if fault.expected else ""
            detail = f"<ns:Field>{escape(fault.field or '')}</ns:Field>{expected}"
        if self.namespace == SOAP_11:
            code = "MustUnderstand" if must_understand else fault.side.value
            detail = f"<detail>{detail}</detail>" if detail else ""
            return self.wrap(
                f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:{code}</faultcode>"
                f"<faultstring>{escape(fault.text)}</faultstring>{detail}</SOAP-ENV:Fault>"
            )
        code = "MustUnderstand" if must_understand else _CODES_12[fault.side]
        detail = f"<SOAP-ENV:Detail>{detail}</SOAP-ENV:Detail>" if detail else ""
        return self.wrap(
            f"<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:{code}</SOAP-ENV:Value></SOAP-ENV:Code>"
            f'<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="de">{escape(fault.text)}</SOAP-ENV:Text></SOAP-ENV:Reason>'
            f"{detail}</SOAP-ENV:Fault>"
        )


ENVELOPE_11 = Envelope(SOAP_11, "http://schemas.xmlsoap.org/soap/encoding/", "text/xml; charset=utf-8")
ENVELOPE_12 = Envelope(SOAP_12, "http://www.w3.org/2003/05/soap-encoding", "application/soap+xml; charset=utf-8")
BY_NAMESPACE = {envelope.namespace: envelope for envelope in (ENVELOPE_11, ENVELOPE_12)}


@dataclass(slots=True)
class Call:
    """One call on its way through the door. `shop` and `count` are filled in for the log."""

    body: bytes
    idempotency_key: str | None = None
    envelope: Envelope = ENVELOPE_11
    shop: str | None = None
    count: int | None = None
