"""Writing answers: the compiled writers, the text they escape, and the fast path for pages of vouchers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from soap_service.domain.kinds import BY_TYPE
from soap_service.domain.terms import Terms, to_wire
from soap_service.soap import messages, pages
from soap_service.soap.messages import VoucherData, VoucherList
from soap_service.soap.text import escape, escape_all
from soap_service.soap.writer import Writers, Xml

XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r")
)
WRITERS = Writers()

ALL_MESSAGES = [
    value
    for value in vars(messages).values()
    if hasattr(value, "_type_info") and value is not messages.ComplexModel
]


class TestEscape:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", ""),
            ("Größe 10 €", "Größe 10 €"),
            ("<n>A&B</n>", "&lt;n&gt;A&amp;B&lt;/n&gt;"),
            ("&amp;", "&amp;amp;"),
            ("]]>", "]]&gt;"),
            ("a\r\nb\tc", "a&#13;&#10;b\tc"),
            ("\"'", "\"'"),
        ],
    )
    def test_text(self, text: str, expected: str) -> None:
        assert escape(text) == expected

    @given(XML_TEXT)
    def test_a_parser_reads_the_same_text_back_from_one_line(self, text: str) -> None:
        written = escape(text)
        assert "\n" not in written
        assert (etree.fromstring(f"<a>{written}</a>".encode()).text or "") == text

    @given(st.lists(XML_TEXT | st.sampled_from(["A", "B-1"])))
    def test_all_at_once_is_each_by_itself(self, texts: list[str]) -> None:
        assert list(escape_all(texts)) == [escape(text) for text in texts]


class TestWriters:
    def test_members_come_in_declared_order(self) -> None:
        value = {"HasTemplate": "true", "VoucherCount": "5", "MsgID": "1"}
        assert (
            WRITERS.content(messages.GetVoucherChargeInfoResponseData, value)
            == "<MsgID>1</MsgID><VoucherCount>5</VoucherCount><HasTemplate>true</HasTemplate>"
        )

    @pytest.mark.parametrize("message", ALL_MESSAGES, ids=lambda message: message.get_type_name())
    def test_order_is_that_of_the_declaration_for_every_message(self, message: Any) -> None:
        value = {name: _filled(kind) for name, kind in reversed(message._type_info.items())}
        root = etree.fromstring(f"<m>{WRITERS.content(message, value)}</m>")
        assert [child.tag for child in root] == list(message._type_info)

    def test_what_is_absent_is_omitted_and_what_is_empty_is_not(self) -> None:
        value = {"MsgID": None, "VoucherList": {}, "NextPageToken": "", "LastPage": "true", "Colour": "red"}
        assert (
            WRITERS.content(messages.GetVoucherCodesResponseData, value)
            == "<VoucherList></VoucherList><NextPageToken></NextPageToken><LastPage>true</LastPage>"
        )

    def test_members_that_come_many_times(self) -> None:
        assert WRITERS.content(messages.VoucherNumbers, {"VoucherNumber": ["A", "<B>"]}) == (
            "<VoucherNumber>A</VoucherNumber><VoucherNumber>&lt;B&gt;</VoucherNumber>"
        )
        assert WRITERS.content(messages.VoucherNumbers, {"VoucherNumber": []}) == ""
        assert WRITERS.content(messages.ChargeList, {"ChargeData": [{"ChargeId": "a"}, {}]}) == (
            "<ChargeData><ChargeId>a</ChargeId></ChargeData><ChargeData></ChargeData>"
        )

    def test_xml_goes_out_as_it_is_and_text_does_not(self) -> None:
        value = {"VoucherList": Xml("<VoucherData/>"), "NextPageToken": "<a>"}
        assert WRITERS.content(messages.GetVoucherCodesResponseData, value) == (
            "<VoucherList><VoucherData/></VoucherList><NextPageToken>&lt;a&gt;</NextPageToken>"
        )
        assert WRITERS.content(VoucherData, {"CustomerFilter": Xml("<n>1</n>")}) == (
            "<CustomerFilter><n>1</n></CustomerFilter>"
        )

    def test_members_left_out_are_left_out_once(self) -> None:
        value = {"Num": "A", "Currency": "EUR"}
        assert WRITERS.content(VoucherData, value, without=("Num",)) == "<Currency>EUR</Currency>"
        assert WRITERS.content(VoucherData, value) == "<Num>A</Num><Currency>EUR</Currency>"


def _filled(kind: Any) -> Any:
    """A value for a member: text, a mapping with all its own members, or one of them in a list."""
    value: Any = "x"
    if hasattr(kind, "_type_info"):
        value = {name: _filled(inner) for name, inner in kind._type_info.items()}
    return value if kind.Attributes.max_occurs == 1 else [value]


cents = st.integers(1, 10**12 - 1).map(lambda number: Decimal(number) / 100)
pairs = st.lists(
    st.tuples(st.sampled_from(["EUR", "CHF", "USD"]), cents), max_size=3, unique_by=lambda pair: pair[0]
)
entries = st.lists(st.tuples(st.sampled_from(["n", "i"]), XML_TEXT), max_size=3).map(tuple)
dates = st.none() | st.dates(date(2000, 1, 1))
any_terms = st.builds(
    Terms,
    currency=st.sampled_from(["EUR", "CHF"]),
    amount=st.none() | cents,
    amount_type=st.integers(0, 2),
    amounts=pairs.map(tuple),
    min_order_value=st.none() | cents,
    min_order_values=pairs.map(tuple),
    max_discount_value=st.none() | cents,
    max_discount_values=pairs.map(tuple),
    subshops=st.lists(XML_TEXT, max_size=3).map(tuple),
    kind=st.sampled_from(list(BY_TYPE.values())),
    type2=st.integers(1, 2),
    valid_from=dates,
    valid_until=dates,
    vat_index=st.integers(-1, 3),
    customer_filter=entries,
    cat_prod_filter_set_behavior=st.none() | st.integers(0, 1),
    cat_prod_filter=entries,
    labels=st.lists(XML_TEXT, max_size=2).map(tuple),
)


def _as_elements(terms: Terms) -> Mapping[str, Any]:
    texts: dict[str, Any] = to_wire(terms)
    return texts | {name: Xml(texts[name]) for name in ("CustomerFilter", "CatProdFilter") if name in texts}


class TestPages:
    @pytest.mark.parametrize("texts_of", [to_wire, _as_elements])
    @given(st.data())
    def test_the_fast_path_writes_what_the_plain_writer_writes(self, texts_of: Any, data: st.DataObject) -> None:
        known = dict(enumerate(data.draw(st.lists(any_terms, min_size=1, max_size=4)), 7))
        vouchers = data.draw(st.lists(st.tuples(XML_TEXT, st.sampled_from(sorted(known))), max_size=12))
        plain = {"VoucherData": [{"Num": code, **texts_of(known[terms_id])} for code, terms_id in vouchers]}
        assert pages.voucher_list(WRITERS, vouchers, known, texts_of) == WRITERS.content(VoucherList, plain)

    def test_the_content_is_written_already(self) -> None:
        page = pages.voucher_list(WRITERS, [("A<1>", 1)], {1: Terms(currency="EUR")}, to_wire)
        assert isinstance(page, Xml)
        assert WRITERS.content(messages.GetVoucherCodesResponseData, {"VoucherList": page}) == (
            "<VoucherList><VoucherData><Num>A&lt;1&gt;</Num><AmountType>0</AmountType><Currency>EUR</Currency>"
            "<Type>0</Type><Type2>1</Type2><VATIndex>-1</VATIndex></VoucherData></VoucherList>"
        )

    def test_shared_terms_are_written_once(self) -> None:
        written: list[Terms] = []

        def texts_of(terms: Terms) -> Mapping[str, Any]:
            written.append(terms)
            return to_wire(terms)

        page = pages.voucher_list(
            WRITERS, [(str(i), 1) for i in range(1000)], {1: Terms(currency="EUR")}, texts_of
        )
        assert page.count("<VoucherData>") == 1000
        assert len(written) == 1
