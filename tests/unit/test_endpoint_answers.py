"""The endpoint with a store behind it: what is answered to calls that are read."""

from __future__ import annotations

import gzip
from dataclasses import replace
from decimal import Decimal

import pytest
from lxml import etree

from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms
from soap_service.operations.house import House
from soap_service.settings import FilterOutput
from soap_service.soap.endpoint import Endpoint
from soap_service.soap.origin import Origin
from tests.support.factories import add_charge
from tests.support.soap import SOAP_12, Answer, ask, check_soap, request
from tests.support.world import DOCUMENTED, PASSWORD, tally

XSI = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.fixture
def door(house: House, shop: Shop) -> Endpoint:
    """A door to a shop with the documentation's charge."""
    add_charge(house, shop, "TestCharge", DOCUMENTED)
    return Endpoint(house, origin=Origin())


def assert_fault(answer: Answer, code: str, status: int = 500) -> None:
    assert answer.status == status
    assert answer.fault_code == code


class TestAnswers:
    def test_a_call_from_end_to_end(self, door: Endpoint, house: House) -> None:
        answer = ask(door, request("CreateVouchers", VoucherCount=3, ChargeId="TestCharge", MsgID="m"))
        assert answer.fields == {
            "MsgID": "m",
            "Amount": "10.00",
            "AmountType": "0",
            "Currency": "EUR",
            "Subshop": "B2c,B2B",
            "Type": "0",
            "Type2": "1",
            "VATIndex": "-1",
        }
        assert len(set(answer.codes)) == 3
        assert tally(house.store)["vouchers"] == 3

    @pytest.mark.parametrize(
        "text", ["0", " ", " a ", "a\nb", "a\r\nb", "<&>]]>", "Ä€😀", "$ChargeVal$", "x" * 5000]
    )
    def test_msg_id_comes_back_as_it_was_sent(self, door: Endpoint, text: str) -> None:
        body = request("GetVoucherCharges", MsgID=text).replace(b"\r", b"&#13;")
        assert ask(door, body).fields["MsgID"] == text

    @pytest.mark.parametrize(
        "field", ["<MsgID/>", '<MsgID x:nil="1" xmlns:x="http://www.w3.org/2001/XMLSchema-instance"/>', ""]
    )
    def test_no_msg_id_is_left_out(self, door: Endpoint, field: str) -> None:
        body = request("GetVoucherCharges").replace(b"</request>", f"{field}</request>".encode())
        assert "MsgID" not in ask(door, body).fields

    def test_soap_1_2_says_the_same_in_its_own_envelope(self, door: Endpoint) -> None:
        old, new = (ask(door, request("GetVoucherCharges", *soap, MsgID="1")) for soap in ((), (SOAP_12,)))
        check_soap(new)
        assert new.headers["content-type"] == "application/soap+xml; charset=utf-8"
        assert etree.tostring(new.response, method="c14n", exclusive=True) == etree.tostring(
            old.response, method="c14n", exclusive=True
        )

    @pytest.mark.parametrize(
        ("output", "expected"),
        [
            (
                FilterOutput.TEXT,
                b"&lt;n&gt;A&amp;amp;B&lt;/n&gt;&lt;n&gt;c&#10;d&lt;/n&gt;",
            ),
            (FilterOutput.ELEMENTS, b"<n>A&amp;B</n><n>c&#10;d</n>"),
            (FilterOutput.OMIT, None),
        ],
    )
    def test_filters_are_written_as_the_setting_says(
        self, house: House, shop: Shop, output: FilterOutput, expected: bytes | None
    ) -> None:
        template = Terms(
            "EUR",
            Decimal(5),
            customer_filter=(("n", "A&B"), ("n", "c\nd")),
            cat_prod_filter_set_behavior=0,
            cat_prod_filter=(("ci", "1"),),
        )
        add_charge(house, shop, "Gefiltert", template)
        door = Endpoint(house, origin=Origin(), filter_output=output)
        for body in (
            request("CreateVouchers", VoucherCount=1, ChargeId="Gefiltert"),
            request("GetVoucherCodes", ChargeId="Gefiltert"),
        ):
            answer = ask(door, body)
            check_soap(answer)
            assert b"<CatProdFilterSetBehavior>0<" in answer.body
            if expected is None:
                assert b"Filter>" not in answer.body
            else:
                assert b"<CustomerFilter>" + expected + b"</CustomerFilter>" in answer.body
                assert b"<CatProdFilter>" in answer.body

    def test_base64_that_is_none_is_a_fault_of_an_authenticated_caller_only(
        self, door: Endpoint, house: House
    ) -> None:
        def body(password: str) -> bytes:
            plain = request("CreateVouchers", Password=password, VoucherCount=1, ChargeId="TestCharge", MsgID="!")
            typed = b'<MsgID x:type="y:base64Binary" ' + XSI.encode() + b">"
            return plain.replace(b"<MsgID>", typed)

        assert_fault(ask(door, body("falsch")), "ES002")
        answer = ask(door, body(PASSWORD))
        assert_fault(answer, "ES012")
        assert answer.fault is not None
        assert answer.fault.field == "MsgID"
        assert tally(house.store)["vouchers"] == 0


