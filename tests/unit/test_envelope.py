"""The two envelopes and their faults."""

from __future__ import annotations

import pytest
from lxml import etree

from soap_service.domain.faults import TEXTS, FaultCode, VoucherFault, bad_value, missing
from soap_service.server import worker
from soap_service.soap.envelope import BY_NAMESPACE, ENVELOPE_11, ENVELOPE_12, Envelope, SoapFault
from tests.support.soap import CLOSING, CONTENT_TYPES, OPENINGS, SOAP_11, SOAP_12, TNS, Answer


def answer(envelope: Envelope, body: bytes, status: int = 500) -> Answer:
    return Answer(status, {"content-type": envelope.content_type, "content-length": str(len(body))}, body)


@pytest.mark.parametrize(("soap", "envelope"), [(SOAP_11, ENVELOPE_11), (SOAP_12, ENVELOPE_12)])
class TestBothVersions:
    def test_opening_and_closing_are_those_of_the_documentation(self, soap: str, envelope: Envelope) -> None:
        assert envelope.wrap("<ns:x/>") == OPENINGS[soap] + b"<ns:x/>" + CLOSING
        assert envelope.content_type == CONTENT_TYPES[soap]
        assert BY_NAMESPACE[soap] is envelope

    @pytest.mark.parametrize("code", FaultCode)
    def test_every_fault_says_its_code_and_text(self, soap: str, envelope: Envelope, code: FaultCode) -> None:
        fault = VoucherFault(code, field="Amount", expected="a & b < c", count=25)
        seen = answer(envelope, envelope.fault(fault)).fault
        assert seen is not None
        assert seen.text == f"{code} {TEXTS[code]}".replace("{field}", "Amount").replace("{count}", "25")
        server, client = ("Server", "Client") if soap == SOAP_11 else ("Receiver", "Sender")
        assert seen.code == (server if code == "ES005" else client)
        detailed = code in {"ES009", "ES012", "ES017", "ES021", "ES023"}
        assert (seen.field, seen.expected) == (("Amount", "a & b < c") if detailed else (None, None))

    def test_must_understand(self, soap: str, envelope: Envelope) -> None:
        body = envelope.fault(VoucherFault(FaultCode.BAD_REQUEST), must_understand=True)
        seen = answer(envelope, body).fault
        assert seen is not None
        assert (seen.code, seen.text) == ("MustUnderstand", "ES015 Ungültiger Request")

    def test_fault_elements_are_where_the_specification_has_them(self, soap: str, envelope: Envelope) -> None:
        fault = etree.fromstring(envelope.fault(missing("ChargeId")))[0][0]
        if soap == SOAP_11:
            assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
            detail = fault.find("detail")
        else:
            assert [etree.QName(child).localname for child in fault] == ["Code", "Reason", "Detail"]
            assert {etree.QName(child).namespace for child in fault} == {SOAP_12}
            text = fault.find("{*}Reason/{*}Text")
            assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
            detail = fault.find("{*}Detail")
        assert [(child.tag, child.text) for child in detail] == [
            (f"{{{TNS}}}Field", "ChargeId"),
            (f"{{{TNS}}}Expected", "a value"),
        ]


def test_a_field_without_expectation() -> None:
    body = ENVELOPE_11.fault(VoucherFault(FaultCode.BAD_VALUE, field="Type"))
    assert b"<detail><ns:Field>Type</ns:Field></detail>" in body


def test_a_fault_keeps_what_it_is_about() -> None:
    fault = bad_value("Type", "0 to 7")
    carried = SoapFault(fault)
    assert (carried.fault, carried.must_understand) == (fault, False)
    assert carried.faultstring == "ES021 Ungültiger Wert"


def test_the_transport_answers_with_the_same_faults() -> None:
    # The server has them ready-made for requests that never reach the door.
    assert ENVELOPE_11.fault(VoucherFault(FaultCode.BAD_REQUEST)) == worker.BAD_REQUEST_BODY
    assert ENVELOPE_11.fault(VoucherFault(FaultCode.UNAVAILABLE)) == worker.SERVER_ERROR_BODY
