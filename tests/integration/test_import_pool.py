"""The pool import: what files may look like, what is refused and why, and that it is all or nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from soap_service.domain.faults import VoucherFault
from soap_service.domain.shops import Shop
from soap_service.domain.terms import BY_WIRE, Terms, to_wire
from soap_service.operations import import_pool as module
from soap_service.operations.house import House
from soap_service.operations.import_pool import Imported, Options, Refusal, Step, import_pool
from soap_service.operations.manage_charges import delete_charge
from soap_service.operations.pool_file import LONGEST_RECORD, FileFormat, UnreadableFile
from soap_service.operations.refusal import Refused
from soap_service.operations.show_vouchers import Lane, pool_lanes
from soap_service.store.engine import Store
from soap_service.store.pool_import import Staging
from soap_service.store.tables import metadata, pool_code, pool_lane
from soap_service.store.tables import terms as terms_table
from tests.support.factories import add_charge, create

TEN = Terms(currency="EUR", amount=Decimal("10.00"))
CODES = ("A-1", "A-2", "A-3")


@pytest.fixture(autouse=True)
def charge(house: House, shop: Shop) -> None:
    add_charge(house, shop, "Pool", TEN)
    add_charge(house, shop, "Bare")


class Run:
    """One import and the lines it refused."""

    def __init__(self, result: Imported, refusals: list[Refusal]) -> None:
        self.result = result
        self.refusals = refusals

    @property
    def reasons(self) -> dict[int, str]:
        return {refusal.line: refusal.reason for refusal in self.refusals}


def run(house: House, shop: Shop, content: str | bytes, charge: str = "Pool", **options: Any) -> Run:
    form = {
        name: options.pop(name)
        for name in ("delimiter", "encoding", "header", "ignore_unknown")
        if name in options
    }
    data = content.encode() if isinstance(content, str) else content
    refusals: list[Refusal] = []
    result = import_pool(
        house,
        shop,
        charge,
        io.BytesIO(data),
        Options(FileFormat(**form), **options),
        report=lambda found: refusals.extend(found),
    )
    assert len(refusals) == result.refused
    return Run(result, refusals)


def stock(house: House, shop: Shop, charge: str = "Pool") -> list[tuple[int, dict[str, str]]]:
    return [(lane.available, to_wire(lane.terms)) for lane in pool_lanes(house, shop, charge)]


def codes_in_order(house: House) -> list[tuple[int, int, str]]:
    """(lane, number, code) of all stock, in the order of drawing."""
    with house.store.read() as connection:
        rows = connection.execute(
            select(pool_code.c.lane_id, pool_code.c.seq, pool_code.c.code).order_by(
                pool_code.c.lane_id, pool_code.c.seq
            )
        )
        return [tuple(row) for row in rows]


def contents(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


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


# All or nothing


def test_one_bad_line_leaves_nothing(house: House, shop: Shop) -> None:
    before = contents(house.store)
    done = run(house, shop, "Number;Amount\nA-1;11\nA-2;12\nA-3;0\n")
    assert (done.result.new_codes, done.result.refused, done.result.stored) == (2, 1, False)
    assert contents(house.store) == before


def test_bad_lines_can_be_skipped(house: House, shop: Shop) -> None:
    done = run(house, shop, "Number;Amount\nA-1;11\nA-2;0\nA-3;12\nA-1;11\nA-4;11\n", skip_bad=True)
    assert (done.result.lines, done.result.new_codes, done.result.refused) == (5, 3, 2)
    assert [(number, code) for _, number, code in codes_in_order(house)] == [(1, "A-1"), (2, "A-4"), (1, "A-3")]


def test_a_dry_run_changes_nothing_and_tells_the_same(house: House, shop: Shop) -> None:
    content = "Number;Amount\nA-1;11\nA-2;0\nA-3;12\n"
    before = contents(house.store)
    dry = run(house, shop, content, skip_bad=True, dry_run=True)
    assert contents(house.store) == before
    wet = run(house, shop, content, skip_bad=True)
    assert dry.refusals == wet.refusals
    assert dry.result.new == wet.result.new
    assert (dry.result.stored, wet.result.stored) == (False, True)


def test_a_repeated_import_finds_everything_there(house: House, shop: Shop) -> None:
    content = "Number;Amount\nA-1;11\nA-2;12\n"
    run(house, shop, content)
    before = contents(house.store)
    again = run(house, shop, content)
    assert (again.result.already_there, again.result.with_other_terms, again.result.refused) == (2, 0, 0)
    assert not again.result.stored
    other = run(house, shop, "Number;Amount\nA-1;11\nA-2;99\n")
    assert (other.result.already_there, other.result.with_other_terms) == (2, 1)
    assert contents(house.store) == before
    more = run(house, shop, content + "A-3;11\n")
    assert (more.result.already_there, more.result.new_codes, more.result.stored) == (2, 1, True)


def test_an_unknown_charge_and_bad_common_terms_are_faults(house: House, shop: Shop) -> None:
    for charge, common, code in (
        ("nowhere", {}, "ES019"),
        ("Pool", {"Amount": "x"}, "ES012"),
        ("Pool", {"Amount": "0"}, "ES021"),
    ):
        with pytest.raises(VoucherFault) as caught:
            run(house, shop, "A-1\n", charge, common=common)
        assert caught.value.code == code


def test_there_is_a_limit_to_sets_of_terms(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TERMS", 3)
    monkeypatch.setattr(module, "_PORTION", 2)
    content = "Number;Amount\n" + "".join(f"A-{number};{number % 3 + 1}\n" for number in range(50))
    assert run(house, shop, content).result.new_codes == 50
    before = contents(house.store)
    with pytest.raises(Refused, match="more than 3 different sets of terms"):
        run(house, shop, "Number;Amount\n" + "".join(f"B-{number};{number + 1}\n" for number in range(4)))
    assert contents(house.store) == before


def test_an_import_that_breaks_off_leaves_nothing(house: House, shop: Shop) -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("the disk is gone")
            return super().read1(10)

    before = contents(house.store)
    with pytest.raises(OSError, match="the disk is gone"):
        import_pool(house, shop, "Pool", Broken(b"A-1\nA-2\nA-3\n"), Options())
    assert contents(house.store) == before


def test_an_interrupted_merge_leaves_nothing(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Staging._store

    def interrupted(self: Staging, *arguments: Any) -> None:
        store(self, *arguments)
        raise KeyboardInterrupt

    with house.store.read() as connection:
        lanes_before = connection.execute(select(func.count()).select_from(pool_lane)).scalar_one()
    monkeypatch.setattr(Staging, "_store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(house, shop, "A-1\nA-2\n")
    monkeypatch.undo()
    assert contents(house.store)["pool_lane"] == lanes_before
    assert codes_in_order(house) == []
    assert run(house, shop, "A-1\nA-2\n").result.new_codes == 2


def test_staging_leaves_no_tables_behind(house: House, shop: Shop) -> None:
    run(house, shop, "A-1\n")
    with house.store.read() as connection:
        query = (
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_%'"
            if house.store.is_postgresql
            else "SELECT count(*) FROM temp.sqlite_master"
        )
        assert connection.execute(text(query)).scalar_one() == 0


# Several at once


def during(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[str]:
    """Do something between the comparison and the merge of the next import; returns what merges said."""
    merge = Staging.merge
    said: list[str] = []
    actions = [action]

    def interposed(self: Staging, *arguments: Any) -> None:
        if actions:
            actions.pop()()
        try:
            merge(self, *arguments)
        except Exception as error:
            said.append(type(error).__name__)
            raise

    monkeypatch.setattr(Staging, "merge", interposed)
    return said


def test_an_import_that_is_overtaken_by_the_same_file(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "Number;Amount\nA-1;11\nA-2;12\n"
    said = during(monkeypatch, lambda: run(house, shop, content))
    slow = run(house, shop, content + "A-3;11\n")
    assert said == ["Overtaken"]
    assert (slow.result.already_there, slow.result.with_other_terms, slow.result.new_codes) == (2, 0, 1)
    assert sorted(code for _, _, code in codes_in_order(house)) == ["A-1", "A-2", "A-3"]


def test_an_import_that_is_overtaken_by_another_charge(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = during(monkeypatch, lambda: run(house, shop, "A-2\n", "Bare", common={"Amount": "1"}))
    slow = run(house, shop, "A-1\nA-2\n")
    assert said == ["Overtaken"]
    assert slow.reasons == {2: "Number: already in the pool of charge Bare"}
    assert [code for _, _, code in codes_in_order(house)] == ["A-2"]


def test_an_import_whose_charge_is_deleted_meanwhile(
    house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = during(monkeypatch, lambda: delete_charge(house, shop, "Pool"))
    with pytest.raises(VoucherFault, match="ES019"):
        run(house, shop, "A-1\n")
    assert said == ["ChargeGone"]
    assert codes_in_order(house) == []


def test_two_imports_and_draws_at_once_lose_and_double_nothing(house: House, shop: Shop) -> None:
    numbers = [f"N{number:05}" for number in range(6000)]
    results: list[Imported] = []
    drawn: list[str] = []
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return threading.Thread(target=body)

    def importing(order: list[str]) -> Callable[[], None]:
        return lambda: results.append(run(house, shop, "\n".join(order), skip_bad=True).result)

    def drawing() -> None:
        while len(drawn) < 2000:
            try:
                drawn.extend(create(house, shop, ChargeId="Pool", Pool=True, VoucherCount=100).codes)
            except VoucherFault as fault:
                if fault.code != "ES024" or (len(results) == 2 and not pool_lanes(house, shop, "Pool")):
                    raise

    threads = [guarded(importing(numbers[:4000])), guarded(importing(numbers[:1999:-1])), guarded(drawing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sum(result.new_codes for result in results) == 6000
    left = [lane.available for lane in pool_lanes(house, shop, "Pool")]
    assert len(set(drawn)) == len(drawn)
    assert sum(left) + len(drawn) == 6000
    assert sorted(code for _, _, code in codes_in_order(house)) == numbers


def test_reading_and_comparing_keep_nobody_waiting(house: House, shop: Shop) -> None:
    made: list[str] = []

    def progress(step: Step, lines: int) -> None:
        # SQLite has one writer: were it the import, this would wait ten seconds and fail.
        made.extend(create(house, shop, ChargeId="Pool", VoucherCount=1).codes)

    import_pool(house, shop, "Pool", io.BytesIO(b"A-1\nA-2\n"), Options(), progress=progress)
    assert len(made) == 3


def test_the_merge_waits_for_its_turn(house: House, shop: Shop) -> None:
    with house.store.write() as other:
        other.execute(text("UPDATE charge SET description = 'busy'"))
        results: list[Imported] = []
        thread = threading.Thread(target=lambda: results.append(run(house, shop, "A-1\n").result))
        thread.start()
        thread.join(1)
        assert results == []
    thread.join(30)
    assert results[0].stored


# Size


def test_progress_is_told_in_portions(house: House, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTION", 10)
    told: list[tuple[Step, int]] = []
    source = io.BytesIO("".join(f"N{number}\n" for number in range(25)).encode())
    import_pool(house, shop, "Pool", source, Options(), progress=lambda step, lines: told.append((step, lines)))
    assert told == [
        (Step.READING, 10),
        (Step.READING, 20),
        (Step.READING, 25),
        (Step.COMPARING, 25),
        (Step.STORING, 25),
    ]


def test_refused_lines_come_in_the_order_of_the_file_however_many(house: House, shop: Shop) -> None:
    lines = "".join(f"N{number};{'x' if number % 2 else 1}\n" for number in range(12_000))
    done = run(house, shop, "Number;Amount\n" + lines + "N0;1\n")
    assert [refusal.line for refusal in done.refusals] == [*range(3, 12_002, 2), 12_002]


_MEASURE = """
import resource, sys
from soap_service.operations.house import House
from soap_service.operations.import_pool import Options, import_pool
from soap_service.operations.manage_shops import get_shop
from soap_service.store.engine import Store