class TestIdempotencyKey:
    BODY = request("CreateVouchers", VoucherCount=2, ChargeId="TestCharge", MsgID="1")

    def test_a_repeated_call_gets_the_first_answer(self, door: Endpoint, house: House) -> None:
        first, second = (ask(door, self.BODY, HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2))
        assert first.body == second.body
        assert len(first.codes) == 2
        assert tally(house.store)["vouchers"] == 2
        assert (
            ask(door, gzip.compress(self.BODY), HTTP_IDEMPOTENCY_KEY="k-1", HTTP_CONTENT_ENCODING="gzip") == first
        )

    def test_msg_id_is_no_key(self, door: Endpoint, house: House) -> None:
        assert ask(door, self.BODY).codes != ask(door, self.BODY).codes
        assert tally(house.store)["vouchers"] == 4

    def test_another_request_with_the_same_key_is_es021(self, door: Endpoint, house: House) -> None:
        ask(door, self.BODY, HTTP_IDEMPOTENCY_KEY="k-1")
        other = self.BODY.replace(b">2<", b">3<")
        answer = ask(door, other, HTTP_IDEMPOTENCY_KEY="k-1")
        assert_fault(answer, "ES021")
        assert answer.fault is not None
        assert answer.fault.field == "Idempotency-Key"
        assert tally(house.store)["vouchers"] == 2

    def test_a_fault_is_not_kept(self, door: Endpoint, house: House, shop: Shop) -> None:
        body = request("CreateVouchers", VoucherCount=1, ChargeId="Später")
        assert_fault(ask(door, body, HTTP_IDEMPOTENCY_KEY="k-2"), "ES019")
        add_charge(house, shop, "Später", replace(DOCUMENTED, amount=Decimal(3)))
        assert len(ask(door, body, HTTP_IDEMPOTENCY_KEY="k-2").codes) == 1

    @pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "a\tb"])
    def test_keys_that_are_none(self, door: Endpoint, house: House, key: str) -> None:
        assert_fault(ask(door, self.BODY, HTTP_IDEMPOTENCY_KEY=key), "ES012")
        assert tally(house.store)["vouchers"] == 0

    @pytest.mark.parametrize("key", ["!", "~" * 255])
    def test_keys_at_the_edge(self, door: Endpoint, key: str) -> None:
        assert ask(door, self.BODY, HTTP_IDEMPOTENCY_KEY=key).fault is None


def test_faults_can_do_without_a_detail(house: House, shop: Shop) -> None:
    asked = request("CreateVouchers", ChargeId="TestCharge")
    with_detail = ask(Endpoint(house, origin=Origin()), asked)
    without = ask(Endpoint(house, origin=Origin(), fault_detail=False), asked)
    assert b"<detail><ns:Field>VoucherCount</ns:Field>" in with_detail.body
    assert b"<detail>" not in without.body
    assert_fault(without, "ES009")
