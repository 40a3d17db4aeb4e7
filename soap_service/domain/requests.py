"""What the five operations are asked, read from field texts.

The texts come by wire name; None means absent. Reading raises ES009 for a required field that is missing and
then ES012 for a text that is not built as its type asks, both before any value is looked at (contract,
section 2). `$ChargeVal$` counts as absent wherever it stands, `-999999999` in voucher fields and PageSize.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from soap_service.domain.faults import FaultCode, VoucherFault, bad_value, missing
from soap_service.domain.lexical import XML_BLANKS, read_flag, read_integer
from soap_service.domain.shops import Shop
from soap_service.domain.terms import is_sentinel, read_explicit

Texts = Mapping[str, str | None]

MOST_VOUCHERS = 1000
LARGEST_PAGE = 1000
LONGEST_NAME = 255
LONGEST_DESCRIPTION = 4000


class ChargeType(StrEnum):
    """Which charges are meant."""

    TEMPLATE = "template"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CreateVouchers:
    """The request of CreateVouchers. `explicit` holds the terms said, read but not checked."""

    voucher_count: int
    charge_name: str | None
    create_charge: bool
    registration: bool
    registration_subshop: str | None
    pool: bool
    subshop_validity: str | None
    description: str | None
    explicit: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ListCharges:
    """The request of GetVoucherCharges."""

    charge_type: str | None


@dataclass(frozen=True, slots=True)
class ListCodes:
    """The request of GetVoucherCodes."""

    charge_name: str
    page_size: int | None
    page_token: str | None


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """The request of GetVoucherPoolInfo."""

    charge_name: str
    charge_type: str | None
    subshop_validity: str | None


@dataclass(frozen=True, slots=True)
class ChargeInfo:
    """The request of GetVoucherChargeInfo."""

    charge_name: str


def read_create_vouchers(texts: Texts) -> CreateVouchers:
    """Raises ES009 for VoucherCount, ChargeId or SubscribeSubshopID, ES012 for any field."""
    registration_text = _given(texts, "SubscribeVoucher")
    registration = registration_text is not None and registration_text.strip(XML_BLANKS) in ("true", "1")
    count_text = _given(texts, "VoucherCount")
    if count_text is None:
        raise missing("VoucherCount")
    charge_name = _given(texts, "ChargeId")
    subshop = _given(texts, "SubscribeSubshopID")
    if registration and subshop is None:
        raise missing("SubscribeSubshopID")
    if not registration and charge_name is None:
        raise missing("ChargeId")
    return CreateVouchers(
        voucher_count=read_integer("VoucherCount", count_text),
        charge_name=charge_name,
        registration=_flag(texts, "SubscribeVoucher"),
        registration_subshop=subshop,
        create_charge=_flag(texts, "CreateCharge"),
        pool=_flag(texts, "Pool"),
        subshop_validity=_given(texts, "SubShopValidity"),
        description=_given(texts, "ChargeDescr"),
        explicit=read_explicit(texts),
    )


def read_list_charges(texts: Texts) -> ListCharges:
    return ListCharges(charge_type=_given(texts, "ChargeType"))


def read_list_codes(texts: Texts) -> ListCodes:
    """Raises ES029 without a ChargeId, ES012 for PageSize."""
    charge_name = _listed_charge(texts)
    page_size = _given(texts, "PageSize", numeric=True)
    return ListCodes(
        charge_name=charge_name,
        page_size=None if page_size is None else read_integer("PageSize", page_size),
        page_token=_given(texts, "NextPageToken"),
    )


def read_pool_info(texts: Texts) -> PoolInfo:
    """Raises ES029 without a ChargeId."""
    return PoolInfo(
        charge_name=_listed_charge(texts),
        charge_type=_given(texts, "ChargeType"),
        subshop_validity=_given(texts, "SubShopValidity"),
    )


def read_charge_info(texts: Texts) -> ChargeInfo:
    """Raises ES029 without a ChargeId."""
    return ChargeInfo(charge_name=_listed_charge(texts))


def check_charge_type(value: str | None) -> ChargeType:
    """`template` (the default) or `all`; anything else is ES021."""
    if value is None:
        return ChargeType.TEMPLATE
    try:
        return ChargeType(value.strip(XML_BLANKS))
    except ValueError:
        raise bad_value("ChargeType", "all or template") from None


def check_page_size(value: int | None) -> int:
    """Codes a page: 1 to 1000, more is served as 1000, none or 0 means 1000, less is ES021."""
    if value is None or value == 0:
        return LARGEST_PAGE
    if value < 0:
        raise bad_value("PageSize", f"1 to {LARGEST_PAGE}")
    return min(value, LARGEST_PAGE)


def check_voucher_count(value: int) -> int:
    """1 to 1000; ES017 above, ES021 below."""
    if value > MOST_VOUCHERS:
        raise VoucherFault(FaultCode.TOO_MANY_VOUCHERS, "VoucherCount", f"1 to {MOST_VOUCHERS}")
    if value < 1:
        raise bad_value("VoucherCount", f"1 to {MOST_VOUCHERS}")
    return value


def check_subshop(field: str, value: str | None, shop: Shop) -> str | None:
    """A subshop of the shop; anything else is ES021."""
    if value is not None and value not in shop.subshops:
        raise bad_value(field, "a subshop of the shop")
    return value


def check_length(field: str, value: str | None, longest: int) -> None:
    """ES021 for a text longer than the store keeps."""
    if value is not None and len(value) > longest:
        raise bad_value(field, f"at most {longest} characters")


def _listed_charge(texts: Texts) -> str:
    charge_name = _given(texts, "ChargeId")
    if charge_name is None:
        raise VoucherFault(FaultCode.LISTED_CHARGE_MISSING)
    return charge_name


def _given(texts: Texts, field: str, *, numeric: bool = False) -> str | None:
    text = texts.get(field)
    if text is None or not text.strip(XML_BLANKS) or is_sentinel(text, numeric=numeric):
        return None
    return text


def _flag(texts: Texts, field: str) -> bool:
    text = _given(texts, field)
    return False if text is None else read_flag(field, text)
