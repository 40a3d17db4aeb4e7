"""Reading field texts: numbers, flags and dates as stubs of the field really write them.

Each reader takes the wire name of the field and its text and raises ES012 when the text is not built as
its type asks. Whether the value is allowed is asked later (ES021), since formats come first
(contract, section 2). Source of the accepted forms: contract, section 1, "Numbers".
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from soap_service.domain.faults import bad_format

XML_BLANKS = " \t\r\n"

STRING_SENTINEL = "$ChargeVal$"
NUMBER_SENTINEL = -999_999_999

# Two parts of bounded length: no input makes the arithmetic below expensive.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,10})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}

_EXPONENT_BOUND = 60


def read_number(field: str, text: str, expected: str = "a decimal number such as 25.50") -> Decimal:
    """A decimal number, exponents allowed; a magnitude beyond 1E+60 or below 1E-60 is cut to that edge.

    Both are far outside every allowed range, so that the value check refuses them (ES021) without anyone
    having computed with them.
    """
    stripped = text.strip(XML_BLANKS)
    if not _NUMBER.fullmatch(stripped):
        raise bad_format(field, expected)
    mantissa, _, exponent = stripped.lower().partition("e")
    power = int(exponent) if exponent else 0
    if abs(power) > _EXPONENT_BOUND:
        value = Decimal(mantissa)
        if not value:
            return Decimal(0)
        edge = Decimal("1E60") if power > 0 else Decimal("1E-60")
        return edge.copy_sign(value)
    return Decimal(stripped)


def read_integer(field: str, text: str) -> int:
    """A whole number in any of the forms of `read_number`, as `10`, `10.0` or `1E+1`."""
    value = read_number(field, text, expected="a whole number")
    if value != value.to_integral_value():
        raise bad_format(field, "a whole number")
    return int(value)


def read_flag(field: str, text: str) -> bool:
    """`true`, `false`, `1` or `0`, blanks around allowed (xsd:boolean)."""
    try:
        return _FLAGS[text.strip(XML_BLANKS)]
    except KeyError:
        raise bad_format(field, "true, false, 1 or 0") from None


def read_date(field: str, text: str) -> date:
    """A calendar date `YYYY-MM-DD`."""
    stripped = text.strip(XML_BLANKS)
    if _DATE.fullmatch(stripped):
        try:
            return date.fromisoformat(stripped)
        except ValueError:
            pass
    raise bad_format(field, "a date as YYYY-MM-DD")
