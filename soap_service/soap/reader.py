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
from xml.sax.saxutils import escape

from lxml import etree

from soap_service.domain.faults import FaultCode, VoucherFault, bad_format
from soap_service.soap.envelope import BY_NAMESPACE, XSI, Envelope, SoapFault

_BOM = b"\xef\xbb\xbf"
_DECLARED_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
# What may stand before a document type; possessive, so that no input makes it go back.
_DOCTYPE = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)
_NIL, _TYPE = f"{{{XSI}}}nil", f"{{{XSI}}}type"
_TRUE = ("true", "1")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
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
        if body.startswith(_BOM):  # the parser would skip it too, and what is forbidden behind it
            raise bad_request()
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


class Texts(dict[str, str | None]):
    """The texts of a request's fields by local name; a nil one is None, an absent one missing.

    `undecodable` is ES012 for the first field that is not the base64 it says it is, its text left as it came.
    Formats are looked at after the caller (contract, section 2), so that is not raised here.
    """

    undecodable: VoucherFault | None = None


def read_texts(wrapper: etree._Element, known: Collection[str]) -> Texts:
    """The texts of the known fields of a request.

    Of a repeated field the first counts, unknown ones are ignored. Raises ES015 for a reference that leads
    nowhere.
    """
    targets = _Targets(wrapper)
    request = _request_of(wrapper, targets)
    texts = Texts()
    if request is None or _is_nil(request):
        return texts
    for element in request:
        name = _local(element)
        if name in known and name not in texts:
            target = targets.resolve(element)
            texts[name] = text = _text(target)
            if text is not None and _is_base64(target):
                try:
                    texts[name] = _decode(name, text)
                except VoucherFault as fault:
                    texts.undecodable = texts.undecodable or fault
    return texts


def _request_of(wrapper: etree._Element, targets: _Targets) -> etree._Element | None:
    for element in wrapper:
        if _local(element) == "request":
            return targets.resolve(element)
    return targets.resolve(wrapper[0]) if len(wrapper) == 1 else None


def _local(element: etree._Element) -> str:
    tag = str(element.tag)
    return tag[tag.rindex("}") + 1 :] if tag[0] == "{" else tag


def _is_nil(element: etree._Element) -> bool:
    return element.get(_NIL, "").strip() in _TRUE


class _Targets:
    """What references of a document point to; the ids are looked for once, and only if there is a reference."""

    def __init__(self, element: etree._Element) -> None:
        self._element = element
        self._found: dict[str, list[etree._Element]] | None = None

    def resolve(self, element: etree._Element) -> etree._Element:
        """The element itself, or the one its `href` leads to; ES015 when that leads nowhere or in a circle."""
        for _ in range(_LONGEST_HREF_CHAIN):
            href = element.get("href")
            if href is None:
                return element
            found = self._by_id().get(href[1:], []) if href.startswith("#") else []
            if len(found) != 1:
                raise bad_request()
            element = found[0]
        raise bad_request()

    def _by_id(self) -> dict[str, list[etree._Element]]:
        if self._found is None:
            self._found = {}
            for element in self._element.getroottree().getroot().iter():
                name = element.get("id")
                if name is not None:
                    self._found.setdefault(name, []).append(element)
        return self._found


def _is_base64(element: etree._Element) -> bool:
    return element.get(_TYPE, "").rpartition(":")[2].strip() in ("base64Binary", "base64")


def _text(element: etree._Element) -> str | None:
    if _is_nil(element):
        return None
    return _content(element) if len(element) else element.text or ""


def _content(element: etree._Element) -> str:
    """Filters and multi-currency values sent as real elements, in the text form that is read anyway."""
    children = (
        f"<{_local(child)}>{_content(child)}</{_local(child)}>{escape(child.tail or '')}" for child in element
    )
    return escape(element.text or "") + "".join(children)


def _decode(name: str, encoded: str) -> str:
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = None
    if text is None or _NOT_IN_XML.search(text):  # what came past the XML parser must be able to go back
        raise bad_format(name, "base64 of UTF-8 text, as its xsi:type says")
    return text
