"""Money: cents as `Decimal`, ISO 4217 currencies, amounts in several currencies.

Floats never appear: a 32-bit float that a stub wrote as text is recognised as the cent it stands for
(contract, section 1, "Numbers").
"""

from __future__ import annotations

import re
import struct
from decimal import ROUND_HALF_EVEN, Decimal

from iso4217 import Currency

from soap_service.domain.faults import bad_format, bad_value
from soap_service.domain.lexical import read_number

CENT = Decimal("0.01")
LARGEST = Decimal("9999999999.99")

CURRENCIES = frozenset(currency.code for currency in Currency)

# Amounts of one voucher in several currencies, in the order given: (ISO code, amount in currency units).
MultiCurrency = tuple[tuple[str, Decimal], ...]


def _as_float32(value: Decimal) -> bytes:
    return struct.pack("<f", float(value))


def to_cents(field: str, value: Decimal) -> Decimal:
    """The amount of whole cents that `value` means, with exactly two decimals.

    Raises ES021 when it has more decimals than a 32-bit float's error explains, or is too large to keep.
    """
    if abs(value) > LARGEST:
        raise bad_value(field, f"an amount of at most {LARGEST}")
    cents = value.quantize(CENT, ROUND_HALF_EVEN)
    # Zero is exact as a float: nothing beside it is noise.
    if cents != value and (not cents or _as_float32(cents) != _as_float32(value)):
        raise bad_value(field, "an amount with at most two decimals")
    return cents if cents else abs(cents)


def check_currency(field: str, code: str) -> str:
    """An ISO 4217 code; anything else is ES021."""
    if code not in CURRENCIES:
        raise bad_value(field, "an ISO 4217 currency code such as EUR")
    return code


def write_amount(value: Decimal) -> str:
    """Two decimals, no exponent: `10.00`."""
    return f"{value:.2f}"


_PAIR = re.compile(r"[\s;,]*(?:([A-Za-z]{3})\s*[:=]\s*([^\s;,:=<>]+)|<([A-Za-z]{3})>([^<>]*)</\3>)(?=[\s;,<]|\Z)")
_END = re.compile(r"[\s;,]*\Z")


def read_multi_currency(field: str, text: str) -> MultiCurrency:
    """Pairs of currency and amount: `EUR:10.00;CHF:11.50`, with the separators the contract lists.

    Raises ES012 when the text is not made of such pairs. Amounts come back as written, not yet as cents.
    Source: contract, section 1, "multi-currency text".
    """
    pairs: list[tuple[str, Decimal]] = []
    position = 0
    while not _END.match(text, position):
        match = _PAIR.match(text, position)
        if not match:
            raise bad_format(field, "pairs of currency and amount such as EUR:10.00;CHF:11.50")
        code, amount = (match[1], match[2]) if match[1] else (match[3], match[4])
        pairs.append((code, read_number(field, amount)))
        position = match.end()
    if not pairs:
        raise bad_format(field, "pairs of currency and amount such as EUR:10.00;CHF:11.50")
    return tuple(pairs)


def check_multi_currency(field: str, pairs: MultiCurrency) -> MultiCurrency:
    """The same pairs as cents; ES021 for an unknown or repeated currency or a bad amount."""
    codes = [check_currency(field, code) for code, _ in pairs]
    if len(set(codes)) != len(codes):
        raise bad_value(field, "each currency once")
    return tuple((code, to_cents(field, amount)) for code, amount in pairs)


def write_multi_currency(pairs: MultiCurrency) -> str:
    """The first of the accepted forms: `EUR:10.00;CHF:11.50`."""
    return ";".join(f"{code}:{write_amount(amount)}" for code, amount in pairs)
