"""The messages of the five operations, as Spyne declares them.

`wsdl/createvouchers.wsdl` says the same to the callers; a test holds the two equal. The order of members is
the order on the wire: that of the tables in the interface documentation. Members are unqualified
(`sub_ns=''`), wrappers qualified (contract, section 1).
"""

from __future__ import annotations

from typing import Any

from soap_service.soap.compat import Boolean, ComplexModel, Decimal, Integer32, Unicode

NAMESPACE = "http://www.websale.de/"


def _optional(kind: Any) -> Any:
    return kind.customize(min_occurs=0, nillable=False, sub_ns="")


def _required(kind: Any) -> Any:
    return kind.customize(min_occurs=1, nillable=False, sub_ns="")


def _many(kind: Any) -> Any:
    return kind.customize(min_occurs=0, max_occurs="unbounded", nillable=False, sub_ns="")


def _message(type_name: str, members: list[tuple[str, Any]]) -> Any:
    return type(ComplexModel)(
        type_name,
        (ComplexModel,),
        {"__namespace__": NAMESPACE, "__type_name__": type_name, "_type_info": members, "__module__": __name__},
    )


TEXT, NUMBER, AMOUNT, FLAG = (_optional(kind) for kind in (Unicode, Integer32, Decimal, Boolean))

_CALLER = [("ShopID", TEXT), ("Password", TEXT), ("MsgID", TEXT)]

CreateVouchersRequestData = _message(
    "CreateVouchersRequestData",
    [
        *_CALLER,
        ("VoucherCount", NUMBER),
        ("SubscribeVoucher", FLAG),
        ("SubscribeSubshopID", TEXT),
        ("ChargeId", TEXT),
        ("CreateCharge", FLAG),
        ("Amount", AMOUNT),
        ("AmountType", NUMBER),
        ("AmountMultiCurrency", TEXT),
        ("Currency", TEXT),
        ("MinOrderValue", AMOUNT),
        ("MinOrderValueMultiCurrency", TEXT),
        ("MaxDiscountValue", AMOUNT),
        ("MaxDiscountValueMultiCurrency", TEXT),
        ("Subshop", TEXT),
        ("Type", NUMBER),
        ("Type2", NUMBER),
        ("ValidFrom", TEXT),
        ("ValidUntil", TEXT),
        ("VATIndex", NUMBER),
        ("Pool", FLAG),
        ("SubShopValidity", TEXT),
        ("CustomerFilter", TEXT),
        ("CatProdFilterSetBehavior", NUMBER),
        ("CatProdFilter", TEXT),
        ("ChargeDescr", TEXT),
        ("ChargeLabel", TEXT),
    ],
)

GetVoucherChargesRequestData = _message("GetVoucherChargesRequestData", [*_CALLER, ("ChargeType", TEXT)])

GetVoucherCodesRequestData = _message(
    "GetVoucherCodesRequestData",
    [*_CALLER, ("ChargeId", TEXT), ("PageSize", NUMBER), ("NextPageToken", TEXT)],
)

GetVoucherPoolInfoRequestData = _message(
    "GetVoucherPoolInfoRequestData",
    [*_CALLER, ("ChargeId", TEXT), ("ChargeType", TEXT), ("SubShopValidity", TEXT)],
)

GetVoucherChargeInfoRequestData = _message("GetVoucherChargeInfoRequestData", [*_CALLER, ("ChargeId", TEXT)])

# What every made voucher says, in answers of CreateVouchers and GetVoucherCodes alike.
_TERMS = [
    ("Amount", AMOUNT),
    ("AmountType", _required(Integer32)),
    ("Currency", _required(Unicode)),
    ("MinOrderValue", AMOUNT),
    ("Subshop", TEXT),
    ("Type", _required(Integer32)),
    ("Type2", _required(Integer32)),
    ("ValidFrom", TEXT),
    ("ValidUntil", TEXT),
    ("VATIndex", _required(Integer32)),
    ("CustomerFilter", TEXT),
    ("CatProdFilterSetBehavior", NUMBER),
    ("CatProdFilter", TEXT),
    ("AmountMultiCurrency", TEXT),
    ("MinOrderValueMultiCurrency", TEXT),
    ("MaxDiscountValueMultiCurrency", TEXT),
]

VoucherNumbers = _message("VoucherNumbers", [("VoucherNumber", _many(Unicode))])

CreateVouchersResponseData = _message(
    "CreateVouchersResponseData",
    [("MsgID", TEXT), *_TERMS, ("VoucherNumbers", _required(VoucherNumbers))],
)

ChargeData = _message(
    "ChargeData",
    [
        ("ChargeId", TEXT),
        ("Amount", AMOUNT),
        ("AmountType", NUMBER),
        ("Currency", TEXT),
        ("MinOrderValue", AMOUNT),
        ("SubscribeSubshopID", TEXT),
        ("Subshop", TEXT),
        ("Type", NUMBER),
        ("Type2", NUMBER),
        ("ValidFrom", TEXT),
        ("ValidUntil", TEXT),
        ("VATIndex", NUMBER),
        ("ValidFromDays", NUMBER),
        ("ValidUntilDays", NUMBER),
    ],
)

ChargeList = _message("ChargeList", [("ChargeData", _many(ChargeData))])

GetVoucherChargesResponseData = _message(
    "GetVoucherChargesResponseData", [("MsgID", TEXT), ("ChargeList", _required(ChargeList))]
)

VoucherData = _message("VoucherData", [("Num", _required(Unicode)), *_TERMS, ("ChargeLabel", TEXT)])

VoucherList = _message("VoucherList", [("VoucherData", _many(VoucherData))])

GetVoucherCodesResponseData = _message(
    "GetVoucherCodesResponseData",
    [
        ("MsgID", TEXT),
        ("VoucherList", _required(VoucherList)),
        ("NextPageToken", _required(Unicode)),
        ("LastPage", _required(Boolean)),
    ],
)

GetVoucherPoolInfoResponseData = _message(
    "GetVoucherPoolInfoResponseData", [("MsgID", TEXT), ("VoucherCount", _required(Integer32))]
)

GetVoucherChargeInfoResponseData = _message(
    "GetVoucherChargeInfoResponseData",
    [("MsgID", TEXT), ("VoucherCount", _required(Integer32)), ("HasTemplate", _required(Boolean))],
)
