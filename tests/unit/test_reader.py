"""Reading requests. The same inputs over the wire, and many more, are in tests/contract/corpus."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from soap_service.domain.faults import FaultCode
from soap_service.soap import reader
from soap_service.soap.envelope import ENVELOPE_11, ENVELOPE_12, SoapFault
from soap_service.soap.reader import Texts
from tests.support.soap import SOAP_11, SOAP_12, TNS, envelope

OPERATIONS = {f"{{{TNS}}}CreateVouchers", f"{{{TNS}}}GetVoucherCodes"}
KNOWN = ("ShopID", "MsgID", "Amount", "CustomerFilter", "AmountMultiCurrency")
BOM = b"\xef\xbb\xbf"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
XML_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n"
)
XML_TEXT = st.text(XML_CHARACTERS.filter(lambda c: c >= " " or c in "\t\n"))


def wrapped(fields: str, beside: str = "") -> bytes:
    return envelope(
        f'<n:CreateVouchers xmlns:n="{TNS}" {XSI}><request>{fields}</request></n:CreateVouchers>{beside}'
    )


def read(body: bytes) -> Texts:
    request = reader.open_envelope(reader.parse(body), OPERATIONS)
    assert request.operation in OPERATIONS
    return reader.read_texts(request.wrapper, KNOWN)


def assert_refused(body: bytes) -> None:
    with pytest.raises(SoapFault) as refused:
        read(body)
    assert refused.value.fault.code is FaultCode.BAD_REQUEST
    assert not refused.value.must_understand


def escaped(text: str) -> str:
    """Text for an element that a parser gives back unchanged."""
    return "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text)


class TestParser:
    """What the rest relies on in lxml, and what its parser is told."""

    def test_text_around_comments_and_instructions_is_one_text(self) -> None:
        root = reader.parse(b"<a>1<!-- one -->0<?go on?>.<![CDATA[5<]]>0</a>")
        assert (root.text, len(root)) == ("10.5<0", 0)

    def test_a_comment_between_elements_is_no_child(self) -> None:
        assert [child.tag for child in reader.parse(b"<a><!-- x --><b/><?x?></a>")] == ["b"]

    def test_a_document_type_is_refused_by_the_reader_not_by_the_parser(self) -> None:
        # If this ever fails, the parser has learned it, and our own check may go.
        body = b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
        assert etree.fromstring(body, reader._parser()).tag == "a"
        with pytest.raises(SoapFault):
            reader.parse(body)

    @pytest.mark.parametrize(
        "before",
        [
            b"",
            b" \n\t",
            b"<!-- c -->",
            b"<!----><?p?> ",
            b"<?xml version='1.0'?>",
            b"<?xml version='1.0'?>\n<!-- <a> --><?x y?>\n",
            BOM,
            BOM + BOM,
            BOM + BOM + BOM,
            BOM + b" " + BOM,
        ],
        ids=repr,
    )
    @pytest.mark.parametrize(
        "word", [b"<!DOCTYPE a>", b"<!doctype a>", b'<!DOCTYPE\na SYSTEM "file:///etc/passwd">']
    )
    def test_no_document_type_gets_through(self, before: bytes, word: bytes) -> None:
        with pytest.raises(SoapFault):
            reader.parse(before + word + b"<a/>")

    def test_the_word_itself_is_no_document_type(self) -> None:
        assert reader.parse(b"<a><![CDATA[<!DOCTYPE a>]]></a>").text == "<!DOCTYPE a>"
        assert reader.parse(b"<!-- <!DOCTYPE a> --><a/>").tag == "a"

    def test_threads_do_not_share_a_parser(self) -> None:
        barrier = threading.Barrier(4)

        def parser(_: int) -> int:
            barrier.wait(10)
            return id(reader._parser())

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(parser, range(4)))) == 4

    def test_many_threads_each_read_their_own(self) -> None:
        barrier = threading.Barrier(8)

        def work(number: int) -> bool:
            barrier.wait(10)
            for turn in range(200):
                if turn % 5 == 0:  # a failure must not spoil what the parser does next
                    with pytest.raises(SoapFault):
                        reader.parse(b"<a><b></a>")
                if read(wrapped(f"<MsgID>{number}-{turn}</MsgID>" + "<x/>" * 50)) != {"MsgID": f"{number}-{turn}"}:
                    return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))

    @given(XML_TEXT)
    def test_text_comes_through_unchanged(self, text: str) -> None:
        assert read(wrapped(f"<MsgID>{escaped(text)}</MsgID>")) == {"MsgID": text}

    @given(st.binary(max_size=300))
    def test_anything_is_read_or_refused(self, body: bytes) -> None:
        assert_refused(body)

    @given(st.binary(max_size=6), st.integers(0, 300))
    def test_a_damaged_request_is_read_or_refused(self, damage: bytes, position: int) -> None:
        body = wrapped("<ShopID>TestShop</ShopID><MsgID>1</MsgID>")
        with contextlib.suppress(SoapFault):
            texts = read(body[:position] + damage + body[position + len(damage) :])
            assert set(texts) <= set(KNOWN)


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b" \n", id="blanks"),
            pytest.param(BOM, id="only a BOM"),
            pytest.param(b"VoucherCount=2", id="no XML"),
            pytest.param(b'{"VoucherCount": 2}', id="JSON"),
            pytest.param(wrapped("")[:-1], id="cut short"),
            pytest.param(wrapped("") + b"x", id="text behind"),
            pytest.param(wrapped("") + b"<a/>", id="second root"),
            pytest.param(b"\n" + b"<?xml version='1.0'?>" + wrapped(""), id="declaration not first"),
            pytest.param(wrapped("<MsgID>&unknown;</MsgID>"), id="unknown entity"),
            pytest.param(wrapped("<MsgID a='&unknown;'/>"), id="unknown entity in an attribute"),
            pytest.param(wrapped("<MsgID>&#0;</MsgID>"), id="reference to NUL"),
            pytest.param(wrapped("<MsgID>&#xD800;</MsgID>"), id="reference to a surrogate"),
            pytest.param(wrapped("<MsgID>&#xFFFF;</MsgID>"), id="reference to no character"),
            pytest.param(wrapped("<MsgID>\0</MsgID>"), id="NUL"),
            pytest.param(wrapped("<MsgID>\x01</MsgID>"), id="control character"),
            pytest.param(wrapped("<MsgID>x</MsgID>").replace(b"x<", b"\xe4<"), id="Latin-1"),
            pytest.param(wrapped("<MsgID>x</MsgID>").replace(b"x<", b"\xed\xa0\x80<"), id="surrogate as bytes"),
            pytest.param(wrapped("<MsgID>x</MsgID>").replace(b"x<", b"\xc0\xaf<"), id="overlong"),
            pytest.param(wrapped("").decode().encode("utf-16"), id="UTF-16"),
            pytest.param(wrapped("").decode().encode("utf-16-le"), id="UTF-16 without a BOM"),
            pytest.param(wrapped("").decode().encode("utf-32"), id="UTF-32"),
            pytest.param(b"<?xml version='1.0' encoding='ISO-8859-1'?>" + wrapped(""), id="declared Latin-1"),
            pytest.param(b"<?xml version='1.0'\n encoding = \"UTF-16\"?>" + wrapped(""), id="declared UTF-16"),
            pytest.param(b"<?xml version='1.0' encoding='UTF-7'?>" + wrapped(""), id="declared UTF-7"),
            pytest.param(b"<?xml version='1.0' encoding='US-ASCII'?>" + wrapped(""), id="declared US-ASCII"),
            pytest.param(wrapped("") + b"\0", id="NUL behind"),
            pytest.param(b"<?xml version='1.0' encoding=''?>" + wrapped(""), id="declared nothing"),
            pytest.param(
                BOM + BOM + b"<?xml version='1.0' encoding='UTF-16'?>" + wrapped(""), id="behind two BOMs"
            ),
            pytest.param(wrapped("<a>" * 300 + "</a>" * 300), id="too deep"),
            pytest.param(b"<Envelope/>", id="no namespace"),
            pytest.param(wrapped("").replace(SOAP_11.encode(), b"urn:soap"), id="envelope of another namespace"),
            pytest.param(wrapped("").replace(b"S:Envelope", b"S:Letter"), id="no envelope"),
            pytest.param(f'<S:Envelope xmlns:S="{SOAP_11}"/>'.encode(), id="no Body"),
            pytest.param(f'<S:Envelope xmlns:S="{SOAP_11}"><Body/></S:Envelope>'.encode(), id="Body unqualified"),
            pytest.param(envelope(""), id="empty Body"),
            pytest.param(envelope(" text "), id="text in the Body"),
            pytest.param(envelope(f'<CreateVouchers xmlns="{TNS}"/><x/>'), id="two children"),
            pytest.param(envelope(f'<CreateVouchers xmlns="{TNS}"/>' * 2), id="two requests"),
            pytest.param(wrapped("").replace(b"</S:Body>", b"</S:Body><S:Body/>"), id="two Bodies"),
            pytest.param(wrapped("").replace(b"<S:Body>", b"<S:Header/><S:Header/><S:Body>"), id="two Headers"),
            pytest.param(envelope("<S:Fault/>"), id="a fault"),
            pytest.param(envelope("<CreateVouchers/>"), id="wrapper unqualified"),
            pytest.param(envelope('<CreateVouchers xmlns="http://www.websale.de"/>'), id="namespace almost right"),
            pytest.param(envelope(f'<createVouchers xmlns="{TNS}"/>'), id="operation almost right"),
            pytest.param(envelope(f'<CreateVouchersResponse xmlns="{TNS}"/>'), id="a response"),
            pytest.param(wrapped('<MsgID href="#nowhere"/>'), id="reference that dangles"),
            pytest.param(wrapped('<MsgID href="http://evil.example/x"/>'), id="reference to elsewhere"),
            pytest.param(wrapped('<MsgID href=""/>'), id="empty reference"),
            pytest.param(wrapped('<MsgID id="m" href="#m"/>'), id="reference to itself"),
            pytest.param(
                wrapped('<MsgID href="#a"/>', '<r id="a" href="#b"/><r id="b" href="#a"/>'),
                id="references in a circle",
            ),
            pytest.param(wrapped('<MsgID href="#a"/>', '<r id="a">1</r><r id="a">2</r>'), id="two with one id"),
        ],
    )
    def test_is_es015(self, body: bytes) -> None:
        assert_refused(body)

    def test_the_same_request_undamaged_is_read(self) -> None:
        # Or the refusals above would prove nothing.
        for prolog in (
            b"",
            BOM,
            b"<?xml version='1.0'?>",
            BOM + b'<?xml version="1.0" encoding="utf-8"?>\n<!---->',
        ):
            assert read(prolog + wrapped("<MsgID>x</MsgID>")) == {"MsgID": "x"}

    @pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
    @pytest.mark.parametrize("value", ["1", "true", " 1 "])
    def test_a_header_that_must_be_understood(self, soap: str, value: str) -> None:
        body = envelope(f'<CreateVouchers xmlns="{TNS}"/>', soap).replace(
            b"<S:Body>", f'<S:Header><x xmlns="urn:x" S:mustUnderstand="{value}"/></S:Header><S:Body>'.encode()
        )
        with pytest.raises(SoapFault) as refused:
            read(body)
        assert refused.value.must_understand

    @pytest.mark.parametrize(
        "attributes",
        [
            "",
            'S:mustUnderstand="0"',
            'S:mustUnderstand="false"',
            'mustUnderstand="1"',
            'S:mustUnderstand="1" S:actor="http://proxy.example/"',
        ],
    )
    def test_other_headers_are_none_of_our_business(self, attributes: str) -> None:
        header = f'<S:Header><x xmlns="urn:x" {attributes}>1</x></S:Header><S:Body>'
        assert read(wrapped("<MsgID>x</MsgID>").replace(b"<S:Body>", header.encode())) == {"MsgID": "x"}

    def test_a_header_for_the_next_one_is_for_us(self) -> None:
        actor = "http://schemas.xmlsoap.org/soap/actor/next"
        header = f'<S:Header><x xmlns="urn:x" S:mustUnderstand="1" S:actor="{actor}"/></S:Header><S:Body>'
        with pytest.raises(SoapFault) as refused:
            read(wrapped("").replace(b"<S:Body>", header.encode()))
        assert refused.value.must_understand


class TestShapes:
    @pytest.mark.parametrize(("soap", "expected"), [(SOAP_11, ENVELOPE_11), (SOAP_12, ENVELOPE_12)])
    def test_version(self, soap: str, expected: object) -> None:
        assert reader.envelope_of(reader.parse(envelope("", soap))) is expected

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(
                f'<q:CreateVouchers xmlns:q="{TNS}"><request>F</request></q:CreateVouchers>', id="any prefix"
            ),
            pytest.param(
                f'<CreateVouchers xmlns="{TNS}"><request xmlns="">F</request></CreateVouchers>',
                id="default, undone",
            ),
            pytest.param(
                f'<CreateVouchers xmlns="{TNS}"><request>F</request></CreateVouchers>', id="all qualified"
            ),
            pytest.param(
                f'<n:CreateVouchers xmlns:n="{TNS}"><n:request>F</n:request></n:CreateVouchers>',
                id="request qualified",
            ),
            pytest.param(f'<n:CreateVouchers xmlns:n="{TNS}"><param0>F</param0></n:CreateVouchers>', id="param0"),
            pytest.param(
                f'<n:CreateVouchers xmlns:n="{TNS}"><x/><request>F</request><request/></n:CreateVouchers>',
                id="first of two",
            ),
            pytest.param(
                f'<n:CreateVouchers xmlns:n="{TNS}"><request href="#r"/></n:CreateVouchers><m id="r">F</m>',
                id="request elsewhere",
            ),
        ],
    )
    def test_the_request_is_found(self, content: str) -> None:
        assert read(envelope(content.replace("F", "<MsgID>1</MsgID>"))) == {"MsgID": "1"}

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "<request/>",
            "<a/><b><MsgID>1</MsgID></b>",
            f'<request {XSI} xsi:nil="1"><MsgID>1</MsgID></request>',
        ],
    )
    def test_no_request_is_one_without_fields(self, content: str) -> None:
        assert read(envelope(f'<n:CreateVouchers xmlns:n="{TNS}">{content}</n:CreateVouchers>')) == {}

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ("<MsgID>1</MsgID>", "1"),
            ("<MsgID/>", ""),
            ("<MsgID> 1 </MsgID>", " 1 "),
            ("<MsgID>1</MsgID><MsgID>2</MsgID>", "1"),
            ("<MsgID/><MsgID>2</MsgID>", ""),
            ('<MsgID xsi:nil="true"/>', None),
            ('<MsgID xsi:nil=" 1 ">x</MsgID>', None),
            ('<MsgID xsi:nil="false">1</MsgID>', "1"),
            ('<MsgID nil="true">1</MsgID>', "1"),
            ('<MsgID xsi:nil="true"/><MsgID>2</MsgID>', None),
            ('<MsgID xsi:type="xsd:int">x</MsgID>', "x"),
            ('<MsgID xsi:type="nonsense">1</MsgID>', "1"),
            ('<MsgID xsi:type="xsd:base64Binary">S8O2bG4=</MsgID>', "Köln"),
            ('<MsgID xsi:type="SOAP-ENC:base64"> S8O2\n bG4= </MsgID>', "Köln"),
            ('<MsgID xsi:type="base64Binary"/>', ""),
            ('<MsgID xsi:type="xsd:base64Binary" xsi:nil="true">!</MsgID>', None),
            ('<MsgID Amount="5" MsgID="6">1</MsgID>', "1"),
            ('<n:MsgID xmlns:n="urn:other">1</n:MsgID>', "1"),
        ],
    )
    def test_field(self, field: str, expected: str | None) -> None:
        texts = read(wrapped(field))
        assert texts == {"MsgID": expected}
        assert texts.undecodable is None

    def test_unknown_fields_are_left_out(self) -> None:
        assert read(wrapped("<Colour>red</Colour><MsgID>1</MsgID><request><Amount>5</Amount></request>")) == {
            "MsgID": "1"
        }

    def test_references(self) -> None:
        fields = '<Amount href="#a"/><MsgID href="#m"/><ShopID href="#m"/>'
        beside = '<r id="a" href="#b"/><r id="b">10</r><r id="m" xsi:type="xsd:string" xmlns:xsi="x">7</r>'
        assert read(wrapped(fields, beside)) == {"Amount": "10", "MsgID": "7", "ShopID": "7"}

    def test_elements_in_a_field_become_the_text_that_is_sent_otherwise(self) -> None:
        fields = '<n>4711</n> <q:n xmlns:q="urn:q">A&amp;B &lt;<!-- c -->3</q:n>\n'
        assert read(wrapped(f"<CustomerFilter>{fields}</CustomerFilter>")) == {
            "CustomerFilter": "<n>4711</n> <n>A&amp;B &lt;3</n>\n"
        }
        escaped_fields = "&lt;n&gt;A&amp;amp;B&lt;/n&gt;"
        assert read(wrapped(f"<CustomerFilter>{escaped_fields}</CustomerFilter>")) == {
            "CustomerFilter": "<n>A&amp;B</n>"
        }

    def test_elements_as_deep_as_the_parser_allows(self) -> None:
        deep = "<n>" * 245 + "</n>" * 245
        assert read(wrapped(f"<CustomerFilter>{deep}</CustomerFilter>"))["CustomerFilter"] == deep


class TestBase64:
    @pytest.mark.parametrize(
        "encoded",
        [
            "S8O2bG4",
            "=",
            "Köln",
            "S8O2-_==",
            *(base64.b64encode(raw).decode() for raw in (b"\xff", b"\xed\xa0\x80")),
        ]
        + [base64.b64encode(f"a{c}b".encode()).decode() for c in "\0\x01\x08\x0b\x0c\x1f\ufffe\uffff"],
    )
    def test_what_is_no_text_is_a_format_fault_for_later(self, encoded: str) -> None:
        # Not at once: who calls is asked first. Characters that XML cannot carry could never be answered.
        texts = read(wrapped(f'<MsgID xsi:type="xsd:base64Binary">{encoded}</MsgID><Amount>x</Amount>'))
        assert texts == {"MsgID": encoded, "Amount": "x"}
        assert texts.undecodable is not None
        assert (texts.undecodable.code, texts.undecodable.field) == (FaultCode.BAD_FORMAT, "MsgID")

    @given(XML_TEXT)
    def test_text_comes_through(self, text: str) -> None:
        encoded = base64.encodebytes(text.encode()).decode()
        texts = read(wrapped(f'<MsgID xsi:type="xsd:base64Binary">{encoded}</MsgID>'))
        assert (texts, texts.undecodable) == ({"MsgID": text}, None)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            wrapped(
                "".join(f'<{name} href="#r0"/>' for name in KNOWN) + "<a/>" * 50_000,
                "".join(f'<r id="r{i}" href="#r{i + 1}"/>' for i in range(14)) + '<r id="r14">x</r>',
            ),
            id="references in a long document",
        ),
        pytest.param(wrapped("<CustomerFilter>" + "<n>1</n>" * 28_000 + "</CustomerFilter>"), id="many entries"),
        pytest.param(b"<!-- -->" * 30_000 + wrapped(""), id="comments before the root"),
        pytest.param(b"<!--" * 60_000, id="comments that do not end"),
        pytest.param(b"<?xml" + b" encoding" * 25_000 + b"?>", id="declaration that does not end"),
        pytest.param(b" " * 250_000 + b"<!DOCTYPE a>", id="blanks"),
    ],
)
def test_the_largest_requests_are_read_quickly(body: bytes) -> None:
    assert len(body) < 262_144
    began = time.thread_time()
    with contextlib.suppress(SoapFault):
        read(body)
    assert time.thread_time() - began < 1.5
