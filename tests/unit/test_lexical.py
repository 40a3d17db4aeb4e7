"""Field texts: every form that stubs of the field write, and every form that must be refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.domain.lexical import read_date, read_flag, read_integer, read_number
from tests.support.checks import outcome, refused

Reader = Callable[[str, str], Any]
READERS: list[Reader] = [read_number, read_integer, read_flag, read_date]

NO_NUMBERS = {
    "empty": ["", " ", "+", "-", ".", "e5", "1e", "\x00"],
    "special values": ["NaN", "nan", "sNaN", "INF", "-INF", "Infinity", "inf", "true"],
    "separators": ["1_0", "10,00", "1.000,00", "1..2", "1.2.3", "1 0", "1e 5", "1e1.5"],
    "signs": ["+-1", "--1", "−5"],
    "other notations": ["0x1F", "1d", "10 EUR", "€10", "10%"],
    "digits that are not ASCII": ["٣", "-٣", "１０", "1٫5"],
    "blanks that XML does not know": ["\xa010", "10\x0b"],
    "too long": ["1" * 41, "1." + "1" * 61, "1e" + "1" * 11],
}
NO_FLAGS = {
    "empty": ["", " "],
    "other cases": ["True", "TRUE", "False", "FALSE"],
    "other words": ["ja", "nein", "yes", "no", "on", "t", "true1", "tr ue"],
    "other numbers": ["2", "-1", "01", "1.0", "１"],
    "blanks that XML does not know": ["\xa0true"],
}
NO_DATES = {
    "empty": ["", " "],
    "other notations": ["30.06.2018", "06/30/2018", "20180630", "2018-W26-6", "2018-181", "2018-06", "today"],
    "digits missing": ["2018-6-30", "2018-06-3", "18-06-30"],
    "no such day": ["2018-06-31", "2023-02-29", "1900-02-29", "2018-13-01", "2018-00-10", "2018-01-00"],
    "no such year": ["0000-01-01", "10000-01-01", "-2018-06-30", "+2018-06-30"],
    "more than a date": ["2018-06-30T00:00:00", "2018-06-30Z", "2018-06-30+02:00"],
    "other letters": ["2018 -06-30", "２０１８-06-30", "٢٠١٨-٠٦-٣٠", "2018–06–30"],
}


def each(table: dict[str, list[str]]) -> list[str]:
    return [text for texts in table.values() for text in texts]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", "10"),
        ("10.0", "10"),
        ("10.00", "10"),
        (" +1.5e1 ", "15"),
        ("\t\r\n25.50\n", "25.50"),
        ("1E+7", "10000000"),
        ("1e-2", "0.01"),
        ("1E+09", "1000000000"),
        ("-1E+09", "-1000000000"),
        ("0.100000001", "0.100000001"),
        ("12345.669921875", "12345.669921875"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("007", "7"),
        ("1" * 40, "1" * 40),
        ("-340282346638528859811704183484516925440.000000", "-340282346638528859811704183484516925440"),
        ("1e60", "1e60"),
        ("0e0", "0"),
    ],
)
def test_numbers_as_stubs_write_them(text: str, value: str) -> None:
    assert read_number("SomeField", text) == Decimal(value)


@pytest.mark.parametrize("text", each(NO_NUMBERS))
def test_what_is_no_number(text: str) -> None:
    with refused("ES012", "SomeField"):
        read_number("SomeField", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e61", "1e60"),
        ("-5e77", "-1e60"),
        ("1e9999999999", "1e60"),
        ("-1e9999999999", "-1e60"),
        ("-1.7976931348623157e+308", "-1e60"),
        ("1e-9999999999", "1e-60"),
        ("-1e-61", "-1e-60"),
        ("0e9999999999", "0"),
        ("0.00e-9999999999", "0"),
    ],
)
def test_exponents_are_bounded_before_any_arithmetic(text: str, value: str) -> None:
    assert read_number("SomeField", text) == Decimal(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=9))
def test_a_number_is_read_as_what_it_says(value: Decimal) -> None:
    assert read_number("SomeField", f"{value:f}") == value
    assert read_number("SomeField", f" {value:e}\n") == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100))
def test_a_float_is_read_exactly_as_it_is_printed(value: float) -> None:
    for text in (repr(value), f"{value:.9g}", f"{value:.17e}", f"{value:f}"):
        assert read_number("SomeField", text) == Decimal(text)


@pytest.mark.parametrize("reader", READERS)
@given(text=st.one_of(st.text(), st.text("0123456789+-.eE_ ,:\n\u0663", max_size=12)))
def test_any_text_at_all_is_read_or_refused(reader: Reader, text: str) -> None:
    value = outcome(lambda: reader("SomeField", text))
    if isinstance(value, VoucherFault):
        assert (value.code, value.field) == (FaultCode.BAD_FORMAT, "SomeField")
        assert value.expected
    else:
        assert not isinstance(value, Decimal) or value.is_finite()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("start", "filling", "end"), [("", "1", ""), ("-", "-", ""), ("", " ", "x"), ("0.", "0", "")]
)
def test_long_nonsense_is_refused_at_once(reader: Reader, start: str, filling: str, end: str) -> None:
    text = start + filling * 250_000 + end
    begun = time.perf_counter()
    with refused("ES012", "SomeField"):
        reader("SomeField", text)
    assert time.perf_counter() - begun < 5  # quadratic: minutes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("10.0", 10),
        ("1E+1", 10),
        ("150e-1", 15),
        (" +7 ", 7),
        ("-1", -1),
        ("0", 0),
        ("-0", 0),
        ("-999999999.000000", -999_999_999),
        ("-9.99999999E+8", -999_999_999),
        ("1e60", 10**60),
    ],
)
def test_whole_numbers(text: str, value: int) -> None:
    read = read_integer("SomeField", text)
    assert type(read) is int
    assert read == value


@pytest.mark.parametrize("text", ["1.5", "0.000001", "1e-1", "1e-9999999999", "9" * 28 + ".5", "ten", "", "1_0"])
def test_what_is_no_whole_number(text: str) -> None:
    with refused("ES012", "SomeField"):
        read_integer("SomeField", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("1", True), ("0", False), (" true\n", True), ("\t0 ", False)],
)
def test_flags(text: str, value: bool) -> None:
    assert read_flag("SomeField", text) is value


@pytest.mark.parametrize("text", each(NO_FLAGS))
def test_what_is_no_flag(text: str) -> None:
    with refused("ES012", "SomeField"):
        read_flag("SomeField", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2018-06-30", date(2018, 6, 30)),
        (" 2024-02-29\n", date(2024, 2, 29)),
        ("2000-02-29", date(2000, 2, 29)),
        ("0001-01-01", date.min),
        ("9999-12-31", date.max),
    ],
)
def test_dates(text: str, value: date) -> None:
    assert read_date("SomeField", text) == value


@pytest.mark.parametrize("text", each(NO_DATES))
def test_what_is_no_date(text: str) -> None:
    with refused("ES012", "SomeField"):
        read_date("SomeField", text)


@given(st.dates())
def test_every_date_is_read_as_it_is_written(day: date) -> None:
    assert read_date("SomeField", day.isoformat()) == day