store = Store(sys.argv[1])
house = House(store)
result = import_pool(house, get_shop(house, "TestShop"), "Pool", sys.stdin.buffer, Options(skip_bad=True))
print(result.new_codes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _lines(count: int) -> Iterator[bytes]:
    yield b"Number;Amount;ChargeLabel\n"
    for number in range(count):
        # Every tenth line is refused, each with a text never seen before.
        amount = f"x{number}" if number % 10 == 0 else str(number % 50 + 1)
        yield f"{number:09}-{'c' * 40};{amount};a label that makes the lines long\n".encode()


def test_memory_does_not_grow_with_the_file(house: House, shop: Shop, tmp_path: Path) -> None:
    def peak(count: int) -> tuple[int, int]:
        file = tmp_path / f"{count}.csv"
        with file.open("wb") as target:
            target.writelines(_lines(count))
        url = house.store.url.render_as_string(hide_password=False)
        with file.open("rb") as source:
            done = subprocess.run(
                [sys.executable, "-c", _MEASURE, url],
                stdin=source,
                capture_output=True,
                text=True,
                check=True,
                timeout=100,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        codes, kilobytes = map(int, done.stdout.split())
        return codes, kilobytes // 1024

    small_codes, small = peak(5_000)
    assert small_codes == 4_500
    large_codes, large = peak(150_000)
    assert large_codes == 150_000 * 9 // 10 - 4_500
    # The file is 14 MB, and as Python objects 80. SQLite's page cache is up to 64 MB of it.
    assert large - small < (90 if not house.store.is_postgresql else 25), (small, large)


def test_terms_rows_are_made_for_what_is_imported_only(house: House, shop: Shop) -> None:
    before = contents(house.store)["terms"]
    run(house, shop, "Number;Amount\nA-1;11\nA-1;12\n", skip_bad=True)
    with house.store.read() as connection:
        amounts = list(connection.scalars(select(terms_table.c.amount)))
    assert contents(house.store)["terms"] == before + 1
    assert Decimal("12.00") not in amounts


def test_lanes_with_a_subshop_are_counted_apart(house: House, shop: Shop) -> None:
    run(house, shop, "Number;Subshop\nA-1;\nA-2;B2B\nA-3;B2B\n")
    assert pool_lanes(house, shop, "Pool", "B2c") == [Lane(1, TEN)]
    assert sum(lane.available for lane in pool_lanes(house, shop, "Pool", "B2B")) == 3
    with pytest.raises(Refused, match="expected one of the shop: B2c, B2B"):
        pool_lanes(house, shop, "Pool", "nowhere")
