"""Reading requests: one hardened parser, and the shapes that stubs of the field really send.

Whatever cannot be read is ES015. Source: contract, section 1, "What must be accepted" and "What must be
refused".
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Collection
from dataclasses import dataclass

from lxml import etree

from soap_service.domain.faults import FaultCode, VoucherFault, bad_format
from soap_service.soap.envelope import BY_NAMESPACE, XSI, Envelope, SoapFault
from soap_service.soap.text import escape

_BOM = b"\xef\xbb\xbf"
_DECLARED_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
# What may stand before a document type; possessive, so that no input makes it go back.
_DOCTYPE = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)
_NIL, _TYPE = f"{{{XSI}}}nil", f"{{{XSI}}}type"
_TRUE = ("true", "1")
_LONGEST_HREF_CHAIN = 16
_ACTORS_HERE = {
    "",
    "http://schemas.xmlsoap.org/soap/actor/next",
    "http://www.w3.org/2003/05/soap-envelope/role/next",
    "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
}

_parsers = threading.local()


@dataclass(frozen=True, slots=True)
class Request:
    """A request taken out of its envelope: the wrapper element, named in Clark notation."""

    envelope: Envelope
    operation: str
    wrapper: etree._Element
    header: etree._Element | None


def bad_request() -> SoapFault:
    """ES015: the framework could not make sense of the request."""
    return SoapFault(VoucherFault(FaultCode.BAD_REQUEST))


def parse(body: bytes) -> etree._Element:
    """The root element of a UTF-8 document without a document type; everything else is ES015."""
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request() from None
    declared = _DECLARED_ENCODING.match(body)
    if (declared and declared[1].lower() not in (b"utf-8", b"utf8")) or b"\0" in body or _DOCTYPE.match(body):
        raise bad_request()
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise bad_request() from None
    return root


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_parsers, "parser", None)
    if parser is None:
        parser = _parsers.parser = etree.XMLParser(
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            encoding="utf-8",
        )
    return parser


def envelope_of(root: etree._Element) -> Envelope:
    """The SOAP version of a document; ES015 when it is no envelope."""
    namespace, _, name = str(root.tag)[1:].rpartition("}")
    envelope = BY_NAMESPACE.get(namespace)
    if envelope is None or name != "Envelope":
        raise bad_request()
    return envelope


def open_envelope(root: etree._Element, operations: Collection[str]) -> Request:
    """The one request in the envelope.

    `operations`: the wrappers known, in Clark notation. Raises ES015 for anything but one of them in one
    Body, and a MustUnderstand fault for a header that must be understood.
    """
    envelope = envelope_of(root)
    headers = [element for element in root if element.tag == envelope.header_tag]
    bodies = [element for element in root if element.tag == envelope.body_tag]
    if len(bodies) != 1 or len(headers) > 1:
        raise bad_request()
    for header in headers:
        for block in header:
            _refuse_mandatory(block, envelope)
    wrappers = [element for element in bodies[0] if not _is_independent(element, operations)]
    if len(wrappers) != 1 or wrappers[0].tag not in operations:
        raise bad_request()
    return Request(envelope, str(wrappers[0].tag), wrappers[0], headers[0] if headers else None)


def _refuse_mandatory(block: etree._Element, envelope: Envelope) -> None:
    attribute = f"{{{envelope.namespace}}}"
    actor = block.get(f"{attribute}actor") or block.get(f"{attribute}role") or ""
    if block.get(f"{attribute}mustUnderstand", "").strip() in _TRUE and actor in _ACTORS_HERE:
        raise SoapFault(VoucherFault(FaultCode.BAD_REQUEST), must_understand=True)


def _is_independent(element: etree._Element, operations: Collection[str]) -> bool:
    # A multiref: rpc/encoded stubs put the values beside the wrapper and point to them with href.
    return element.get("id") is not None and element.tag not in operations


def read_texts(wrapper: etree._Element, known: Collection[str]) -> dict[str, str | None]:
    """The texts of the known fields of a request by local name; absent and nil ones are None.

    Of a repeated field the first counts, unknown ones are ignored. Raises ES015 for a reference that leads
    nowhere, ES012 for base64 that is none.
    """
    request = _request_of(wrapper)
    texts: dict[str, str | None] = {}
    if request is None or _is_nil(request):
        return texts
    for element in request:
        name = _local(element)
        if name in known and name not in texts:
            texts[name] = _text(name, _resolve(element))
    return texts


def _request_of(wrapper: etree._Element) -> etree._Element | None:
    for element in wrapper:
        if _local(element) == "request":
            return _resolve(element)
    return _resolve(wrapper[0]) if len(wrapper) == 1 else None


def _local(element: etree._Element) -> str:
    tag = str(element.tag)
    return tag[tag.rindex("}") + 1 :] if tag[0] == "{" else tag


def _is_nil(element: etree._Element) -> bool:
    return element.get(_NIL, "").strip() in _TRUE


def _resolve(element: etree._Element) -> etree._Element:
    for _ in range(_LONGEST_HREF_CHAIN):
        href = element.get("href")
        if href is None:
            return element
        if not href.startswith("#"):
            raise bad_request()
        found = [other for other in element.getroottree().getroot().iter() if other.get("id") == href[1:]]
        if len(found) != 1:
            raise bad_request()
        element = found[0]
    raise bad_request()


def _text(name: str, element: etree._Element) -> str | None:
    if _is_nil(element):
        return None
    text = _content(element) if len(element) else element.text or ""
    kind = element.get(_TYPE)
    if kind is not None and kind.rpartition(":")[2] in ("base64Binary", "base64"):
        return _decode(name, text)
    return text


def _content(element: etree._Element) -> str:
    """Filters and multi-currency values sent as real elements, in the text form that is read anyway."""
    children = (
        f"<{_local(child)}>{_content(child)}</{_local(child)}>{escape(child.tail or '')}" for child in element
    )
    return escape(element.text or "") + "".join(children)


def _decode(name: str, text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise bad_format(name, "base64 of UTF-8 text, as its xsi:type says") from None
