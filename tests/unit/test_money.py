"""Money: cents, the noise of 32-bit floats, amounts in several currencies."""

from __future__ import annotations

import struct
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soap_service.domain.faults import VoucherFault
from soap_service.domain.lexical import read_number
from soap_service.domain.money import (
    CURRENCIES,
    LARGEST,
    check_currency,
    check_multi_currency,
    read_multi_currency,
    to_cents,
    write_amount,
    write_multi_currency,
)
from tests.support.checks import outcome, refused

LARGEST_UNAMBIGUOUS = 10**7  # cents: up to here a 32-bit float tells every cent from its neighbours


def as_float32(number: float) -> float:
    found: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return found


def texts_of_float32(number: float) -> set[str]:
    """How stubs print a 32-bit float: C with %.9g and %f, a widening to double, Java's and .NET's shortest."""
    shortest = next(text for digits in range(1, 10) if as_float32(float(text := f"{number:.{digits}g}")) == number)
    return {f"{number:.9g}", f"{number:.9G}", f"{number:f}", repr(number), shortest, f"{number:.8e}"}


def cents_of(text: str) -> Decimal:
    return to_cents("Amount", read_number("Amount", text))


# 211 is prime: every last digit and every distance to a power of two comes up.
@pytest.mark.parametrize("start", [0, LARGEST_UNAMBIGUOUS // 2])
def test_a_cent_survives_its_way_through_a_32_bit_float(start: int) -> None:
    for cents in (*range(start, start + 2000), *range(start, start + LARGEST_UNAMBIGUOUS // 2 + 1, 211)):
        number = as_float32(cents / 100)
        exact = Decimal(cents).scaleb(-2)
        for text in (f"{number:.9g}", f"{number:f}", repr(number)):
            assert cents_of(text) == exact, text


@given(st.integers(-LARGEST_UNAMBIGUOUS, LARGEST_UNAMBIGUOUS))
@example(LARGEST_UNAMBIGUOUS)
@example(1)
@example(10)
@example(1234567)
def test_every_way_to_print_a_float_gives_the_same_cent(cents: int) -> None:
    exact = Decimal(cents).scaleb(-2)
    for text in texts_of_float32(as_float32(cents / 100)):
        assert cents_of(text) == exact, text
    for text in (f"{exact:f}", f"{exact:e}", f"{cents / 100!r}", f"{cents / 100:.4f}"):
        assert cents_of(text) == exact, text


@given(st.integers(1, LARGEST_UNAMBIGUOUS), st.decimals(-1, 1, allow_nan=False, places=12))
@example(1000, Decimal("0.5"))
@example(1, Decimal("1e-12"))
def test_what_float_noise_does_not_explain_is_refused(cents: int, beside: Decimal) -> None:
    """Noise is at most the distance of two neighbouring floats: 2^-23 of the power of two below the amount."""
    exact = Decimal(cents).scaleb(-2)
    value = exact + beside / 100
    power = 0
    while Fraction(2) ** power > Fraction(exact):
        power -= 1
    while Fraction(2) ** (power + 1) <= Fraction(exact):
        power += 1
    spacing = Fraction(2) ** (power - 23)
    whole = Decimal(round(value * 100)).scaleb(-2)
    found = outcome(lambda: to_cents("Amount", value))
    if value == whole:
        assert found == whole
    elif abs(Fraction(value) - Fraction(whole)) > 2 * spacing:
        assert isinstance(found, VoucherFault)
        assert found.code == "ES021"
        assert found.field == "Amount"
    else:
        assert isinstance(found, VoucherFault) or found == whole


@pytest.mark.parametrize(
    "text", ["10.005", "10.001", "0.001", "25.555", "99.999", "0.0049", "-0.001", "1e-60", "1e-9999999999", "1e-3"]
)
def test_more_than_two_decimals(text: str) -> None:
    with refused("ES021", "Amount"):
        cents_of(text)


@pytest.mark.parametrize("text", ["9999999999.99", "-9999999999.99", "9999999999.990000"])
def test_the_largest_amount(text: str) -> None:
    assert abs(cents_of(text)) == LARGEST


@pytest.mark.parametrize("text", ["10000000000", "9999999999.991", "1e11", "-1e11", "1e9999999999", "1E+60"])
def test_beyond_the_largest_amount(text: str) -> None:
    with refused("ES021", "Amount"):
        cents_of(text)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_cents_have_two_decimals_and_no_negative_zero(value: Decimal) -> None:
    found = outcome(lambda: to_cents("Amount", read_number("Amount", f"{value:e}")))
    if isinstance(found, VoucherFault):
        assert found.code in ("ES012", "ES021")
    else:
        assert found.as_tuple().exponent == -2
        assert found or not found.is_signed()


@pytest.mark.parametrize(
    ("value", "text"),
    [("10.00", "10.00"), ("0.00", "0.00"), ("9999999999.99", "9999999999.99"), ("1E+7", "10000000.00")],
)
def test_amounts_are_written_with_two_decimals_and_no_exponent(value: str, text: str) -> None:
    assert write_amount(Decimal(value)) == text


@pytest.mark.parametrize("code", ["EUR", "CHF", "USD", "GBP", "SEK", "PLN", "CZK", "JPY"])
def test_currencies(code: str) -> None:
    assert check_currency("Currency", code) == code


@pytest.mark.parametrize("code", ["eur", "Eur", "EURO", "EU", "€", "", "ABC", " EUR", "EUR\n", "DEM", "978"])
def test_what_is_no_currency(code: str) -> None:
    with refused("ES021", "Currency"):
        check_currency("Currency", code)


@pytest.mark.parametrize(
    "text",
    [
        "EUR:10.00;CHF:11.50",
        "EUR=10.00;CHF=11.50",
        "EUR:10.00,CHF:11.50",
        "EUR:10.00 CHF:11.50",
        "EUR:10.00\nCHF:11.50",
        "EUR:10.00\r\n\tCHF=11.50\r\n",
        " EUR : 10.00 ; CHF : 11.50 ; ",
        "EUR: 10 ,CHF= 1.15e1",
        ";EUR:10.0;;CHF:11.5;",
        "<EUR>10.00</EUR><CHF>11.50</CHF>",
        "<EUR>10.00</EUR> <CHF> 11.50 </CHF>",
        "\n  <EUR>\n10\n</EUR>\n  <CHF>11.5</CHF>\n",
        "<EUR>10.00</EUR>;CHF:11.50",
        "EUR:10.00<CHF>11.50</CHF>",
        "EUR:+10.00;CHF:11.50000001",
        "EUR:0.10E+2;CHF:11.5",
    ],
)
def test_amounts_in_several_currencies(text: str) -> None:
    pairs = check_multi_currency("X", read_multi_currency("X", text))
    assert pairs == (("EUR", Decimal("10.00")), ("CHF", Decimal("11.50")))
    assert write_multi_currency(pairs) == "EUR:10.00;CHF:11.50"


def test_the_order_is_kept() -> None:
    assert write_multi_currency(read_multi_currency("X", "USD:3;CHF:2;EUR:1")) == "USD:3.00;CHF:2.00;EUR:1.00"


@pytest.mark.parametrize(
    "text",
    [
        ";",
        ", ;",
        "EUR",
        "EUR:",
        "EUR:;CHF:1",
        ":10",
        "10.00",
        "EUR 10.00",
        "10.00:EUR",
        "EUR:10,00;CHF:11,50",
        "EUR:ten",
        "EUR:NaN",
        "EUR:1_0",
        "EUR:10.00CHF:11.50",
        "EUR:10:00",
        "EURO:10.00",
        "EU:10.00",
        "E1R:10.00",
        "€:10.00",
        "EUR:10 000",
        "<EUR>10.00",
        "<EUR>10.00</CHF>",
        "<EUR></EUR>",
        "<EUR>1 0</EUR>",
        "<EUR>10.00</EUR>x",
        "<EUR a='b'>10.00</EUR>",
        "<EUR><CHF>1</CHF></EUR>",
        "EUR:10.00;CHF",
        "EUR:10.00;rubbish",
        "<EUR>10.00</EUR>CHF:11.50",
        "EUR:10.00|CHF:11.50",
    ],
)
def test_what_is_not_made_of_pairs(text: str) -> None:
    with refused("ES012", "X"):
        read_multi_currency("X", text)


@pytest.mark.parametrize(
    "text", ["EUR:1;EUR:2", "<EUR>1</EUR>;EUR:1", "ABC:1", "eur:1", "EUR:1;CHF:1.005", "EUR:1e11", "EUR:1;Chf:2"]
)
def test_pairs_that_are_not_allowed(text: str) -> None:
    with refused("ES021", "X"):
        check_multi_currency("X", read_multi_currency("X", text))


amounts = st.integers(0, 999_999_999_999).map(lambda cents: Decimal(cents).scaleb(-2))
pairs_of_amounts = st.lists(
    st.tuples(st.sampled_from(sorted(CURRENCIES)), amounts),
    min_size=1,
    max_size=12,
    unique_by=lambda pair: pair[0],
).map(tuple)


@given(pairs_of_amounts)
def test_what_is_written_reads_back(pairs: tuple[tuple[str, Decimal], ...]) -> None:
    text = write_multi_currency(pairs)
    assert check_multi_currency("X", read_multi_currency("X", text)) == pairs


@given(pairs_of_amounts, st.data())
def test_every_accepted_form_is_written_in_the_first_one(
    pairs: tuple[tuple[str, Decimal], ...], data: st.DataObject
) -> None:
    blanks = st.text(" \t\n", max_size=2)
    text = ""
    for code, amount in pairs:
        number = data.draw(st.sampled_from([f"{amount}", f"{amount:e}", f"+{amount}0"]))
        left, right = data.draw(blanks), data.draw(blanks)
        if data.draw(st.booleans()):
            text += f"{left}<{code}>{left}{number}{right}</{code}>{right}"
        else:
            separator = data.draw(st.sampled_from([";", ",", " ", "\n", "; ", ";;"]))
            text += separator if text else ""
            text += f"{left}{code}{left}{data.draw(st.sampled_from(':='))}{right}{number}{right}"
    canonical = write_multi_currency(check_multi_currency("X", read_multi_currency("X", text)))
    assert canonical == ";".join(f"{code}:{amount:.2f}" for code, amount in pairs)


@given(st.one_of(st.text(), st.text("EURCHF<>/:=;, \n0123456789.e-", max_size=30)))
def test_any_text_at_all_is_read_or_refused(text: str) -> None:
    found = outcome(lambda: check_multi_currency("X", read_multi_currency("X", text)))
    if isinstance(found, VoucherFault):
        assert found.code in ("ES012", "ES021")
        assert found.field == "X"
    else:
        assert check_multi_currency("X", read_multi_currency("X", write_multi_currency(found))) == found


@pytest.mark.parametrize(
    ("start", "filling", "end"),
    [
        ("<EUR>", " ", "x y"),
        ("<EUR>", " ", ""),
        ("EUR", " ", ""),
        ("EUR:", " ", ""),
        ("EUR:1", " ", "x"),
        ("", ";", "x"),
        ("", "<EUR>", ""),
        ("", "<EUR>1</EUR>", "x"),
        ("", "EUR:1;", "x"),
        ("EUR:", "1", "x"),
    ],
)
def test_long_nonsense_is_refused_at_once(start: str, filling: str, end: str) -> None:
    text = start + filling * (250_000 // len(filling)) + end
    begun = time.perf_counter()
    with refused("ES012", "X"):
        read_multi_currency("X", text)
    assert time.perf_counter() - begun < 5  # quadratic: minutes
