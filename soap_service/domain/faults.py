"""The fault catalogue: every code a caller can meet, its text and who has to act.

Source: interface documentation, section "Fehlerbehandlung"; the texts are the documented ones to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Who has to act before the call can succeed."""

    CLIENT = "Client"
    SERVER = "Server"


class FaultCode(StrEnum):
    """The documented codes. A member's value is what the wire carries."""

    CREDENTIALS_MISSING = "ES001"
    CREDENTIALS_INVALID = "ES002"
    UNAVAILABLE = "ES005"
    TLS_REQUIRED = "ES007"
    WRONG_SHOP_VERSION = "ES008"
    FIELD_MISSING = "ES009"
    BAD_FORMAT = "ES012"
    BAD_REQUEST = "ES015"
    TOO_MANY_VOUCHERS = "ES017"
    CHARGE_EXISTS = "ES018"
    CHARGE_UNKNOWN = "ES019"
    NO_TEMPLATE = "ES020"
    BAD_VALUE = "ES021"
    NO_REGISTRATION_VOUCHER = "ES022"
    POOL_EXCLUDES = "ES023"
    POOL_EXHAUSTED = "ES024"
    TOKEN_NOT_CREATED = "ES026"  # noqa: S105 - a fault code, no secret
    TOKEN_NOT_PARSED = "ES027"  # noqa: S105
    LISTED_CHARGE_UNKNOWN = "ES028"
    LISTED_CHARGE_MISSING = "ES029"
    TOKEN_INVALID = "ES030"  # noqa: S105


TEXTS: dict[FaultCode, str] = {
    FaultCode.CREDENTIALS_MISSING: "Fehlende ShopID oder Passwort",
    FaultCode.CREDENTIALS_INVALID: "Ungültige ShopID oder ungültiges Passwort",
    FaultCode.UNAVAILABLE: "Fehler bei Server-Initialisierung",
    FaultCode.TLS_REQUIRED: "SSL erforderlich",
    FaultCode.WRONG_SHOP_VERSION: "Falsche Shop-Version",
    FaultCode.FIELD_MISSING: "Fehlendes Pflichtfeld {field}",
    FaultCode.BAD_FORMAT: "Formatfehler",
    FaultCode.BAD_REQUEST: "Ungültiger Request",
    FaultCode.TOO_MANY_VOUCHERS: "Max. VoucherCount-Wert (1000) überschritten",
    FaultCode.CHARGE_EXISTS: "ChargeId existiert bereits",
    FaultCode.CHARGE_UNKNOWN: "ChargeId existiert nicht",
    FaultCode.NO_TEMPLATE: "Charge enthält keine Vorlage",
    FaultCode.BAD_VALUE: "Ungültiger Wert",
    FaultCode.NO_REGISTRATION_VOUCHER: "Ungültiger Subshop für Anmeldegutschein",
    FaultCode.POOL_EXCLUDES: "CreateCharge/ SubscribeVoucher und Pool können nicht gleichzeitig aktiv sein",
    FaultCode.POOL_EXHAUSTED: "Ungenügende Zahl von Gutscheinen im Pool ({count})",
    FaultCode.TOKEN_NOT_CREATED: "CreateNextPageToken failed",
    FaultCode.TOKEN_NOT_PARSED: "ParseNextPageToken failed",
    FaultCode.LISTED_CHARGE_UNKNOWN: "ChargeId existiert nicht in DB.",
    FaultCode.LISTED_CHARGE_MISSING: "ChargeId fehlt.",
    FaultCode.TOKEN_INVALID: "Token ist ungültig.",
}

SERVER_SIDE = frozenset({FaultCode.UNAVAILABLE})

# Faults about one field may name it; ES001 and ES002 never say more than their text (contract, section 2).
DETAILED = frozenset(
    {
        FaultCode.FIELD_MISSING,
        FaultCode.BAD_FORMAT,
        FaultCode.TOO_MANY_VOUCHERS,
        FaultCode.BAD_VALUE,
        FaultCode.POOL_EXCLUDES,
    }
)


@dataclass(eq=False)
class VoucherFault(Exception):
    """A call refused, or a service unable to answer; nothing was changed.

    `field` is the wire name of the field at fault, `expected` says in English what would have been right;
    neither ever carries input. `count` is the number of vouchers asked for (ES024 only).
    """

    code: FaultCode
    field: str | None = None
    expected: str | None = None
    count: int | None = None

    @property
    def text(self) -> str:
        """The fault string: code, blank, documented German text."""
        return f"{self.code} {TEXTS[self.code].format(field=self.field, count=self.count)}"

    @property
    def side(self) -> Side:
        return Side.SERVER if self.code in SERVER_SIDE else Side.CLIENT

    @property
    def has_detail(self) -> bool:
        """Whether the fault may tell the field and what was expected."""
        return self.code in DETAILED and self.field is not None

    def __str__(self) -> str:
        about = f" [{self.field}: {self.expected}]" if self.has_detail and self.expected else ""
        return self.text + about


def missing(field: str) -> VoucherFault:
    """ES009: a required field is absent or empty."""
    return VoucherFault(FaultCode.FIELD_MISSING, field, "a value")


def bad_format(field: str, expected: str) -> VoucherFault:
    """ES012: the text of a field is not built as its type asks."""
    return VoucherFault(FaultCode.BAD_FORMAT, field, expected)


def bad_value(field: str, expected: str) -> VoucherFault:
    """ES021: a well-formed value that is not allowed."""
    return VoucherFault(FaultCode.BAD_VALUE, field, expected)
