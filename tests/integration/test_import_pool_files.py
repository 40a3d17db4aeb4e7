"""The pool import: what files may look like, and which files and lines are refused, and why."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest

from soap_service.domain.shops import Shop
from soap_service.domain.terms import BY_WIRE, Terms
from soap_service.operations.house import House
from soap_service.operations.import_pool import Options, Refusal, import_pool
from soap_service.operations.manage_charges import delete_charge
from soap_service.operations.pool_file import LONGEST_RECORD, UnreadableFile
from soap_service.operations.show_vouchers import pool_lanes
from tests.support.factories import add_charge, create
from tests.support.pool import codes_in_order, contents, run, stock

TEN = Terms(currency="EUR", amount=Decimal("10.00"))
CODES = ("A-1", "A-2", "A-3")


@pytest.fixture(autouse=True)
def charge(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool", TEN)
    add_charge(house, shop, "Bare")


# What is accepted


@pytest.mark.parametrize(
    "content",
    [
        "A-1\nA-2\nA-3\n",
        "A-1\r\nA-2\r\nA-3",
        "A-1\rA-2\rA-3\r",
        "\n\n  A-1  \n\n\tA-2\nA-3\n\n",
        '"A-1"\n"A-2"\n" A-3 "\n',
        "\ufeffA-1\nA-2\nA-3\n",
        "Number\nA-1\nA-2\nA-3\n",
        "\ufeffNumber\nA-1\nA-2\nA-3\n",
        '"Number","Amount"\n"A-1","10.00"\n"A-2","10"\nA-3,1e1\n',
        "Amount;Number\n10.00;A-1\n10.00; A-2 \n10;A-3\n",
        "Number\tAmount\nA-1\t10.00\nA-2\t\nA-3\t+10.0\n",
        " Number , Amount \nA-1 , 10.00 \nA-2,10\nA-3,\n\n , \n",
        "\n\nNumber;Currency\nA-1;EUR\nA-2;EUR\nA-3;\n;\n",
        'Number,ChargeLabel\nA-1,""\nA-2,\nA-3,""\n',
        "Number;Amount\nA-1;$ChargeVal$\nA-2;-999999999\nA-3;-1E+09\n",
    ],
)
def test_accepted_forms(house: House, shop: Shop, content: str) -> None:
    done = run(house, shop, content)
    assert done.reasons == {}
    assert (done.result.lines, done.result.new_codes, done.result.stored) == (3, 3, True)
    assert [code for _, _, code in codes_in_order(house)] == list(CODES)
    assert [number for _, number, _ in codes_in_order(house)] == [1, 2, 3]
    assert [(lane.available, lane.terms) for lane in pool_lanes(house, shop, "Pool")] == [(3, TEN)]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Number;ChargeLabel\nÜ-1;Grün\n".encode("cp1252"), "cp1252"),
        ("Number;ChargeLabel\nÜ-1;Grün\n".encode("utf-16"), "utf-16"),
        ("Number;ChargeLabel\nÜ-1;Grün\n".encode("utf-16-le"), "UTF-16LE"),
        ("Number;ChargeLabel\nÜ-1;Grün\n".encode("utf-8-sig"), "UTF8"),
    ],
)
def test_encodings(house: House, shop: Shop, content: bytes, encoding: str) -> None:
    run(house, shop, content, encoding=encoding)
    assert [code for _, _, code in codes_in_order(house)] == ["Ü-1"]
    assert stock(house, shop)[0][1]["ChargeLabel"] == "Grün"


def test_quoted_fields_may_hold_separators_quotes_and_line_breaks(house: House, shop: Shop) -> None:
    content = (
        "Number,AmountMultiCurrency,ChargeLabel,CustomerFilter\n"
        '"A-1","EUR:10.00\nCHF:11.50","say ""hi"", twice","<n>4711</n><n>4712</n>"\n'
        "A-2,EUR:1,x,\n"
        "A-1,EUR:1,x,\n"
    )
    done = run(house, shop, content, "Bare", skip_bad=True)
    assert stock(house, shop, "Bare")[0] == (
        1,
        {
            "AmountMultiCurrency": "EUR:10.00;CHF:11.50",
            "AmountType": "0",
            "Currency": "EUR",
            "Type": "0",
            "Type2": "1",
            "VATIndex": "-1",
            "CustomerFilter": "<n>4711</n><n>4712</n>",
            "ChargeLabel": 'say "hi", twice',
        },
    )
    # Line numbers are those of the file, where the record begins.
    assert done.reasons == {5: "Number: already in line 2 of this file"}


def test_every_terms_field_can_be_a_column(house: House, shop: Shop) -> None:
    texts = {
        "Amount": "10.00",
        "AmountType": "1",
        "Currency": "CHF",
        "MinOrderValue": "50.00",
        "MaxDiscountValue": "20.00",
        "Subshop": "B2B",
        "Type": "3",
        "Type2": "2",
        "ValidFrom": "2026-12-01",
        "ValidUntilDays": "30",
        "VATIndex": "2",
        "CustomerFilter": "<i>7</i>",
        "CatProdFilterSetBehavior": "1",
        "CatProdFilter": "<pn>abc</pn>",
        "ChargeLabel": "Herbst",
    }
    others = {
        "AmountMultiCurrency": "EUR:10.00;CHF:11.50",
        "AmountType": "1",
        "MinOrderValueMultiCurrency": "EUR:50.00",
        "MaxDiscountValueMultiCurrency": "EUR:5.00",
        "ValidFromDays": "3",
        "ValidUntil": "2027-01-31",
    }
    assert set(texts) | set(others) == set(BY_WIRE)
    for number, fields in enumerate((texts, others)):
        names = ["Number", *fields]
        line = ";".join([f"N{number}", *(f'"{text}"' for text in fields.values())])
        assert run(house, shop, ";".join(names) + "\n" + line).reasons == {}
    found = [wire for _, wire in stock(house, shop)]
    assert found[0] == texts
    assert found[1].items() >= others.items()


def test_terms_come_from_line_then_common_then_template(house: House, shop: Shop) -> None:
    template = Terms(currency="EUR", amount=Decimal("5.00"), subshops=("B2c",), labels=("vorlage",), vat_index=1)
    add_charge(house, shop, "T", template)
    content = "Number;Amount;Subshop\n1;7.00;\n2;;B2B\n3;;\n"
    run(house, shop, content, "T", common={"Amount": "6.00", "ChargeLabel": "common"})
    found = stock(house, shop, "T")
    assert [(count, wire["Amount"], wire["Subshop"], wire["ChargeLabel"]) for count, wire in found] == [
        (1, "7.00", "B2c", "common"),
        (1, "6.00", "B2B", "common"),
        (1, "6.00", "B2c", "common"),
    ]
    assert {wire["VATIndex"] for _, wire in found} == {"1"}


def test_common_may_lift_what_the_template_says(house: House, shop: Shop) -> None:
    add_charge(house, shop, "T", Terms(currency="EUR", amount=Decimal(5), subshops=("B2c",)))
    run(house, shop, "A-1\n", "T", common={"Subshop": ""})
    assert "Subshop" not in stock(house, shop, "T")[0][1]


def test_lanes_follow_first_appearance_and_keep_the_order_of_the_file(house: House, shop: Shop) -> None:
    # 13, 1 and 7: a lane each, in an order that neither the codes nor the amounts have.
    rows = [(f"{(number * 37) % 101:03}", ("13", "1.00", "7")[number % 3]) for number in range(100)]
    run(house, shop, "Number,Amount\n" + "".join(f"{code},{amount}\n" for code, amount in rows), "Bare")
    lanes = pool_lanes(house, shop, "Bare")
    assert [(lane.available, lane.terms.amount) for lane in lanes] == [(34, 13), (33, 1), (33, 7)]
    stored = codes_in_order(house)
    first = stored[0][0]
    for lane, amount in enumerate(("13", "1.00", "7")):
        expected = [code for code, worth in rows if worth == amount]
        assert [(n, code) for lane_id, n, code in stored if lane_id == first + lane] == list(
            enumerate(expected, 1)
        )


def test_equal_terms_written_differently_share_a_lane(house: House, shop: Shop) -> None:
    run(house, shop, "Number,Amount,Subshop\n1,10,B2c\n2,10.00,B2c\n3,1e1, B2c \n4,,B2c\n")
    assert [lane.available for lane in pool_lanes(house, shop, "Pool")] == [4]


def test_draws_take_the_imported_codes_oldest_import_first(house: House, shop: Shop) -> None:
    run(house, shop, "B-1\nB-2\n")
    run(house, shop, "A-1\nA-2\n")
    drawn = create(house, shop, ChargeId="Pool", Pool=True, VoucherCount=3)
    assert drawn.codes == ["B-1", "B-2", "A-1"]
    assert drawn.terms == TEN


# What is refused

BAD_LINES = {
    "Number;Amount\n;10.00": "Number: a value is missing",
    "Number;Amount\nx": "1 fields where the header has 2",
    "Number;Amount\nx;10.00;": "3 fields where the header has 2",
    f"Number;Amount\n{'x' * 65};10.00": "Number: expected 1 to 64 printable characters",
    "Number;Amount\nx\x07y;10.00": "Number: expected 1 to 64 printable characters",
    "Number;Amount\nx\x00y;10.00": "Number: expected 1 to 64 printable characters",
    "Number;Amount\nx\u200by;10.00": "Number: expected 1 to 64 printable characters",
    "Number;Amount\nx;ten": "Amount: expected a decimal number such as 25.50",
    "Number;Amount\nx;10,00": "Amount: expected a decimal number such as 25.50",
    "Number;Amount\nx;NaN": "Amount: expected a decimal number such as 25.50",
    "Number;Amount\nx;0": "Amount: expected an amount above 0",
    "Number;Amount\nx;10.001": "Amount: expected an amount with at most two decimals",
    "Number;Subshop\nx;B2X": "Subshop: expected subshops of the shop, separated by commas",
    "Number;Currency\nx;EURO": "Currency: expected an ISO 4217 currency code such as EUR",
    "Number;Type\nx;8": "Type: expected a Type from 0 to 7",
    "Number;ValidUntil\nx;31.12.2027": "ValidUntil: expected a date as YYYY-MM-DD",
    "Number;ValidFrom;ValidUntil\nx;2027-02-01;2027-01-01": "ValidUntil: expected a day not before ValidFrom",
    "Number;ValidFromDays;ValidUntilDays\nx;31;30": "ValidUntil: expected a day not before ValidFrom",
    "Number;AmountType\nx;2": "CatProdFilter: a value is missing",
    "Number;VATIndex\nx;3": "VATIndex: expected -1, 0 or a VAT id of the shop",
    "Number;Amount;AmountMultiCurrency\nx;1;EUR:1": (
        "Amount: expected either Amount or AmountMultiCurrency, not both"
    ),
    "Number;ValidUntil;ValidUntilDays\nx;2027-01-01;3": (
        "ValidUntil: expected either ValidUntil or ValidUntilDays, not both"
    ),
    "Number;ChargeLabel\nx;" + "l" * 256: "ChargeLabel: expected at most 255 characters",
    'Number;ChargeLabel\nx;"a"b': "not valid CSV: ';' expected after '\"'",
    'Number;ChargeLabel\nx;"never closed': "not valid CSV: unexpected end of data",
    f"Number;ChargeLabel\n{'x' * LONGEST_RECORD};": (
        f"longer than {LONGEST_RECORD} characters, or a quote that does not end"
    ),
}


@pytest.mark.parametrize(("content", "reason"), BAD_LINES.items(), ids=lambda value: repr(value)[:40])
def test_refused_lines(house: House, shop: Shop, content: str, reason: str) -> None:
    before = contents(house.store)
    done = run(house, shop, content + "\n")
    assert done.reasons == {2: reason}
    assert (done.result.lines, done.result.new_codes, done.result.stored) == (1, 0, False)
    assert contents(house.store) == before


def test_a_line_without_any_amount_is_refused(house: House, shop: Shop) -> None:
    done = run(house, shop, "A-1\nA-2\n", "Bare")
    assert done.reasons == dict.fromkeys((1, 2), "Amount: a value is missing")


def test_lines_that_are_not_in_the_encoding_are_refused_alone(house: House, shop: Shop) -> None:
    done = run(house, shop, b"Number\nA-1\n\xdc-2\nA-3\n", skip_bad=True)
    assert done.reasons == {3: "not valid utf-8: the file may have another encoding"}
    assert [code for _, _, code in codes_in_order(house)] == ["A-1", "A-3"]


def test_an_unclosed_quote_costs_its_own_lines_only(house: House, shop: Shop) -> None:
    lines = [f"N{number};" for number in range(50_000)]
    lines[10] += '"'
    done = run(house, shop, "Number;ChargeLabel\n" + "\n".join(lines), skip_bad=True)
    (line, reason) = next(iter(done.reasons.items()))
    assert line == 12
    last = int(reason.rpartition("up to line ")[2].rstrip(")"))
    assert reason.startswith(f"longer than {LONGEST_RECORD} characters")
    assert done.result.new_codes == 50_000 - (last - line + 1) > 25_000
    assert len(done.reasons) == 1


def test_a_huge_line_is_refused_alone_and_not_kept_in_memory(house: House, shop: Shop) -> None:
    class Endless(io.RawIOBase):
        """A-1, then 64 MB without a line break, then A-3."""

        def __init__(self) -> None:
            self.parts = iter([b"A-1\n", *([b"x" * 4096] * 16_384), b"\nA-3\n"])

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            part = next(self.parts, b"")
            buffer[: len(part)] = part
            return len(part)

    source = io.BufferedReader(Endless(), 4096)
    refusals: list[Refusal] = []
    result = import_pool(
        house, shop, "Pool", source, Options(skip_bad=True), report=lambda found: refusals.extend(found)
    )
    assert [(refusal.line, refusal.reason[:11]) for refusal in refusals] == [(2, "longer than")]
    assert result.new_codes == 2


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "the file is empty: expected a header with Number, or one number a line"),
        ("\n \r\n\n", {}, "the file is empty"),
        ("\ufeff", {}, "the file is empty"),
        ("Nummer\nA-1\n", {}, "the first line looks like a header without Number"),
        ("number\nA-1\n", {}, "the first line looks like a header without Number"),
        ("Amount;Subshop\n10;B2c\n", {}, "the first line is no header with the column Number"),
        ("A-1;10.00\nA-2;10.00\n", {}, "the first line is no header with the column Number"),
        ("A-1\nA-2\n", {"header": True}, "the first line is no header with the column Number"),
        ("Number;Amount\nA-1;1\n", {"delimiter": ","}, "the first line is no header with the column Number"),
        (
            "Number;Betrag;amount;\nA-1;1;1;\n",
            {},
            "unknown columns: Betrag, amount, (no name); known are Number, ",
        ),
        ("Number;Amount;Amount\nA-1;1;1\n", {}, "columns that are there twice: Amount"),
        ("Number;Number\nA-1;1\n", {}, "columns that are there twice: Number"),
        ("A-1\n", {"encoding": "klingon"}, "the encoding 'klingon' is unknown"),
        ("A-1\n", {"encoding": "hex"}, "the encoding 'hex' is unknown"),
        ("Number\nA-1\n".encode("utf-16"), {}, "line 1: not valid utf-8"),
        (b"N\x00u", {"encoding": "utf-16-le"}, "the file is not utf-16-le"),
    ],
)
def test_refused_files(
    house: House, shop: Shop, content: str | bytes, options: dict[str, Any], message: str
) -> None:
    before = contents(house.store)
    with pytest.raises(UnreadableFile) as caught:
        run(house, shop, content, **options)
    assert str(caught.value).startswith(message)
    assert contents(house.store) == before


def test_header_and_no_header_can_be_said(house: House, shop: Shop) -> None:
    run(house, shop, "Nummer\nA;1\n", header=False)
    assert [code for _, _, code in codes_in_order(house)] == ["Nummer", "A;1"]
    assert run(house, shop, "Number\n", header=False).result.new_codes == 1
    empty = run(house, shop, "Number;Amount\n").result
    assert (empty.lines, empty.refused, empty.stored) == (0, 0, False)


def test_unknown_columns_can_be_ignored(house: House, shop: Shop) -> None:
    content = "Kunde;Number;Kunde;\n4711;A-1;x;y\n"
    assert run(house, shop, content, ignore_unknown=True).result.new_codes == 1


def test_a_delimiter_can_be_said(house: House, shop: Shop) -> None:
    run(house, shop, "Number|Subshop\nA-1|B2c,B2B\n", delimiter="|")
    assert stock(house, shop)[0][1]["Subshop"] == "B2c,B2B"


def test_numbers_in_the_file_twice_are_refused_from_the_second_on(house: House, shop: Shop) -> None:
    done = run(house, shop, "A\nB\nA\nC\n A \nB\n", skip_bad=True)
    assert done.reasons == {
        3: "Number: already in line 1 of this file",
        5: "Number: already in line 1 of this file",
        6: "Number: already in line 2 of this file",
    }
    assert [code for _, _, code in codes_in_order(house)] == ["A", "B", "C"]


def test_vouchers_and_stock_of_other_charges_are_refused(house: House, shop: Shop) -> None:
    run(house, shop, "D-1\nD-2\n")
    create(house, shop, ChargeId="Pool", Pool=True, VoucherCount=1)  # D-1 is drawn
    made = create(house, shop, ChargeId="Pool", VoucherCount=1).codes[0]
    run(house, shop, "E-1\n", "Bare", common={"Amount": "1"})
    done = run(house, shop, f"D-1\nD-2\n{made}\nE-1\nF-1\nD-1\n", skip_bad=True)
    assert done.reasons == {
        1: "Number: already a voucher of charge Pool",
        3: "Number: already a voucher of charge Pool",
        4: "Number: already in the pool of charge Bare",
        6: "Number: already in line 1 of this file",
    }
    assert (done.result.new_codes, done.result.already_there) == (1, 1)
    assert [lane.available for lane in pool_lanes(house, shop, "Pool")] == [1, 1]


def test_the_stock_of_a_deleted_charge_is_free_again_but_not_its_vouchers(house: House, shop: Shop) -> None:
    run(house, shop, "D-1\nD-2\n")
    create(house, shop, ChargeId="Pool", Pool=True, VoucherCount=1)
    assert delete_charge(house, shop, "Pool").stock == 1
    done = run(house, shop, "D-1\nD-2\n", "Bare", common={"Amount": "1"}, skip_bad=True)
    assert done.reasons == {1: "Number: already a voucher of charge Pool"}
    assert done.result.new_codes == 1


def test_the_same_numbers_may_be_in_another_shop(house: House, shop: Shop) -> None:
    from soap_service.operations.manage_shops import add_shop

    other = add_shop(house, "Other", "geheim", currency="CHF", time_zone="UTC")
    add_charge(house, other, "Pool", TEN)
    assert run(house, shop, "A-1\n").result.new_codes == 1
    assert run(house, other, "A-1\n").result.new_codes == 1
